"""One row as an annotator reads it in a terminal. Its texts are hostile: nothing in them may steer the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

import typer

from lemma.records import Trajectory
from lemma.steps import step_at, step_spans
from lemma.terminal import safe

MOST_COLUMNS: Final = 100
MARK: Final = "▶ "


def pieces(row: Trajectory) -> tuple[str, str, str]:
    """The wrong solution before its claimed first wrong step, that step, and what follows; joined it is whole."""
    solution, end = row.mistake.solution, row.mistake.prefix_end
    start = step_spans(solution)[step_at(solution, end) - 1][0]
    return solution[:start], solution[start:end], solution[end:]


def render(row: Trajectory, definition: str, columns: int) -> str:
    """The row's question, wrong solution, error type and correction.

    Args:
        row: what is judged.
        definition: of its error type.
        columns: of the terminal.
    """
    mistake = row.mistake
    width = max(20, min(columns, MOST_COLUMNS)) - 1
    before, wrong, after = pieces(row)
    solution = [
        *_wrapped(before, width, "  "),
        *map(_bold, _wrapped(wrong, width, MARK)),
        *_wrapped(after, width, "  "),
    ]
    parts = [
        ("QUESTION", _wrapped(mistake.problem.question, width, "  ")),
        ("REFERENCE ANSWER", _wrapped(mistake.problem.answer, width, "  ")),
        (f"WRONG SOLUTION, its claimed first wrong step marked {MARK.strip()}", solution),
        ("ITS ANSWER", _wrapped(mistake.answer, width, "  ")),
        ("ERROR TYPE", _wrapped(f"{mistake.error_type}: {definition}", width, "  ")),
        ("REFLECTION", _wrapped(row.reflection, width, "  ")),
        ("CONTINUATION", _wrapped(row.continuation, width, "  ")),
    ]
    if row.prefix != mistake.prefix:  # smoothed as a whole: the row begins otherwise than the mistake
        parts.insert(5, ("HOW THE ROW BEGINS", _wrapped(row.prefix, width, "  ")))
    return "\n".join(line for title, lines in parts for line in (_bold(title), *lines))


def wrapped(text: str, columns: int) -> str:
    """A text of its own, such as a reference solution."""
    return "\n".join(_wrapped(text, max(20, min(columns, MOST_COLUMNS)) - 1, "  "))


def _wrapped(text: str, width: int, margin: str) -> Iterator[str]:
    # stripped of blank lines around it only: how a line is indented may say something
    bare = safe(text).strip("\n").rstrip()
    for line in bare.split("\n") if bare else []:
        # not at hyphens: 5-3 is mathematics, and the simple splitting is linear in the line
        broken = textwrap.wrap(line, width - len(margin), break_on_hyphens=False)
        yield from (f"{margin}{piece.rstrip()}" for piece in broken or [""])


def _bold(text: str) -> str:
    return typer.style(text, bold=True)
