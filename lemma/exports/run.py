"""Writes the export folder of a run: rows, every format asked for, what was left out, and the dataset card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from lemma.config import Config
from lemma.exports.base import ExportFormat, LabelLines, RowWriter
from lemma.exports.card import card
from lemma.exports.digests import DigestSet, digest64
from lemma.exports.facts import CardFacts, ExportSummary, RowCounts, StageFacts
from lemma.exports.files import WholeFiles
from lemma.exports.near import NearCopies
from lemma.exports.plain import PlainSource, plain_count, plain_rows
from lemma.exports.registry import FORMATS, ROWS, formats_of
from lemma.exports.rows import STAGE, is_validation, rejection_of, rows_of
from lemma.exports.spool import Spool
from lemma.records import Problem, Rejection, TrainingRow, Trajectory
from lemma.shards.files import disk_errors, to_line
from lemma.stages.base import Gold

CARD = "README.md"
REJECTED = "rejected/part-00000.jsonl"


def export_run(
    trajectories: Callable[[], Iterator[Trajectory]],
    plain: PlainSource,
    folder: Path,
    config: Config,
    facts: CardFacts,
    test_set_of: Callable[[str], str | None] | None = None,
) -> ExportSummary:
    """Writes the whole folder as a stream; its files appear together, and those of another configuration go.

    Rows come in an order drawn by the seed, or, without `export.shuffle`, those of trajectories in their order and
    then the plain ones in the order of the problems. Equal arguments give equal bytes.

    Args:
        trajectories: the run's last ones (smoothed, or corrected where smoothing is off), grouped by problem; read
            once.
        plain: every problem with its correct solutions; read twice where `export.plain_share` is above 0, else never.
        folder: the export's folder; made where it is missing.
        config: `export`, `seed` and what the card says of the guarantees.
        facts: what the card says of the run.
        test_set_of: how a question stands in a test set, in words, or null; such problems give no row.

    Raises:
        ConfigError: an unknown format.
        DiskError: writing failed; what stood there before still does.
    """
    formats = formats_of(config.export.formats, config.export)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with WholeFiles(folder) as files, Spool(folder, config.seed) as spool:
        sink = _Sink(files, {"": ROWS, **formats}, config)
        with sink:
            choice = _Choice(config, spool, sink, test_set_of)
            choice.take_trajectories(trajectories())
            choice.take_plain(plain)
            choice.hand_out()
        sink.write_companions()
        text = card(facts, config, formats, sink.counts, sink.stage_facts(), sink.example)
        with disk_errors(folder):
            files.open(CARD).write(text.encode())
            _remove_stale(folder, files.names)
    return ExportSummary(sink.trajectories, sink.counts, dict(sorted(sink.rejected.items())), files.names)


class _Choice:
    """Which rows are exported: all pass through the spool, since shares and order are known at the end only."""

    def __init__(
        self, config: Config, spool: Spool, sink: _Sink, test_set_of: Callable[[str], str | None] | None
    ) -> None:
        self._export = config.export
        self._seed = config.seed
        self._spool = spool
        self._sink = sink
        self._test_set_of = lru_cache(1)(test_set_of or _in_none)  # one problem's rows come one after the other
        self._seen = DigestSet()
        self._surplus = bytearray()

    def take_trajectories(self, trajectories: Iterator[Trajectory]) -> None:
        """Spools their rows; rejects what is left out."""
        export = self._export
        near = None if export.near_duplicates is None else NearCopies(export.near_duplicates)
        rows = rows_of(
            self._of_no_test_set(trajectories),
            max_per_problem=export.max_per_problem,
            seed=self._seed,
            seen=self._seen,
            near=near,
        )
        for one in rows:
            if isinstance(one, Rejection):
                self._sink.reject(one)
            else:
                row, trajectory = one
                entry = self._sink.entry_of(row, trajectory)
                if export.max_type_share is not None:
                    detail = f"{row.error_type} has its share"
                    entry["surplus"] = rejection_of(trajectory, "over_share", detail).model_dump_json()
                self._spool.add(entry, row.id, row.error_type or "")
        if export.max_type_share is not None:
            self._surplus = self._spool.surplus(export.max_type_share)

    def _of_no_test_set(self, trajectories: Iterator[Trajectory]) -> Iterator[Trajectory]:
        for trajectory in trajectories:
            found = self._test_set_of(trajectory.mistake.problem.question)
            if found is None:
                yield trajectory
            else:
                self._sink.reject(rejection_of(trajectory, "contaminated", found))

    def take_plain(self, plain: PlainSource) -> None:
        """Spools as many plain rows as make their share of the whole."""
        count = plain_count(len(self._spool) - sum(self._surplus), self._export.plain_share)

        def untested() -> Iterator[tuple[Problem, Sequence[Gold]]]:
            return (one for one in plain() if self._test_set_of(one[0].question) is None)

        for row in plain_rows(untested, count, seed=self._seed, seen=self._seen):
            self._spool.add(self._sink.entry_of(row, None), row.id, "")

    def hand_out(self) -> None:
        """Gives the sink its rows, in order."""
        for index, entry in self._spool.entries(len(self._spool), self._export.shuffle):
            if index < len(self._surplus) and self._surplus[index]:
                self._sink.reject(Rejection.model_validate_json(entry["surplus"]))
            else:
                self._sink.keep(entry)


def _in_none(question: str) -> str | None:
    return None


def _remove_stale(folder: Path, written: tuple[str, ...]) -> None:
    """Files that an earlier export made in formats or splits that this one has not."""
    for form in (ROWS, *FORMATS.values()):
        for name in (form.train, form.validation, *form.companion_names):
            if name not in written:
                (folder / name).unlink(missing_ok=True)


class _Sink:
    """Where rows and rejections go: counts them and hands them to every format's file of their split."""

    def __init__(self, files: WholeFiles, formats: Mapping[str, ExportFormat], config: Config) -> None:
        self.counts = RowCounts()
        self.rejected: Counter[str] = Counter()
        self.trajectories = 0
        self.example: TrainingRow | None = None
        self._files = files
        self._formats = dict(formats)
        self._config = config
        self._rejections = files.open(REJECTED)
        # an empty validation file would make `load_dataset` fail: opened with its first row
        self._writers: dict[tuple[str, str], RowWriter | LabelLines] = {}
        self._seen = DigestSet()
        for name in self._formats:
            self._writer_of(name, "train")

    def entry_of(self, row: TrainingRow, trajectory: Trajectory | None) -> dict[str, Any]:
        """A row for the spool, with what its trajectory alone can tell."""
        entry: dict[str, Any] = {"row": row.model_dump()}
        for name, form in self._formats.items():
            if form.labels is not None:
                labels = form.labels(row, trajectory)
                entry.setdefault("labels", {})[name] = [labels.lines, labels.left_out]
        return entry

    def keep(self, entry: Mapping[str, Any]) -> None:
        """Takes the next row out of the spool."""
        row = TrainingRow.model_validate(entry["row"])
        is_held_out = is_validation(row, self._config.export.validation, self._config.seed)
        split = "validation" if is_held_out else "train"
        self.counts.add(row, split)
        self.trajectories += row.origin is not None
        self.example = self.example or row
        for name, form in self._formats.items():
            lines, left_out = entry["labels"][name] if form.labels else ([], [])
            self.counts.left_out.update((name, reason) for reason in left_out)
            if lines or form.labels is None:
                self._write(name, split, row, lines)

    def _write(self, name: str, split: str, row: TrainingRow, lines: Sequence[Mapping[str, object]]) -> None:
        writer = self._writer_of(name, split)
        with disk_errors(self._files.folder):
            if not isinstance(writer, LabelLines):
                writer.write(row)
                return
            for line in lines:
                if self._seen.add(digest64(name, str(line["id"]))):  # two corrections of one mistake label it alike
                    writer.write_line(line)
                    self.counts.lines[name, split] += 1

    def write_companions(self) -> None:
        """The small files that come with a format."""
        names = frozenset(self._files.names)
        for form in self._formats.values():
            if form.companions is not None:
                for name, content in form.companions(bool(self.counts.splits["validation"]), names).items():
                    with disk_errors(self._files.folder):
                        self._files.open(name).write(content)

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
        open_writers = list(self._writers.values())
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

    def _writer_of(self, name: str, split: str) -> RowWriter | LabelLines:
        if (name, split) not in self._writers:
            form = self._formats[name]
            file = self._files.open(form.train if split == "train" else form.validation)
            self._writers[name, split] = LabelLines(file) if form.writer is None else form.writer(file)
        return self._writers[name, split]
