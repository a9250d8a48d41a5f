"""A run's folder on disk: parts that appear whole or not at all, their manifests, and the lock.

::

    RUN/run.yaml
    RUN/<stage>/part-00000.jsonl            records, one a line
    RUN/<stage>/part-00000.manifest         what the part was made from; written last, so the part is whole
    RUN/<stage>/rejected/part-00000.jsonl   units that gave no record, with their reasons
    RUN/<stage>/replies/part-00000.jsonl    see `lemma.replies`; part-00000.e0001.jsonl, … of later owners
    RUN/<stage>/failed_calls.json           how the asking went; see `lemma.failures`
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lemma.errors import DiskError, RunError
from lemma.records import Record, content_hash
from lemma.stages.base import Reply, Usage

R = TypeVar("R", bound=Record)

MANIFEST_VERSION = 2
EPOCH_FILE = ".epoch"
_EPOCH = re.compile(r"part-[0-9]+(?:\.e([0-9]{1,9}))?\.jsonl\Z", re.ASCII)


class StageUsage(BaseModel):
    """Some replies and their tokens, added up."""

    model_config = ConfigDict(extra="forbid")

    replies: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    batch_input_tokens: int = 0
    """Part of `input_tokens` at the price of batches; the next two likewise."""
    batch_cached_input_tokens: int = 0
    batch_output_tokens: int = 0

    def count(self, reply: Reply) -> None:
        """Adds one reply."""
        self.replies += 1
        self._add_tokens(reply.usage)

    def add(self, other: StageUsage) -> None:
        """Adds some more."""
        self.replies += other.replies
        self._add_tokens(other)

    def _add_tokens(self, tokens: Usage | StageUsage) -> None:
        self.input_tokens += tokens.input_tokens
        self.cached_input_tokens += tokens.cached_input_tokens
        self.output_tokens += tokens.output_tokens
        self.batch_input_tokens += tokens.batch_input_tokens
        self.batch_cached_input_tokens += tokens.batch_cached_input_tokens
        self.batch_output_tokens += tokens.batch_output_tokens


class Manifest(BaseModel):
    """What a finished part was made from. Equal manifests mean equal bytes."""

    model_config = ConfigDict(extra="forbid")

    version: int = MANIFEST_VERSION
    stage: str
    part: int
    fingerprint: str
    """Of the stage: its configuration and prompts."""
    inputs: dict[str, str]
    """Name of each input → SHA-256 of its bytes."""
    files: dict[str, str]
    """Path inside the stage's folder → SHA-256 of what was written there."""
    units: int
    kept: int
    rejected: int
    reasons: dict[str, int] = Field(default_factory=dict)
    tally: dict[str, int] = Field(default_factory=dict)
    """Counts of the kept records by what later steps need to know of them (verdicts, error types)."""
    usage: dict[str, dict[str, StageUsage]] = Field(default_factory=dict)
    """Model, as the endpoint calls it → outcome (see `lemma.ledger`) → all replies of the part's file, each once."""
    copied: dict[str, StageUsage] = Field(default_factory=dict)
    """Model → those of them that were paid for in another part, from where problems were moved."""
    broken_lines: int = 0
    """Lines of the part's replies that cannot be read, see `lemma.replies`."""

    @property
    def output_hash(self) -> str:
        """One hash for all that was written: what a later stage names as its input."""
        return content_hash(*(f"{name}={digest}" for name, digest in sorted(self.files.items())))


class StageFolder:
    """The paths of one stage's files."""

    def __init__(self, run: Path, stage: str) -> None:
        self.stage = stage
        self.path = run / stage
        self._epoch: int | None = None

    def part(self, part: int) -> Path:
        """Records."""
        return self.path / f"part-{part:05d}.jsonl"

    def manifest_path(self, part: int) -> Path:
        """Manifest."""
        return self.path / f"part-{part:05d}.manifest"

    def rejected(self, part: int) -> Path:
        """Rejections."""
        return self.path / "rejected" / f"part-{part:05d}.jsonl"

    def replies(self, part: int, epoch: int | None = None) -> Path:
        """Replies that the owner of an epoch appends: each owner of a part writes a file of its own.

        Args:
            part: its number.
            epoch: by default that of the folder, see `folder_epoch`.
        """
        if epoch is None:
            epoch = self._epoch = folder_epoch(self.path.parent) if self._epoch is None else self._epoch
        later = f".e{epoch:04d}" if epoch else ""
        return self.path / "replies" / f"part-{part:05d}{later}.jsonl"

    def reply_files(self, part: int) -> list[Path]:
        """All files of a part's replies that there are, see `epoch_files`."""
        return epoch_files(self.replies(part))

    def manifest(self, part: int) -> Manifest | None:
        """The part's manifest; None where the part is not finished (or was written by another version).

        A part is not finished either where a file of it is gone: whoever copied or tidied the folder, it is made anew.

        Raises:
            RunError: something stands there that cannot be read.
        """
        path = self.manifest_path(part)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}; remove it, the part is made anew") from None
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError:
            return None  # of another version, or damaged: derived anew from the replies
        if manifest.version != MANIFEST_VERSION or not all((self.path / name).is_file() for name in manifest.files):
            return None
        return manifest

    def verify(self, part: int) -> None:
        """Compares what later stages read of a part with what its manifest says.

        Raises:
            RunError: a file was changed after it was written; damaged data is never read as whole.
        """
        manifest = self.manifest(part)
        if manifest is None:
            raise RunError(f"{self.part(part)}: is not finished, or was damaged; run the same command again")
        for name, digest in manifest.files.items():
            path = self.path / name
            if path.parent != self.rejected(part).parent and sha256_of(path) != digest:
                raise RunError(
                    f"{path}: was changed after it was written; remove {self.manifest_path(part)} and run the same "
                    "command again, it is made anew"
                )

    def write_manifest(self, manifest: Manifest) -> None:
        """Declares a part whole; comes last."""
        write_whole(self.manifest_path(manifest.part), [manifest.model_dump_json(indent=1).encode() + b"\n"])

    def reopen(self, part: int) -> None:
        """Declares a part not whole; comes first, before any of its files is replaced."""
        with disk_errors(self.manifest_path(part)):
            self.manifest_path(part).unlink(missing_ok=True)

    def parts(self) -> list[int]:
        """Numbers of the parts that are there, finished or not."""
        numbers = {part_number(path) for path in self.path.glob("part-*")}
        return sorted(number for number in numbers if number is not None)

    def drop_from(self, part: int) -> None:
        """Removes records, rejections and manifests from `part` on; replies are kept for good."""
        for number in self.parts():
            if number >= part:
                # the records last: while they are there, an interrupted removal is seen and goes on
                for path in (self.manifest_path(number), self.rejected(number), self.part(number)):
                    path.unlink(missing_ok=True)


def part_number(path: Path) -> int | None:
    """The number in ``part-00012.…``; None for any other name."""
    stem = path.name.partition(".")[0].removeprefix("part-")
    return int(stem) if stem.isascii() and stem.isdigit() and len(stem) < 10 else None


def folder_epoch(run: Path) -> int:
    """The epoch of who works in a run's folder: 0, but where the run lives elsewhere and the folder is a copy."""
    try:
        return int((run / EPOCH_FILE).read_text())
    except (OSError, ValueError):
        return 0


def epoch_files(path: Path) -> list[Path]:
    """The files of replies that belong to the part of one of them; the latest epoch first.

    Where a key stands in two of them, the first file counts: what the present owner asked for stays what it is,
    though an owner that was thought dead should append to its own file afterwards.
    """
    if _EPOCH.match(path.name) is None:
        return [path]
    stem = path.name.partition(".")[0]
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    found = [(int(match[1] or 0), name) for name in names if name.startswith(stem) and (match := _EPOCH.match(name))]
    return [path.parent / name for _, name in sorted(found, reverse=True) if name.partition(".")[0] == stem]


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says about a write into one line for people."""
    try:
        yield
    except OSError as error:
        no_space = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space and run the same command again; " if no_space else ""
        reason = error.strerror or str(error)
        raise DiskError(f"{path}: cannot be written: {reason}; {hint}what was written so far is kept") from error


def write_whole(path: Path, chunks: Iterable[bytes]) -> str:
    """Writes a file that appears whole or not at all.

    Returns:
        The SHA-256 of its bytes, hex.

    Raises:
        DiskError: no space, read-only, …; what stood at `path` before stands there still.
    """
    digest = hashlib.sha256()
    temporary = path.with_name(f".{path.name}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # left by a crash; a link there must not be written through
        try:
            with temporary.open("xb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    return digest.hexdigest()


def to_line(record: BaseModel) -> bytes:
    """One record as a line of JSON Lines (UTF-8, keys in the order of the model)."""
    return record.model_dump_json().encode() + b"\n"


def write_json(path: Path, value: object) -> str:
    """Writes a small JSON file whole; returns its SHA-256."""
    return write_whole(path, [json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"])


def read_json(path: Path) -> dict[str, object] | None:
    """Reads a small JSON object; None where the file is missing.

    Raises:
        RunError: the file is damaged.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}; remove the file, it is made anew") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: damaged: not an object; remove the file, it is made anew")
    return value


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """Streams the records of a finished part.

    Raises:
        RunError: the file is missing or a line is damaged; names file and line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield kind.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors()[0]
                    raise RunError(
                        f"{path}, line {number}: damaged ({first['msg']}); remove the .manifest and run "
                        "the same command again, it is derived anew from the replies"
                    ) from None
    except FileNotFoundError:
        raise RunError(f"{path}: the file is missing; remove the part's .manifest and run again") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; remove it and run again, it is made anew") from None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; remove the part's .manifest and run again") from None


def sum_counts(manifests: Iterable[Manifest]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Adds up manifests: (units/kept/rejected, reasons, tally)."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tally: Counter[str] = Counter()
    for manifest in manifests:
        counts.update(units=manifest.units, kept=manifest.kept, rejected=manifest.rejected)
        reasons.update(manifest.reasons)
        tally.update(manifest.tally)
    return counts, reasons, tally


def _lock(descriptor: int, how: int) -> None:
    """Takes the lock; once more after a moment, since `lemma status` looks who has it by touching it."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError:
        time.sleep(0.05)
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)


def refuse_links(run: Path) -> None:
    """Sees to it that all of a run's files lie in its folder; the folder itself may be reached through a link.

    Raises:
        RunError: a link in it leads out of it. Writing through it would change files that are not the run's.
    """
    root = run.resolve()
    folders = [run]
    while folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                    raise RunError(
                        f"{entry.path}: is a link to {os.readlink(entry.path)}, out of the run's folder; put the "
                        "files themselves there, or keep the whole folder elsewhere and link to that"
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))


def holder_named(descriptor: int) -> str:
    """Who wrote itself into a lock's file, in words."""
    return os.read(descriptor, 200).decode(errors="replace").partition("\n")[0] or "another process"


class RunLock:
    """Held while a command works on a run's folder, so that two never write it at once.

    The lock is the kernel's (flock): it goes with the process, however that ends. Processes that share their work
    (see `lemma.leases`) hold it together, and keep all others out.

    Args:
        run: the run's folder.
        is_shared: whether others may hold it at the same time, shared like this one.
        who: the holder, in words; by default this process.

    Raises:
        RunError: another process holds it; says which. Or a link leads out of the folder.
    """

    def __init__(self, run: Path, is_shared: bool = False, who: str = "") -> None:
        self.path = run / ".lock"
        self._how = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        self._who = who or f"process {os.getpid()} on {socket.gethostname()}"
        self._file: int | None = None

    def __enter__(self) -> RunLock:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            refuse_links(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            _lock(descriptor, self._how)
        except OSError:
            holder = holder_named(descriptor)
            os.close(descriptor)
            raise RunError(
                f"{self.path.parent}: in use by {holder}; wait for it to end, or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{self._who}\n".encode(), 0)
        self._file = descriptor
        return self

    def share(self) -> None:
        """Lets others in that hold it shared, and keeps all others out as before."""
        assert self._file is not None
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other process holds it; from then on none can take it until this one lets go."""
        if self._file is None:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
