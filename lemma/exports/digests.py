"""Which texts were seen: 64-bit digests in flat arrays, so that a million rows cost 16 MB and not 100.

Digests take no part in any id: two different texts share one with a chance below 10^-7 among a million, and the
price is one row left out.
"""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from collections.abc import Iterable

_FIRST_SLOTS = 1 << 10
_BUCKET_BITS = 16


def normalised(text: str) -> str:
    """The text in Unicode's NFC with every run of white space as one space.

    Nothing else is levelled: case and every sign carry meaning in mathematics.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def digest64(*parts: str) -> int:
    """A hash of some texts in [1, 2**64); unambiguous, since each part's length goes in before it."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return int.from_bytes(digest.digest(), "big") or 1


class DigestSet:
    """A set of integers in [1, 2**64) at 8 bytes a slot: open addressing, at most 3/4 full."""

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * _FIRST_SLOTS
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, digest: int) -> bool:
        return self._slots[self._slot_of(digest)] == digest

    def add(self, digest: int) -> bool:
        """Adds a digest; returns whether it is new."""
        slot = self._slot_of(digest)
        if self._slots[slot] == digest:
            return False
        self._slots[slot] = digest
        self._count += 1
        if self._count * 4 > len(self._slots) * 3:
            self._grow()
        return True

    def _slot_of(self, digest: int) -> int:
        """Where the digest stands, or the free slot where it would."""
        slots = self._slots
        mask = len(slots) - 1
        slot = digest & mask
        while slots[slot] and slots[slot] != digest:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", [0]) * (2 * len(old))
        for digest in old:
            if digest:
                self._slots[self._slot_of(digest)] = digest


def kth_smallest(values: Iterable[int], again: Iterable[int], k: int) -> int:
    """The `k`-th smallest (from 1) of distinct integers below 2**64, without holding them as a list.

    Args:
        values: a first pass over them.
        again: a second pass over the same.
        k: in [1, number of values].
    """
    shift = 64 - _BUCKET_BITS
    buckets = array("Q", [0]) * (1 << _BUCKET_BITS)
    for value in values:
        buckets[value >> shift] += 1
    bucket = 0
    while buckets[bucket] < k:
        k -= buckets[bucket]
        bucket += 1
    return sorted(value for value in again if value >> shift == bucket)[k - 1]
