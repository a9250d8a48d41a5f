"""A sample as a spreadsheet: CSV (RFC 4180), one line a row, five columns to fill with yes, no or unsure.

Texts are hostile: a cell that a spreadsheet would take for a formula is led by an apostrophe (OWASP, "CSV injection").
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lemma.audit.rows import find
from lemma.audit.screen import pieces
from lemma.audit.verdicts import CLAIMS, NOTE, SAID, VerdictFile, shown_of
from lemma.errors import InputError
from lemma.records import Trajectory
from lemma.shards.files import write_whole
from lemma.terminal import safe

_LABELS: Final = ("id", "shown")
_NEEDED: Final = (*_LABELS, *CLAIMS)
_BREAK: Final = " ⏎ "
_FORMULA: Final = re.compile(r"'*\s*[=+\-@\t\r＝＋－＠]")
_TOLD: Final = 5


@dataclass(frozen=True)
class Taken:
    """What an import brought."""

    verdicts: int
    """Those that were new or other than before."""
    rows: int
    """Rows of the sheet with a verdict."""
    empty: int
    """Verdict cells that are not filled."""


def write_sheet(path: Path, rows: Sequence[Trajectory], definitions: Mapping[str, str], verdicts: VerdictFile) -> None:
    """Writes a sheet, filled with what the annotator said before.

    Args:
        path: the file to make.
        rows: the sample.
        definitions: error type → what it means, in one line.
        verdicts: the annotator's.

    Raises:
        InputError: the file is there already; it may hold somebody's work.
        DiskError: it cannot be written.
    """
    if path.exists():
        raise InputError(f"{path}: is there already and may hold verdicts; name another file")
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        cells = {name: escaped(cell) for name, cell in _cells(row, definitions, verdicts).items()}
        if writer is None:
            writer = csv.DictWriter(text, list(cells))
            writer.writeheader()
        writer.writerow(cells)
    # the mark at the beginning tells spreadsheets that it is UTF-8
    write_whole(path, [text.getvalue().encode("utf-8-sig")])


def _cells(row: Trajectory, definitions: Mapping[str, str], verdicts: VerdictFile) -> dict[str, str]:
    mistake = row.mistake
    before, wrong, after = pieces(row)
    return {
        "id": row.id,
        "shown": shown_of(row),
        "question": mistake.problem.question,
        "reference_answer": mistake.problem.answer,
        "wrong_solution": f"{before}>>>{wrong.rstrip()}<<<{wrong[len(wrong.rstrip()) :]}{after}",
        "its_answer": mistake.answer,
        "error_type": mistake.error_type,
        "definition": definitions.get(mistake.error_type, ""),
        "reflection": row.reflection,
        "continuation": row.continuation,
        **{claim: verdicts.said(row, claim) or "" for claim in CLAIMS},
        NOTE: verdicts.said(row, NOTE) or "",
        # where smoothing rewrote the beginning too
        "row_begins": "" if row.prefix == mistake.prefix else row.prefix,
        "reference_solution": mistake.problem.reference_solution,
        "dataset": mistake.problem.dataset,
        "origin": mistake.origin,
        "strategy": row.strategy,
    }


def escaped(text: str) -> str:
    """A cell on one line that no spreadsheet takes for a formula and no terminal obeys."""
    flat = _BREAK.join(line.rstrip() for line in safe(text).strip().splitlines())
    return f"'{flat}" if _FORMULA.match(flat) else flat


def unescaped(cell: str) -> str:
    """Takes off the apostrophe that `escaped` put there."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def read_sheet(path: Path, run: Path, stage: str, verdicts: VerdictFile) -> Taken:
    """Appends the verdicts of a sheet that differ from what the annotator said before: all of them, or none.

    An empty cell says nothing, and takes nothing back. Columns other than ids, claims and note are not looked at.

    Args:
        path: a sheet as `write_sheet` makes it, saved as CSV with comma, semicolon or tab.
        run: the run's folder.
        stage: whose trajectories are the last ones.
        verdicts: where they go.

    Raises:
        InputError: the file cannot be read, or cells are wrong; names line and column of each.
        DiskError: a verdict could not be written.
    """
    lines = list(_read(path))
    rows = find(run, stage, {cells["id"] for _, cells in lines})
    wrong: list[str] = []
    seen: dict[str, int] = {}
    for number, cells in lines:
        wrong += [f"line {number}, column {column}: {what}" for column, what in _wrong_cells(cells, rows, seen)]
        seen.setdefault(cells["id"], number)
    if wrong:
        more = f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise InputError(f"{path}: {'; '.join(wrong[:_TOLD])}{more}; nothing was taken over")
    taken = [_take(cells, rows[cells["id"]], verdicts) for _, cells in lines]
    filled = [[claim for claim in CLAIMS if cells[claim]] for _, cells in lines]
    empty = sum(len(CLAIMS) - len(some) for some in filled)
    return Taken(sum(taken), sum(map(bool, filled)), empty)


def _take(cells: Mapping[str, str], row: Trajectory, verdicts: VerdictFile) -> int:
    """Appends what one line says; the number of verdicts that are new."""
    new = [claim for claim in CLAIMS if cells[claim] and cells[claim] != verdicts.said(row, claim)]
    for claim in new:
        verdicts.say(row, claim, cells[claim])
    note = cells.get(NOTE)
    # a note came back as it was exported, or it is another one
    if note and note != unescaped(escaped(verdicts.said(row, NOTE) or "")):
        verdicts.say(row, NOTE, note)
    return len(new)


def _wrong_cells(
    cells: Mapping[str, str], rows: Mapping[str, Trajectory], seen: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Column and what is wrong with it."""
    row = rows.get(cells["id"])
    if row is None:
        yield "id", f"the run has no row {_quoted(cells['id'])}"
    elif shown_of(row) != cells["shown"]:
        yield "shown", "the row has changed since the export, export anew"
    elif row.id in seen:
        yield "id", f"the row stands in line {seen[row.id]} too"
    for claim in CLAIMS:
        if cells[claim] and cells[claim] not in SAID:
            yield claim, f"{_quoted(cells[claim])} is none of {', '.join(SAID)}"


def _quoted(cell: str) -> str:
    return repr(safe(cell[:30]))


def _read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines that are not empty, with their numbers as a spreadsheet shows them."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 at byte {error.start}; save the sheet as CSV UTF-8") from None
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)  # some spreadsheets save with another one than they read
    number, header = 0, list[str]()
    try:
        for number, values in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator), 1):
            if number == 1:
                header = _header(path, values)
            elif any(value.strip() for value in values):
                cells = dict.fromkeys(_NEEDED, "") | dict(zip(header, values, strict=False))
                yield number, {name: _cleaned(name, cells[name]) for name in (*_NEEDED, NOTE) if name in cells}
    except csv.Error as error:
        raise InputError(f"{path}: line {number + 1}: no CSV: {error}") from None
    if not number:
        _header(path, [])


def _header(path: Path, values: Sequence[str]) -> list[str]:
    header = [name.strip() for name in values]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise InputError(
            f"{path}: line 1: there is no column {', '.join(missing)}; the columns' names stay as they were exported"
        )
    return header


def _cleaned(name: str, cell: str) -> str:
    bare = unescaped(cell.strip())
    return bare.lower() if name in CLAIMS else bare
