"""Waves on disk: what was put into files, where each reply belongs, and how far each batch has come.

::

    RUN/batches/run.json                              {"run": "9f…"}: finds this run's batches again at the endpoint
    RUN/batches/<stage>/wave-00001/wave.json          what the wave holds; the folder appears whole or not at all
    RUN/batches/<stage>/wave-00001/rows.jsonl         [key, part, unit, draw, attempt], one line a request
    RUN/batches/<stage>/wave-00001/batch-00001.jsonl  its requests, until the batch is closed
    RUN/batches/<stage>/wave-00001/batch-00001.json   how far it has come: written → uploaded → submitted → closed

The intent comes first: a batch is never made at the endpoint before all of this is on disk for good.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from lemma.errors import RunError
from lemma.shards.files import disk_errors, read_json, write_whole

FOLDER = "batches"
F = TypeVar("F", bound=BaseModel)


class Row(NamedTuple):
    """Where the reply to a request belongs."""

    key: str
    part: int
    unit: str
    draw: int
    attempt: int


class WaveFacts(BaseModel):
    """``wave.json``."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    number: int
    kind: Literal["api", "files"]
    """For the Batch API, or for an engine that somebody hands the files to."""
    created_s: float
    requests: int
    batches: int
    url: str
    """Path that all its requests go to."""
    cap_name: str
    """What it calls the limit of a reply's tokens."""
    max_requests: int
    """Requests a batch at most when it was written."""


class BatchFacts(BaseModel):
    """``batch-00001.json``: how far one batch has come."""

    model_config = ConfigDict(extra="forbid")

    number: int
    requests: int
    status: Literal["written", "uploaded", "submitted", "closed"] = "written"
    attempt: int = 1
    """How often it was begun to be submitted; part of its metadata."""
    file_id: str = ""
    batch_id: str = ""
    submitted_s: float = 0.0
    remote: str = ""
    """Its status at the endpoint when last seen."""
    finished: int = 0
    """Requests that the endpoint calls done or failed."""
    replies: int = 0
    """Harvested: replies and refusals that are on disk."""
    left_open: int = 0
    """Harvested: requests that go into the next wave."""
    is_too_large: bool = False
    """Whether the endpoint's queue does not take as much at once."""
    needs_cap_name: str = ""
    """What the endpoint wants the limit of a reply's tokens to be called, if it complained."""
    error: str = ""


class Wave:
    """One wave of a stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts = _read(path / "wave.json", WaveFacts)
        self.batches: list[BatchFacts] = []
        if self.facts.kind == "api":
            self.batches = [
                _read(path / f"batch-{number:05d}.json", BatchFacts) for number in range(1, self.facts.batches + 1)
            ]

    @property
    def open_batches(self) -> list[BatchFacts]:
        """Those that are not closed."""
        return [batch for batch in self.batches if batch.status != "closed"]

    def requests_path(self, batch: BatchFacts) -> Path:
        """The batch's requests."""
        return self.path / f"batch-{batch.number:05d}.jsonl"

    def download_path(self, batch: BatchFacts, kind: str) -> Path:
        """Where a file of its results lies while it is harvested."""
        return self.path / f".{kind}-{batch.number:05d}.jsonl"

    def save(self, batch: BatchFacts) -> None:
        """Writes how far a batch has come, for good."""
        write_for_good(self.path / f"batch-{batch.number:05d}.json", batch)

    def close(self, batch: BatchFacts) -> None:
        """Declares a batch done with, and drops its requests."""
        batch.status = "closed"
        self.save(batch)
        with disk_errors(self.path):
            self.requests_path(batch).unlink(missing_ok=True)
            for kind in ("output", "error"):
                self.download_path(batch, kind).unlink(missing_ok=True)

    def rows(self) -> Iterator[Row]:
        """Where its replies belong; parts in order."""
        yield from read_rows(self.path / "rows.jsonl")


class Waves:
    """The waves of one stage of a run.

    Raises:
        RunError: a file of theirs is damaged.
    """

    def __init__(self, run: Path, stage: str) -> None:
        self.run = run
        self.stage = stage
        self.path = run / FOLDER / stage

    def all(self) -> list[Wave]:
        """In order."""
        return [Wave(path) for path in sorted(self.path.glob("wave-*")) if path.is_dir()]

    def open_wave(self) -> Wave | None:
        """The one that has batches which are not closed."""
        return next((wave for wave in self.all() if wave.open_batches), None)

    def last(self) -> Wave | None:
        """The last one for the Batch API."""
        return next((wave for wave in reversed(self.all()) if wave.facts.kind == "api"), None)

    def draft(self) -> Path:
        """An empty folder for the next wave; what a crash left of another is dropped."""
        path = self.path / ".draft"
        with disk_errors(path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        return path

    def commit(self, draft: Path, facts: WaveFacts, requests: list[int]) -> Wave:
        """Declares a draft a wave, for good.

        Args:
            draft: holds ``rows.jsonl`` and the files of requests, synced.
            facts: with the number from `next_number`.
            requests: in each batch; none for files by hand.
        """
        for number, count in enumerate(requests, 1):
            write_for_good(draft / f"batch-{number:05d}.json", BatchFacts(number=number, requests=count))
        write_for_good(draft / "wave.json", facts)
        path = self.path / f"wave-{facts.number:05d}"
        with disk_errors(path):
            draft.rename(path)
            for folder in (self.path, self.path.parent, self.run):
                _sync_folder(folder)
        return Wave(path)

    def next_number(self) -> int:
        """Of the next wave."""
        return max((int(path.name[5:]) for path in self.path.glob("wave-*") if path.name[5:].isdigit()), default=0) + 1


def stages_with_waves(run: Path) -> list[str]:
    """Stages that were ever asked in waves."""
    return sorted(path.parent.name for path in (run / FOLDER).glob("*/wave-00001"))


def run_id(run: Path) -> str:
    """What the run is called in the metadata of its batches: drawn once, and kept."""
    path = run / FOLDER / "run.json"
    tree = read_json(path) or {}
    name = tree.get("run")
    if not isinstance(name, str):
        name = secrets.token_hex(8)
        write_whole(path, [orjson.dumps({"run": name}) + b"\n"])
        _sync_folder(path.parent)
    return name


def pending_words(run: Path, stage: str) -> str | None:
    """Which batches of a stage are under way, in words; None where there are none."""
    wave = Waves(run, stage).open_wave()
    if wave is None:
        return None
    count, requests = len(wave.open_batches), sum(batch.requests for batch in wave.open_batches)
    return f"{count} batch{'es' if count > 1 else ''} with {requests} request{'s' if requests > 1 else ''}"


def refuse_pending(run: Path, stage: str) -> None:
    """Sees to it that nothing is asked twice.

    Raises:
        RunError: the stage has batches under way, whose requests would be asked another way as well.
    """
    words = pending_words(run, stage)
    if words is not None:
        raise RunError(
            f"{stage}: {words} are under way, and asking otherwise would pay for them twice; take them in with "
            f"`backend: batch`, or end them with `lemma batch cancel {run}`"
        )


def row_line(row: Row) -> bytes:
    """One line of ``rows.jsonl``."""
    return orjson.dumps(list(row), option=orjson.OPT_APPEND_NEWLINE)


def read_rows(path: Path) -> Iterator[Row]:
    """Streams ``rows.jsonl``.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                row = Row(*orjson.loads(line))
                if not isinstance(row.key, str) or not isinstance(row.part, int):
                    raise ValueError("no row")
                yield row
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, error) from None


def write_for_good(path: Path, facts: BaseModel) -> None:
    """Writes a small file whole, so that it and its name survive a power cut."""
    write_whole(path, [facts.model_dump_json(indent=1).encode() + b"\n"])
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path, kind: type[F]) -> F:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RunError:
    words = error.strerror if isinstance(error, OSError) else "damaged"
    return RunError(
        f"{path}: cannot be read: {words}; removing the folder {path.parent} forgets its batches: what they brought "
        "and is not harvested is asked for again"
    )
