"""The stages' names and order, and how a command wants them done."""

from __future__ import annotations

from dataclasses import dataclass

from lemma.sharding import Shard

STAGES = ("sample", "analyze", "inject", "correct", "smooth", "export")
"""In the order in which they run."""


@dataclass(frozen=True)
class Options:
    """How a command wants it done; none of it changes what is made of the same replies."""

    quiet: bool = False
    rederive: bool = False
    retarget: bool = False
    partial: bool = False
    is_waiting: bool = True
    """Waits for batches that are under way; if not, leaves them to the next command."""
    pilot: bool = False
    """What injection aims at is made from a few problems, and holds for them alone."""
    shard: Shard | None = None
    """The parts to see to, beside other processes that see to the others."""
