"""Settle what exact arithmetic leaves open: two formulas are evaluated to fifty digits at several points.

This runs in a worker process.

The formulas come as trees, never as text, and are only evaluated. They are equal if they agree wherever both
are defined, at enough points, and different if they do not agree at one. For a constant there is one point, and
a hundred digits.

Example request: ``'[["sym", "x"], ["sym", "y"], "value"]'``; the reply is true, false or null.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import mpmath

_DIGITS = 50
_CONSTANT_DIGITS = 100
_POINTS = 24
_NEEDED = 6
_MAX_MAGNITUDE_BITS = 4_000_000
_MAX_ANGLE_BITS = 2_000
_SEED = 20250307

_mp = mpmath.mp


class _OutsideError(ArithmeticError):
    """The point is outside of the formula's domain, or the value is beyond the limits."""


class _UnknownError(ValueError):
    """The formula holds what cannot be evaluated."""


def settle(request: str) -> bool | None:
    """Say whether two formulas are equal (mode ``value``), or as equations ``tree = 0`` (mode ``equation``).

    Args:
        request: JSON ``[tree, tree, mode]``, numbers in trees being ``["num", hex numerator, hex denominator]``.

    Returns:
        None where too few points lie in both domains, or something cannot be evaluated.
    """
    left, right, mode = json.loads(request)
    names = sorted(_names(left) | _names(right))
    _mp.dps = _DIGITS if names else _CONSTANT_DIGITS
    try:
        return _settle_equation(left, right, names) if mode == "equation" else _settle_value(left, right, names)
    except _UnknownError:
        return None


def _settle_value(left: list[Any], right: list[Any], names: list[str]) -> bool | None:
    for agreed, (a, b) in enumerate(_values(left, right, names), 1):
        if not _close(a, b):
            return False
        if agreed >= (_NEEDED if names else 1):
            return True
    return None


def _settle_equation(left: list[Any], right: list[Any], names: list[str]) -> bool | None:
    ratio = None
    agreed = 0
    for a, b in _values(left, right, names):
        if abs(a) < mpmath.mpf(10) ** -20 or abs(b) < mpmath.mpf(10) ** -20:
            continue
        if ratio is not None and not _close(a, ratio * b):
            return False
        ratio = a / b
        agreed += 1
        if agreed >= _NEEDED:
            return True
    return None


def _values(left: list[Any], right: list[Any], names: list[str]) -> Iterator[tuple[Any, Any]]:
    """Both formulas' values at the points where both have one."""
    for point in _points(names):
        try:
            values = _evaluate(left, point, bool(names)), _evaluate(right, point, bool(names))
        except _OutsideError:
            continue
        yield values


def _close(a: Any, b: Any) -> bool:
    scale = max(abs(a), abs(b), mpmath.mpf(10) ** -10)
    return bool(abs(a - b) <= scale * mpmath.mpf(10) ** (-(_mp.dps * 3) // 5))


def _points(names: list[str]) -> list[dict[str, Any]]:
    """Points to try, the same in every run: small positive ones first, where roots and logarithms are real."""
    if not names:
        return [{}]
    generator = random.Random(_SEED)
    found = []
    for index in range(_POINTS):
        low = 0.15 if index % 2 == 0 else -3.0
        point = {}
        for name in names:
            # Some are larger, for formulas that only live there, as a root of x - 5.
            high = (3.0, 3.0, 12.0, 60.0)[index % 4]
            value = mpmath.mpf(generator.uniform(low, high)) + mpmath.mpf(generator.getrandbits(60)) / 2**80
            # Counting variables stay positive: n! and 2^n are asked for there.
            point[name] = abs(value) if name in ("n", "k", "m") else value
        found.append(point)
    return found


def _names(tree: list[Any]) -> set[str]:
    if tree[0] == "sym":
        return {tree[1]}
    return set().union(*(_names(part) for part in tree[1:] if isinstance(part, list)))


def _evaluate(tree: list[Any], point: dict[str, Any], is_real: bool) -> Any:
    """A tree's value. ``is_real``: roots and logarithms of negative numbers are outside of the domain."""
    kind = tree[0]
    if kind == "num":
        return mpmath.mpf(int(tree[1], 16)) / int(tree[2], 16)
    if kind == "sym":
        return point[tree[1]]
    if kind == "const":
        if tree[1] == "inf":
            raise _UnknownError("infinity")
        return {"pi": +mpmath.pi, "e": +mpmath.e, "i": mpmath.mpc(0, 1)}[tree[1]]
    values = [_evaluate(part, point, is_real) for part in tree[1:] if isinstance(part, list)]
    if kind == "add":
        return _checked(mpmath.fsum(values))
    if kind == "mul":
        return _checked(mpmath.fprod(values))
    if kind == "deg":
        return values[0] * mpmath.pi / 180
    if kind == "pow":
        return _checked(_power(values[0], values[1], tree[2], is_real))
    if kind == "fn":
        return _checked(_function(tree[1], values, is_real))
    raise _UnknownError(kind)


def _checked(value: Any) -> Any:
    if not mpmath.isfinite(value):
        raise _OutsideError
    if abs(mpmath.mag(value)) > _MAX_MAGNITUDE_BITS and value != 0:
        raise _UnknownError("too large")
    return value


def _is_real(value: Any) -> bool:
    return isinstance(value, mpmath.mpf) or value.imag == 0


def _power(base: Any, exponent: Any, exponent_tree: list[Any], is_real: bool) -> Any:
    if base == 0:
        if not _is_real(exponent) or exponent.real <= 0:
            raise _OutsideError
        return mpmath.mpf(0)
    if abs(exponent) * (abs(mpmath.log(abs(base), 2)) + 1) > _MAX_MAGNITUDE_BITS:
        raise _UnknownError("too large")
    if _is_real(base) and base.real < 0 and _is_real(exponent):
        if exponent_tree[0] == "num":
            top, bottom = int(exponent_tree[1], 16), int(exponent_tree[2], 16)
            if bottom == 1:
                return mpmath.power(base.real, top)
            if bottom % 2:
                # The real root, as school mathematics takes it.
                root = mpmath.power(-base.real, exponent)
                return -root if top % 2 else root
        elif exponent == mpmath.floor(exponent.real):
            return mpmath.power(base, int(exponent.real))
        if is_real:
            raise _OutsideError
    return mpmath.power(base, exponent)


_SIMPLE: dict[str, Callable[[Any], Any]] = {
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "cot": mpmath.cot, "sec": mpmath.sec, "csc": mpmath.csc,
    "arcsin": mpmath.asin, "arccos": mpmath.acos, "arctan": mpmath.atan, "arccot": mpmath.acot, "arcsec": mpmath.asec,
    "arccsc": mpmath.acsc, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "coth": mpmath.coth,
    "sech": mpmath.sech, "csch": mpmath.csch, "arcsinh": mpmath.asinh, "arccosh": mpmath.acosh, "arctanh": mpmath.atanh,
    "abs": abs, "cis": lambda x: mpmath.expj(x),
}  # fmt: skip
_BOUNDED = frozenset(("arcsin", "arccos", "arccosh", "arctanh", "arcsec", "arccsc"))


def _function(name: str, values: list[Any], is_real: bool) -> Any:
    first = values[0]
    if first != 0 and mpmath.mag(first) > _MAX_ANGLE_BITS:
        raise _UnknownError("too large")
    try:
        if name in _SIMPLE and len(values) == 1:
            value = _SIMPLE[name](first)
            if is_real and name in _BOUNDED and not _is_real(value):
                raise _OutsideError
            return value
        if name in ("ln", "log"):
            return _logarithm(first, values[1] if len(values) == 2 else mpmath.e, is_real)
        if name in ("floor", "ceil") and _is_real(first):
            return mpmath.floor(first.real) if name == "floor" else mpmath.ceil(first.real)
        if name in ("max", "min") and all(map(_is_real, values)):
            return max(v.real for v in values) if name == "max" else min(v.real for v in values)
        if name == "factorial" and mpmath.mag(first) < 64:
            return mpmath.factorial(first)
        if name == "binom" and len(values) == 2 and all(mpmath.mag(v) < 64 for v in values if v):
            return mpmath.binomial(*values)
    except (ZeroDivisionError, ValueError, OverflowError) as error:
        raise _OutsideError from error
    raise _UnknownError(re.sub(r"\W", "", name))


def _logarithm(value: Any, base: Any, is_real: bool) -> Any:
    if value == 0 or base in (0, 1):
        raise _OutsideError
    if is_real and (not _is_real(value) or value.real < 0 or not _is_real(base) or base.real < 0):
        raise _OutsideError
    return mpmath.log(value) / mpmath.log(base)
