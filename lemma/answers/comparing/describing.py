"""Tell people how an answer was read.

Example: the value of ``x = 1/2 cm`` is described as ``x = number 1/2 cm``.
"""

from __future__ import annotations

from lemma.answers.exact.polynomials import bits
from lemma.answers.formulas.tree import Tree
from lemma.answers.values import (
    Based,
    Choice,
    Clock,
    Equation,
    Items,
    Matrix,
    Ordered,
    Region,
    Scalar,
    Unread,
    Value,
    Words,
)

_MAX_BITS = 1_000
_MAX_CHARS = 300
_MAX_TEXT_CHARS = 200
_MAX_MEMBERS = 20


def describe(value: Value | None) -> str:
    """A value for people: its kind and what it holds."""
    if value is None:
        return "nothing (empty, or over the limits)"
    if isinstance(value, Scalar):
        unit = f" {value.unit.name}" if value.unit else " percent" if value.is_percent else ""
        exactly = value.rational
        if exactly is not None and bits(exactly) < _MAX_BITS:
            return f"number {exactly}{unit}"
        return f"formula {_shown(value.tree)}{unit}"
    if isinstance(value, Words):
        return "text " + " ".join(value.words)
    if isinstance(value, Unread):
        return f"unread text {value.text[:_MAX_TEXT_CHARS]!r}"
    if isinstance(value, (Items, Ordered)):
        kind = "tuple" if isinstance(value, Ordered) else "set" if value.is_set else "list"
        return f"{kind} of {len(value.members)}: " + "; ".join(map(describe, value.members[:_MAX_MEMBERS]))
    if isinstance(value, Region):
        return f"region of {len(value.intervals)} interval(s)"
    if isinstance(value, Equation) and value.head and value.value:
        return f"{value.head} = {describe(value.value)}"
    if isinstance(value, Choice):
        return f"option {value.letter.upper()}: {describe(value.rest)}"
    if isinstance(value, Based):
        return f"numeral {value.digits} in base {value.base}"
    if isinstance(value, Clock):
        return f"time {value.seconds // 3600}:{value.seconds // 60 % 60:02}:{value.seconds % 60:02}"
    if isinstance(value, Matrix):
        cells = (describe(cell) for row in value.rows for cell in row[:_MAX_MEMBERS])
        return f"matrix of {len(value.rows)} row(s): " + "; ".join(cells)
    return type(value).__name__.lower()


def _shown(tree: Tree) -> str:
    if tree[0] == "num":
        length = bits(tree[1])
        return str(tree[1]) if length < _MAX_BITS else f"a number of {length} bits"
    if len(tree) == 2 and isinstance(tree[1], str):
        return tree[1]
    parts = [part if isinstance(part, str) else _shown(part) for part in tree[1:]]
    return f"{tree[0]}({', '.join(parts)})"[:_MAX_CHARS]
