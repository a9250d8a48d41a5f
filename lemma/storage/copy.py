"""One run's folder here and its objects: what is known of both, which fetching and sending share."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lemma.shards.files import write_whole
from lemma.shards.manifest import Manifest
from lemma.storage.objects import Objects

AT_ONCE: Final = 16
REPLIES: Final = re.compile(r".+/replies/part-[0-9]+(?:\.e[0-9]+)?\.jsonl", re.ASCII)
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


class Copy:
    """A folder, its objects, and what was last seen of both.

    Args:
        folder: the run's folder here.
        objects: the run in the storage.
        state_path: where to keep what is known of both.
        say: takes a line for the person.
    """

    def __init__(self, folder: Path, objects: Objects, state_path: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.objects = objects
        self.say = say
        self._state_path = state_path
        try:
            self.state = State.model_validate_json(state_path.read_bytes())
        except (OSError, ValidationError):
            self.state = State()

    def is_as_seen(self, name: str, local: Local) -> bool:
        """Whether a file here is what last went up or came."""
        known = self.state.files.get(name)
        return known is not None and (known.size, known.mtime_ns) == local

    def save(self) -> None:
        """Keeps what is known.

        Raises:
            DiskError: it cannot be written.
        """
        write_whole(self._state_path, [self.state.model_dump_json().encode() + b"\n"])

    def fits(self, raw: bytes) -> bool:
        """Whether a manifest's files are, here and in the storage, what it says."""
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError:
            return True  # of another version: whoever reads it knows what to do
        known = [self.state.files.get(f"{manifest.stage}/{name}") for name in manifest.files]
        return [one.sha256 if one is not None else None for one in known] == list(manifest.files.values())

    def scan(self) -> Iterator[tuple[str, Local]]:
        """The files here, but for replies."""
        folders = [("", self.folder)]
        while folders:
            before, folder = folders.pop()
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{before}{entry.name}"
                    if entry.name.startswith(".") or REPLIES.fullmatch(name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((f"{name}/", Path(entry.path)))
                    elif entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):
                            stat = entry.stat()
                            yield name, Local(stat.st_size, stat.st_mtime_ns)


def each(do: Callable[[T], int | None], items: Iterable[T]) -> list[int]:
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
