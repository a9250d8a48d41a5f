"""The first folder of a run: problems as read, cut into parts that every later stage keeps to.

::

    RUN/problems/part-00000.jsonl            problems
    RUN/problems/rollouts/part-00000.jsonl   samples that came with them: {"problem":"p-…","text":…,"model":…,…}
    RUN/problems/set_aside.jsonl             input lines that could not be used: file, line, reason, detail
    RUN/problems/summary.json                what was read; written last
    RUN/problems/strays.json                 parts that problems were moved out of; their replies stayed there
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from lemma.config import Config
from lemma.datasets import Decontaminator, ReadProblem, SetAside, SourceCounts, fingerprint_of, read_problems
from lemma.errors import InputError, RunError
from lemma.records import content_hash
from lemma.shards.files import disk_errors, read_json, to_line, write_json, write_whole
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.stages.base import GivenSample

PROBLEMS_VERSION = "2"
MERGED = "merged"
"""The fingerprint of problems that come from other runs, see `lemma.merging`: they stay, whatever `data` says."""


class ProblemsFolder(StageFolder):
    """``RUN/problems``."""

    def __init__(self, run: Path) -> None:
        super().__init__(run, "problems")
        self.summary_path = self.path / "summary.json"
        self.set_aside_path = self.path / "set_aside.jsonl"
        self.strays_path = self.path / "strays.json"

    def rollouts(self, part: int) -> Path:
        """Samples that came with the part's problems."""
        return self.path / "rollouts" / f"part-{part:05d}.jsonl"

    def summary(self) -> dict[str, Any] | None:
        """What was read: ``{"parts": 3, "problems": 2500, "samples": 0, "datasets": {…}, "sources": […], …}``.

        None where nothing was read yet, or reading was interrupted.
        """
        summary: dict[str, Any] | None = read_json(self.summary_path)
        if summary is not None and not _is_summary(summary):
            raise RunError(f"{self.summary_path}: damaged; remove the file, it is made anew")
        return summary

    def is_merged(self) -> bool:
        """Whether the problems come from other runs."""
        return (self.summary() or {}).get("fingerprint") == MERGED

    def strays(self) -> list[int]:
        """Parts whose replies may belong to problems that are now elsewhere."""
        tree: dict[str, Any] = read_json(self.strays_path) or {"parts": []}
        return [int(number) for number in tree["parts"]]

    def given(self, part: int) -> Iterator[tuple[str, GivenSample]]:
        """(problem id, sample) of each given sample, in file order.

        Raises:
            RunError: the file is missing or damaged.
        """
        path = self.rollouts(part)
        try:
            with path.open("rb") as file:
                for line in file:
                    tree = orjson.loads(line)
                    if not all(isinstance(tree[name], str) for name in ("problem", "text", "model")):
                        raise ValueError("a field is no text")
                    yield tree["problem"], GivenSample(tree["text"], tree["model"], tree["claimed_correct"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}: missing or damaged ({error}); remove {self.manifest_path(part)} and run the same command "
                "again, it is read anew"
            ) from None


def _is_summary(tree: Mapping[str, Any]) -> bool:
    numbers, sources, datasets = [tree.get("parts"), tree.get("problems")], tree.get("sources"), tree.get("datasets")
    return (
        all(isinstance(number, int) and number >= 0 for number in numbers)
        and isinstance(sources, list)
        and all(isinstance(one, dict) and {"dataset", "set_aside"} <= one.keys() for one in sources)
        and all(isinstance(one["set_aside"], dict) for one in sources)
        and isinstance(datasets, dict)
        and all(isinstance(number, int) for number in datasets.values())
    )


def input_fingerprint(config: Config) -> str:
    """Hash of all that decides the problems' parts: the files' bytes, how they are read and cut.

    Raises:
        ConfigError: unknown dataset or test set.
        InputError: a file is missing or cannot be read.
    """
    sources = [f"{fingerprint_of(spec)} {spec.limit}" for spec in config.data]
    tests = Decontaminator.load(config.decontaminate).fingerprint
    plugins = list(map(str, config.content_of().values()))  # one of them may have read the rows
    return content_hash(PROBLEMS_VERSION, str(config.shards.size), tests, *sources, *plugins)


def read_into(run: Path, config: Config, fingerprint: str) -> dict[str, Any]:
    """Reads the configured datasets into parts, unless the very same was read before.

    Args:
        run: the run's folder.
        config: the configuration.
        fingerprint: see `input_fingerprint`.

    Returns:
        The summary, see `ProblemsFolder.summary`.

    Raises:
        InputError: a file is empty, or no problem is left.
        DiskError: the folder cannot be written.
    """
    folder = ProblemsFolder(run)
    summary = folder.summary()
    if summary is not None and summary.get("fingerprint") == fingerprint and _is_whole(folder, summary):
        return summary
    if fingerprint == MERGED:
        raise RunError(f"{folder.path}: a part is missing or damaged, and was merged from other runs: merge them again")
    counts: list[SourceCounts] = []
    rows = read_problems(config.data, Decontaminator.load(config.decontaminate), counts)
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.summary_path.unlink(missing_ok=True)  # from here on the folder is not whole
    strays = set(folder.strays())
    datasets: Counter[str] = Counter()
    number = 0
    with _Spool(folder.set_aside_path) as set_aside:
        problems = _keep_problems(rows, set_aside)
        while batch := list(islice(problems, config.shards.size)):
            if _ids(folder.part(number)) - {one.problem.id for one in batch}:
                _note_strays(folder, strays, [number])
            _write_part(folder, number, batch)
            datasets.update(one.problem.dataset for one in batch)
            number += 1
    _note_strays(folder, strays, [part for part in folder.parts() if part >= number])
    _drop_parts(run, number)
    if not number:
        reasons = ", ".join(f"{n} {reason}" for count in counts for reason, n in count.set_aside.items())
        raise InputError(f"no problem is left: {reasons or 'the files hold none'}; see {folder.set_aside_path}")
    summary = {
        "fingerprint": fingerprint,
        "parts": number,
        "problems": sum(count.kept for count in counts),
        "samples": sum(count.samples for count in counts),
        "datasets": dict(sorted(datasets.items())),
        "sources": [
            {
                "dataset": count.dataset,
                "kept": count.kept,
                "samples": count.samples,
                "set_aside": dict(sorted(count.set_aside.items())),
                "contaminated": [[*by, number] for by, number in sorted(count.contaminated.items())],
            }
            for count in counts
        ],
    }
    write_json(folder.summary_path, summary)
    return summary


def _is_whole(folder: ProblemsFolder, summary: Mapping[str, Any]) -> bool:
    """Whether every part is there: a person removes a manifest to have a damaged part read anew."""
    return all(folder.manifest(part) is not None for part in range(summary["parts"]))


def _keep_problems(rows: Iterator[ReadProblem | SetAside], set_aside: _Spool) -> Iterator[ReadProblem]:
    for row in rows:
        if isinstance(row, ReadProblem):
            yield row
        else:
            set_aside.write({"file": row.file, "line": row.line, "reason": row.reason, "detail": row.detail[:1000]})


def _note_strays(folder: ProblemsFolder, strays: set[int], parts: Iterable[int]) -> None:
    """Notes parts that problems are about to leave.

    Comes before the part is replaced: afterwards nothing would tell that its replies belong elsewhere, and a crash
    would have them paid for again.
    """
    if new := set(parts) - strays:
        strays |= new
        write_json(folder.strays_path, {"parts": sorted(strays)})


def _write_part(folder: ProblemsFolder, number: int, batch: Sequence[ReadProblem]) -> None:
    """Writes one part."""
    folder.reopen(number)
    files = {
        f"part-{number:05d}.jsonl": write_whole(folder.part(number), (to_line(one.problem) for one in batch)),
        f"rollouts/part-{number:05d}.jsonl": write_whole(folder.rollouts(number), _given_lines(batch)),
    }
    folder.write_manifest(
        Manifest(
            stage="problems",
            part=number,
            fingerprint="",
            inputs={},
            files=files,
            units=len(batch),
            kept=len(batch),
            rejected=0,
        )
    )


def _given_lines(batch: Sequence[ReadProblem]) -> Iterator[bytes]:
    for one in batch:
        for given in one.given:
            yield orjson.dumps(
                {
                    "problem": one.problem.id,
                    "text": given.text,
                    "model": given.model,
                    "claimed_correct": given.claimed_correct,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )


def _ids(path: Path) -> set[str]:
    """Ids of a part's problems; a damaged line counts as a problem that is nowhere else."""
    ids = set()
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    ids.add(str(orjson.loads(line)["id"]))
                except (ValueError, KeyError, TypeError):
                    ids.add("")
    except FileNotFoundError:
        pass
    except OSError:
        ids.add("")
    return ids


def _drop_parts(run: Path, first: int) -> None:
    """Removes what stages made of parts from `first` on, and at last those parts themselves. Replies stay."""
    folder = ProblemsFolder(run)
    for stage in run.iterdir():
        if stage.is_dir() and stage != folder.path:
            StageFolder(run, stage.name).drop_from(first)
    for number in folder.parts():
        if number >= first:
            folder.rollouts(number).unlink(missing_ok=True)
    folder.drop_from(first)


class _Spool:
    """A file of lines that appears when it is whole; holds nothing in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")

    def __enter__(self) -> _Spool:
        with disk_errors(self._path):
            self._temporary.unlink(missing_ok=True)  # left by a crash; a link there must not be written through
            self._file = self._temporary.open("xb")
        return self

    def write(self, line: dict[str, Any]) -> None:
        with disk_errors(self._path):
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with disk_errors(self._path):
                with self._file:
                    self._file.flush()
                    os.fsync(self._file.fileno())
                if kind is None:
                    self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)
