r"""Tells that a question overlaps with a test set: by the 13 words in a row that both hold.

Words are runs of letters and numbers; signs, blanks and LaTeX's markup between them do not count, so that a question
that was set in another style, or given another sentence, still shares its 13-grams. Thirteen is the length that
GPT-3's authors chose (arXiv 2005.14165, appendix C). Unlike theirs, a single shared 13-gram condemns nothing: it is
often boilerplate ("express your answer as a common fraction", Asymptote code). What counts is the share of a
question's 13-grams that the test set holds.

Only 8-byte BLAKE2b digests are kept, sorted in one flat array: 8 bytes a 13-gram, in memory and on disk.
"""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

WIDTH: Final = 13
"""Words in a row."""

WORDING: Final = 1
"""Raised with every change of what a word is; hashed 13-grams of another number are refused."""

# one ideograph or kana is a word: nothing parts words there
_WORD = re.compile(r"[0-9]+|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")


def grams_of(words: str) -> set[int]:
    """The digests, in [0, 2**64), of all runs of `WIDTH` words; none where there are fewer words.

    Args:
        words: the question, its words parted by anything that is neither letter nor digit.
    """
    found = _WORD.findall(words)
    return {_digest(" ".join(found[at : at + WIDTH])) for at in range(len(found) - WIDTH + 1)}


def _digest(gram: str) -> int:
    return int.from_bytes(hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class GramSet:
    """The 13-grams of a test set.

    Args:
        digests: as `grams_of` gives them; in any order, repeated or not.
    """

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self._sorted = array("Q", sorted(set(digests)))

    @classmethod
    def from_bytes(cls, raw: bytes) -> GramSet:
        """What `to_bytes` wrote.

        Raises:
            ValueError: the length is no multiple of 8.
        """
        made = cls()
        made._sorted.frombytes(raw)
        if sys.byteorder == "big":
            made._sorted.byteswap()
        return made

    def to_bytes(self) -> bytes:
        """The digests in ascending order, 8 bytes each, the lowest byte first; the same on every machine."""
        ordered = array("Q", self._sorted)
        if sys.byteorder == "big":
            ordered.byteswap()
        return ordered.tobytes()

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, digest: int) -> bool:
        at = bisect_left(self._sorted, digest)
        return at < len(self._sorted) and self._sorted[at] == digest

    def share_of(self, grams: set[int]) -> float:
        """The share of `grams` that are in the set; 0 where there are none."""
        return sum(gram in self for gram in grams) / len(grams) if grams else 0.0
