"""Files that are written side by side and appear together, each whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from lemma.shards.files import disk_errors


class WholeFiles:
    """Opens files of one folder under temporary names; they get their own when the block ends well.

    ::

        with WholeFiles(folder) as files:
            files.open("train.jsonl").write(b"…")

    All are on disk (fsync) before the first is renamed. Where the block raises, what stood there before still does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, BinaryIO] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files opened so far, in that order."""
        return tuple(self._open)

    def open(self, name: str) -> BinaryIO:
        """Opens a new file for writing; `name` may lie in a subfolder.

        Raises:
            DiskError: the folder cannot be written to.
        """
        path = self.folder / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[name] = self._temporary(name).open("wb")
        return self._open[name]

    def __enter__(self) -> WholeFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._each(_to_disk)
                self._each(lambda name, _: self._temporary(name).replace(self.folder / name))
        finally:
            for name, file in self._open.items():
                with contextlib.suppress(OSError):  # what matters was told already
                    file.close()
                self._temporary(name).unlink(missing_ok=True)

    def _each(self, action: Callable[[str, BinaryIO], object]) -> None:
        for name, file in self._open.items():
            with disk_errors(self.folder / name):
                action(name, file)

    def _temporary(self, name: str) -> Path:
        path = self.folder / name
        return path.with_name(f".{path.name}.tmp")


def _to_disk(_: str, file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
