"""Polynomials with rational coefficients over *atoms*, which are independent of each other.

An atom is a tuple, its kind first: ``("s", name)`` a symbol, ``("i",)`` the imaginary unit, ``("pi",)``, ``("e",)``,
``("r", prime)`` whose powers between 0 and 1 are roots, ``("x", base, exponent)`` a power with a symbol in the
exponent, ``("f", name, key)`` an opaque function. A monomial is a sorted tuple of (atom, exponent); a polynomial maps
monomials to coefficients, none of which is zero.

Example: ``1 + sqrt(2)`` is ``{(): 1, ((('r', 2), 1/2),): 1}``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

Atom = tuple[Any, ...]
Monomial = tuple[tuple[Atom, Fraction | int], ...]
Polynomial = dict[Monomial, Fraction]

MAX_BITS = 200_000
_MAX_TERMS = 120
_MAX_PRODUCTS = 4_000
ONE: Polynomial = {(): Fraction(1)}
IMAGINARY: Atom = ("i",)
PI: Atom = ("pi",)
EULER: Atom = ("e",)


class UnsettledError(ArithmeticError):
    """The value is beyond the limits or means of exact arithmetic."""


class UndefinedError(ArithmeticError):
    """The value does not exist: a division by zero."""


def bits(value: Fraction) -> int:
    """How many bits a fraction takes."""
    return value.numerator.bit_length() + value.denominator.bit_length()


def is_variable(atom: Atom) -> bool:
    """Whether an atom stands for more than one number: a symbol, a power with one, or an opaque function."""
    return atom[0] in ("s", "x", "f")


def plus(left: Polynomial, right: Polynomial) -> Polynomial:
    """The sum of two polynomials."""
    total = dict(left)
    for key, value in right.items():
        summed = total[key] + value if key in total else value
        if summed:
            total[key] = summed
        else:
            del total[key]
    return total


def times(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product of two polynomials.

    Raises:
        UnsettledError: it has too many terms, or a coefficient is too large.
    """
    if left is ONE:
        return right
    if right is ONE:
        return left
    if len(left) * len(right) > _MAX_PRODUCTS:
        raise UnsettledError("too many terms")
    product: Polynomial = {}
    for key_left, value_left in left.items():
        for key_right, value_right in right.items():
            value = value_left * value_right
            if bits(value) > MAX_BITS:
                raise UnsettledError("number too large")
            if key_left and key_right:
                key, factor = join(key_left, key_right)
                value *= factor
            else:
                key = key_left or key_right
                if key and key[0][0][0] == "i" and len(key) == 1 and key[0][1] > 1:
                    key, factor = join(key, ())
                    value *= factor
            if key in product:
                value += product[key]
            if value:
                product[key] = value
            else:
                product.pop(key, None)
    if len(product) > _MAX_TERMS:
        raise UnsettledError("too many terms")
    return product


def join(left: Monomial, right: Monomial) -> tuple[Monomial, int]:
    """Multiply two monomials; whole powers of a prime, and i squared, become the factor."""
    exponents: dict[Atom, Fraction | int] = dict(left)
    for atom, exponent in right:
        exponents[atom] = exponents.get(atom, 0) + exponent
    factor = 1
    joined: list[tuple[Atom, Fraction | int]] = []
    for atom, exponent in exponents.items():
        if atom[0] == "r":
            whole = math.floor(exponent)
            factor *= atom[1] ** whole
            exponent -= whole
        elif atom == IMAGINARY:
            turns = int(exponent) % 4
            factor *= -1 if turns >= 2 else 1
            exponent = turns % 2
        if exponent:
            if isinstance(exponent, Fraction) and exponent.denominator == 1:
                exponent = exponent.numerator
            joined.append((atom, exponent))
    joined.sort(key=repr)
    return tuple(joined), factor


def monomial_power(polynomial: Polynomial, exponent: int) -> Polynomial:
    """The power of a polynomial of at most one term; ``exponent`` is not negative.

    Raises:
        UnsettledError: a number in it is too large.
    """
    if not polynomial:
        return {}
    ((monomial, value),) = polynomial.items()
    length = max(value.numerator.bit_length(), value.denominator.bit_length())
    if length > 1 and length * exponent > MAX_BITS:
        raise UnsettledError("number too large")
    if exponent > 10**9 and monomial:
        raise UnsettledError("power too large")
    raised = tuple((atom, old * exponent) for atom, old in monomial)
    if any(atom[0] == "r" and old > MAX_BITS / atom[1].bit_length() for atom, old in raised):
        raise UnsettledError("number too large")
    key, factor = join(raised, ())
    return {key: value**exponent * factor}


def cancel(top: Polynomial, below: Monomial) -> tuple[Polynomial, Polynomial]:
    """Take the common atoms out of a polynomial of one term over a monomial; return numerator and denominator."""
    ((above, value),) = top.items()
    exponents = dict(above)
    rest: list[tuple[Atom, Fraction | int]] = []
    for atom, exponent in below:
        difference = exponents.get(atom, 0) - exponent
        if atom in exponents and difference >= 0:
            exponents[atom] = difference
        elif atom in exponents:
            del exponents[atom]
            rest.append((atom, -difference))
        else:
            rest.append((atom, exponent))
    kept = tuple(sorted(((a, e) for a, e in exponents.items() if e), key=repr))
    return {kept: value}, {tuple(rest): Fraction(1)} if rest else ONE


def invert_constants(monomial: Monomial) -> tuple[Monomial, Monomial]:
    """Split a monomial into the factor that clears its roots and its i from a denominator, and what stays there."""
    inverse: list[tuple[Atom, Fraction | int]] = []
    rest: list[tuple[Atom, Fraction | int]] = []
    for atom, exponent in monomial:
        if atom[0] == "r":
            inverse.append((atom, 1 - exponent))
        elif atom == IMAGINARY:
            inverse.append((IMAGINARY, 3))
        else:
            rest.append((atom, exponent))
    return tuple(inverse), tuple(rest)


def radical_square(monomial: Monomial) -> int:
    """The product of the primes whose roots stand in a monomial: what ``invert_constants`` multiplied it by."""
    return math.prod(atom[1] for atom, _ in monomial if atom[0] == "r")


def proportional(left: Polynomial, right: Polynomial) -> bool:
    """Whether two polynomials are equal up to a non-zero constant factor (which may be a root, or pi)."""
    parts_left, parts_right = _by_variables(left), _by_variables(right)
    if parts_left.keys() != parts_right.keys() or not parts_left:
        return parts_left.keys() == parts_right.keys()
    pivot = next(iter(parts_left))
    a, b = parts_left[pivot], parts_right[pivot]
    return all(times(parts_left[key], b) == times(parts_right[key], a) for key in parts_left)


def _by_variables(polynomial: Polynomial) -> dict[Monomial, Polynomial]:
    parts: dict[Monomial, Polynomial] = {}
    for monomial, value in polynomial.items():
        variables = tuple(pair for pair in monomial if is_variable(pair[0]))
        constants = tuple(pair for pair in monomial if not is_variable(pair[0]))
        parts.setdefault(variables, {})[constants] = value
    return parts
