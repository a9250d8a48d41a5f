"""A run's folder here, and the same run in object storage: what is in one of them and not yet in the other.

The storage holds the run's files under their names, but for the replies, which grow: what was appended since the last
time goes up as one more object, never to be changed, named by where in the file it begins::

    analyze/part-00000.jsonl                                a finished part
    analyze/part-00000.manifest                             … goes up after its files, and is fetched after them
    analyze/replies/part-00000.jsonl/000000000000           the first replies
    analyze/replies/part-00000.jsonl/000000131072           the next
    .leases/…                                               see `lemma.heartbeat`

Names that begin with a dot stay where they are. What was last seen of each object is kept beside the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lemma.errors import RunError, StorageError
from lemma.shards import Manifest, disk_errors, write_whole
from lemma.storage.objects import Entry, Objects

SEGMENT_BYTES: Final = 16 * 2**20
"""Of one object of replies, at most."""
IN_MEMORY: Final = 8 * 2**20
"""Larger files are sent from the disk."""
AT_ONCE: Final = 16
_SEGMENT: Final = re.compile(r"(.+/replies/part-[0-9]+(?:\.e[0-9]+)?\.jsonl)/([0-9]{12})", re.ASCII)
_REPLIES: Final = re.compile(r".+/replies/part-[0-9]+(?:\.e[0-9]+)?\.jsonl", re.ASCII)
T = TypeVar("T")


class Known(BaseModel):
    """What was last seen of a file and its object, when they were the same."""

    model_config = ConfigDict(extra="forbid")

    size: int
    mtime_ns: int
    tag: str
    sha256: str


class State(BaseModel):
    """What is known of a mirror, beside its folder."""

    model_config = ConfigDict(extra="forbid")

    is_whole: bool = False
    """Whether all that the storage has was fetched once."""
    files: dict[str, Known] = Field(default_factory=dict)
    pushed: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """File of replies → its bytes that are up."""


class Local(NamedTuple):
    """A file here."""

    size: int
    mtime_ns: int


class Mirror:
    """One run's folder and its objects.

    Args:
        folder: the run's folder here.
        objects: the run in the storage.
        state_path: where to keep what is known of both.
        say: takes a line for the person.
    """

    def __init__(self, folder: Path, objects: Objects, state_path: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._objects = objects
        self._state_path = state_path
        self._say = say
        self._growing: list[str] = []
        try:
            self._state = State.model_validate_json(state_path.read_bytes())
        except (OSError, ValidationError):
            self._state = State()

    @property
    def is_whole(self) -> bool:
        """Whether all that the storage has was fetched once."""
        return self._state.is_whole

    # ── from the storage ──

    def fetch(self, prefix: str = "", *, is_owned: bool = False, is_final: bool = True) -> bool:
        """Brings the folder up to date with the storage.

        Args:
            prefix: only names that begin so.
            is_owned: whether nobody else has worked on the run since this folder did: then what is here counts.
            is_final: whether files that are here only, or were changed here, give way. Replies never do.

        Returns:
            Whether the storage has anything.

        Raises:
            StorageError: the storage cannot be reached, or lacks something.
        """
        files, segments = _sort(self._objects.listed(prefix))
        if is_owned and self._state.is_whole:
            self._trust(files)
        else:
            self._fetch_files(files, is_final)
            self._drop(files, prefix, is_final)
        self._state.pushed = {name: end for name, end in self._state.pushed.items() if not name.startswith(prefix)}
        self._each(self._fetch_replies, segments.items())
        self._state.is_whole = self._state.is_whole or not prefix
        self._save()
        return bool(files or segments)

    def _trust(self, files: dict[str, Entry]) -> None:
        """Takes over the tags; what differs here goes up the next time."""
        for name, entry in files.items():
            known = self._state.files.get(name)
            if known is None and "/" not in name and not (self.folder / name).exists():
                self._fetch_file((name, entry))  # a report, or a plan, that somebody made who only looked
            elif known is None or known.tag != entry.tag:
                self._state.files[name] = Known(size=-1, mtime_ns=0, tag=entry.tag, sha256="")
        for name in self._state.files.keys() - files.keys():
            del self._state.files[name]

    def _fetch_files(self, files: dict[str, Entry], is_final: bool) -> None:
        here = dict(self._scan())
        wanted = {}
        for name, entry in files.items():
            known, local = self._state.files.get(name), here.get(name)
            is_same = known is not None and local is not None and (known.size, known.mtime_ns) == local
            is_new = known is None or known.tag != entry.tag
            is_ours = local is not None and not is_same  # made here, and not sent yet
            if (is_new or not is_same) if is_final else (is_new and not is_ours):
                wanted[name] = entry
        manifests = {name for name in wanted if name.endswith(".manifest")}
        self._each(self._fetch_file, ((name, wanted[name]) for name in wanted.keys() - manifests))
        self._each(self._fetch_file, ((name, wanted[name]) for name in sorted(manifests)))

    def _fetch_file(self, item: tuple[str, Entry]) -> None:
        name, entry = item
        path = self.folder / name
        temporary = path.with_name(f".{path.name}.tmp")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            if not self._objects.fetch(name, temporary):
                return  # removed since it was listed, by somebody who works on the run as well
            with temporary.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                stat = os.fstat(file.fileno())
            if stat.st_size != entry.size:
                temporary.unlink()
                raise StorageError(f"{name}: {stat.st_size} of {entry.size} bytes came; run the same command again")
            if name.endswith(".manifest") and not self._fits(temporary.read_bytes()):
                temporary.unlink()
                self._say(f"{path}: a file of the part in the storage is not what it says; the part is made anew")
                self._state.files[name] = Known(size=-1, mtime_ns=0, tag=entry.tag, sha256="")
                return
            temporary.replace(path)
        self._state.files[name] = Known(size=entry.size, mtime_ns=stat.st_mtime_ns, tag=entry.tag, sha256=digest)

    def _fits(self, raw: bytes) -> bool:
        """Whether a manifest's files are, here and in the storage, what it says."""
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError:
            return True  # of another version: whoever reads it knows what to do
        known = [self._state.files.get(f"{manifest.stage}/{name}") for name in manifest.files]
        return [one.sha256 if one is not None else None for one in known] == list(manifest.files.values())

    def _drop(self, files: dict[str, Entry], prefix: str, is_final: bool) -> None:
        """Removes what the storage has not, or has no more."""
        for name, local in list(self._scan()):
            known = self._state.files.get(name)
            is_same = known is not None and (known.size, known.mtime_ns) == local
            if name.startswith(prefix) and name not in files and (is_final or is_same):
                with disk_errors(self.folder / name):
                    (self.folder / name).unlink(missing_ok=True)
                self._state.files.pop(name, None)
        if is_final and not prefix:
            self._state.files = {name: known for name, known in self._state.files.items() if name in files}

    def _fetch_replies(self, item: tuple[str, dict[int, int]]) -> None:
        """Appends to a file of replies what the storage has more of; where it is the longer one, it stays."""
        name, segments = item
        path = self.folder / name
        end = 0
        for start, size in sorted(segments.items()):
            if start > end:
                raise StorageError(f"{name}: the replies from byte {end} to {start} are missing in the storage")
            end = max(end, start + size)
        self._state.pushed[name] = end
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            here = path.stat().st_size if path.exists() else 0
            if here >= end:
                return
            temporary = path.with_name(f".{path.name}.tmp")
            with path.open("ab") as file:
                for start, size in sorted(segments.items()):
                    if start + size > here:
                        temporary.unlink(missing_ok=True)
                        if not self._objects.fetch(f"{name}/{start:012d}", temporary):
                            raise StorageError(f"{name}: the replies from byte {start} on were removed in the storage")
                        content = temporary.read_bytes()
                        temporary.unlink()
                        if len(content) != size:
                            raise StorageError(f"{name}: {len(content)} of {size} bytes came; run the command again")
                        file.write(content[here - start :])
                        here = start + size
                file.flush()
                os.fsync(file.fileno())

    # ── to the storage ──

    def push_replies(self) -> int:
        """Sends what was appended to the replies.

        Returns:
            Bytes sent.

        Raises:
            StorageError: the storage cannot be reached, or has other replies at the same place.
        """
        self._growing = [name for name, size in self._grown() if size > self._state.pushed.get(name, 0)]
        if not self._growing:
            return 0
        try:
            return sum(self._each(self._push_file_of_replies, self._growing))
        finally:
            self._save()

    def pending_bytes(self) -> int:
        """Bytes of replies that are not up, of the files that had grown when replies were last sent: a quick look."""
        pending = 0
        for name in self._growing:
            with contextlib.suppress(FileNotFoundError):
                pending += (self.folder / name).stat().st_size - self._state.pushed.get(name, 0)
        return pending

    def _grown(self) -> Iterator[tuple[str, int]]:
        for folder in self.folder.glob("*/replies"):
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{folder.parent.name}/replies/{entry.name}"
                    if _REPLIES.fullmatch(name):
                        yield name, entry.stat().st_size

    def _push_file_of_replies(self, name: str) -> int:
        sent = 0
        with (self.folder / name).open("rb") as file:
            while True:
                start = self._state.pushed.get(name, 0)
                content = os.pread(file.fileno(), SEGMENT_BYTES, start)
                content = content[: content.rfind(b"\n") + 1] or (content if len(content) == SEGMENT_BYTES else b"")
                if not content:
                    return sent
                if self._objects.put(f"{name}/{start:012d}", content, None) is None:
                    content = self._same_there(name, start, content)
                self._state.pushed[name] = start + len(content)
                sent += len(content)

    def _same_there(self, name: str, start: int, content: bytes) -> bytes:
        """What is up already, where that is the beginning of what was to go up: sent a moment before a crash."""
        there = self._objects.read(f"{name}/{start:012d}") or b""
        if not there or not (self.folder / name).read_bytes()[start:].startswith(there):
            raise StorageError(
                f"{name}: the storage has other replies from byte {start} on than {self.folder}: was the folder "
                "copied, and used on two machines? Remove it (with the file `state.json` beside it) and run the same "
                "command again: replies that only it has are asked for again"
            )
        return there

    def push_files(self, require_lease: Callable[[], None], *, with_exports: bool = True) -> int:
        """Sends files that are new or changed, and removes what is gone; manifests after the files that they name.

        Args:
            require_lease: raises where this process must not write any more.
            with_exports: whether the dataset goes up as well, which is written anew as a whole.

        Returns:
            Number of changes.

        Raises:
            StorageError: the storage cannot be reached.
        """
        here = dict(self._scan())
        gone = [name for name in self._state.files if name not in here]
        changed = []
        for name, local in here.items():
            known = self._state.files.get(name)
            if known is None or (known.size, known.mtime_ns) != local:
                changed.append(name)
        if not with_exports:
            gone, changed = ([name for name in names if not name.startswith("export/")] for names in (gone, changed))
        if not gone and not changed:
            return 0
        steps: list[tuple[Callable[[str], None], list[str]]] = [
            (self._delete, [name for name in gone if name.endswith(".manifest")]),
            (self._push_file, [name for name in changed if not name.endswith(".manifest")]),
            (self._push_file, [name for name in changed if name.endswith(".manifest")]),
            (self._delete, [name for name in gone if not name.endswith(".manifest")]),
        ]
        try:
            for step, names in steps:
                if names:
                    require_lease()
                    self._each(step, names)
        finally:
            self._save()
        return len(gone) + len(changed)

    def push_file(self, name: str) -> None:
        """Sends one file.

        Raises:
            StorageError: the storage cannot be reached.
        """
        self._push_file(name)
        self._save()

    def _push_file(self, name: str) -> None:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                content: bytes | Path = file.read() if stat.st_size <= IN_MEMORY else path
        except FileNotFoundError:
            return  # replaced or removed at this moment: the next time
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        if name.endswith(".manifest") and isinstance(content, bytes) and not self._fits(content):
            return  # its files were replaced meanwhile: the next time
        known = self._state.files.get(name)
        tag = self._objects.put(name, content, known.tag if known is not None else None)
        if tag is None:  # another one's, who was taken for dead, or our own, whose answer got lost
            tag = self._objects.put(name, content, self._objects.tag(name))
        if tag is None:
            raise StorageError(f"{name}: somebody else writes it at the same time; run the same command again")
        self._state.files[name] = Known(size=stat.st_size, mtime_ns=stat.st_mtime_ns, tag=tag, sha256=digest)

    def _delete(self, name: str) -> None:
        self._objects.delete(name)
        del self._state.files[name]

    # ── both ──

    def _scan(self) -> Iterator[tuple[str, Local]]:
        """The files here, but for replies."""
        folders = [("", self.folder)]
        while folders:
            before, folder = folders.pop()
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{before}{entry.name}"
                    if entry.name.startswith(".") or _REPLIES.fullmatch(name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((f"{name}/", Path(entry.path)))
                    elif entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):
                            stat = entry.stat()
                            yield name, Local(stat.st_size, stat.st_mtime_ns)

    def _each(self, do: Callable[[T], int | None], items: Iterable[T]) -> list[int]:
        """Does something for each item, several at once; what one raises ends the rest."""
        items = list(items)
        if len(items) < 2:
            return [do(item) or 0 for item in items]
        with ThreadPoolExecutor(min(AT_ONCE, len(items)), "storage") as pool:
            futures = [pool.submit(do, item) for item in items]
            try:
                return [future.result() or 0 for future in futures]
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _save(self) -> None:
        write_whole(self._state_path, [self._state.model_dump_json().encode() + b"\n"])


def _sort(entries: dict[str, Entry]) -> tuple[dict[str, Entry], dict[str, dict[int, int]]]:
    """Files, and file of replies → start → size of its pieces; names that are none of ours are passed over."""
    files: dict[str, Entry] = {}
    segments: dict[str, dict[int, int]] = {}
    for name, entry in entries.items():
        parts = name.split("/")
        if any(part in ("", "..") or part.startswith(".") for part in parts) or "\0" in name:
            continue
        piece = _SEGMENT.fullmatch(name)
        if piece:
            segments.setdefault(piece[1], {})[int(piece[2])] = entry.size
        else:
            files[name] = entry
    return files, segments
