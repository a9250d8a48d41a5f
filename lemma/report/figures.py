"""What a page is made of: sections of figures, each a picture with its numbers as a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from lemma.report.charts import Chart
from lemma.report.facts import RunFacts
from lemma.report.svg import draw

Cell = str | int | float | None
"""Of a table; None is a dash."""

MOST_CELL_CHARS: Final = 300
_NUMBER: Final = re.compile(r"[$≈]?[\d,.]+(?: ?[%sk])?|–")


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers, as they are read."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture and its numbers."""

    title: str
    note: str
    """A sentence or two about what is counted."""
    table: Table
    picture: Markup | None = None
    """None where there is nothing to draw."""
    legend: Sequence[tuple[str, str]] = ()
    """(series, colour)."""
    is_open: bool = False
    """Whether the table is shown without asking."""


@dataclass(frozen=True, slots=True)
class Section:
    """Figures about one question."""

    name: str
    """Of the anchor."""
    short: str
    """For the head of the page."""
    title: str
    figures: Sequence[Figure]


def figure(title: str, note: str, table: Table, chart: Chart | None) -> Figure:
    """A figure with its picture drawn; without one where the table is empty, or there is nothing to draw."""
    title = shown(title)
    if chart is None or not table.rows:
        return Figure(title, note, table, is_open=True)
    picture = draw(chart.spec, f"{title}; the numbers stand in the table below")
    return Figure(title, note, table, picture, chart.legend)


def ticked(text: str) -> Markup:
    """A text of ours in which names stand in backticks, with these as code; everything in it is escaped."""
    pieces = [escape(piece) for piece in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(one) if at % 2 else one for at, one in enumerate(pieces))


def shown(cell: Cell) -> str:
    """A cell as text."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell if len(cell) <= MOST_CELL_CHARS else f"{cell[:MOST_CELL_CHARS]}…"
    return f"{cell:,}"


def is_number(cell: Cell) -> bool:
    """Whether a cell stands to the right."""
    return not isinstance(cell, str) or _NUMBER.fullmatch(cell) is not None


def percent(part: float, whole: float) -> str | None:
    """A share such as ``93.2 %``; None where there is nothing to share."""
    return f"{100 * part / whole:.1f} %" if whole else None


def plain(name: str) -> str:
    """A fixed word of ours for people: ``missing_step`` reads ``missing step``."""
    return name.replace("_", " ")


def titled(facts: RunFacts, runs: Sequence[RunFacts], title: str) -> str:
    """The title of a figure about one run, with the run's name where there are several."""
    return title if len(runs) == 1 else f"{title} · {facts.name}"


def run_cells(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Cell]:
    """The first cell of a line about one of several runs; nothing where there is one."""
    return [] if len(runs) == 1 else [facts.name]


def run_head(runs: Sequence[RunFacts]) -> list[str]:
    """The head over `run_cells`."""
    return [] if len(runs) == 1 else ["run"]
