"""Quotients of two polynomials: a value's normal form, and the arithmetic of such forms.

Two quotients are equal if and only if they are equal after cross-multiplication, but where an *opaque* atom stands in
one of them: it is named by its argument's normal form, so that equal names are equal values, while different names
say nothing.

Example: ``(1+sqrt(2))/2`` is ``{(): 1/2, ((('r', 2), 1/2),): 1/2}`` over ``{(): 1}``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from lemma.answers.exact.polynomials import (
    ONE,
    Atom,
    Polynomial,
    UndefinedError,
    UnsettledError,
    bits,
    cancel,
    invert_constants,
    is_variable,
    plus,
    radical_square,
    times,
)

_MAX_KEY_BITS = 4_000
_MAX_KEY_CHARS = 4_000


class Quotient(NamedTuple):
    """A normal form: numerator, denominator, and whether any atom in it is opaque."""

    top: Polynomial
    bottom: Polynomial
    is_opaque: bool = False

    @property
    def rational(self) -> Fraction | None:
        """The value, where it is a rational number."""
        if not self.top:
            return Fraction(0)
        if self.top.keys() == {()} and self.bottom.keys() == {()}:
            return self.top[()] / self.bottom[()]
        return None


def rational(value: Fraction | int) -> Quotient:
    """The normal form of a rational number."""
    if isinstance(value, int):
        value = Fraction(value)
    return Quotient({(): value} if value else {}, ONE)


def atom_form(atom: Atom, exponent: Fraction | int = 1, is_opaque: bool = False) -> Quotient:
    """The normal form of an atom's power."""
    return Quotient({((atom, exponent),): Fraction(1)}, ONE, is_opaque)


def opaque(name: str, arguments: list[Quotient]) -> Quotient:
    """The normal form of a function that is not evaluated: an atom named by its arguments.

    Raises:
        UnsettledError: the name would be too long.
    """
    key = repr([[_sorted(argument.top), _sorted(argument.bottom)] for argument in arguments])
    if len(key) > _MAX_KEY_CHARS:
        raise UnsettledError("too large a name")
    return atom_form(("f", name, key), 1, True)


def _sorted(polynomial: Polynomial) -> list[tuple[str, str]]:
    if any(bits(value) > _MAX_KEY_BITS for value in polynomial.values()):
        raise UnsettledError("too large a name")
    return sorted((repr(key), str(value)) for key, value in polynomial.items())


def add(left: Quotient, right: Quotient) -> Quotient:
    """The sum of two normal forms."""
    is_opaque = left.is_opaque or right.is_opaque
    if left.bottom == right.bottom:
        return tidy(plus(left.top, right.top), left.bottom, is_opaque)
    top = plus(times(left.top, right.bottom), times(right.top, left.bottom))
    return tidy(top, times(left.bottom, right.bottom), is_opaque)


def subtract(left: Quotient, right: Quotient) -> Quotient:
    """The difference of two normal forms."""
    return add(left, Quotient({key: -value for key, value in right.top.items()}, right.bottom, right.is_opaque))


def multiply(left: Quotient, right: Quotient) -> Quotient:
    """The product of two normal forms."""
    return tidy(times(left.top, right.top), times(left.bottom, right.bottom), left.is_opaque or right.is_opaque)


def equal(left: Quotient, right: Quotient) -> bool | None:
    """Whether two normal forms have the same value; None where opaque atoms leave it open."""
    if times(left.top, right.bottom) == times(right.top, left.bottom):
        return True
    return None if left.is_opaque or right.is_opaque else False


def has_variables(quotient: Quotient) -> bool:
    """Whether a symbol or an opaque atom stands in a normal form."""
    return any(is_variable(atom) for polynomial in quotient[:2] for monomial in polynomial for atom, _ in monomial)


def tidy(top: Polynomial, bottom: Polynomial, is_opaque: bool) -> Quotient:
    """Clear a denominator of one term of its coefficient, its roots, its i, and of what the numerator shares with it.

    Raises:
        UndefinedError: the denominator is zero.
    """
    if not bottom:
        raise UndefinedError
    if not top:
        return Quotient({}, ONE, is_opaque)
    if bottom is not ONE and bottom.keys() == {()}:
        scale = bottom[()]
        if scale != 1:
            top = {key: value / scale for key, value in top.items()}
        bottom = ONE
    elif len(bottom) == 1:
        ((monomial, value),) = bottom.items()
        inverse, rest = invert_constants(monomial)
        if inverse or value != 1:
            top = times(top, {inverse: 1 / value})
            top = {key: value / radical_square(monomial) for key, value in top.items()}
            bottom = {rest: Fraction(1)}
        if rest and len(top) == 1:
            top, bottom = cancel(top, rest)
    return Quotient(top, bottom, is_opaque)
