"""Compare numbers in other notations: times of day, ratios, numerals of another base.

Example: ``16:30`` equals ``4:30 p.m.``; ``1:20`` beside 1/20 is undecided, since it may be a time or a ratio.
"""

from __future__ import annotations

from fractions import Fraction

from lemma.answers.comparing.formulas import Formulas
from lemma.answers.comparing.logic import every
from lemma.answers.formulas.tree import Tree, divided, number
from lemma.answers.values import Based, Clock, Ratio, Scalar

_NOON_S = 12 * 3600


def clocks(left: Clock, right: Clock) -> bool | None:
    """Compare two times; one without its half of the day may be in either."""
    if left == right:
        return True
    if left.half is None and right.half is None:
        ratio = _as_ratio(left)
        if ratio is not None and ratio == _as_ratio(right):
            return None  # as ratios they would be equal
    if left.half and right.half:
        return left.seconds == right.seconds
    if left.seconds == right.seconds:
        return True
    said, other = (left, right) if left.half else (right, left)
    return said.half is not None and other.seconds <= _NOON_S and said.seconds % _NOON_S == other.seconds % _NOON_S


def clock_and_scalar(clock: Clock, scalar: Scalar) -> bool | None:
    """Compare a time with a number, which may be its hour."""
    if clock.half is None and scalar.rational == _as_ratio(clock):
        return None  # 1:20 may be a ratio
    hour = clock.seconds // 3600
    hours = (hour, hour - 12 if hour > 12 else hour)
    return clock.seconds % 3600 == 0 and scalar.unit is None and scalar.rational in hours


def clock_and_ratio(clock: Clock, ratio: Ratio, formulas: Formulas) -> bool | None:
    """Compare what was read as a time, as a ratio."""
    as_ratio = _as_ratio(clock)
    if clock.half or as_ratio is None or len(ratio.parts) != 2:
        return False
    return formulas.same(number(as_ratio), _quotient(ratio))


def ratios(left: Ratio, right: Ratio, formulas: Formulas) -> bool | None:
    """Compare ratios of as many parts, up to a common factor."""
    if len(left.parts) != len(right.parts):
        return False
    a, b = left.parts[0].tree, right.parts[0].tree
    return every(
        [formulas.same(("mul", x.tree, b), ("mul", y.tree, a)) for x, y in zip(left.parts, right.parts, strict=True)]
    )


def ratio_and_scalar(ratio: Ratio, scalar: Scalar, formulas: Formulas) -> bool | None:
    """Compare a ratio of two parts with its value."""
    return formulas.same(_quotient(ratio), scalar.tree) if len(ratio.parts) == 2 else False


def numerals(left: Based, right: Based) -> bool:
    """Compare numerals digit by digit: another base is another answer."""
    return (left.base, left.digits, left.is_negative) == (right.base, right.digits, right.is_negative)


def numeral_and_scalar(numeral: Based, scalar: Scalar) -> bool | None:
    """Compare a numeral with a number in base ten: undecided where it is right but for its base."""
    if numeral.number is None or scalar.form is None or (scalar.rational is None and scalar.form.is_opaque):
        return None
    if numeral.number != scalar.rational:
        return False
    return True if numeral.base == 10 else None


def _as_ratio(clock: Clock) -> Fraction | None:
    """What a time without a half of the day would be as a ratio."""
    hours, minutes, seconds = clock.seconds // 3600, clock.seconds // 60 % 60, clock.seconds % 60
    return Fraction(hours, minutes) if minutes and hours and not seconds else None


def _quotient(ratio: Ratio) -> Tree:
    return divided(ratio.parts[0].tree, ratio.parts[1].tree)
