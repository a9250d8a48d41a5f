"""Of which type a wrong computation is, seen beside the one that is right in its place.

Only what the two show is said: a type that rests on guessing what the writer thought is `question_misinterpretation`,
the widest one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from lemma.teacher.rules.paths import Paths
from lemma.teacher.rules.reading import Computation

CONVERSIONS: Final[dict[int, tuple[str, tuple[int, ...]]]] = {
    60: (r"hours?|minutes?|mins?|seconds?|hrs?", (100,)),
    7: (r"weeks?|weekly", (5,)),
    12: (r"years?|feet|foot|ft|inch|inches|dozens?|months?", (10,)),
    24: (r"hours?|days?", (12,)),
    52: (r"weeks?|years?", (50, 48)),
    365: (r"years?|days?", (360,)),
    1000: (r"kilo\w+|k[mg]|grams?|meters?|metres?|liters?|litres?|ml", (100,)),
    100: (r"cents?|percent|meters?|metres?|cm|centimeters?|dollars?", (10, 1000)),
    3600: (r"hours?|seconds?", (60, 360)),
    16: (r"ounces?|pounds?|oz|lbs?", (12, 10)),
    36: (r"yards?|inches", (12,)),
    3: (r"yards?|feet|foot", (12,)),
    4: (r"gallons?|quarts?", (8,)),
}
"""Factor -> the words in whose company it converts, and what it is taken for."""
_MEASURES: Final = {
    factor: re.compile(rf"(?<![A-Za-z])(?:{units})(?![A-Za-z]){'|[%¢]' if factor == 100 else ''}", re.IGNORECASE)
    for factor, (units, _) in CONVERSIONS.items()
}
_SHAPES: Final = re.compile(r"\b(?:area|perimeter|square|rectang\w+|wide|width|fenc\w+|border)\b", re.IGNORECASE)
_TOTALS: Final = re.compile(r"\b(?:total|together|altogether|combined|in all|sum)\b", re.IGNORECASE)
_RESTS: Final = re.compile(r"\b(?:difference|left|remain\w*|fewer|less|younger|shorter|cheaper)\b", re.IGNORECASE)
_MEANS: Final = re.compile(r"\b(?:average|mean)\b", re.IGNORECASE)
_SPEEDS: Final = re.compile(r"\b(?:speed|mph|miles per hour|km/h|kph|kilometers per hour)\b", re.IGNORECASE)


def converts(value: Fraction, text: str) -> bool:
    """Whether `value` is a factor between units that `text` speaks of: 60 where hours and minutes are."""
    pattern = _MEASURES.get(int(value)) if value.denominator == 1 else None
    return pattern is not None and pattern.search(text) is not None


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known where a wrong computation stands."""

    paths: Paths
    earlier: Set[Fraction]
    """Results that stand before it in the solution."""
    text: str
    """The wrong step and the right one, for their words."""
    said: str = ""
    """The words of the wrong step alone."""


def without(values: Sequence[Fraction], others: Sequence[Fraction]) -> list[Fraction]:
    """`values` less each of `others` once."""
    rest = list(values)
    for value in others:
        if value in rest:
            rest.remove(value)
    return rest


def type_of(setting: Setting, wrong: Computation, right: Computation) -> str:
    """The type of a true equation that computes something else than the right one."""
    formula = confused_formula(setting.text, wrong, right)
    if formula:
        return "formula_confusion"
    extra = without(wrong.operand_values, right.operand_values)
    lacking = without(right.operand_values, wrong.operand_values)
    if not extra and not lacking:
        is_swapped = wrong.symbols != right.symbols and not _says_so(setting.said, wrong)
        return "operator_error" if is_swapped else "question_misinterpretation"
    if len(extra) == len(lacking) == 1 and sorted(wrong.symbols) == sorted(right.symbols):
        return type_of_operand(setting, extra[0], lacking[0])
    if not extra and lacking:
        return "missing_step"
    if is_irrelevant(setting, extra) and (not lacking or right.shown in wrong.operand_values):
        return "adding_irrelevant_information"
    return "question_misinterpretation"


def _says_so(said: str, wrong: Computation) -> bool:
    """Whether the step's own words call for the operation that it has: then the question was read so."""
    if wrong.symbols == ("+",):
        return _TOTALS.search(said) is not None
    return wrong.symbols == ("-",) and _RESTS.search(said) is not None


def type_of_operand(setting: Setting, bad: Fraction, good: Fraction) -> str:
    """The type where one value stands in another's place."""
    paths = setting.paths
    if good in setting.earlier and good not in paths.said:
        return "referencing_previous_step_value_error"
    if good not in paths.said and converts(good, setting.text) and bad not in paths.said | setting.earlier:
        return "unit_conversion_error"
    if good in paths.results and good not in paths.said:
        return "missing_step"  # what is needed here has not been worked out
    is_count = good.denominator == bad.denominator == 1 and 1 <= bad <= 12 and abs(good - bad) == 1
    if is_count and good not in paths.said:
        return "counting_error"
    if good in paths.known:
        return "referencing_context_value_error"
    if bad in setting.earlier:
        return "referencing_previous_step_value_error"
    return "question_misinterpretation"


def is_irrelevant(setting: Setting, extra: Sequence[Fraction]) -> bool:
    """Whether all these values come from nowhere, or are numbers of the question that the solution has no use for."""
    used = {v for c in setting.paths.computations for v in c.operand_values} | setting.paths.results
    return bool(extra) and all(v not in used and v not in setting.earlier for v in extra)


# ------------------------------------------------------------------------------------------ formulas

_SUMS: Final = frozenset("+")


def confused_formula(text: str, wrong: Computation, right: Computation) -> str:
    """Which formula stands for which, in words, if the two are neighbours of one another; else empty.

    Perimeter and area of a rectangle, an average without its division or with another count, speed and time multiplied
    for divided: and only where the text speaks of such things.
    """
    if _SHAPES.search(text):
        if (sides := sides_of_area(right)) and wrong.shown in perimeters(*sides):
            return "the perimeter in place of the area"
        if (sides := sides_of_area(wrong)) and right.shown in perimeters(*sides) and _is_sum(right):
            return "the area in place of the perimeter"
    if _MEANS.search(text) and right.symbols[-1] == "/":
        total = right.shown * right.operand_values[-1]
        if wrong.shown == total and set(wrong.symbols) <= _SUMS:
            return "the sum in place of the average"
        is_other_count = wrong.symbols == right.symbols and wrong.operand_values[:-1] == right.operand_values[:-1]
        if is_other_count and wrong.operand_values[-1] == 2:
            return "the half of the sum in place of the average"
    extra = without(wrong.operand_values, right.operand_values)
    lacking = without(right.operand_values, wrong.operand_values)
    is_other_part = len(extra) == len(lacking) == 1 and 0 < extra[0] < 1 and abs(lacking[0] - 1) == extra[0]
    if is_other_part and wrong.symbols == right.symbols:
        return "the percentage alone in place of what it leaves or makes"
    is_swapped = {wrong.symbols, right.symbols} == {("*",), ("/",)}
    if is_swapped and sorted(wrong.operand_values) == sorted(right.operand_values) and _SPEEDS.search(text):
        return "multiplying for dividing among distance, speed and time"
    return ""


def sides_of_area(computation: Computation) -> tuple[Fraction, Fraction] | None:
    """The two factors, if the computation multiplies two numbers."""
    if computation.symbols != ("*",):
        return None
    a, b = computation.operand_values
    return a, b


def perimeters(a: Fraction, b: Fraction) -> set[Fraction]:
    """What people compute for the way around a rectangle: all four sides, or the two that are told."""
    return {2 * (a + b), a + b}


def _is_sum(computation: Computation) -> bool:
    return "+" in computation.symbols
