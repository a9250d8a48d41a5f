"""From the folder to the storage."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lemma.errors import RunError, StorageError
from lemma.storage.copy import REPLIES, Copy, Known, each

SEGMENT_BYTES: Final = 16 * 2**20
"""Of one object of replies, at most."""
IN_MEMORY: Final = 8 * 2**20
"""Larger files are sent from the disk."""


class Sending:
    """Sends what is in a folder and not in the storage.

    Args:
        copy: the folder and its objects.
    """

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._growing: list[str] = []

    def push_replies(self) -> int:
        """Sends what was appended to the replies.

        Returns:
            Bytes sent.

        Raises:
            StorageError: the storage cannot be reached, or has other replies at the same place.
        """
        self._growing = [name for name, size in self._grown() if size > self._copy.state.pushed.get(name, 0)]
        if not self._growing:
            return 0
        try:
            return sum(each(self._push_file_of_replies, self._growing))
        finally:
            self._copy.save()

    def pending_bytes(self) -> int:
        """Bytes of replies that are not up, of the files that had grown when replies were last sent: a quick look."""
        pending = 0
        for name in self._growing:
            with contextlib.suppress(FileNotFoundError):
                pending += (self._copy.folder / name).stat().st_size - self._copy.state.pushed.get(name, 0)
        return pending

    def _grown(self) -> Iterator[tuple[str, int]]:
        for folder in self._copy.folder.glob("*/replies"):
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{folder.parent.name}/replies/{entry.name}"
                    if REPLIES.fullmatch(name):
                        yield name, entry.stat().st_size

    def _push_file_of_replies(self, name: str) -> int:
        sent = 0
        with (self._copy.folder / name).open("rb") as file:
            while True:
                start = self._copy.state.pushed.get(name, 0)
                content = os.pread(file.fileno(), SEGMENT_BYTES, start)
                content = content[: content.rfind(b"\n") + 1] or (content if len(content) == SEGMENT_BYTES else b"")
                if not content:
                    return sent
                if self._copy.objects.put(f"{name}/{start:012d}", content, None) is None:
                    content = self._same_there(name, start, content)
                self._copy.state.pushed[name] = start + len(content)
                sent += len(content)

    def _same_there(self, name: str, start: int, content: bytes) -> bytes:
        """What is up already, where that is the beginning of what was to go up: sent a moment before a crash."""
        there = self._copy.objects.read(f"{name}/{start:012d}") or b""
        if not there or not (self._copy.folder / name).read_bytes()[start:].startswith(there):
            raise StorageError(
                f"{name}: the storage has other replies from byte {start} on than {self._copy.folder}: was the folder "
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
        here = dict(self._copy.scan())
        gone = [name for name in self._copy.state.files if name not in here]
        changed = [name for name, local in here.items() if not self._copy.is_as_seen(name, local)]
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
                    each(step, names)
        finally:
            self._copy.save()
        return len(gone) + len(changed)

    def push_file(self, name: str) -> None:
        """Sends one file.

        Raises:
            StorageError: the storage cannot be reached.
        """
        self._push_file(name)
        self._copy.save()

    def _push_file(self, name: str) -> None:
        path = self._copy.folder / name
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
        if name.endswith(".manifest") and isinstance(content, bytes) and not self._copy.fits(content):
            return  # its files were replaced meanwhile: the next time
        known = self._copy.state.files.get(name)
        tag = self._copy.objects.put(name, content, known.tag if known is not None else None)
        if tag is None:  # another one's, who was taken for dead, or our own, whose answer got lost
            tag = self._copy.objects.put(name, content, self._copy.objects.tag(name))
        if tag is None:
            raise StorageError(f"{name}: somebody else writes it at the same time; run the same command again")
        self._copy.state.files[name] = Known(size=stat.st_size, mtime_ns=stat.st_mtime_ns, tag=tag, sha256=digest)

    def _delete(self, name: str) -> None:
        if (self._copy.folder / name).exists():
            return  # replaced at the moment when it was looked for
        self._copy.objects.delete(name)
        del self._copy.state.files[name]
