"""Replies: the only thing that costs money, kept for good.

``<stage>/replies/part-00000.jsonl`` is append-only; one reply a line, written in one piece before anything is
derived from it::

    {"key":"9f…","unit":"u-…","draw":0,"attempt":0,"text":"<verdict>…","finish_reason":"stop","model":"gpt-4o",
     "reasoning":"","usage":[812,0,154],"detail":"","created_s":1763690000.1}

A reply that came in a batch, and was paid for at its price, has ``"batch":true``.
A reply whose problem was moved to another part is copied there, with ``"copy":true``: it was paid for once.
A line that a crash cut short is skipped, never read as whole; where a key stands twice the first counts.

Where processes on several machines own a part one after the other, each appends to a file of its own epoch
(``part-00000.e0001.jsonl``, …), and every reader reads them all, see `lemma.shards.folder.epoch_files`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import orjson

from lemma.errors import DiskError, RunError
from lemma.shards.files import disk_errors
from lemma.shards.folder import StageFolder, epoch_files, part_number
from lemma.stages.base import Reply, Request, Usage


def reply_line(reply: Reply, request: Request) -> bytes:
    """One reply as a line."""
    usage = reply.usage
    return orjson.dumps(
        {
            "key": reply.key,
            "unit": request.unit.id,
            "draw": request.draw,
            "attempt": request.attempt,
            "text": reply.text,
            "finish_reason": reply.finish_reason,
            "model": reply.model,
            "reasoning": reply.reasoning,
            "usage": [usage.input_tokens, usage.cached_input_tokens, usage.output_tokens],
            "detail": reply.detail,
            "created_s": reply.created_s,
            **({"batch": True} if usage.is_batch else {}),
            **({"copy": True} if reply.is_copy else {}),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def read_reply(line: bytes) -> Reply | None:
    """Reads a line; None where it is not one whole reply."""
    try:
        tree = orjson.loads(line)
        bytes.fromhex(tree["key"])
        if not all(isinstance(tree[name], str) for name in ("text", "finish_reason", "model", "reasoning", "detail")):
            return None
        sent, cached, output = map(int, tree["usage"])
        return Reply(
            key=tree["key"],
            text=tree["text"],
            finish_reason=tree["finish_reason"],
            model=tree["model"],
            reasoning=tree["reasoning"],
            usage=Usage(sent, cached, output, tree.get("batch") is True),
            detail=tree["detail"],
            created_s=float(tree["created_s"]),
            is_copy=tree.get("copy") is True,
        )
    except (ValueError, KeyError, TypeError, OverflowError):  # of JSON, of numbers, of what is missing or else
        return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of each line that has an end."""
    try:
        with path.open("rb") as file:
            offset = 0
            for line in file:
                if line.endswith(b"\n"):
                    yield offset, line
                offset += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; the replies in it were paid for: mend it") from None


def broken_replies(folder: StageFolder) -> dict[Path, list[int]]:
    """Where a stage's replies cannot be read: path → numbers (from 1) of lines that are no whole reply.

    A file that a manifest calls sound is not read again; the line that is just being written does not count.
    """
    broken = {}
    for path in sorted(folder.replies(0).parent.glob("part-*.jsonl")):
        number = part_number(path)
        manifest = folder.manifest(number) if number is not None else None
        if manifest is None or manifest.broken_lines:
            lines = [at for at, (_, line) in enumerate(_lines(path), 1) if read_reply(line) is None]
            if lines:
                broken[path] = lines
    return broken


def broken_words(stage: str, broken: Mapping[Path, list[int]]) -> str:
    """`broken_replies` in one line for people."""
    count = sum(map(len, broken.values()))
    path, lines = next(iter(broken.items()))
    which = f"{path} line {lines[0]}" + (f" and {count - 1} more" if count > 1 else "")
    return (
        f"{stage}: {count} of the lines of replies cannot be read, cut short by a crash or damaged: {which}; "
        "what is missing is asked for again"
    )


def read_replies(paths: Iterable[Path]) -> Iterator[Reply]:
    """Streams the whole replies of a part's files, also while they grow; none where one is missing.

    A key counts once.
    """
    seen = set()
    for path in paths:
        for _, line in _lines(path):
            reply = read_reply(line)
            if reply is not None and reply.key not in seen:
                seen.add(reply.key)
                yield reply


class ReplyStore:
    """The replies of one part: an index of keys in memory, the texts on disk.

    Args:
        path: the part's file that is appended to; need not exist. Its files of other epochs are read as well.
        strays: where to look for replies that an earlier layout of the problems left in other parts' files.
        before_growth: called once, before the first reply is appended.
        guard: called before each; raises where this process must not append any more.

    Raises:
        DiskError: from `append`, where nothing more can be written.
    """

    def __init__(
        self,
        path: Path,
        strays: StrayIndex | None = None,
        before_growth: Callable[[], None] | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self._guard = guard
        self._strays = strays
        self._before_growth = before_growth
        self._files = [one for one in epoch_files(path) if one != path]
        """Of other epochs; a place's number counts them from 1, 0 is the file that is appended to."""
        self._places: dict[bytes, tuple[int, int, int]] = {}
        self._appender: int | None = None
        self._readers: dict[int, int] = {}
        self._end = 0
        self._is_dirty = False
        self._answer: Callable[[Request], Reply] | None = None
        self.broken_lines = 0
        for one in epoch_files(path):
            self._index(one)

    def _index(self, path: Path) -> None:
        number = 0 if path == self.path else 1 + self._files.index(path)
        for offset, line in _lines(path):
            reply = read_reply(line)
            if reply is None:
                self.broken_lines += 1
            else:
                self._places.setdefault(bytes.fromhex(reply.key), (number, offset, len(line)))

    def __len__(self) -> int:
        return len(self._places)

    def complete_by(self, answer: Callable[[Request], Reply], told: Callable[[Reply | None], None]) -> None:
        """From now on `get` has what is not on disk answered at once, and keeps it.

        Args:
            answer: a program's answer.
            told: hears of each `get`: the new reply, or None where it was on disk.
        """
        self._answer, self._told = answer, told

    def __contains__(self, key: str) -> bool:
        """Whether the part's own files hold a reply with that key."""
        return bytes.fromhex(key) in self._places

    def get(self, request: Request) -> Reply | None:
        """The reply to a request, if it is on disk (or somebody answers at once, see `complete_by`)."""
        reply = self._find(request)
        if self._answer is None:
            return reply
        if reply is not None:
            self._told(None)
            return reply
        reply = self._answer(request)
        self.append(reply, request)
        self._told(reply)
        return reply

    def _find(self, request: Request) -> Reply | None:
        place = self._places.get(bytes.fromhex(request.key))
        if place is None:
            stray = self._strays.get(request.key) if self._strays is not None else None
            if stray is not None:
                stray = replace(stray, is_copy=True)
                self.append(stray, request)  # so that the next derivation finds it at home
            return stray
        reply = self._read(place)
        return reply if reply is not None and reply.key == request.key else None

    def _read(self, place: tuple[int, int, int]) -> Reply | None:
        number, offset, length = place
        reader = self._readers.get(number)
        if reader is None:
            path = self._files[number - 1] if number else self.path
            reader = self._readers[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return read_reply(os.pread(reader, length, offset))

    def others(self, keys: Container[str]) -> Iterator[Reply]:
        """The replies with other keys than these, in no order that means anything."""
        for key, place in self._places.items():
            if key.hex() not in keys and (reply := self._read(place)) is not None:
                yield reply

    def append(self, reply: Reply, request: Request) -> None:
        """Writes a reply in one piece."""
        if self._guard is not None:
            self._guard()
        line = reply_line(reply, request)
        if self._appender is None:
            self._open_appender()
        assert self._appender is not None
        with disk_errors(self.path):
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._appender, line[written:])
            except OSError:
                # half a line must not stay: the next append would continue it
                os.ftruncate(self._appender, self._end)
                raise
        self._places.setdefault(bytes.fromhex(reply.key), (0, self._end, len(line)))
        self._end += len(line)
        self._is_dirty = True

    def _open_appender(self) -> None:
        if self._before_growth is not None:
            self._before_growth()
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, 0o644)
            self._end = os.fstat(descriptor).st_size
            if self._end and os.pread(descriptor, 1, self._end - 1) != b"\n":
                # a crash cut the last line short: end it, so that it stays a line of its own
                self._end += os.write(descriptor, b"\n")
                self.broken_lines += 1
        self._appender = descriptor

    def sync(self) -> None:
        """Makes what was appended survive a power cut."""
        if self._appender is not None and self._is_dirty:
            with disk_errors(self.path):
                os.fsync(self._appender)
            self._is_dirty = False

    def sync_all(self) -> None:
        """As `sync`, for what any process appended."""
        with disk_errors(self.path), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def take_unsynced(self) -> int | None:
        """A descriptor to sync beside the loop, which the caller closes; None where there is nothing to sync."""
        if self._appender is None or not self._is_dirty:
            return None
        self._is_dirty = False
        return os.dup(self._appender)

    def close(self, *, sync: bool = True) -> None:
        """Closes the files; syncs them before, unless somebody else does."""
        try:
            if sync:
                self.sync()
        finally:
            for descriptor in (self._appender, *self._readers.values()):
                if descriptor is not None:
                    os.close(descriptor)
            self._appender = None
            self._readers.clear()

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StrayIndex:
    """Where the replies of parts lie that problems were moved out of.

    When `shards.size` changes, or a dataset is put before another, problems change their parts while replies
    stay where they were written. The index finds them by key; it is a temporary SQLite file, so that memory
    stays small however many there are, and it is built at the first look.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._database: sqlite3.Connection | None = None

    def get(self, key: str) -> Reply | None:
        """The reply with that key in any of the files."""
        if self._database is None:
            self._database = self._build()
        row = self._database.execute("SELECT file, offset, length FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        with self._paths[row[0]].open("rb") as file:
            file.seek(row[1])
            return read_reply(file.read(row[2]))

    def _build(self) -> sqlite3.Connection:
        try:
            # an empty name is a temporary on-disk database that SQLite removes by itself
            database = sqlite3.connect("", check_same_thread=False)
            database.execute(
                "CREATE TABLE replies (key TEXT PRIMARY KEY, file INT, offset INT, length INT) WITHOUT ROWID"
            )
            database.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)", self._rows())
            database.commit()
        except sqlite3.Error as error:
            raise DiskError(f"{tempfile.gettempdir()}: cannot hold the index of moved replies: {error}") from error
        return database

    def _rows(self) -> Iterator[tuple[str, int, int, int]]:
        for number, path in enumerate(self._paths):
            for offset, line in _lines(path):
                reply = read_reply(line)
                if reply is not None:
                    yield reply.key, number, offset, len(line)


def shared(reply: Reply) -> Reply:
    """A copy for another unit that asked the very same: it was paid for once, so it costs nothing here."""
    return replace(reply, usage=Usage())
