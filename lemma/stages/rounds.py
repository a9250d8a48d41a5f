"""Which type of error is injected where: the draws of one round, by largest remainder.

The slots of a dataset (a problem and one of its `inject.per_problem` mistakes) are walked in order. An open slot
gets the type that is furthest behind its share of the slots walked so far. So a slot's type depends on the
slots before it only: more problems at the end never change what was drawn, and paid for, before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one injected mistake."""

    key: str
    """Problem id and number, such as ``p-1d0c…/0``."""
    kept: str | None = None
    """The type of the mistake that was made here; null while the slot is open."""
    declined: frozenset[str] = frozenset()
    """Types that the teacher said it cannot make here: not asked for again."""


def plan_round(target: Mapping[str, float], slots: Sequence[Slot], *, seed: int) -> list[str | None]:
    """Draws a type for each open slot.

    Args:
        target: the share of each type; taken relative to their sum. Types with no share are never drawn.
        slots: all slots of one dataset, in unit order, with the outcomes of the rounds before.
        seed: another one gives other draws of the same distribution.

    Returns:
        One a slot: the type to ask for, or null where a mistake is kept already or every type was declined.
    """
    total = sum(target.values())
    shares = {name: share / total for name, share in sorted(target.items()) if share > 0}
    behind = dict.fromkeys(shares, 0.0)  # p_t * n - c_t
    drawn: list[str | None] = []
    for slot in slots:
        allowed = [name for name in shares if name not in slot.declined]
        if slot.kept is None and not allowed:
            drawn.append(None)
            continue
        for name, share in shares.items():
            behind[name] += share
        if slot.kept is not None:
            drawn.append(None)
            name = slot.kept
        else:
            jitter = _jitter(seed, slot.key, len(shares))
            ranks = {name: behind[name] + noise for name, noise in zip(shares, jitter, strict=True)}
            name = max(allowed, key=ranks.__getitem__)
            drawn.append(name)
        if name in behind:
            behind[name] -= 1
    return drawn


def _jitter(seed: int, key: str, num: int) -> list[float]:
    """`num` numbers in [0, 1): they break ties and let the draws look like draws, and cost one hash."""
    raw = b""
    while len(raw) < 2 * num:
        raw += blake2b(f"{seed}/{key}/{len(raw)}".encode("utf-8", "surrogatepass")).digest()
    return [int.from_bytes(raw[2 * at : 2 * at + 2], "big") / 65536 for at in range(num)]
