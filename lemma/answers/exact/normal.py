"""A formula's normal form: its tree becomes a quotient of polynomials.

Example: the tree of ``x/2 + x/2`` has the form of the symbol ``x``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce

from lemma.answers.exact.polynomials import EULER, IMAGINARY, PI, UnsettledError
from lemma.answers.exact.powers import power
from lemma.answers.exact.quotients import Quotient, add, atom_form, multiply, opaque, rational
from lemma.answers.formulas.tree import Tree

_MAX_FACTORIAL = 3_000
_MAX_ARGUMENT = 10**9
_CONSTANTS = {"i": IMAGINARY, "pi": PI, "e": EULER}


def normal_form(tree: Tree) -> Quotient:
    """Bring a tree to its normal form.

    Raises:
        UnsettledError: it is over the limits, or holds an infinity or a sign choice.
        UndefinedError: it divides by zero.
    """
    kind = tree[0]
    if kind == "num":
        return rational(tree[1])
    if kind == "sym":
        return atom_form(("s", tree[1]))
    if kind == "const":
        if tree[1] == "inf":
            raise UnsettledError("infinity")
        return atom_form(_CONSTANTS[tree[1]])
    if kind == "add":
        return reduce(add, map(normal_form, tree[1:]))
    if kind == "mul":
        return reduce(multiply, map(normal_form, tree[1:]))
    if kind == "pow":
        return power(normal_form(tree[1]), normal_form(tree[2]))
    if kind == "deg":
        return multiply(normal_form(tree[1]), multiply(atom_form(PI), rational(Fraction(1, 180))))
    if kind == "fn":
        return _function(tree[1], [normal_form(part) for part in tree[2:]])
    raise UnsettledError(kind)


def _function(name: str, arguments: list[Quotient]) -> Quotient:
    values = [argument.rational for argument in arguments]
    if all(value is not None for value in values):
        known = _rational_function(name, [value for value in values if value is not None])
        if known is not None:
            return rational(known)
    return opaque(name, arguments)


def _rational_function(name: str, values: list[Fraction]) -> Fraction | int | None:
    first = values[0]
    if name == "abs" and len(values) == 1:
        return abs(first)
    if name in ("floor", "ceil") and len(values) == 1:
        return math.floor(first) if name == "floor" else math.ceil(first)
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if any(value.denominator != 1 or value < 0 or value > _MAX_ARGUMENT for value in values):
        return None
    whole = [value.numerator for value in values]
    if name == "gcd":
        return math.gcd(*whole)
    if name == "lcm" and len(whole) <= 8:
        return math.lcm(*whole)
    if name == "factorial" and whole[0] <= _MAX_FACTORIAL:
        return math.factorial(whole[0])
    if name == "binom" and len(whole) == 2 and whole[0] <= _MAX_FACTORIAL:
        return math.comb(*whole)
    return None
