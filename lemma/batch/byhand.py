"""Requests written to files that somebody hands to an engine, and its results read back.

::

    lemma batch write analyze --run RUN -o requests.jsonl
    vllm run-batch -i requests.jsonl -o replies.jsonl --model my-teacher
    lemma batch read replies.jsonl --run RUN

Beside the files stands ``requests.manifest.json``: what was asked, and each file's name, requests, bytes and hash.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lemma.batch.asking import Asker
from lemma.batch.harvest import Harvest, Scan, harvest, opener, scan
from lemma.batch.limits import Limits, RequestFile
from lemma.batch.waves import Wave, Waves, refuse_pending, run_id, stages_with_waves
from lemma.budget import Budget
from lemma.engine import Part
from lemma.errors import Incomplete, InputError
from lemma.shards.files import disk_errors, read_json, write_json
from lemma.stages.base import Stage

MANIFEST_VERSION = 1


class RequestWriter:
    """Writes what a stage has to ask next into files.

    Args:
        run: the run's folder; its lock is held.
        path: of the file of requests; where it takes several, a number goes before the suffix.
        limits: of one file.

    Attributes:
        wave: what was written; None where nothing was left to ask.
        files: the files.
    """

    def __init__(self, run: Path, path: Path, limits: Limits | None = None) -> None:
        self._run = run
        self._path = path
        self._limits = limits or Limits()
        self.wave: Wave | None = None
        self.files: list[Path] = []

    def work(self, stage: Stage, parts: Sequence[Part], make_budget: Callable[[], Budget]) -> None:
        """See `Offline.work`.

        Raises:
            Incomplete: requests were written, or the budget is reached.
            RunError: the stage has batches under way.
            InputError: something else stands at `path`.
        """
        refuse_pending(self._run, stage.name)
        old = self._old_files()
        asker = Asker(stage, parts, Waves(self._run, stage.name))
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        written = asker.write_wave(make_budget(), self._limits, "max_tokens", "files", self._path.parent)
        if written is None:
            return
        self.wave, files = written
        with disk_errors(self._path):
            for path in old:
                path.unlink(missing_ok=True)
            for number, file in enumerate(files, 1):
                path = numbered(self._path, number, len(files))
                file.path.replace(path)
                self.files.append(path)
        self._write_manifest(stage.name, files)
        raise Incomplete(f"{stage.name}: {self.wave.facts.requests} requests wait for their replies")

    @property
    def manifest_path(self) -> Path:
        """Beside the files."""
        return self._path.with_name(f"{self._path.stem}.manifest.json")

    def _old_files(self) -> list[Path]:
        """The files of an earlier wave at the same place, which are replaced.

        Raises:
            InputError: a file there is none of them.
        """
        try:
            listed = (read_json(self.manifest_path) or {}).get("files")
        except Exception as error:
            raise InputError(f"{self.manifest_path}: is no manifest of requests ({error}); choose another -o") from None
        names = {str(one.get("name")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
        there = [self._path, *self._path.parent.glob(f"{glob_safe(self._path.stem)}-[0-9]*{self._path.suffix}")]
        for path in there:
            if path.exists() and path.name not in names:
                raise InputError(f"{path}: exists, and is no earlier file of requests; remove it or choose another -o")
        return [path for path in there if path.name in names]

    def _write_manifest(self, stage: str, files: Sequence[RequestFile]) -> None:
        assert self.wave is not None
        write_json(
            self.manifest_path,
            {
                "version": MANIFEST_VERSION,
                "run": run_id(self._run),
                "stage": stage,
                "wave": self.wave.facts.number,
                "requests": self.wave.facts.requests,
                "url": self.wave.facts.url,
                "files": [
                    {"name": path.name, "requests": file.requests, "bytes": file.bytes, "sha256": file.sha256}
                    for path, file in zip(self.files, files, strict=True)
                ],
            },
        )


def glob_safe(name: str) -> str:
    """A name in which no character means anything to `glob`."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def numbered(path: Path, number: int, count: int) -> Path:
    """The path of one of `count` files: ``requests.jsonl``, or ``requests-00001.jsonl`` where there are more."""
    return path if count == 1 else path.with_name(f"{path.stem}-{number:05d}{path.suffix}")


@dataclass
class Read:
    """What was in files of results.

    Attributes:
        found: the lines.
        stages: stage → what became of its replies.
        left: stage → requests of its last wave in files that still lack a reply.
    """

    found: Scan
    stages: dict[str, Harvest] = field(default_factory=dict)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)


def read_replies(run: Path, paths: Sequence[Path]) -> Read:
    """Takes in files of results.

    Args:
        run: the run's folder; its lock is held.
        paths: the files, in any order.

    Raises:
        InputError: a file cannot be read, or none of its lines answers a request of the run.
    """
    done = Read(scan(paths))
    found = done.found
    if not found.lines:
        raise InputError(f"{_names(paths)}: empty; the engine wrote no results, or they are in another file")
    if not found.places:
        raise InputError(f"{_names(paths)}: {_nothing_in(found)}")
    for stage in stages_with_waves(run):
        for wave in Waves(run, stage).all():
            one = harvest(found, wave.rows(), opener(run, stage))
            sums = done.stages.setdefault(stage, Harvest())
            sums.stored, sums.known = sums.stored + one.stored, sums.known + one.known
        done.left[stage] = left_of(run, stage)
    if found.unmatched == len(found.places):
        raise InputError(
            f"{_names(paths)}: none of its {found.unmatched} results answers a request of {run}; "
            "they are another run's, or were asked of another folder"
        )
    return done


def left_of(run: Path, stage: str) -> tuple[int, int]:
    """(without a reply, all) of the requests in the stage's last wave in files."""
    last = next((wave for wave in reversed(Waves(run, stage).all()) if wave.facts.kind == "files"), None)
    if last is None:
        return 0, 0
    open_store = opener(run, stage)
    total = known = 0
    for part, rows in itertools.groupby(last.rows(), lambda row: row.part):
        with open_store(part) as store:
            for row in rows:
                total += 1
                known += row.key in store
    return total - known, total


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _nothing_in(found: Scan) -> str:
    if found.requests:
        return "holds requests, not their results; hand it to the engine and read what that writes"
    if found.unreadable:
        return "no line is whole JSON; results are one JSON object a line with `custom_id` and `response`"
    return "no line is a result of a request by lemma; results are JSON objects with `custom_id` and `response`"
