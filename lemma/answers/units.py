r"""Units and number words: what stands behind a number, and numbers that are written out.

Example: ``square centimeters`` is the unit ``cm^2``; ``apples`` is a noun, which says nothing about the value.
"""

# ruff: noqa: E501, SIM905 - tables of words are read best as words in long lines
from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

# name -> (dimension, size in the dimension's base unit, spellings). Sizes are exact by definition of the units.
_TABLE: dict[str, tuple[str, str, str]] = {
    "mm": ("length", "1/1000", "millimeter millimetre mm"),
    "cm": ("length", "1/100", "centimeter centimetre cm"),
    "dm": ("length", "1/10", "decimeter decimetre dm"),
    "m": ("length", "1", "meter metre m"),
    "km": ("length", "1000", "kilometer kilometre km kms"),
    "in": ("length", "0.0254", "inch inches in"),
    "ft": ("length", "0.3048", "foot feet ft"),
    "yd": ("length", "0.9144", "yard yd yds"),
    "mi": ("length", "1609.344", "mile mi"),
    "mg": ("mass", "1/1000000", "milligram mg"),
    "g": ("mass", "1/1000", "gram g gm gms"),
    "kg": ("mass", "1", "kilogram kilo kg kgs"),
    "t": ("mass", "1000", "tonne"),
    "ton": ("mass", "907.18474", "ton"),
    "oz": ("mass", "0.028349523125", "ounce oz"),
    "lb": ("mass", "0.45359237", "lb lbs"),
    "pounds": ("mass", "0.45359237", "pound"),
    "s": ("time", "1", "second sec secs s"),
    "ms": ("time", "1/1000", "millisecond ms"),
    "min": ("time", "60", "minute min mins"),
    "h": ("time", "3600", "hour hr hrs h"),
    "day": ("time", "86400", "day"),
    "week": ("time", "604800", "week wk wks"),
    "month": ("month", "1", "month mo mos"),
    "year": ("month", "12", "year yr yrs"),
    "decade": ("month", "120", "decade"),
    "century": ("month", "1200", "century centuries"),
    "ml": ("volume", "1/1000", "milliliter millilitre ml"),
    "L": ("volume", "1", "liter litre l"),
    "gal": ("volume", "3.785411784", "gallon gal"),
    "qt": ("volume", "0.946352946", "quart qt"),
    "pt": ("volume", "0.473176473", "pint"),
    "cup": ("volume", "0.2365882365", "cup"),
    "acre": ("area", "4046.8564224", "acre"),
    "ha": ("area", "10000", "hectare ha"),
    "deg": ("angle", "1", "degree deg °"),
    "rad": ("radian", "1", "radian rad rads"),
    "degC": ("celsius", "1", "celsius °c"),
    "degF": ("fahrenheit", "1", "fahrenheit °f"),
    "$": ("usd", "1", "dollar $ usd buck"),
    "cent": ("usd", "1/100", "cent ¢"),
    "€": ("eur", "1", "euro € eur"),
    "£": ("gbp", "1", "£ gbp"),
    "¥": ("jpy", "1", "yen ¥ jpy"),
    "₹": ("inr", "1", "rupee ₹ inr rs"),
    "mph": ("speed", "0.44704", "mph"),
    "km/h": ("speed", "5/18", "kmh kph kmph"),
    "am": ("am", "1", "a.m am"),
    "pm": ("pm", "1", "p.m pm"),
}
_SPELLINGS = {word: name for name, (_, _, words) in _TABLE.items() for word in words.split()}
_SPELLINGS |= {word + "s": name for word, name in list(_SPELLINGS.items()) if len(word) > 2 and word.isalpha()}
# Nouns that only say "of the thing asked for".
_EMPTY = frozenset("unit units square squares cubic sq th st nd rd".split())
_SQUARE = re.compile(r"^(?:sq(?:uare)?\.?|square)\s+(.+)$|^(.+?)\s*\^\s*\{?2\}?$|^(.+?)\s+squared$")
_CUBE = re.compile(r"^(?:cu(?:bic)?\.?)\s+(.+)$|^(.+?)\s*\^\s*\{?3\}?$|^(.+?)\s+cubed$")
_PERCENT = frozenset(
    ("%", "percent", "per cent", "percents", "pct", "percentage", "percentage points", "percent point")
)


class Unit(NamedTuple):
    """A unit of measure, or a noun (``dimension`` empty) about which nothing is known."""

    name: str
    dimension: str
    size: Fraction

    @property
    def is_noun(self) -> bool:
        """Whether this is no known unit of measure."""
        return not self.dimension


def is_percent(text: str) -> bool:
    """Whether a text behind a number means a hundredth."""
    return text.strip().lower() in _PERCENT


def read_unit(text: str) -> Unit | None:
    """Read what stands behind a number. None for words without any content, as "units"."""
    text = re.sub(r"\s+", " ", text.replace("\\", " ")).strip(" .,").lower()
    text = (
        re.sub(r"^degrees? (?=celsius|fahrenheit|c$|f$)", "°", text)
        .replace("°celsius", "°c")
        .replace("°fahrenheit", "°f")
    )
    if not text or text in _EMPTY:
        return None
    known = _measure(text)
    if known is not None:
        return known
    words = [word for word in re.findall(r"[a-z$€£¥]+", text) if word not in _EMPTY]
    return Unit(" ".join(words), "", Fraction(1)) if words else None


def is_measure(text: str) -> bool:
    """Whether a text is a known unit of measure."""
    return _measure(re.sub(r"\s+", " ", text).strip(" .,").lower()) is not None


def _measure(text: str) -> Unit | None:
    if text in _SPELLINGS:
        name = _SPELLINGS[text]
        dimension, size, _ = _TABLE[name]
        return Unit(name, dimension, Fraction(size))
    for power, pattern in ((2, _SQUARE), (3, _CUBE)):
        found = pattern.match(text)
        if found:
            base = _measure(next(group for group in found.groups() if group).strip(" ."))
            if base is not None and base.dimension == "length":
                return Unit(f"{base.name}^{power}", "area" if power == 2 else "cubic", base.size**power)
            return None
    parts = re.split(r"\s*/\s*|\s+per\s+|\s+an?\s+", text)
    if len(parts) == 2:
        top, bottom = (_measure(part.strip(" .")) for part in parts)
        if top and bottom:
            dimension = (
                "speed"
                if (top.dimension, bottom.dimension) == ("length", "time")
                else f"{top.dimension}/{bottom.dimension}"
            )
            return Unit(f"{top.name}/{bottom.name}", dimension, top.size / bottom.size)
    return None


_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
        "nineteen".split()
    )
}
_TENS = {
    word: 10 * value for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
          "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10}  # fmt: skip
NUMBER_WORDS = (
    frozenset(_SMALL) | frozenset(_TENS) | frozenset(SCALES) | frozenset(_PARTS) | {"hundred", "negative", "minus"}
)


def read_number_words(text: str) -> tuple[Fraction, str] | None:
    """Read a number that is written out; return it with the words behind it, or None where no number begins."""
    words = re.findall(r"[a-z]+", text.lower()) if re.fullmatch(r"[A-Za-z\s,\-]+", text) else []
    if not words or words[0] not in NUMBER_WORDS:
        return None
    sign = 1
    if words[0] in ("negative", "minus"):
        sign, words = -1, words[1:]
    total, current, used = 0, 0, 0
    for position, word in enumerate(words):
        if word in _SMALL:
            if current % 10 and used:
                return None
            current += _SMALL[word]
        elif word in _TENS:
            if current % 100:
                return None
            current += _TENS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in SCALES:
            total += (current or 1) * SCALES[word]
            current = 0
        elif word in _PARTS and position:
            return Fraction(sign * (total + current), _PARTS[word]), " ".join(words[position + 1 :])
        elif word in _PARTS:
            return Fraction(sign, _PARTS[word]), " ".join(words[position + 1 :])
        elif word == "and" and words[position + 1 : position + 2] and words[position + 1] in NUMBER_WORDS and used:
            continue
        else:
            break
        used = position + 1
    if not used:
        return None
    return Fraction(sign * (total + current)), " ".join(words[used:])
