"""Intervals and their unions: what values are parts of the real line, linear inequalities, order and union.

Example: ``-2 < 2x`` becomes the interval from -1 (left out) to infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lemma.answers.exact.polynomials import ONE, Polynomial, is_variable
from lemma.answers.exact.powers import power
from lemma.answers.exact.quotients import Quotient, equal, has_variables, multiply, rational, subtract
from lemma.answers.formulas.tree import is_infinite
from lemma.answers.values import Interval, Items, Ordered, Region, Scalar, Value

_MAX_INTERVALS = 60
REAL_LINE = Interval(None, None, False, False)


def approximate(quotient: Quotient) -> float | None:
    """A constant normal form's value, to order endpoints with; None where it is no real constant."""
    values = [_evaluate(polynomial) for polynomial in quotient[:2]]
    if values[0] is None or not values[1]:
        return None
    return values[0] / values[1]


def _evaluate(polynomial: Polynomial) -> float | None:
    total = 0.0
    try:
        for monomial, coefficient in polynomial.items():
            value = float(coefficient)
            for atom, exponent in monomial:
                if atom[0] == "r":
                    value *= float(atom[1]) ** float(exponent)
                elif atom[0] in ("pi", "e"):
                    value *= (math.pi if atom[0] == "pi" else math.e) ** float(exponent)
                else:
                    return None
            total += value
    except OverflowError:
        return None
    return total if math.isfinite(total) else None


def solve(smaller: Quotient, larger: Quotient, is_strict: bool | None) -> list[Interval] | None:
    """Solve ``smaller < larger`` for its one variable where it is linear; ``is_strict`` None means that they differ."""
    gap = subtract(larger, smaller)
    if gap.is_opaque or has_variables(Quotient(gap.bottom, ONE)):
        return None
    slope: Polynomial = {}
    constant: Polynomial = {}
    names = set()
    for monomial, coefficient in gap.top.items():
        symbols = [pair for pair in monomial if is_variable(pair[0])]
        if not symbols:
            constant[monomial] = coefficient
        elif len(symbols) == 1 and symbols[0][0][0] == "s" and symbols[0][1] == 1:
            names.add(symbols[0][0])
            slope[tuple(pair for pair in monomial if pair not in symbols)] = coefficient
        else:
            return None
    steepness = approximate(Quotient(slope, gap.bottom)) if len(names) == 1 else None
    if not steepness:
        return None
    edge = multiply(
        Quotient({key: -value for key, value in constant.items()}, ONE),
        power(Quotient(slope, ONE), rational(-1)),
    )
    if approximate(edge) is None:
        return None
    if is_strict is None:
        return all_but(edge)
    if steepness > 0:
        return [Interval(edge, None, not is_strict, False)]
    return [Interval(None, edge, False, not is_strict)]


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """The points in both unions."""
    found = []
    for a in left:
        for b in right:
            low, has_low = _tighter((a.low, a.has_low), (b.low, b.has_low), 1)
            high, has_high = _tighter((a.high, a.has_high), (b.high, b.has_high), -1)
            span = Interval(low, high, has_low, has_high)
            if _width(span) > 0 or (_width(span) == 0 and has_low and has_high):
                found.append(span)
    return found


def _tighter(
    a: tuple[Quotient | None, bool], b: tuple[Quotient | None, bool], side: int
) -> tuple[Quotient | None, bool]:
    if a[0] is None:
        return b
    if b[0] is None:
        return a
    if equal(a[0], b[0]):
        return a[0], a[1] and b[1]
    return a if side * (_place(a[0]) - _place(b[0])) > 0 else b


def _place(quotient: Quotient) -> float:
    return approximate(quotient) or 0.0


def _width(interval: Interval) -> float:
    if interval.low is None or interval.high is None:
        return math.inf
    return 0.0 if equal(interval.low, interval.high) else _place(interval.high) - _place(interval.low)


def merged(intervals: Sequence[Interval]) -> Region | None:
    """Order a union and join what overlaps or touches; None where endpoints cannot be ordered."""
    for interval in intervals:
        for end in (interval.low, interval.high):
            if end is not None and approximate(end) is None:
                return None
    if len(intervals) > _MAX_INTERVALS:
        return None
    ordered = sorted(
        (i for i in intervals if _width(i) > 0 or (_width(i) == 0 and i.has_low and i.has_high)),
        key=lambda i: (-math.inf if i.low is None else _place(i.low), not i.has_low),
    )
    joined: list[Interval] = []
    for interval in ordered:
        if joined and _touches(joined[-1], interval):
            last = joined.pop()
            high, has_high = _farther(last, interval)
            interval = Interval(
                last.low, high, last.has_low or (interval.has_low and _same(last.low, interval.low)), has_high
            )
        joined.append(interval)
    return Region(tuple(joined))


def _same(a: Quotient | None, b: Quotient | None) -> bool:
    if a is None or b is None:
        return a is b
    return equal(a, b) is True


def _touches(first: Interval, second: Interval) -> bool:
    if first.high is None or second.low is None:
        return True
    if _same(first.high, second.low):
        return first.has_high or second.has_low
    return _place(first.high) > _place(second.low)


def _farther(a: Interval, b: Interval) -> tuple[Quotient | None, bool]:
    if a.high is None or b.high is None:
        return None, False
    if _same(a.high, b.high):
        return a.high, a.has_high or b.has_high
    return (a.high, a.has_high) if _place(a.high) > _place(b.high) else (b.high, b.has_high)


def same_region(left: Region, right: Region) -> bool | None:
    """Whether two merged regions hold the same points."""
    if len(left.intervals) != len(right.intervals):
        return False
    unsure = False
    for a, b in zip(left.intervals, right.intervals, strict=True):
        if (a.has_low, a.has_high) != (b.has_low, b.has_high):
            return False
        for x, y in ((a.low, b.low), (a.high, b.high)):
            if x is None or y is None:
                if x is not y:
                    return False
                continue
            same = equal(x, y)
            if same is False:
                return False
            unsure = unsure or same is None
    return None if unsure else True


def all_but(value: Quotient) -> list[Interval]:
    """The real line without a point."""
    return [Interval(None, value, False, False), Interval(value, None, False, False)]


def region_of(value: Value) -> Region | None:
    """The region that a value can be read as: an interval for a pair in brackets, a region for itself."""
    if isinstance(value, Region):
        return value
    spans = spans_of(value)
    return merged(spans) if spans else None


def spans_of(value: Value) -> tuple[Interval, ...] | None:
    """The intervals that a value stands for, if it can stand for a part of the real line."""
    if isinstance(value, Region):
        return value.intervals
    if isinstance(value, Ordered):
        interval = _interval_of(value)
        return (interval,) if interval else None
    if isinstance(value, Items) and value.is_set:
        found = [member.form for member in value.members if isinstance(member, Scalar) and member.form is not None]
        if len(found) == len(value.members) and all(approximate(form) is not None for form in found):
            return tuple(Interval(form, form, True, True) for form in found)
    return None


def _interval_of(pair: Ordered) -> Interval | None:
    """The interval that a pair in round or square brackets may be; None where its ends are none, or the wrong way."""
    if len(pair.members) != 2 or pair.opener not in "([" or pair.closer not in ")]":
        return None
    first, last = _end(pair.members[0]), _end(pair.members[1])
    if first is None or last is None:
        return None
    (low, low_sign), (high, high_sign) = first, last
    if low_sign > 0 or high_sign < 0:
        return None
    return Interval(low, high, pair.opener == "[" and low is not None, pair.closer == "]" and high is not None)


def _end(member: Value) -> tuple[Quotient | None, int] | None:
    """An endpoint and, for an infinite one, its sign."""
    if not isinstance(member, Scalar):
        return None
    if is_infinite(member.tree):
        return None, -1 if member.tree[0] == "mul" and member.tree[1][1] < 0 else 1
    if member.form is None or approximate(member.form) is None:
        return None
    return member.form, 0
