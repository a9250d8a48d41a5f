r"""Finds near copies: texts with the same numbers and nearly the same words, by MinHash.

Numbers decide in mathematics: two texts whose sets of numbers differ are never near copies, however alike their words
are. So problems made from one template with other numbers stay apart, and so do two different slips at one step.

Words are compared as the set of pairs of neighbouring ones: a sentence that moved breaks three pairs, a word that
changed breaks two. What is estimated is the Jaccard similarity of two such sets (Broder 1997, "On the resemblance and
containment of documents"), with datasketch's MinHash. Only texts that agree in one of `_BANDS` bands of the sketch are
compared at all (locality-sensitive hashing), so time stays near linear.

datasketch's own index would keep every key as an object. Here a text takes about 0.7 KB, in flat arrays: one byte of
each of the 128 hashes of its sketch, and a 64-bit key of each band. The same texts in the same order give the same
answers on every machine: all is integer arithmetic, and what datasketch is told names its scheme, its seed and the
hashes that it works on.
"""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lemma.exports.digests import DigestSet, digest64

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HASHES: Final = 128
_ROWS_A_BAND: Final = 3
# at a similarity of 0.65 two texts agree in at least one of 16 bands with a chance of 99.4 %
_BANDS: Final = 16
_SEED: Final = 1
_MULTIPLIER: Final = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd: mixes well

_NUMBER = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?")
# one ideograph or kana is a word: nothing parts words there
_TOKEN = re.compile(
    r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]+|[-+*/=<>^]|" + _NUMBER.pattern + r"|[\u3040-\u30ff\u3400-\u9fff]"
)


def tokens_in(text: str) -> list[str]:
    """Words, numbers and operators, in order; case does not count."""
    return _TOKEN.findall(text.casefold())


def numbers_in(tokens: Iterable[str]) -> set[str]:
    """The numbers among some tokens: thousands commas, and zeros behind the point, do not count."""
    found = (token.replace(",", "") for token in tokens if "0" <= token < ":")  # that is: begins with a digit
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in found}


class Sketch(NamedTuple):
    """What is compared of a text."""

    low: NDArray[np.uint8]
    """The lowest byte of each hash, shape (128,): two different hashes share it with a chance of 1/256."""
    keys: list[int]
    """64-bit keys of the bands, the text's numbers mixed in, each above 0."""


class Twin(NamedTuple):
    """A text that was kept before, and how like it is."""

    name: str
    similarity: float
    """Estimated Jaccard similarity of their pairs of words, in [0, 1]."""


class NearCopies:
    """Remembers the texts that were kept, and finds the first that a new one is a near copy of.

    Args:
        threshold: similarity from which on two texts with the same numbers are near copies, in (0, 1].
    """

    def __init__(self, threshold: float) -> None:
        self._least = threshold * _HASHES
        self._names: list[str] = []
        self._texts_of = _Lists()

    def sketch(self, text: str, context: str = "") -> Sketch:
        """Sketches a text.

        Args:
            text: what is compared.
            context: its numbers count with the text's, its words do not.
        """
        import numpy as np

        tokens = tokens_in(text)
        made = self._empty.copy()
        made.update_batch(_pairs_of(tokens))
        numbers = digest64(" ".join(sorted(numbers_in(tokens) | numbers_in(_NUMBER.findall(context)))))
        bands = made.hashvalues[: _BANDS * _ROWS_A_BAND].astype(np.uint64).reshape(_BANDS, _ROWS_A_BAND)
        keys = np.arange(_BANDS, dtype=np.uint64) ^ np.uint64(numbers)
        for column in range(_ROWS_A_BAND):
            keys = (keys ^ bands[:, column]) * np.uint64(_MULTIPLIER)  # arrays of unsigned integers wrap around
            keys ^= keys >> np.uint64(29)
        return Sketch(made.hashvalues.astype(np.uint8), np.maximum(keys, np.uint64(1)).tolist())

    def twin_of(self, sketch: Sketch) -> Twin | None:
        """The first text kept that this one is a near copy of."""
        import numpy as np

        candidates = sorted({text for key in sketch.keys for text in self._texts_of.get(key)})
        if not candidates:
            return None
        equal = np.count_nonzero(self._low[candidates] == sketch.low, axis=1)
        alike = np.flatnonzero(equal >= self._least)
        if not len(alike):
            return None
        return Twin(self._names[candidates[alike[0]]], float(equal[alike[0]]) / _HASHES)

    def add(self, sketch: Sketch, name: str) -> None:
        """Remembers a text that was kept, under a name that `twin_of` gives back."""
        import numpy as np

        number = len(self._names)
        if number == len(self._low):
            self._low = np.concatenate([self._low, np.empty_like(self._low)])
        self._low[number] = sketch.low
        self._names.append(name)
        for key in sketch.keys:
            self._texts_of.add_to(key, number)

    @cached_property
    def _low(self) -> NDArray[np.uint8]:
        import numpy as np

        return np.empty((1024, _HASHES), dtype=np.uint8)

    @cached_property
    def _empty(self) -> Any:
        from datasketch import MinHash

        return MinHash(num_perm=_HASHES, seed=_SEED, hashfunc=int, scheme="affine32")


def _pairs_of(tokens: Sequence[str]) -> list[int]:
    """A 32-bit hash of each pair of neighbouring tokens; of a single token, its own."""
    import numpy as np

    raw = " ".join(tokens).encode("utf-8", "surrogatepass").split(b" ")
    hashes = np.array([zlib.crc32(token) for token in raw], dtype=np.uint32)
    if len(hashes) > 1:
        hashes = hashes[:-1] * np.uint32(_MULTIPLIER & 0xFFFFFFFF) + hashes[1:]
    values: list[int] = hashes.tolist()
    return values


class _Lists(DigestSet):
    """Digest → numbers of texts: 12 bytes a slot, at most 3/4 full, and 8 bytes an entry."""

    def __init__(self) -> None:
        super().__init__()
        self._heads = array("I", [0]) * len(self._slots)
        # each entry holds a text and the entry before it under the same digest; entry 0 ends every list
        self._texts = array("I", [0])
        self._before = array("I", [0])

    def get(self, digest: int) -> Iterator[int]:
        """The numbers added under a digest, the last one first."""
        slot = self._slot_of(digest)
        entry = self._heads[slot] if self._slots[slot] else 0
        while entry:
            yield self._texts[entry]
            entry = self._before[entry]

    def add_to(self, digest: int, text: int) -> None:
        """Adds a number under a digest."""
        slot = self._slot_of(digest)
        if not self._slots[slot] and self.add(digest):
            slot = self._slot_of(digest)  # adding may have grown it
        self._before.append(self._heads[slot])
        self._heads[slot] = len(self._texts)
        self._texts.append(text)

    def _grow(self) -> None:
        old = zip(self._slots, self._heads, strict=True)
        super()._grow()
        self._heads = array("I", [0]) * len(self._slots)
        for digest, head in old:
            if digest:
                self._heads[self._slot_of(digest)] = head
