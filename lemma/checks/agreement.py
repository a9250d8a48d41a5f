"""Whether a solution with the right answer may be believed: it computes what the reference solution computes.

A right answer is no proof: two errors cancel, or the numbers are right and what they are said to be of is not.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Equation, Truth, parse_number, read_equations
from lemma.checks.nouns import is_of_another
from lemma.checks.words import values_of

_BECAUSE: Final = re.compile(r"(?<![\d.,/])(\d[\d,]*(?:\.\d+)?)(?!%)[^\d.;:\n]{0,60}\bbecause \$?\Z")
_MONEY_OF_TIME: Final = re.compile(r"\bin \$\d[\d,.]* (?:day|week|month|year|hour|minute)s?\b")


def says_carelessly(text: str) -> bool:
    """Whether a statement is false as it stands, though one sees what is meant.

    Such are a running total, ``3/2 = 1.50 + 3 = 4.50``; a result that is given otherwise than it comes out, ``30 are
    left because 30 - 27 = 3``; and ``in $14 days``. A student may write so; it is not to be repeated.
    """
    if _MONEY_OF_TIME.search(text):
        return True
    for equation in read_equations(text):
        left, right = equation.work.value, equation.right.value
        if left is None or right is None:
            continue
        if not equation.right.is_lone and not _is_about(left, right):
            return True
        given = _BECAUSE.search(text, max(0, equation.start - 80), equation.start) if equation.right.is_lone else None
        value = parse_number(given[1].replace(",", "")) if given else None
        if value is not None and not _is_about(value, right):
            return True
    return False


def _is_about(one: Fraction, other: Fraction) -> bool:
    """Whether two numbers are the same, rounded, in one of the forms of a percentage."""
    size = max(abs(one), abs(other))
    return any(abs(abs(one) - abs(other) * scale) * 100 <= size for scale in (1, 100, Fraction(1, 100)))


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
    if any(equation.truth is Truth.FALSE for equation in equations) or says_carelessly(text):
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
