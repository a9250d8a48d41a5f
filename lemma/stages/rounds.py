"""Which type of error is injected where: the draws of one round.

The slots of a dataset (a problem and one of its `inject.per_problem` mistakes) are walked in order, and each open one
gets a type by how far the types are behind their shares of the slots walked so far (largest remainder). What comes of
an ask is not certain: types differ in how often their mistakes are kept, and a slot that was asked in vain is open
again. So the first round asks a quarter of the slots and shows how often each type is kept. Then the types that are
seldom kept come first, as often as it takes: a slot that they leave open can still be filled by an easy one, while the
reverse would leave the hard ones short. The last round fills what is open with what is kept most surely. No ask is
made twice for this: the calls are as many as if each type were asked for until it is kept.

A slot's type depends on the slots before it only: more problems at the end never change what was drawn, and paid for,
before.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

MAX_ROUNDS: Final = 4
FIRST_EVERY: Final = 4
"""The first round asks one slot in this many."""
ALIKE: Final = 0.15
"""Types whose chances differ by less are taken as equally hard."""
CAUTION: Final = 1.0
"""Standard deviations: what is kept beyond its share cannot be mended, what is short can."""
PRIOR_ASKS: Final = 2
"""Before anything is known every type is taken to be kept, with the weight of so many asks."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one injected mistake."""

    key: str
    """Problem id and number, such as ``p-1d0c…/0``."""
    kept: str | None = None
    """The type of the mistake that was made here; null while the slot is open."""
    declined: frozenset[str] = frozenset()
    """Types that the teacher said it cannot make here: not asked for again."""
    failed: tuple[str, ...] = ()
    """Types that were asked for in vain, declined or not."""


def plan_round(target: Mapping[str, float], slots: Sequence[Slot], *, seed: int, number: int) -> list[str | None]:
    """Draws a type for each slot that is to be asked.

    Args:
        target: the share of each type; taken relative to their sum. Types with no share are never drawn.
        slots: all slots of one dataset, in unit order, with the outcomes of the rounds before.
        seed: another one gives other draws of the same distribution.
        number: of the round, from 1 to `MAX_ROUNDS`.

    Returns:
        One a slot: the type to ask for; null where a mistake is kept already, every type was declined, or the slot's
        turn comes in the next round.
    """
    total = sum(target.values())
    shares = {name: share / total for name, share in sorted(target.items()) if share > 0}
    odds = _Odds(shares)
    behind = dict.fromkeys(shares, 0.0)  # its share of the slots so far, less what is kept or to be expected
    drawn: list[str | None] = []
    for place, slot in enumerate(slots):
        odds.learn(slot)
        allowed = [name for name in shares if name not in slot.declined]
        name = slot.kept
        if name is not None or not allowed or (number == 1 and place % FIRST_EVERY):
            drawn.append(None)
        else:
            jitter = dict(zip(shares, _jitter(seed, slot.key, len(shares)), strict=True))
            name = _choose(allowed, slot.failed, behind, odds, jitter, number)
            drawn.append(name)
        if slot.kept is not None or drawn[-1] is not None:
            for other, share in shares.items():
                behind[other] += share
        if name in behind:
            behind[name] -= 1 if slot.kept is not None else odds.at_best(name)
    return drawn


class _Odds:
    """How often a type that is asked for is kept, as far as the slots so far tell."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kept = dict.fromkeys(names, PRIOR_ASKS)
        self._asked = dict.fromkeys(names, PRIOR_ASKS)

    def of(self, name: str) -> float:
        return self._kept[name] / self._asked[name]

    def at_best(self, name: str) -> float:
        """The upper end of what the asks so far allow."""
        share = self.of(name)
        return min(1.0, share + CAUTION * math.sqrt(share * (1 - share) / self._asked[name]))

    def learn(self, slot: Slot) -> None:
        if slot.kept in self._kept:
            self._kept[slot.kept] += 1
            self._asked[slot.kept] += 1
        for name in slot.failed:
            if name in self._asked:
                self._asked[name] += 1


def _choose(
    allowed: Sequence[str],
    failed: Collection[str],
    behind: Mapping[str, float],
    odds: _Odds,
    jitter: Mapping[str, float],
    number: int,
) -> str:
    """The type furthest behind; after the first round out of the hardest due, in the last out of the easiest."""
    lag = {name: behind[name] + jitter[name] for name in allowed}
    if number > 1:
        due = [name for name in allowed if lag[name] > 1] if number < MAX_ROUNDS else []
        names = due or allowed
        if number == 2:  # what failed here may do so for a reason that lies in the problem, and most are fresh yet
            names = [name for name in names if name not in failed] or names
        chance = {name: odds.of(name) for name in names}
        low, high = min(chance.values()), max(chance.values())
        lag = {
            name: lag[name] for name in names if (chance[name] <= low + ALIKE if due else chance[name] >= high - ALIKE)
        }
    return max(lag, key=lag.__getitem__)


def _jitter(seed: int, key: str, num: int) -> list[float]:
    """`num` numbers in [0, 1): they break ties and let the draws look like draws, and cost one hash."""
    raw = b""
    while len(raw) < 2 * num:
        raw += blake2b(f"{seed}/{key}/{len(raw)}".encode("utf-8", "surrogatepass")).digest()
    return [int.from_bytes(raw[2 * at : 2 * at + 2], "big") / 65536 for at in range(num)]
