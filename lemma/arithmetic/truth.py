"""Judges an equation: true, false, rounded, or not to be judged."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from lemma.arithmetic.model import Expression, Number, Truth

_MEASURE_WORDS: Final = """
second minute hour day week month year cent dollar inch inche foot feet yard mile meter metre kilometer km cm mm m
gram kilogram kg g pound lb ounce oz liter litre ml gallon quart pint cup dozen quarter
"""
_MEASURES: Final = frozenset(_MEASURE_WORDS.split())
_RATIOS: Final = frozenset((60, 3600, 24, 7, 12, 52, 365, 30, 1000, 3, 36, 16, 4, 5280))
_MONEY_PARTS: Final = ("cent", "penn", "dime", "nickel", "quarter")


def _is_rounded(exact: Fraction, written: Number, is_division: bool) -> bool:
    """Whether `written` is `exact` cut or rounded at its last digit, or as near as a pocket calculator gets."""
    if abs(exact - written.value) <= abs(exact) / 1_000_000 and written.decimals > 0:
        return True
    if (exact * 10**written.decimals).denominator == 1:
        return False
    step = Fraction(1, 10**written.decimals)
    gap = abs(exact - written.value)
    return gap < step and (is_division or written.decimals > 0 or gap <= step / 2)


def _readings(expression: Expression) -> list[Fraction]:
    """The exact value, and the one with percent signs ignored (``15 / 30 * 100 = 50%``)."""
    values = [] if expression.value is None else [expression.value]
    if "%" in expression.program:
        plain = expression.evaluate([n.value for n in expression.numbers], with_percent=False)
        if plain is not None:
            values.append(plain)
    return values


def judge(left: Expression, right: Expression) -> Truth:
    """What two sides say about each other; false only where every sensible reading is."""
    if left.value is not None and left.value == right.value:
        return Truth.TRUE
    lefts, rights = _readings(left), _readings(right)
    if not lefts or not rights:
        return Truth.UNREADABLE
    if any(a == b for a in lefts for b in rights):
        return Truth.TRUE
    work, other = (left, right) if left.operators or not right.operators else (right, left)
    if other.is_lone:
        written = other.numbers[0]
        is_division = any(o.symbol == "/" for o in work.operators) or any(n.decimals for n in work.numbers)
        for exact in _readings(work):
            shown = exact * 100 if written.is_percent else exact
            if _is_rounded(shown, written, is_division) or _is_rounded(exact, written, is_division):
                return Truth.ROUNDED
    elif any(abs(a - b) <= abs(a) / 1000 for a in lefts for b in rights):
        return Truth.ROUNDED
    # "5 * 3 = 15 + 2 = 17": careless, but 5 * 3 is said to be 15
    if right.operators and right.numbers[0].value in lefts and right.program[0] == 0:
        return Truth.TRUE
    if not left.operators:  # "60 kWh cost = 0.1 * 60 = 6", "1% is equal to $184/92": a statement about a thing
        return Truth.UNREADABLE
    if not (left.is_plain and right.is_plain) or _has_conversion(left, right):
        return Truth.UNREADABLE
    return Truth.FALSE


def _has_conversion(left: Expression, right: Expression) -> bool:
    """Whether the sides may differ by a unit only: percent beside plain numbers, cents beside dollars."""
    numbers = left.numbers + right.numbers
    percents = sum(n.is_percent for n in left.numbers)
    if percents and any(o.symbol in "+-" for o in left.operators) and percents < len(left.numbers):
        return True
    ratio = (left.value or Fraction(0)) / right.value if right.value else Fraction(0)
    if ratio in (100, Fraction(1, 100)):
        units = " ".join(n.unit.lower() for n in numbers)
        has_money = any(n.currency for n in numbers) or "dollar" in units or "¢" in units
        return has_money or any(part in units for part in _MONEY_PARTS) or percents > 0
    return bool(ratio) and _is_time_ratio(ratio) and _units_differ(left, right)


def _is_time_ratio(ratio: Fraction) -> bool:
    return max(ratio, 1 / ratio) in _RATIOS


def _units_differ(left: Expression, right: Expression) -> bool:
    """Whether the result carries a unit of measure that no operand carries."""
    words = right.numbers[-1].unit.lower().split()
    if not words or words[0].rstrip("s") not in _MEASURES:
        return False
    return all(words[0].rstrip("s") not in n.unit.lower() for n in left.numbers)
