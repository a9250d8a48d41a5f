"""Reads all datasets of a run, one after the other: every row gives a problem or a reason.

``read == kept + set_aside`` holds at every moment, per source, and is what `SourceCounts` counts.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lemma.config import DatasetSpec
from lemma.datasets.base import Dataset, Parsed, ReadProblem
from lemma.datasets.decontamination import Decontaminator
from lemma.datasets.registry import dataset_of
from lemma.datasets.rows import Row, SetAside
from lemma.errors import DiskError, Rejected
from lemma.records import content_hash


@dataclass(slots=True)
class SourceCounts:
    """What became of one source's rows."""

    dataset: str
    path: str
    kept: int = 0
    samples: int = 0
    """Samples given with the problems kept."""
    set_aside: Counter[str] = field(default_factory=Counter)
    """Rows by reason, a key of `lemma.reasons.READING`."""
    contaminated: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of those, the `contaminated` ones by (test set, `exact` or `overlap`)."""

    @property
    def read(self) -> int:
        """Rows looked at: all of the source's, or those up to its limit."""
        return self.kept + self.set_aside.total()


class _Seen:
    """Where each id was first read: in a temporary SQLite file, so that memory stays small however many there are."""

    def __init__(self) -> None:
        # an empty name is a temporary on-disk database that SQLite removes by itself
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE first (id BLOB PRIMARY KEY, file INT, line INT) WITHOUT ROWID")
        self._files: list[str] = []

    def first(self, problem_id: str, file: str, line: int) -> tuple[str, int] | None:
        """File and line that brought the id first; None, and remembered, if it is new."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        key = bytes.fromhex(problem_id.partition("-")[2])
        row = (key, len(self._files) - 1, line)
        try:
            if self._database.execute("INSERT OR IGNORE INTO first VALUES (?, ?, ?)", row).rowcount:
                return None
            found = self._database.execute("SELECT file, line FROM first WHERE id = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise DiskError(f"{tempfile.gettempdir()}: cannot hold the index of problems read: {error}") from error
        return self._files[found[0]], found[1]


def read_problems(
    specs: Sequence[DatasetSpec],
    decontaminator: Decontaminator | None = None,
    counts: list[SourceCounts] | None = None,
) -> Iterator[ReadProblem | SetAside]:
    """Every row of the sources, in order, as a problem or as set aside. Bounded memory.

    Args:
        specs: the configuration's `data:`.
        decontaminator: test sets whose questions are set aside as `contaminated`.
        counts: receives one entry a source, kept up to date while reading.

    Raises:
        ConfigError: unknown dataset, empty path, fields for a dataset that has none.
        InputError: a file is missing, empty, a folder, or holds no row at all.
    """
    seen = _Seen()
    for spec in specs:
        dataset = dataset_of(spec)
        count = SourceCounts(spec.dataset, spec.path)
        if counts is not None:
            counts.append(count)
        for row in dataset.rows(spec):
            one = row if isinstance(row, SetAside) else _read(row, spec, dataset, decontaminator, seen, count)
            if isinstance(one, SetAside):
                count.set_aside[one.reason] += 1
                yield one
                continue
            count.kept += 1
            count.samples += len(one.given)
            yield one
            if count.kept == spec.limit:
                break


def _read(
    row: Row,
    spec: DatasetSpec,
    dataset: Dataset,
    decontaminator: Decontaminator | None,
    seen: _Seen,
    count: SourceCounts,
) -> ReadProblem | SetAside:
    try:
        parsed = dataset.parse(row, spec)
        _check(parsed, decontaminator, count)
        problem = parsed.problem(row.line)
        first = seen.first(problem.id, row.file, row.line)
        if first is not None:
            lost = f"; {len(parsed.given)} samples are set aside with it" if parsed.given else ""
            raise Rejected("duplicate_id", f"{problem.id} was read at {first[0]} line {first[1]}{lost}")
    except Rejected as rejected:
        return SetAside(file=row.file, line=row.line, reason=rejected.reason, detail=rejected.detail)
    return ReadProblem(problem, parsed.given, row.file, row.line)


def _check(parsed: Parsed, decontaminator: Decontaminator | None, count: SourceCounts) -> None:
    """Raises `Rejected` where a problem has no question or answer, or is in a test set (and counts which)."""
    if not parsed.question:
        raise Rejected("empty_question")
    if not parsed.reference_solution:
        raise Rejected("missing_field", "the reference solution is empty")
    if not parsed.answer:
        raise Rejected("empty_answer", "no answer in its field, none behind `####`, none in a last \\boxed{}")
    match = decontaminator.match(parsed.question) if decontaminator else None
    if match is not None:
        count.contaminated[match.test_set, match.how] += 1
        raise Rejected("contaminated", str(match))


def fingerprint_of(spec: DatasetSpec) -> str:
    """Hash of all that decides a source's problems: its content keys and its rows' bytes.

    `limit` is operational and no part of it; nor is the folder that a file lies in.

    Raises:
        ConfigError: see `read_problems`.
        InputError: a file is missing or cannot be read.
    """
    dataset = dataset_of(spec)
    fields = [f"{ours}={theirs}" for ours, theirs in sorted(spec.fields.items())]
    keys = [spec.dataset, spec.split, spec.subset or "", spec.name or "", *fields]
    return content_hash(*keys, dataset.fingerprint(spec))
