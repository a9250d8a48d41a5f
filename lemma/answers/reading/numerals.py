r"""Read numbers in other notations: times of day, number words, numerals of another base, ratios, approximations.

Example: ``4:30 p.m.`` is a ``Clock``, ``twenty-one`` the number 21, ``204_5`` a ``Based``, ``3:2:1`` a ``Ratio``.
"""

from __future__ import annotations

import re

from lemma.answers import units
from lemma.answers.formulas.tree import number
from lemma.answers.reading.brackets import split_top, untexted
from lemma.answers.reading.parts import PartReader
from lemma.answers.reading.scalars import read_scalar
from lemma.answers.values import Approximate, Based, Clock, Ratio, Scalar, Value

_NUMERAL = re.compile(
    r"(-?)\s*(?:\\text\s*\{\s*)?([0-9A-Z]*\d[0-9A-Z]*(?:\.\d+)?|[A-Z]{2,12}(?=\}?_))\s*\}?\s*_\s*(?:\{?\s*(\d{1,2})\s*\}?|\{?\s*(?:\\text\s*\{)?\s*(\w+)\s*\}?\s*\}?)"
)
_BASE_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
    "sixteen": 16,
}  # fmt: skip


def read_clock(text: str) -> Clock | None:
    """Read a time of day, with or without its half."""
    bare = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text).strip()
    bare = re.sub(r"\s+", " ", bare)
    if bare.lower() in ("noon", "midnight"):
        return Clock(12 * 3600, "pm") if bare.lower() == "noon" else Clock(0, "am")
    found = re.fullmatch(
        r"(\d{1,2})(?:\s*:\s*(\d\d))?(?:\s*:\s*(\d\d))?\s*(?:([ap])\.?\s?m\b\.?)?", bare, re.IGNORECASE
    )
    if not found or (found.group(2) is None and found.group(4) is None):
        return None
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    if hour > 24 or minute > 59 or second > 59 or (found[4] and not 1 <= hour <= 12):
        return None
    half = {"a": "am", "p": "pm"}.get((found[4] or "").lower())
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return Clock((hour * 60 + minute) * 60 + second, half)


def read_written_number(text: str) -> Scalar | None:
    """Read a number in words, with or without a unit."""
    bare = untexted(text).strip()
    if not bare[:1].isalpha():
        return None
    found = units.read_number_words(bare)
    if found is None:
        return None
    value, rest = found
    if not rest:
        return Scalar(number(value))
    if units.is_percent(rest):
        return Scalar(number(value), is_percent=True)
    if len(rest.split()) > 3 or value in (0, 1) or value.denominator != 1:
        return None  # "one of them" is no number
    return Scalar(number(value), units.read_unit(rest))


def read_based(text: str) -> Based | None:
    """Read a numeral with its base behind it."""
    if "_" not in text:
        return None
    found = _NUMERAL.fullmatch(text)
    if not found:
        return None
    sign, digits, base, name = found.groups()
    value = int(base) if base else _BASE_WORDS.get((name or "").lower(), 0)
    if name and name.isdigit():
        value = int(name)
    if not 2 <= value <= 36:
        return None
    return Based(digits.upper().lstrip("0") or "0", value, bool(sign))


def read_ratio(text: str) -> Ratio | None:
    """Read numbers or formulas that are joined by colons, or two numbers by "to"."""
    to = re.fullmatch(r"(-?[\d.]+)\s+to\s+(-?[\d.]+)", text.replace("\\text{ to }", " to "))
    sides = [to.group(1), to.group(2)] if to else split_top(text, ":") if ":" in text else []
    if not 2 <= len(sides) <= 8:
        return None
    parts = [read_scalar(side.strip()) for side in sides]
    scalars = tuple(part for part in parts if part is not None)
    return Ratio(scalars) if len(scalars) == len(parts) else None


def read_approximate(text: str, read_part: PartReader) -> Value | None:
    """Read a value with what it is nearly equal to."""
    if "≈" not in text:
        return None
    parts = [part for part in text.split("≈") if part.strip()]
    if not parts:
        return None
    if len(parts) == 1:
        return read_part(parts[0])
    first = read_part(parts[0])
    if isinstance(first, Scalar) and first.letter:
        return read_part(parts[-1])
    return Approximate(first, read_part(parts[-1]))
