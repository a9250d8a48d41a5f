"""One dataset of several runs: ``lemma export CONFIG -o RUN_A -o RUN_B --to FOLDER``.

Ids never depend on the run, so runs merge without collision. What one run exports alone holds for all of them together:
copies and near copies are known across runs, a problem's cap counts its rows of all runs, the split is by question, and
no question of a test set that CONFIG names is let through, whatever the runs were made with. The order in which the
runs are named does not matter.

The trajectories of one problem stand in several files; an index of 16 bytes each brings them together.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from lemma import __version__
from lemma.config import Config
from lemma.errors import RunError
from lemma.exporting import EXPORT_VERSION, LICENCES, RunSource, facts_of_export, finder_of_test_sets, write_manifest
from lemma.exports import CardFacts, ExportSummary, SourceFacts, StageFacts, export_run
from lemma.pipeline import STAGES, RunStages
from lemma.plugins import load_plugins
from lemma.problems import ProblemsFolder
from lemma.records import Problem, Trajectory, content_hash
from lemma.runfile import NAME
from lemma.shards.files import read_records
from lemma.shards.lock import RunLock
from lemma.stages.base import Gold
from lemma.status import config_of

MANIFEST = "export.manifest"
MAX_OPEN_FILES = 200


class ManyRuns:
    """Several runs, held while they are exported; a context manager.

    Args:
        runs: their folders.
        config: how to export; its `data` and teachers are of no account.
        folder: where to; neither in one of the runs nor full of other things.

    Raises:
        RunError: one is no run, given twice, in use, or has nothing that is whole.
    """

    def __init__(self, runs: Sequence[Path], config: Config, folder: Path) -> None:
        self._runs = list(runs)
        self._config = config
        self._folder = folder
        self._stack = ExitStack()
        self.unfinished = ""
        """What is not exported since it is not finished, in words."""
        _check(self._runs, folder)
        load_plugins(config.plugins)

    def __enter__(self) -> ManyRuns:
        try:
            for run in self._runs:
                config_of(run)  # tells a folder that is no run before a lock is put there
                self._stack.enter_context(RunLock(run))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def export(self) -> tuple[ExportSummary, StageFacts]:
        """Writes the folder; returns what was written, and its line of the yield table.

        Raises:
            RunError: a run has nothing that is whole, or its files are damaged.
            ConfigError: an unknown format or test set.
            DiskError: writing failed; what stood there before still does.
        """
        every = [RunStages.look(run, config_of(run)) for run in self._runs]
        sources = [self._source(stages) for stages in every]
        order = sorted(range(len(sources)), key=lambda number: sources[number].hashes())
        sources = [sources[number] for number in order]
        facts = self._facts(sources, [every[number] for number in order])
        config = self._config
        if any(source.config.smooth.scope == "whole" for source in sources):  # the weaker guarantee holds for all
            smooth = config.smooth.model_copy(update={"scope": "whole"})
            config = config.model_copy(update={"smooth": smooth})

        def plain() -> Iterator[tuple[Problem, Sequence[Gold]]]:
            for source in sources:
                yield from source.plain(config.answer_form, config.checks.max_chars)

        find = finder_of_test_sets(config.decontaminate)
        summary = export_run(lambda: joined(sources), plain, self._folder, config, facts, find)
        hashes = [digest for source in sources for digest in source.hashes()]
        write_manifest(self._folder / MANIFEST, content_hash(EXPORT_VERSION, *hashes), summary)
        return summary, facts_of_export(summary)

    def _source(self, stages: RunStages) -> RunSource:
        parts = stages.whole_parts()
        if not parts:
            raise RunError(f"{stages.run}: no part of it is finished; run `lemma run` first")
        if left := stages.parts - len(parts):
            said = f"{stages.run}: {left} of {stages.parts} parts are not finished and are left out"
            self.unfinished = f"{self.unfinished}; {said}" if self.unfinished else said
        return RunSource(stages.run, stages.config, parts)

    def _facts(self, sources: Sequence[RunSource], every: Sequence[RunStages]) -> CardFacts:
        datasets = _problems_of((stages.run, stages.parts) for stages in every)
        students: set[str] = set()
        left = 0
        for source, stages in zip(sources, every, strict=True):
            students.update(stages.students())
            left += stages.parts - len(source.parts)
        return CardFacts(
            version=__version__,
            sources=tuple(SourceFacts(name, count, LICENCES.get(name)) for name, count in sorted(datasets.items())),
            decontaminated=tuple(self._config.decontaminate),
            students=tuple(sorted(students)),
            teacher=", ".join(sorted({source.config.teacher.model for source in sources})),
            stages=tuple(_added_up(every)),
            runs=len(sources),
            unfinished=f"{left} parts of {len(sources)} runs were not finished when this was exported" if left else "",
            is_demonstration=any(spec.path.startswith("example:") for one in sources for spec in one.config.data),
        )


def _check(runs: Sequence[Path], folder: Path) -> None:
    resolved = [run.resolve() for run in runs]
    for number, run in enumerate(resolved):
        if run in resolved[:number]:
            raise RunError(f"{runs[number]}: is given twice")
        if folder.resolve().is_relative_to(run):
            raise RunError(f"{folder}: lies in the run {runs[number]}; choose a folder of its own with --to")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is no folder; choose another with --to")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise RunError(f"{folder}: is not empty and no export; choose another folder with --to")
    if (folder / NAME).exists():
        raise RunError(f"{folder}: is a run; choose another folder with --to")


def _problems_of(runs: Iterable[tuple[Path, int]]) -> Counter[str]:
    """Dataset → problems that the runs (folder, number of parts) read, one that several read counted once."""
    ids: set[str] = set()
    counts: Counter[str] = Counter()
    for run, parts in runs:
        folder = ProblemsFolder(run)
        for part in range(parts):
            for problem in read_records(folder.part(part), Problem):
                if problem.id not in ids:
                    ids.add(problem.id)
                    counts[problem.dataset] += 1
    return counts


def _added_up(every: Iterable[RunStages]) -> Iterator[StageFacts]:
    made = [facts for stages in every for facts in stages.all_facts()]
    for name in STAGES[:-1]:
        some = [facts for facts in made if facts.name == name]
        if some:
            rejected: Counter[str] = Counter()
            for facts in some:
                rejected.update(facts.rejected)
            sums: dict[str, Any] = {key: sum(getattr(one, key) for one in some) for key in ("units", "kept", "left")}
            yield StageFacts(name, rejected=dict(sorted(rejected.items())), **sums)


def joined(sources: Sequence[RunSource]) -> Iterator[Trajectory]:
    """The trajectories of several runs, those of one problem together, problems in the order of their first.

    Raises:
        RunError: a file was changed after it was written, or cannot be read.
    """
    paths = [path for source in sources for path in source.files()]
    index = _Index(paths)
    with _OpenFiles() as files:
        for number, offset in index.order():
            try:
                yield Trajectory.model_validate_json(files.line(paths[number], offset))
            except ValueError:
                raise _damaged(paths[number]) from None


def _damaged(path: Path) -> RunError:
    return RunError(f"{path}: is damaged; remove its .manifest and use `lemma run`, it is made anew")


class _OpenFiles:
    """Keeps the files open that were read last: a large run has more parts than a process may have files."""

    def __init__(self) -> None:
        self._files: dict[Path, BinaryIO] = {}

    def line(self, path: Path, offset: int) -> bytes:
        """The line that begins at an offset."""
        file = self._files.pop(path, None) or path.open("rb")
        self._files[path] = file  # the last used comes last
        if len(self._files) > MAX_OPEN_FILES:
            self._files.pop(next(iter(self._files))).close()
        file.seek(offset)
        return file.readline()

    def __enter__(self) -> _OpenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()


class _Index:
    """Where each line stands, and which problem it is of."""

    def __init__(self, paths: Sequence[Path]) -> None:
        import orjson

        numbers: dict[str, int] = {}
        self._of_problem = array("I")
        self._file = array("I")
        self._offset = array("Q")
        for number, path in enumerate(paths):
            offset = 0
            with path.open("rb") as file:
                for line in file:
                    try:
                        problem = str(orjson.loads(line)["mistake"]["problem"]["id"])
                    except (ValueError, KeyError, TypeError):
                        raise _damaged(path) from None
                    self._of_problem.append(numbers.setdefault(problem, len(numbers)))
                    self._file.append(number)
                    self._offset.append(offset)
                    offset += len(line)

    def order(self) -> Iterator[tuple[int, int]]:
        """(file, offset) of each line; sorting is stable, so one problem's stay in their order."""
        for place in array("Q", sorted(range(len(self._file)), key=self._of_problem.__getitem__)):
            yield self._file[place], self._offset[place]
