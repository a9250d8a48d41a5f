"""Decide equality exactly for what answers are mostly made of, in microseconds and without any algebra system.

A tree becomes a quotient of two polynomials with rational coefficients over *atoms*: symbols, the imaginary
unit, pi, e, roots of primes, powers with a symbol in the exponent. These atoms are independent, so two
quotients are equal if and only if they are equal after cross-multiplication. Whatever else there is (a sine, a
nested root) becomes an *opaque* atom named by its argument's normal form: equal normal forms are then still
equal values, but different ones say nothing.

Example: ``(1+sqrt(2))/2`` is ``{(): 1, ((('r', 2), 1/2),): 1}`` over ``{(): 2}``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from lemma.answers.expression import Tree

Atom = tuple[Any, ...]
Monomial = tuple[tuple[Atom, Fraction | int], ...]
Polynomial = dict[Monomial, Fraction]

_MAX_TERMS = 120
_MAX_PRODUCTS = 4_000
_MAX_BITS = 200_000
_MAX_POWER = 64
_MAX_FACTORIAL = 3_000
_MAX_KEY_CHARS = 4_000
_TRIAL_LIMIT = 3_000
_ONE: Polynomial = {(): Fraction(1)}
_I: Atom = ("i",)
_PI: Atom = ("pi",)
_E: Atom = ("e",)


class UnsettledError(ArithmeticError):
    """The value is beyond this module's limits or means."""


class UndefinedError(ArithmeticError):
    """The value does not exist: a division by zero."""


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
    return Quotient({(): value} if value else {}, _ONE)


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
        return _atom(("s", tree[1]))
    if kind == "const":
        if tree[1] == "inf":
            raise UnsettledError("infinity")
        return _atom({"i": _I, "pi": _PI, "e": _E}[tree[1]])
    if kind == "add":
        total = normal_form(tree[1])
        for part in tree[2:]:
            total = add(total, normal_form(part))
        return total
    if kind == "mul":
        product = normal_form(tree[1])
        for part in tree[2:]:
            product = multiply(product, normal_form(part))
        return product
    if kind == "pow":
        return power(normal_form(tree[1]), normal_form(tree[2]))
    if kind == "deg":
        return multiply(normal_form(tree[1]), multiply(_atom(_PI), rational(Fraction(1, 180))))
    if kind == "fn":
        return _function(tree[1], [normal_form(part) for part in tree[2:]])
    raise UnsettledError(kind)


def _atom(atom: Atom, exponent: Fraction | int = 1, is_opaque: bool = False) -> Quotient:
    return Quotient({((atom, exponent),): Fraction(1)}, _ONE, is_opaque)


def add(left: Quotient, right: Quotient) -> Quotient:
    """The sum of two normal forms."""
    opaque = left.is_opaque or right.is_opaque
    if left.bottom == right.bottom:
        return _tidy(_plus(left.top, right.top), left.bottom, opaque)
    top = _plus(_times(left.top, right.bottom), _times(right.top, left.bottom))
    return _tidy(top, _times(left.bottom, right.bottom), opaque)


def multiply(left: Quotient, right: Quotient) -> Quotient:
    """The product of two normal forms."""
    return _tidy(_times(left.top, right.top), _times(left.bottom, right.bottom), left.is_opaque or right.is_opaque)


def subtract(left: Quotient, right: Quotient) -> Quotient:
    """The difference of two normal forms."""
    return add(left, Quotient({key: -value for key, value in right.top.items()}, right.bottom, right.is_opaque))


def equal(left: Quotient, right: Quotient) -> bool | None:
    """Whether two normal forms have the same value; None where opaque atoms leave it open."""
    if _times(left.top, right.bottom) == _times(right.top, left.bottom):
        return True
    return None if left.is_opaque or right.is_opaque else False


def proportional(left: Polynomial, right: Polynomial) -> bool:
    """Whether two polynomials are equal up to a non-zero constant factor (which may be a root, or pi)."""
    parts_left, parts_right = _by_variables(left), _by_variables(right)
    if parts_left.keys() != parts_right.keys() or not parts_left:
        return parts_left.keys() == parts_right.keys()
    pivot = next(iter(parts_left))
    a, b = parts_left[pivot], parts_right[pivot]
    return all(_times(parts_left[key], b) == _times(parts_right[key], a) for key in parts_left)


def _by_variables(polynomial: Polynomial) -> dict[Monomial, Polynomial]:
    parts: dict[Monomial, Polynomial] = {}
    for monomial, value in polynomial.items():
        variables = tuple(pair for pair in monomial if pair[0][0] in ("s", "x", "f"))
        constants = tuple(pair for pair in monomial if pair[0][0] not in ("s", "x", "f"))
        parts.setdefault(variables, {})[constants] = value
    return parts


def has_variables(quotient: Quotient) -> bool:
    """Whether a symbol or an opaque atom stands in a normal form."""
    return any(
        pair[0][0] in ("s", "x", "f") for polynomial in quotient[:2] for monomial in polynomial for pair in monomial
    )


def _tidy(top: Polynomial, bottom: Polynomial, opaque: bool) -> Quotient:
    if not bottom:
        raise UndefinedError
    if not top:
        return Quotient({}, _ONE, opaque)
    if bottom is not _ONE and bottom.keys() == {()}:
        scale = bottom[()]
        if scale != 1:
            top = {key: value / scale for key, value in top.items()}
        bottom = _ONE
    elif len(bottom) == 1:
        ((monomial, value),) = bottom.items()
        inverse, rest = _invert_constants(monomial)
        if inverse or value != 1:
            top = _times(top, {inverse: 1 / value})
            top = {key: number / _radical_square(monomial) for key, number in top.items()}
            bottom = {rest: Fraction(1)}
        if rest and len(top) == 1:
            top, bottom = _cancel(top, rest)
    return Quotient(top, bottom, opaque)


def _invert_constants(monomial: Monomial) -> tuple[Monomial, Monomial]:
    """Split a monomial into the factor that clears its roots and its i from a denominator, and what stays there."""
    inverse: list[tuple[Atom, Fraction | int]] = []
    rest: list[tuple[Atom, Fraction | int]] = []
    for atom, exponent in monomial:
        if atom[0] == "r":
            inverse.append((atom, 1 - exponent))
        elif atom == _I:
            inverse.append((_I, 3))
        else:
            rest.append((atom, exponent))
    return tuple(inverse), tuple(rest)


def _radical_square(monomial: Monomial) -> int:
    return math.prod(atom[1] for atom, _ in monomial if atom[0] == "r")


def _cancel(top: Polynomial, below: Monomial) -> tuple[Polynomial, Polynomial]:
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
    return {kept: value}, {tuple(rest): Fraction(1)} if rest else _ONE


def _plus(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for key, value in right.items():
        summed = total[key] + value if key in total else value
        if summed:
            total[key] = summed
        else:
            del total[key]
    return total


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    if left is _ONE:
        return right
    if right is _ONE:
        return left
    if len(left) * len(right) > _MAX_PRODUCTS:
        raise UnsettledError("too many terms")
    product: Polynomial = {}
    for key_left, value_left in left.items():
        for key_right, value_right in right.items():
            value = value_left * value_right
            if value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS:
                raise UnsettledError("number too large")
            if key_left and key_right:
                key, factor = _join(key_left, key_right)
                value *= factor
            else:
                key = key_left or key_right
                if key and key[0][0][0] == "i" and len(key) == 1 and key[0][1] > 1:
                    key, factor = _join(key, ())
                    value *= factor
            if key in product:
                value += product[key]
            summed = value
            if summed:
                product[key] = summed
            else:
                product.pop(key, None)
    if len(product) > _MAX_TERMS:
        raise UnsettledError("too many terms")
    return product


def _join(left: Monomial, right: Monomial) -> tuple[Monomial, int]:
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
        elif atom == _I:
            turns = int(exponent) % 4
            factor *= -1 if turns >= 2 else 1
            exponent = turns % 2
        if exponent:
            if isinstance(exponent, Fraction) and exponent.denominator == 1:
                exponent = exponent.numerator
            joined.append((atom, exponent))
    joined.sort(key=repr)
    return tuple(joined), factor


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
        if not base.top:
            raise UndefinedError
        base, exponent = _tidy(base.bottom, base.top, base.is_opaque), -exponent
    if exponent == 0:
        return rational(1)
    if len(base.top) <= 1 and len(base.bottom) == 1:
        return _tidy(_monomial_power(base.top, exponent), _monomial_power(base.bottom, exponent), base.is_opaque)
    if exponent > _MAX_POWER or exponent * (len(base.top) + len(base.bottom)) > 3 * _MAX_POWER:
        raise UnsettledError("power too large")
    result = base
    for _ in range(exponent - 1):
        result = multiply(result, base)
    return result


def _monomial_power(polynomial: Polynomial, exponent: int) -> Polynomial:
    if not polynomial:
        return {}
    ((monomial, value),) = polynomial.items()
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > 1 and bits * exponent > _MAX_BITS:
        raise UnsettledError("number too large")
    if exponent > 10**9 and monomial:
        raise UnsettledError("power too large")
    raised = tuple((atom, old * exponent) for atom, old in monomial)
    if any(atom[0] == "r" and old > _MAX_BITS / atom[1].bit_length() for atom, old in raised):
        raise UnsettledError("number too large")
    key, factor = _join(raised, ())
    return {key: value**exponent * factor}


def _root(base: Quotient, exponent: Fraction) -> Quotient:
    if exponent < 0:
        if not base.top:
            raise UndefinedError
        base, exponent = _tidy(base.bottom, base.top, base.is_opaque), -exponent
    if not base.top:
        return rational(0)
    if len(base.top) == 1 and len(base.bottom) == 1:
        top = _monomial_root(base.top, exponent)
        if base.bottom == _ONE:
            return Quotient(top.top, _ONE, base.is_opaque)
        bottom = _monomial_root(base.bottom, exponent)
        return _tidy(top.top, bottom.top, base.is_opaque)
    return _opaque(f"pow {exponent}", [base])


def _monomial_root(polynomial: Polynomial, exponent: Fraction) -> Quotient:
    ((monomial, value),) = polynomial.items()
    result = _rational_root(value, exponent)
    for atom, old in monomial:
        if atom == _I:
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
        key, factor = _join(((atom, new),), ())
        result = multiply(result, Quotient({key: Fraction(factor)}, _ONE))
    return result


def _rational_root(value: Fraction, exponent: Fraction) -> Quotient:
    result = rational(1)
    if value < 0:
        if exponent.denominator == 2:
            result = _whole_power(_atom(_I), exponent.numerator)
        elif exponent.denominator % 2 == 1:
            result = rational(-1 if exponent.numerator % 2 else 1)
        else:
            raise UnsettledError("an even root of a negative number")
        value = -value
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, times in _factors(number).items():
            total = exponent * times * sign
            whole = math.floor(total)
            if abs(whole) * prime.bit_length() > _MAX_BITS:
                raise UnsettledError("number too large")
            result = multiply(result, rational(Fraction(prime) ** whole))
            if total != whole:
                result = multiply(result, _atom(("r", prime), total - whole))
    return result


def _factors(number: int) -> dict[int, int]:
    """The prime factors of a number whose large part is a prime or the power of one. Raises UnsettledError else."""
    if number.bit_length() > 256:
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
    if exponent.bottom != _ONE or exponent.is_opaque:
        return _opaque("power", [base, exponent])
    rest = dict(exponent.top)
    constant = rest.pop((), Fraction(0))
    bases = _independent_bases(base)
    if bases is None:
        return _opaque("power", [base, exponent])
    result = power(base, rational(constant)) if constant else rational(1)
    for monomial, value in rest.items():
        plain = all(pair[0][0] == "s" for pair in monomial)
        for atom, times in bases:
            factor = _atom(("x", atom, repr(monomial)), abs(value * times), not plain)
            if value * times < 0:
                factor = Quotient(_ONE, factor.top, factor.is_opaque)
            result = multiply(result, factor)
    return result


def _independent_bases(base: Quotient) -> list[tuple[str, int]] | None:
    value = base.rational
    if value is not None:
        if value <= 0:
            return None
        top, bottom = _factors(value.numerator), _factors(value.denominator)
        return [(str(p), t) for p, t in top.items()] + [(str(p), -t) for p, t in bottom.items()]
    if base.bottom == _ONE and len(base.top) == 1:
        ((monomial, value),) = base.top.items()
        if value == 1 and len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0][0] in ("s", "e"):
            return [(repr(monomial[0][0]), 1)]
    return None


def _function(name: str, arguments: list[Quotient]) -> Quotient:
    values = [argument.rational for argument in arguments]
    if all(value is not None for value in values):
        known = _rational_function(name, [value for value in values if value is not None])
        if known is not None:
            return rational(known)
    return _opaque(name, arguments)


def _rational_function(name: str, values: list[Fraction]) -> Fraction | int | None:
    first = values[0]
    if name == "abs" and len(values) == 1:
        return abs(first)
    if name in ("floor", "ceil") and len(values) == 1:
        return math.floor(first) if name == "floor" else math.ceil(first)
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if any(value.denominator != 1 or value < 0 or value > 10**9 for value in values):
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


def _opaque(name: str, arguments: list[Quotient]) -> Quotient:
    key = repr([[_sorted(argument.top), _sorted(argument.bottom)] for argument in arguments])
    if len(key) > _MAX_KEY_CHARS:
        raise UnsettledError("too large a name")
    return _atom(("f", name, key), 1, True)


def _sorted(polynomial: Polynomial) -> list[tuple[str, str]]:
    if any(value.numerator.bit_length() + value.denominator.bit_length() > 4_000 for value in polynomial.values()):
        raise UnsettledError("too large a name")
    return sorted((repr(key), str(value)) for key, value in polynomial.items())
