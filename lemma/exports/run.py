"""Writes the export folder of a run: rows, every format asked for, what was left out, and the dataset card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from lemma.config import Config
from lemma.exports.base import ExportFormat, RowWriter
from lemma.exports.card import card
from lemma.exports.digests import DigestSet
from lemma.exports.facts import CardFacts, ExportSummary, RowCounts, StageFacts
from lemma.exports.files import WholeFiles
from lemma.exports.near import NearCopies
from lemma.exports.plain import PlainSource, plain_count, plain_rows
from lemma.exports.registry import FORMATS, ROWS, formats_of
from lemma.exports.rows import STAGE, is_validation, rows_of
from lemma.records import Rejection, TrainingRow, Trajectory
from lemma.shards import disk_errors, to_line

CARD = "README.md"
REJECTED = "rejected/part-00000.jsonl"


def export_run(
    trajectories: Callable[[], Iterator[Trajectory]],
    plain: PlainSource,
    folder: Path,
    config: Config,
    facts: CardFacts,
) -> ExportSummary:
    """Writes the whole folder as a stream; its files appear together, and those of another configuration go.

    First come the rows of trajectories in their order, then the plain ones in the order of the problems: shuffle when
    training. Equal arguments give equal bytes.

    Args:
        trajectories: the run's last ones (smoothed, or corrected where smoothing is off), grouped by problem; read
            once.
        plain: every problem with its correct solutions; read twice where `export.plain_share` is above 0, else never.
        folder: the export's folder; made where it is missing.
        config: `export`, `seed` and what the card says of the guarantees.
        facts: what the card says of the run.

    Raises:
        ConfigError: an unknown format.
        DiskError: writing failed; what stood there before still does.
    """
    formats = formats_of(config.export.formats)
    with WholeFiles(folder) as files:
        sink = _Sink(files, [ROWS, *formats.values()], config)
        with sink:
            _write_rows(trajectories, plain, config, sink)
        text = card(facts, config, formats, sink.counts, sink.stage_facts(), sink.example)
        with disk_errors(folder):
            files.open(CARD).write(text.encode())
            _remove_stale(folder, files.names)
    return ExportSummary(sink.trajectories, sink.counts, dict(sorted(sink.rejected.items())), files.names)


def _write_rows(
    trajectories: Callable[[], Iterator[Trajectory]], plain: PlainSource, config: Config, sink: _Sink
) -> None:
    seen = DigestSet()
    export = config.export
    near = None if export.near_duplicates is None else NearCopies(export.near_duplicates)
    for one in rows_of(trajectories(), max_per_problem=export.max_per_problem, seed=config.seed, seen=seen, near=near):
        if isinstance(one, Rejection):
            sink.reject(one)
        else:
            sink.keep(one)
    count = plain_count(sink.counts.rows, export.plain_share)
    for row in plain_rows(plain, count, seed=config.seed, seen=seen):
        sink.keep(row)


def _remove_stale(folder: Path, written: tuple[str, ...]) -> None:
    """Files that an earlier export made in formats or splits that this one has not."""
    for form in (ROWS, *FORMATS.values()):
        for name in (form.train, form.validation):
            if name not in written:
                (folder / name).unlink(missing_ok=True)


class _Sink:
    """Where rows and rejections go: counts them and hands them to every format's file of their split."""

    def __init__(self, files: WholeFiles, formats: list[ExportFormat], config: Config) -> None:
        self.counts = RowCounts()
        self.rejected: Counter[str] = Counter()
        self.trajectories = 0
        self.example: TrainingRow | None = None
        self._files = files
        self._formats = formats
        self._config = config
        self._rejections = files.open(REJECTED)
        # an empty validation file would make `load_dataset` fail: opened with its first row
        self._writers: dict[str, list[RowWriter]] = {}
        self._writers_of("train")

    def keep(self, row: TrainingRow) -> None:
        """Takes the next row."""
        is_held_out = is_validation(row, self._config.export.validation, self._config.seed)
        split = "validation" if is_held_out else "train"
        self.counts.add(row, split)
        self.trajectories += row.origin is not None
        self.example = self.example or row
        writers = self._writers_of(split)
        with disk_errors(self._files.folder):
            for writer in writers:
                writer.write(row)

    def reject(self, rejection: Rejection) -> None:
        """Takes a trajectory that gave no row."""
        self.trajectories += 1
        self.rejected[rejection.reason] += 1
        with disk_errors(self._files.folder):
            self._rejections.write(to_line(rejection))

    def __enter__(self) -> _Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        open_writers = [writer for writers in self._writers.values() for writer in writers]
        try:
            if kind is None:
                with disk_errors(self._files.folder):
                    while open_writers:
                        open_writers[0].finish()
                        del open_writers[0]
        finally:
            for writer in open_writers:
                writer.abandon()

    def stage_facts(self) -> StageFacts:
        """The export's line of the yield table."""
        kept = self.trajectories - self.rejected.total()
        rejected: Mapping[str, int] = self.rejected
        return StageFacts(STAGE, self.trajectories, kept, rejected)

    def _writers_of(self, split: str) -> list[RowWriter]:
        if split not in self._writers:
            self._writers[split] = [
                form.writer(self._files.open(form.train if split == "train" else form.validation))
                for form in self._formats
            ]
        return self._writers[split]
