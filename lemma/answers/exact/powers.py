"""Powers and roots of normal forms.

Roots of rational numbers become powers of primes, so that ``sqrt(8)`` and ``2 sqrt(2)`` have one form; a power with
symbols in the exponent is split by the exponent's terms, so that ``2^(n+1)`` is ``2 * 2^n``.
"""

from __future__ import annotations

import math
from fractions import Fraction

from lemma.answers.exact.polynomials import IMAGINARY, MAX_BITS, ONE, Polynomial, UnsettledError, join, monomial_power
from lemma.answers.exact.quotients import Quotient, atom_form, multiply, opaque, rational, tidy

_MAX_POWER = 64
_MAX_FACTORABLE_BITS = 256
_TRIAL_LIMIT = 3_000


def power(base: Quotient, exponent: Quotient) -> Quotient:
    """One normal form to the power of another. Raises as ``normal_form`` does."""
    value = exponent.rational
    if value is None:
        return _symbolic_power(base, exponent)
    if value.denominator == 1:
        return _whole_power(base, value.numerator)
    return _root(base, value)


def _whole_power(base: Quotient, exponent: int) -> Quotient:
    if exponent < 0:
        base, exponent = tidy(base.bottom, base.top, base.is_opaque), -exponent
    if exponent == 0:
        return rational(1)
    if len(base.top) <= 1 and len(base.bottom) == 1:
        return tidy(monomial_power(base.top, exponent), monomial_power(base.bottom, exponent), base.is_opaque)
    if exponent > _MAX_POWER or exponent * (len(base.top) + len(base.bottom)) > 3 * _MAX_POWER:
        raise UnsettledError("power too large")
    result = base
    for _ in range(exponent - 1):
        result = multiply(result, base)
    return result


def _root(base: Quotient, exponent: Fraction) -> Quotient:
    if exponent < 0:
        base, exponent = tidy(base.bottom, base.top, base.is_opaque), -exponent
    if not base.top:
        return rational(0)
    if len(base.top) == 1 and len(base.bottom) == 1:
        top = _monomial_root(base.top, exponent)
        if base.bottom == ONE:
            return Quotient(top.top, ONE, base.is_opaque)
        bottom = _monomial_root(base.bottom, exponent)
        return tidy(top.top, bottom.top, base.is_opaque)
    return opaque(f"pow {exponent}", [base])


def _monomial_root(polynomial: Polynomial, exponent: Fraction) -> Quotient:
    ((monomial, value),) = polynomial.items()
    result = _rational_root(value, exponent)
    for atom, old in monomial:
        if atom == IMAGINARY:
            raise UnsettledError("a root of i")
        new = old * exponent
        # sqrt(x^2) is |x|: an even power under an even root keeps its sign only if it comes out even.
        if (
            atom[0] in ("s", "f")
            and exponent.denominator % 2 == 0
            and Fraction(old).numerator % 2 == 0
            and new % 2 != 0
        ):
            raise UnsettledError("a root with two signs")
        key, factor = join(((atom, new),), ())
        result = multiply(result, Quotient({key: Fraction(factor)}, ONE))
    return result


def _rational_root(value: Fraction, exponent: Fraction) -> Quotient:
    result = rational(1)
    if value < 0:
        if exponent.denominator == 2:
            result = _whole_power(atom_form(IMAGINARY), exponent.numerator)
        elif exponent.denominator % 2 == 1:
            result = rational(-1 if exponent.numerator % 2 else 1)
        else:
            raise UnsettledError("an even root of a negative number")
        value = -value
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, times in _factors(number).items():
            total = exponent * times * sign
            whole = math.floor(total)
            if abs(whole) * prime.bit_length() > MAX_BITS:
                raise UnsettledError("number too large")
            result = multiply(result, rational(Fraction(prime) ** whole))
            if total != whole:
                result = multiply(result, atom_form(("r", prime), total - whole))
    return result


def _factors(number: int) -> dict[int, int]:
    """The prime factors of a number whose large part is a prime or the power of one. Raises UnsettledError else."""
    if number.bit_length() > _MAX_FACTORABLE_BITS:
        raise UnsettledError("too large to factor")
    found: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= number and divisor < _TRIAL_LIMIT:
        while number % divisor == 0:
            found[divisor] = found.get(divisor, 0) + 1
            number //= divisor
        divisor += 1 if divisor == 2 else 2
    if number > 1:
        times = 1
        if number >= _TRIAL_LIMIT**2:
            root = math.isqrt(number)
            if root * root != number or root >= _TRIAL_LIMIT**2:
                raise UnsettledError("too large to factor")
            number, times = root, 2
        found[number] = found.get(number, 0) + times
    return found


def _symbolic_power(base: Quotient, exponent: Quotient) -> Quotient:
    """A power whose exponent holds symbols: split by the exponent's terms, so that 2^(n+1) is 2 * 2^n."""
    if exponent.bottom != ONE or exponent.is_opaque:
        return opaque("power", [base, exponent])
    rest = dict(exponent.top)
    constant = rest.pop((), Fraction(0))
    bases = _independent_bases(base)
    if bases is None:
        return opaque("power", [base, exponent])
    result = power(base, rational(constant)) if constant else rational(1)
    for monomial, value in rest.items():
        plain = all(pair[0][0] == "s" for pair in monomial)
        for atom, times in bases:
            factor = atom_form(("x", atom, repr(monomial)), abs(value * times), not plain)
            if value * times < 0:
                factor = Quotient(ONE, factor.top, factor.is_opaque)
            result = multiply(result, factor)
    return result


def _independent_bases(base: Quotient) -> list[tuple[str, int]] | None:
    value = base.rational
    if value is not None:
        if value <= 0:
            return None
        top, bottom = _factors(value.numerator), _factors(value.denominator)
        return [(str(p), t) for p, t in top.items()] + [(str(p), -t) for p, t in bottom.items()]
    if base.bottom == ONE and len(base.top) == 1:
        ((monomial, value),) = base.top.items()
        if value == 1 and len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0][0] in ("s", "e"):
            return [(repr(monomial[0][0]), 1)]
    return None
