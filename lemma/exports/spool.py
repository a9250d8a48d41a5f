"""Rows on their way: written to an unnamed file as they are chosen, read back in the order in which they are exported.

What is held in memory of a row is 25 bytes, whatever its length; the file vanishes with the process.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lemma.exports.digests import digest64
from lemma.shards.files import disk_errors


class Spool:
    """Takes entries (JSON objects) with what decides about them; gives back those that are wanted.

    Args:
        folder: where the unnamed file is made; has to exist.
        seed: the configuration's.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        with disk_errors(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._offsets = array("Q", [0])
        self._keys = array("Q")
        self._kinds = array("B")
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, entry: Mapping[str, Any], key: str, kind: str) -> None:
        """Takes the next entry.

        Args:
            entry: of plain values.
            key: what the order is drawn by; a row's id.
            kind: what shares are counted of; an error type, or empty.
        """
        import orjson

        line = orjson.dumps(entry)
        with disk_errors(self._folder):
            self._file.write(line)
        self._offsets.append(self._offsets[-1] + len(line))
        self._keys.append(digest64("shuffle", str(self._seed), key))
        if kind not in self._names:
            self._names.append(kind)
        self._kinds.append(self._names.index(kind))

    def surplus(self, share: float) -> bytearray:
        """One byte for each entry, 1 where its kind has more than `share` of the whole.

        Entries of the kind "" count for nothing here. Which ones of a kind are too many, the drawn order decides.
        """
        counts = [0] * len(self._names)
        for kind in self._kinds:
            counts[kind] += 1
        typed = {kind: count for kind, count in enumerate(counts) if self._names[kind]}
        level = largest_level(list(typed.values()), share)
        taken = [0] * len(counts)
        surplus = bytearray(len(self))
        for index in self._drawn(len(self)):
            kind = self._kinds[index]
            taken[kind] += 1
            surplus[index] = kind in typed and taken[kind] > level
        return surplus

    def entries(self, count: int, shuffle: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        """The first `count` entries with their numbers, in the drawn order or in that of arrival."""
        import orjson

        with disk_errors(self._folder):
            self._file.flush()
        for index in self._drawn(count) if shuffle else range(count):
            start, end = self._offsets[index], self._offsets[index + 1]
            self._file.seek(start)
            yield index, orjson.loads(self._file.read(end - start))

    def _drawn(self, count: int) -> array[int]:
        return array("Q", sorted(range(count), key=self._keys.__getitem__))

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def largest_level(counts: list[int], share: float) -> int:
    """How many of each kind may stay so that none has more than `share` of what stays.

    Where there are too few kinds for that (two of them cannot each have a third at most), all that stay have equal
    shares.
    """
    if not counts:
        return 0
    share = max(share, 1 / len(counts))
    low, high = 0, max(counts)
    while low < high:
        level = (low + high + 1) // 2
        # with a level, the largest kind has `level`: shares only grow with it. A hair's breadth for 1/3 three times
        if level <= share * sum(min(count, level) for count in counts) * (1 + 1e-12):
            low = level
        else:
            high = level - 1
    return low
