r"""Read several values: lists joined by commas or words, sets, tuples, and the two values of a sign choice.

Example: ``1 \text{ and } 2`` is an ``Items`` of two, ``(1, 2)`` an ``Ordered``, ``\pm 3`` the ``Items`` 3 and -3.
"""

from __future__ import annotations

import re

from lemma.answers import regions
from lemma.answers.formulas.tree import with_sign
from lemma.answers.reading.brackets import inside_of, split_top
from lemma.answers.reading.parts import MAX_MEMBERS, PartReader
from lemma.answers.reading.relations import RELATIONS
from lemma.answers.reading.scalars import joined_thousands, read_scalar
from lemma.answers.values import Equation, Interval, Items, Ordered, Region, Scalar, Unread, Value

_JOINERS = re.compile(
    r",?\s*\\text\s*\{\s*,?\s*(?:and|or)\s*\}\s*|\s*,?\s+(?:and|or|&)\s+|\s*\\text\s*\{\s*,\s*(?:and|or)?\s*\}\s*|,\s*(?:and|or)\s+|;\s+"
)
_OR = re.compile(r"(?:\s|\})or(?:\s|\\|\})|\{\s*or\s*\}")
_CASES = re.compile(r"\\begin\s*\{(cases|aligned|align\*?|gathered)\}(.*)\\end\s*\{\1\}", re.DOTALL)
_SIGN_CHOICE = ("\\pm", "\\mp")
_MARKS = (",", " and", " or", "{", ";")
_NOT_IN_SIGNED = RELATIONS + "∪∈"


def read_list(text: str, read_part: PartReader) -> Value | None:
    """Read values that are joined by commas or words, or that share a sign choice, without brackets around them all."""
    if "\\begin" in text:
        cases = _CASES.fullmatch(text)
        if not cases:
            return None
        lines = [line.replace("&", " ") for line in cases.group(2).split("\\\\") if line.strip()]
        return Items(tuple(read_part(line) for line in lines[:MAX_MEMBERS]))
    if not any(mark in text for mark in _MARKS):
        return _signed_list(text, read_part)
    commas = (
        _JOINERS.sub(", ", text)
        if _JOINERS.search(text) and len(split_top(_JOINERS.sub("\x02", text), "\x02")) > 1
        else text
    )
    if commas is text:
        commas = joined_thousands(text)
    parts = [part for part in split_top(commas, ",;") if part.strip()]
    if len(parts) < 2 or len(parts) > MAX_MEMBERS:
        return _signed_list(text, read_part)
    if _has_words(parts):
        return None
    members = [read_part(part) for part in parts]
    spans = [regions.spans_of(member) for member in members]
    if all(spans) and any(isinstance(m, Region) for m in members):
        combined = _combined(text, [found for found in spans if found])
        if combined:
            return combined
    # "n = 1, 2, 3" names the list, not its first member.
    first = members[0]
    if (
        isinstance(first, Equation)
        and first.head
        and first.value
        and not any(isinstance(m, Equation) for m in members[1:])
    ):
        members[0] = first.value
    return Items(tuple(_flattened(members)))


def _combined(text: str, spans: list[tuple[Interval, ...]]) -> Region | None:
    """Join conditions: "or" is a union, "and" an intersection, and so are several ``x ≠ a``."""
    if _OR.search(text):
        return regions.merged([span for found in spans for span in found])
    if not re.search(r"(?:\s|\{)and(?:\s|\})", text) and "≠" not in text:
        return None
    common: list[Interval] = [regions.REAL_LINE]
    for found in spans:
        common = regions.intersect(common, found)
    return regions.merged(common) if common else None


def _has_words(parts: list[str]) -> bool:
    """Whether the parts are a sentence's, not a list's."""
    return any(len(re.findall(r"[A-Za-z]{2,}", part)) > 5 and "\\" not in part for part in parts)


def _flattened(members: list[Value]) -> list[Value]:
    flat: list[Value] = []
    for member in members:
        flat.extend(member.members if isinstance(member, Items) and not member.is_set else [member])
    return flat


def _signed_list(text: str, read_part: PartReader) -> Value | None:
    r"""``a \pm b`` stands for both of its values."""
    if ("≠" in text or text.startswith("(")) and "\\pm" in text:
        both_texts = [text.replace("\\pm", a).replace("\\mp", b) for a, b in (("+", "-"), ("-", "+"))]
        values = [read_part(one) for one in both_texts]
        if "≠" in text and all(isinstance(value, Region) for value in values):
            return _combined("≠", [value.intervals for value in values if isinstance(value, Region)])
        return Items(tuple(values)) if all(isinstance(value, Ordered) for value in values) else None
    if not any(mark in text for mark in _SIGN_CHOICE) or split_top(text, _NOT_IN_SIGNED) != [text]:
        return None
    if text.startswith(("(", "[", "\\{")) and len(split_top(inside_of(text) or "", ",")) > 1:
        return None
    scalar = read_scalar(text)
    if scalar is None:
        return None
    return Items(tuple(Scalar(with_sign(scalar.tree, sign), scalar.unit, scalar.is_percent) for sign in (1, -1)))


def read_bracketed(text: str, read_part: PartReader) -> Value | None:
    """Read a set, a tuple, or an interval that may be one; brackets around a single value are taken away."""
    inside = inside_of(text)
    if inside is None:
        return None
    if re.search(r",\s", inside):
        inside = joined_thousands(inside)
    parts = split_top(inside, ",;") if inside.strip() else []
    is_set = text.startswith("\\{") or (text[0] == "{" and len(parts) > 1)
    if len(parts) > MAX_MEMBERS or (is_set and re.search(r"\||:|≤|<", inside)):
        return Unread(text)
    if not is_set and len(parts) == 1:
        if (text[0] == "(" and text[-1] == ")") or text[0] == "{":
            return read_part(inside)
        return Ordered((read_part(inside),), text[0], text[-1])
    if _JOINERS.search(inside) and is_set:
        parts = split_top(_JOINERS.sub(", ", inside), ",")
    members = [read_part(part) for part in parts if part.strip()]
    if is_set:
        return Items(tuple(_flattened(members)), is_set=True)
    if text.startswith("\\langle"):
        return Ordered(tuple(members), "(", ")")
    return Ordered(tuple(members), text[0], text[-1])
