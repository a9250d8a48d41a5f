"""Whether a solution with the right answer may be believed: it computes what the reference solution computes.

A right answer is no proof: two errors cancel, or the numbers are right and what they are said to be of is not.
"""

from __future__ import annotations

from fractions import Fraction

from lemma.arithmetic import Equation, Truth, read_equations
from lemma.checks.nouns import is_of_another
from lemma.checks.words import values_of


def agrees_with_reference(text: str, reference: str) -> bool:
    """Whether nothing that can be read in a solution is false or differs from the reference solution.

    Each equation must be true; each result must stand in the reference, with the same noun where both have one behind
    it; and each result of the reference must stand in the text. Where one of the two computes nothing that can be
    read, only the truth of the equations counts.

    Args:
        text: a solution whose answer is right.
        reference: the reference solution.
    """
    equations = read_equations(text)
    if any(equation.truth is Truth.FALSE for equation in equations):
        return False
    mine, theirs = _results(equations), _results(read_equations(reference))
    if not mine or not theirs:
        return True
    said, wanted = values_of(text), values_of(reference)
    if not all(_stands_among(value, wanted) for value in mine) or not all(_stands_among(v, said) for v in theirs):
        return False
    return not any(is_of_another(text, equation, reference) for equation in equations if equation.is_computation)


def _results(equations: tuple[Equation, ...]) -> set[Fraction]:
    return {abs(one.result.value) for one in equations if one.is_computation and one.result is not None}


def _stands_among(value: Fraction, values: frozenset[Fraction]) -> bool:
    """In one of the forms of a percentage."""
    return not values.isdisjoint((value, value * 100, value / 100))
