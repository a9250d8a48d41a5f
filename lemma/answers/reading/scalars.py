r"""Read a number or formula with what stands around it: currency, percent, degrees, unit.

Example: ``\$3.50`` is 7/2 with unit ``$``, ``\frac{x}{2} \text{ square centimeters}`` a formula with unit ``cm^2``.
"""

from __future__ import annotations

import re
from fractions import Fraction

from lemma.answers import units
from lemma.answers.formulas.expression import read_expression
from lemma.answers.formulas.scanner import UnreadableError
from lemma.answers.formulas.tree import Tree, negative, number
from lemma.answers.plain import PLAIN_NUMBER
from lemma.answers.reading.brackets import unbraced, untexted
from lemma.answers.values import Scalar

_THOUSANDS = re.compile(r"(?<![\d.,_^])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_TRAILING_TEXT = re.compile(
    r"(.*?)\s*(?:\\text\s*\{([^{}]*)\})\s*((?:\^\s*(?:\{\s*\d\s*\}|\d))?(?:\s*/\s*\\text\s*\{([^{}]*)\})?)\s*((?:\\text\s*\{[^{}]*\}\s*)*)",
    re.DOTALL,
)
_TRAILING_WORDS = re.compile(
    r"(.*?[\d)}\]|!]|.*?\\pi)(\s*)((?:sq|cu)\.?\s+[a-zA-Z]+\.?|[a-zA-Z¢][a-zA-Z.¢'-]*(?:\s*/\s*[a-zA-Z]+|\s+[a-zA-Z][a-zA-Z.'-]*)*)(\s*\^\s*(?:\{\s*\d\s*\}|\d))?",
    re.DOTALL,
)
_DEGREES = re.compile(
    r"(.*?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF]))?", re.DOTALL
)
_CURRENCY_FIRST = re.compile(r"([+-]?)\s*([$€£¥₹]|USD|EUR|GBP|US\$)\s*(.+)", re.DOTALL)
_CURRENCY_LAST = re.compile(r"(.*\d)\s*([$€£¥₹])", re.DOTALL)
_PERCENT_LAST = re.compile(
    r"(.+?)\s*(%|\\text\s*\{\s*(?:percent|per cent|pct|percentage|\\?%)\s*\}|"
    r"\s*(?:percent|percentage|pct)(?:age)?(?: points?)?)",
    re.DOTALL,
)
_ORDINAL = re.compile(r"(.*\d)\s*(?:\^\s*\{?\s*\\text\s*\{\s*(?:th|st|nd|rd)\s*\}\s*\}?|(?:th|st|nd|rd))")
_SCALED = re.compile(r"(.*\d)\s*(?:\\text\s*\{\s*)?(thousand|million|billion|trillion)\s*\}?(.*)", re.DOTALL)
_KNOWN_WORDS = re.compile(
    r"\\?(?:sin|cos|tan|cot|sec|csc|log|ln|sqrt|pi|oo|inf|arcsin|arccos|arctan|exp|max|min|gcd|lcm|alpha|beta|gamma|theta|phi|lambda|"
    r"infinity|frac|usqrt|cdot|times)(?![a-z])"
)


def read_scalar(text: str) -> Scalar | None:
    """Read a formula with what stands around it: currency, percent, degrees, unit."""
    text = unbraced(joined_thousands(text.strip()))
    text = re.sub(r"^\\text\s*\{\s*(-?[\d.,/]+)\s*\}$", r"\1", text)
    plain = read_plain_number(text)
    if plain is not None:
        return plain
    for pattern, reader in _DRESSED:
        found = pattern.fullmatch(text)
        if found:
            scalar = reader(found)
            if scalar is not None:
                return scalar
    if "\\text" in text or "$" in text:
        return None
    tree = read_tree(text)
    if tree is None:
        return None
    return Scalar(tree) if tree[0] != "deg" else Scalar(tree[1], units.read_unit("°"))


def read_plain_number(text: str) -> Scalar | None:
    """Read a number in plain digits, with or without a dollar sign; None for all else."""
    found = PLAIN_NUMBER.fullmatch(text)
    if not found:
        return None
    sign, currency, digits = found.groups()
    digits = digits.replace(",", "")
    value = Fraction(digits + "0" if digits.endswith(".") else digits)
    return Scalar(number(-value if sign == "-" else value), units.read_unit("$") if currency else None)


def read_tree(text: str) -> Tree | None:
    """Read a formula without unit; None where it is none."""
    try:
        return read_expression(text)
    except UnreadableError:
        return None


def joined_thousands(text: str) -> str:
    """The text with the commas taken out of numbers such as ``1,000``."""
    return _THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)


def _from_currency_first(found: re.Match[str]) -> Scalar | None:
    inner = read_scalar(found.group(3))
    if inner is None or (inner.unit and not inner.unit.is_noun and inner.unit.name not in ("$", "month")):
        return None
    tree = negative(inner.tree) if found.group(1) == "-" else inner.tree
    return Scalar(tree, units.read_unit(found.group(2).replace("US$", "$")))


def _from_currency_last(found: re.Match[str]) -> Scalar | None:
    inner = read_scalar(found.group(1))
    return Scalar(inner.tree, units.read_unit(found.group(2))) if inner and inner.unit is None else None


def _from_percent(found: re.Match[str]) -> Scalar | None:
    inner = read_scalar(found.group(1))
    return Scalar(inner.tree, None, is_percent=True) if inner and not inner.is_percent and inner.unit is None else None


def _from_degrees(found: re.Match[str]) -> Scalar | None:
    if "\\circ" in found.group(1) or not found.group(1).strip():
        return None
    inner = read_scalar(found.group(1))
    if inner is None or inner.unit is not None or re.search(r"(?:sin|cos|tan|cot|sec|csc|cis)", found.group(1)):
        return None
    return Scalar(inner.tree, units.read_unit("°" + (found.group(2) or found.group(3) or "")))


def _from_ordinal(found: re.Match[str]) -> Scalar | None:
    inner = read_scalar(found.group(1))
    return inner if inner is not None and inner.unit is None else None


def _from_scale(found: re.Match[str]) -> Scalar | None:
    inner = read_scalar(found.group(1))
    if inner is None or inner.rational is None:
        return None
    rest = found.group(3).strip()
    if rest.endswith("}") and "{" not in rest:  # of the \text that began before the scale
        rest = rest[:-1].strip()
    unit = units.read_unit(untexted(rest)) if rest else inner.unit
    return Scalar(number(inner.rational * units.SCALES[found.group(2)]), unit)


def _from_text(found: re.Match[str]) -> Scalar | None:
    before, text, power, below, more = found.groups()
    if not before.strip():
        return None
    if re.search(r"\b(?:and|or|if|where|for|when)\b", text):
        return None
    words = text + re.sub(r"[{}\s]|\\text|/.*", "", power or "") + (" / " + below if below else "")
    words += " " + untexted(more or "")
    inner = read_scalar(before)
    if inner is None:
        return None
    if units.is_percent(words):
        return Scalar(inner.tree, None, is_percent=True)
    return Scalar(inner.tree, inner.unit or units.read_unit(words), inner.is_percent)


def _from_words(found: re.Match[str]) -> Scalar | None:
    before, gap, words, power = found.groups()
    if (_KNOWN_WORDS.match(words) and not units.is_measure(words)) or re.search(
        r"\b(?:and|or|if|where|for|when|to|is|than|x)\b", words
    ):
        return None
    bare = words.strip()
    full = bare + re.sub(r"[{}\s]", "", power or "")
    if units.is_percent(bare):
        inner = read_scalar(before)
        return Scalar(inner.tree, None, is_percent=True) if inner else None
    if not units.is_measure(full):
        # Unknown words are nouns; short ones without a gap, or with a power, are symbols.
        if power or any(len(word.strip(".")) < 3 for word in bare.split()) or not re.fullmatch(r"[A-Za-z.' -]+", bare):
            return None
    elif len(bare) < 2 and not gap:
        return None
    inner = read_scalar(before)
    return Scalar(inner.tree, inner.unit or units.read_unit(full), inner.is_percent) if inner else None


_DRESSED = [
    (_CURRENCY_FIRST, _from_currency_first),
    (_CURRENCY_LAST, _from_currency_last),
    (_PERCENT_LAST, _from_percent),
    (_DEGREES, _from_degrees),
    (_ORDINAL, _from_ordinal),
    (_SCALED, _from_scale),
    (_TRAILING_TEXT, _from_text),
    (_TRAILING_WORDS, _from_words),
]
