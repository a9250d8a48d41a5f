"""From result files to the reply store: every line is looked at once, every reply is written where it belongs.

It may be broken off anywhere and done again: what is on disk already is known by its key. Memory holds the place of
each line, not the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lemma.batch.lines import NoResult, Result, read_result
from lemma.batch.waves import Row
from lemma.errors import InputError
from lemma.replies import ReplyStore, shared
from lemma.shards.folder import StageFolder
from lemma.stages.base import Reply, Request, Unit

_MATCHED, _HAS_REPLY = 1, 2
_FILE_BITS, _FLAG_BITS = 16, 2


@dataclass
class Scan:
    """What stands in result files, and where.

    Attributes:
        lines: of all files, empty ones not counted.
        fates: of the requests that a line speaks of, see `Result`.
        unreadable: lines that are cut short or no JSON; the first as ``(path, line number)`` in `first_unreadable`.
        requests: lines that are requests, not results.
        unknown: lines without a key of lemma's form.
        doubles: lines about a request that another line answered.
        words: fate → the first words that the endpoint had for it.
    """

    paths: Sequence[Path]
    lines: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    first_unreadable: tuple[Path, int] | None = None
    requests: int = 0
    unknown: int = 0
    doubles: int = 0
    words: dict[str, str] = field(default_factory=dict)
    places: dict[bytes, int] = field(default_factory=dict)
    """Key → offset, number of the file and two flags, in one number: there may be very many."""

    @property
    def unmatched(self) -> int:
        """Lines whose request nobody here asked."""
        return sum(not place & _MATCHED for place in self.places.values())


def scan(paths: Sequence[Path]) -> Scan:
    """Looks at every line of result files.

    Raises:
        InputError: a file cannot be read.
    """
    found = Scan(paths)
    for number, path in enumerate(paths):
        try:
            with path.open("rb") as file:
                offset = 0
                for at, line in enumerate(file, 1):
                    if not line.isspace():
                        _note(found, read_result(line), (offset << _FILE_BITS | number) << _FLAG_BITS, (path, at))
                    offset += len(line)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return found


def _note(found: Scan, result: Result | NoResult, place: int, where: tuple[Path, int]) -> None:
    found.lines += 1
    if isinstance(result, NoResult):
        if result.reason == "unreadable":
            found.unreadable += 1
            found.first_unreadable = found.first_unreadable or where
        elif result.reason == "request":
            found.requests += 1
        else:
            found.unknown += 1
        return
    key = bytes.fromhex(result.key)
    before = found.places.get(key)
    if before is not None:
        found.doubles += 1
        if before & _HAS_REPLY or result.reply is None:
            return  # the first answer counts
    if before is None or result.reply is not None:
        found.places[key] = place | (_HAS_REPLY if result.reply is not None else 0)
    found.fates[result.fate] += 1
    if result.words:
        found.words.setdefault(result.fate, result.words)


@dataclass
class Harvest:
    """What became of the replies in result files."""

    stored: int = 0
    known: int = 0
    """Those that were on disk before."""
    usages: list[int] = field(default_factory=lambda: [0, 0])
    """Tokens sent and written, of those stored."""


def harvest(found: Scan, rows: Iterable[Row], open_store: Callable[[int], ReplyStore]) -> Harvest:
    """Writes the replies of scanned files to the stores of their parts, and syncs them.

    Args:
        found: the files.
        rows: where replies belong; rows of one part one after the other.
        open_store: part → its replies.

    Raises:
        DiskError: a reply could not be written.
    """
    done = Harvest()
    files: list[IO[bytes]] = []
    store: ReplyStore | None = None
    part = -1
    try:
        for path in found.paths:
            files.append(path.open("rb"))
        for row in rows:
            key = bytes.fromhex(row.key)
            place = found.places.get(key)
            if place is None:
                continue
            found.places[key] = place | _MATCHED
            if not place & _HAS_REPLY:
                continue
            if store is None or row.part != part:
                if store is not None:
                    store.close()
                store, part = open_store(row.part), row.part
            if row.key in store:
                done.known += not place & _MATCHED
                continue
            reply = _read_again(files, place)
            if place & _MATCHED:
                reply = shared(reply)  # two units asked the very same: it was paid for once
            store.append(reply, as_request(row))
            done.stored += 1
            done.usages[0] += reply.usage.input_tokens
            done.usages[1] += reply.usage.output_tokens
    finally:
        for file in files:
            file.close()
        if store is not None:
            store.close()
    return done


def _read_again(files: Sequence[IO[bytes]], place: int) -> Reply:
    place >>= _FLAG_BITS
    file = files[place & ((1 << _FILE_BITS) - 1)]
    file.seek(place >> _FILE_BITS)
    result = read_result(file.readline())
    if not isinstance(result, Result) or result.reply is None:
        raise InputError(f"{file.name}: was changed while it was read; run the same command again")
    return result.reply


def as_request(row: Row) -> Request:
    """A request as far as a line of replies tells of it."""
    return Request(Unit(row.unit), (), "", {}, "", row.draw, row.attempt)


def opener(run: Path, stage: str) -> Callable[[int], ReplyStore]:
    """Opens a part's replies; a manifest speaks of all replies of its part, so it goes before there are more."""
    folder = StageFolder(run, stage)
    return lambda number: ReplyStore(folder.replies(number), None, lambda: folder.reopen(number))
