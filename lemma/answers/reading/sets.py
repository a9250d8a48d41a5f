r"""Read parts of the real line that are named, described or united.

Example: ``[0, 1) \cup \{3\}`` is a ``Region`` of two intervals, as is ``\mathbb{R} \setminus \{0\}``.
"""

from __future__ import annotations

import re

from lemma.answers import regions
from lemma.answers.reading.brackets import split_top, untexted
from lemma.answers.reading.parts import MAX_MEMBERS, PartReader
from lemma.answers.values import Inequalities, Interval, Items, Region, Scalar, Unread, Value

_REAL = re.compile(
    r"\\mathbb\s*\{?\s*R\s*\}?|\\Re|R|(?:all|any|the set of)?\s*(?:all\s+)?real\s*(?:numbers?|values?)?(?:\s+x)?|"
    r"all reals"
)
_EMPTY = re.compile(r"\\emptyset|\\\{\s*\\\}|\{\s*\}|(?:the )?empty set|null set")


def read_named_set(text: str, read_part: PartReader) -> Value | None:
    """Read the empty set, the real line, a set that is described, or the real line without some points."""
    bare = untexted(text).strip()
    if _EMPTY.fullmatch(bare):
        return Items((), is_set=True)
    builder = re.fullmatch(r"\\?\{\s*\\?[A-Za-z]+(?:\s*∈[^|:]*)?\s*[|:](.+?)\\?\}", text)
    if builder:
        holds = read_part(builder.group(1))
        return holds if isinstance(holds, (Region, Inequalities)) else Unread(text)
    if _REAL.fullmatch(bare) and len(bare) > 1:
        return Region((regions.REAL_LINE,))
    removed = re.fullmatch(r"(.+?)\s*(?:∖|\\(?=\s*\\\{)|-(?=\s*\\\{))\s*(\\?\{.*\\?\})", text)
    removed = removed or re.fullmatch(r"(.+?),?\s+(?:except(?: for)?|other than|but)\s+(.+)", bare)
    if removed and _REAL.fullmatch(removed.group(1).strip()):
        return _real_line_without(read_part(removed.group(2)))
    return None


def _real_line_without(points: Value) -> Region | None:
    spans = [regions.REAL_LINE]
    for member in points.members if isinstance(points, Items) else (points,):
        if not isinstance(member, Scalar) or member.form is None or regions.approximate(member.form) is None:
            return None
        spans = regions.intersect(spans, regions.all_but(member.form))
    return regions.merged(spans)


def read_union(text: str, read_part: PartReader) -> Region | Unread | None:
    """Read intervals and sets of points that are joined by union signs."""
    if "∪" not in text:
        return None
    parts = split_top(text, "∪")
    if len(parts) < 2 or len(parts) > MAX_MEMBERS:
        return None
    spans: list[Interval] = []
    for part in parts:
        value = read_part(part)
        if isinstance(value, Scalar) and value.form and part.strip().startswith(("{", "\\{")):
            value = Items((value,), is_set=True)
        found = regions.spans_of(value)
        if found is None:
            return Unread(text)
        spans.extend(found)
    return regions.merged(spans) or Unread(text)
