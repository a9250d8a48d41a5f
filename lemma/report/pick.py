"""Which lines the browser shows: as many of each kind, chosen by a hash of their ids, in memory that stays small.

Only places on disk are held, never records, and of each kind no more than are asked for in all.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from lemma.records import content_hash

Kind = tuple[str, ...]
"""What lines are drawn by, such as (`exported`, dataset, error type, strategy, origin)."""


class Place(NamedTuple):
    """Where a line lies."""

    stage: str
    part: int
    offset: int
    """In bytes."""
    length: int
    """In bytes, the line's end with it."""


class Picker:
    """Takes places as they come and draws from them.

    Args:
        number: the most that may be drawn.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._pools: dict[Kind, list[tuple[int, str, Place]]] = {}
        self.counts: Counter[Kind] = Counter()
        """All lines seen, by kind."""

    def add(self, kind: Kind, identity: str, place: Place) -> None:
        """Offers a line."""
        self.counts[kind] += 1
        if not self._number:
            return
        pool = self._pools.setdefault(kind, [])
        entry = (-int(content_hash("report", identity)[:16], 16), identity, place)
        if len(pool) < self._number:
            heapq.heappush(pool, entry)
        else:
            heapq.heappushpop(pool, entry)  # the largest hash goes

    def drawn(self, number: int) -> list[Place]:
        """Up to `number` places, by kind and in each by hash: a function of the ids alone."""
        wanted = share_out(self.counts, min(number, self._number))
        return [
            place
            for kind in sorted(wanted)
            for _, _, place in sorted(self._pools.get(kind, ()), reverse=True)[: wanted[kind]]
        ]


def share_out(counts: Mapping[Kind, int], number: int) -> dict[Kind, int]:
    """Shares `number` lines among kinds, the same to each as far as it has as many; rare kinds are shown whole.

    Returns:
        Kind → lines to draw; their sum is `number`, or all lines where there are fewer.
    """
    drawn = {}
    rarest_first = sorted(counts, key=lambda kind: (counts[kind], kind))
    for done, kind in enumerate(rarest_first):
        drawn[kind] = min(counts[kind], number // (len(counts) - done))
        number -= drawn[kind]
    return drawn
