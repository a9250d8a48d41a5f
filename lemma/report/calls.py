"""When a run's replies came: calls, retries and tokens over time, read off the replies, which carry their arrival.

Calls that gave no reply are counted apart: `lemma.failures`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lemma.report.lines import Tree, read_replies

MOST_BINS: Final = 96
_WIDTHS_S: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 86_400, 604_800)


@dataclass(slots=True)
class Bin:
    """Replies that came in one stretch of time."""

    calls: int = 0
    retries: int = 0
    """Those that were asked as a second or later attempt."""
    refused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Bin) -> None:
        """Adds another."""
        self.calls += other.calls
        self.retries += other.retries
        self.refused += other.refused
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


@dataclass(slots=True)
class Calls:
    """A run's replies over time."""

    width_s: int = _WIDTHS_S[0]
    """Of a stretch; grows so that there are at most a few hundred."""
    bins: dict[int, Bin] = field(default_factory=dict)
    """Number of a stretch since 1970 → its replies; stretches without any are not there."""
    timeless: int = 0
    """Replies of the embedded teacher, which notes no time."""

    def add(self, created_s: float, one: Bin) -> None:
        """Counts a reply; keeps memory bounded by widening the stretches."""
        self.bins.setdefault(int(created_s // self.width_s), Bin()).add(one)
        while len(self.bins) > 8 * MOST_BINS:
            self.widen()

    def widen(self) -> None:
        """Makes the stretches longer, by the next step."""
        wider = next((width for width in _WIDTHS_S if width > self.width_s), 4 * self.width_s)
        merged: dict[int, Bin] = {}
        for number, one in self.bins.items():
            merged.setdefault(number * self.width_s // wider, Bin()).add(one)
        self.width_s, self.bins = wider, merged

    def settle(self) -> None:
        """Widens the stretches until they make a picture."""
        while self.bins and max(self.bins) - min(self.bins) >= MOST_BINS:
            self.widen()


def read_calls(run: Path, stages: Iterable[str]) -> Calls:
    """Reads all replies of some stages."""
    calls = Calls()
    for stage in stages:
        for tree in read_replies(run, stage):
            try:
                created_s, one = float(tree["created_s"]), _bin(tree)
            except (KeyError, TypeError, ValueError, OverflowError):
                continue  # no whole reply: counted under warnings
            if 0 < created_s < 1e11:
                calls.add(created_s, one)
            else:
                calls.timeless += 1
    calls.settle()
    return calls


def _bin(tree: Tree) -> Bin:
    sent, _, received = map(int, tree["usage"])
    return Bin(1, int(tree["attempt"] > 0), int(tree["finish_reason"] == "refused"), sent, received)
