"""A run's files line by line as plain trees: no models, since a report also reads what another version wrote."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from lemma.errors import RunError
from lemma.report.pick import Place
from lemma.shards.folder import StageFolder

Tree = dict[str, Any]
"""A record as JSON has it."""

_ID: Final = re.compile(rb'\{"id":"([^"\\]{1,200})"')
_UNIT: Final = re.compile(rb'\{"key":"[^"\\]{1,200}","unit":"([^"\\]{1,200})"')


class Line(NamedTuple):
    """One line."""

    place: Place
    tree: Tree


def read_lines(run: Path, stage: str, part: int, *, is_rejected: bool = False) -> Iterator[Line]:
    """Streams a part's records, or its rejections where there are any.

    Raises:
        RunError: a line is damaged, or the file cannot be read; names file and line.
    """
    folder = StageFolder(run, stage)
    path = folder.rejected(part) if is_rejected else folder.part(part)
    if is_rejected and not path.is_file():
        return
    for number, (offset, line) in enumerate(_raw(path), 1):
        yield Line(Place(stage, part, offset, len(line)), _tree(line, f"{path}, line {number}"))


def read_at(run: Path, place: Place, *, is_rejected: bool = False) -> Tree:
    """The record at a place.

    Raises:
        RunError: the file has changed since.
    """
    folder = StageFolder(run, place.stage)
    path = folder.rejected(place.part) if is_rejected else folder.part(place.part)
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            return _tree(file.read(place.length), str(path))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; run the same command again") from None


def find_records(run: Path, stage: str, part: int, ids: Collection[str]) -> dict[str, Tree]:
    """The records of a part with these ids; other lines are passed over unread, as is a part that is gone."""
    found = {}
    path = StageFolder(run, stage).part(part)
    if ids and path.is_file():
        for _, line in _raw(path):
            known = _ID.match(line)
            if known is not None and (identity := known[1].decode(errors="replace")) in ids:
                found[identity] = _tree(line, str(path))
    return found


def find_replies(run: Path, stage: str, part: int, units: Collection[str]) -> dict[str, Tree]:
    """Unit → the last whole reply about it, of those among `units` that have one."""
    found = {}
    for path in reversed(StageFolder(run, stage).reply_files(part)) if units else ():
        for _, line in _raw(path):
            known = _UNIT.match(line)
            if known is not None and (unit := known[1].decode(errors="replace")) in units:
                try:
                    found[unit] = dict(orjson.loads(line))
                except ValueError:  # cut short by a crash
                    continue
    return found


def read_replies(run: Path, stage: str) -> Iterator[Tree]:
    """Streams all replies of a stage that are whole; the copies of moved ones among them are left out."""
    for path in sorted((run / stage / "replies").glob("part-*.jsonl")):
        for _, line in _raw(path):
            try:
                tree = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(tree, dict) and not tree.get("copy"):
                yield tree


def _raw(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of each line."""
    try:
        with path.open("rb") as file:
            offset = 0
            for line in file:
                yield offset, line
                offset += len(line)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; run the same command again") from None


def _tree(line: bytes, where: str) -> Tree:
    try:
        tree = orjson.loads(line)
    except ValueError:
        tree = None
    if not isinstance(tree, dict):
        raise RunError(f"{where}: damaged; remove the part's .manifest and run again, it is made anew")
    return tree
