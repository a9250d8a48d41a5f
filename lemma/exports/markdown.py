"""Markdown that no name or model text can break: tables, escaped words, fenced texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Cells = Sequence[str | int]
"""A table's line."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+-]*")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&@^=:.-])")
_MOST_CHARS = 120


def word(text: str) -> str:
    """A name for a table's cell or a sentence: as code where it is harmless, else with every sign escaped."""
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if len(text) > _MOST_CHARS:
        text = text[: _MOST_CHARS - 1] + "…"
    if _PLAIN_NAME.fullmatch(text):
        return f"`{text}`"
    return _MARKUP.sub(r"\\\1", text) or "(no name)"


def table(head: Sequence[str], rows: Iterable[Cells]) -> str:
    """A table; columns whose first cell is a number stand to the right."""
    body = [list(row) for row in rows]
    numbers = [isinstance(cell, int) for cell in body[0]] if body else [False] * len(head)
    rule = ["---:" if number else "---" for number in numbers]
    lines = [head, rule, *([_cell(cell) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: str | int) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell


def fenced(text: str) -> str:
    """A text shown as it is; the fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def percent(part: int, whole: int) -> str:
    """A share such as ``93.2 %``; a dash where there is nothing to share."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
