"""How large a file of requests may be, and writing within that.

Limits: https://developers.openai.com/api/docs/guides/batch (a batch holds up to 50,000 requests of one model in a file
of up to 200 MB; how many tokens may wait at once differs by account and model, so that is found out by asking).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lemma.errors import InputError
from lemma.shards.files import disk_errors


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file of requests."""

    requests: int = 50_000
    bytes: int = 200_000_000


@dataclass(frozen=True, slots=True)
class RequestFile:
    """A file of requests that is finished."""

    path: Path
    requests: int
    bytes: int
    sha256: str


class SplitWriter:
    """Writes lines into one file after the other, the next one where a limit would be passed.

    Args:
        path_of: number (from 1) → path of that file; what stands there is replaced.
        limits: of each file.

    Attributes:
        files: those that are finished.

    Raises:
        DiskError: from every method.
    """

    def __init__(self, path_of: Callable[[int], Path], limits: Limits) -> None:
        self._path_of = path_of
        self._limits = limits
        self.files: list[RequestFile] = []
        self._file: IO[bytes] | None = None
        self._requests = self._bytes = 0

    def write(self, line: bytes) -> int:
        """Writes a line; returns the number of its file.

        Raises:
            InputError: the line alone is larger than a file may be.
        """
        if len(line) > self._limits.bytes:
            raise InputError(f"a request of {len(line)} bytes is larger than a batch's file may be")
        if self._file is not None and (
            self._requests >= self._limits.requests or self._bytes + len(line) > self._limits.bytes
        ):
            self.finish()
        if self._file is None:
            self._path = self._path_of(len(self.files) + 1)
            with disk_errors(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.unlink(missing_ok=True)  # a link there must not be written through
                self._file = self._path.open("xb")
            self._requests = self._bytes = 0
            self._digest = hashlib.sha256()
        with disk_errors(self._path):
            self._file.write(line)
        self._digest.update(line)
        self._requests += 1
        self._bytes += len(line)
        return len(self.files) + 1

    def finish(self) -> None:
        """Finishes the file that is being written, so that it survives a power cut."""
        if self._file is None:
            return
        with disk_errors(self._path), self._file as file:
            file.flush()
            os.fsync(file.fileno())
        self._file = None
        self.files.append(RequestFile(self._path, self._requests, self._bytes, self._digest.hexdigest()))

    def abandon(self) -> None:
        """Closes what is open, for one who gives up."""
        if self._file is not None:
            self._file.close()
            self._file = None
