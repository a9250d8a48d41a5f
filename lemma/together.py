"""How one of several processes that work on a run together sees to its parts, and waits for those of others.

Nobody waits for a process that is gone: parts that one of this process's own kind left are taken over, and where
another shard would have to begin first, the command ends with status 3 and says what to start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from hashlib import blake2b

from lemma.errors import Incomplete, RunError
from lemma.holders import FREEING, TOLD_S
from lemma.leases import Lease, Leases
from lemma.sharding import Shard
from lemma.stagework import WorkPart

PATIENCE_S = 10.0
"""How long a shard may show no process before the others believe that none is coming."""
MOST_NAMED = 4
_FIRST_LOOK_S = 0.05
_LAST_LOOK_S = 2.0


class Together:
    """The processes that work on one run, as one of them sees them.

    Args:
        leases: what keeps them apart; None: this process is alone, and does everything.
        shard: whose parts this process sees to; None: those of all.
        say: takes a line for the person.
        patience_s: see `PATIENCE_S`.
        told_s: how long somebody is waited for before a line says who.
    """

    def __init__(
        self,
        leases: Leases | None,
        shard: Shard | None,
        say: Callable[[str], None],
        patience_s: float = PATIENCE_S,
        told_s: float = TOLD_S,
    ) -> None:
        self.leases = leases
        self.shard = shard
        self._say = say
        self._patience_s = patience_s
        self._told_s = told_s
        self._stack = ExitStack()

    @property
    def member(self) -> str:
        """This process's name among them; empty where it is alone."""
        return self.leases.member if self.leases is not None else ""

    # ── opening a run ──

    def begin(self, read: Callable[[bool], None]) -> None:
        """Joins the others and opens the run, one process at a time; then waits for its shard to be free.

        Args:
            read: opens the run; told whether others are at work on it already.

        Raises:
            RunError: an ordinary command is at work on it, or others share it out differently.
        """
        if self.leases is None:
            return read(False)
        self.leases.join()
        with ExitStack() as stack:
            stack.callback(self.leases.leave)
            with self.leases.alone():
                self.leases.refresh()
                others = [other for other in self.leases.others() if other.is_enrolled]
                forms = {other.member.partition("-of-")[2] for other in others} - {""}
                if self.shard is not None and forms - {str(self.shard.count)}:
                    raise RunError(
                        f"{others[0].words} works on it as one of {forms.pop()}, this one would be one of "
                        f"{self.shard.count}: give all the same --shard I/N"
                    )
                read(bool(others))
                self.leases.enrol()
            self._stack = stack.pop_all()
            if self.shard is not None:
                lease = self._wait_for_shard(self.leases, self.shard)
                self._stack.callback(lease.release)

    def end(self) -> None:
        """Lets go of everything."""
        self._stack.close()

    def _wait_for_shard(self, leases: Leases, shard: Shard) -> Lease:
        """Where two are given the same shard the second waits: it has one share of the limits, and one owner."""
        stage, part = f"shards-{shard.count}", shard.index - 1
        looks = _Looks(min(1.0, self._told_s))
        while (lease := leases.take(stage, part)) is None:
            if looks.wait() and (holder := leases.holder(stage, part)):
                self._say(f"shard {shard}: {holder} works on it; waiting for that to end; {FREEING}")
        return lease

    def alone(self) -> AbstractContextManager[None]:
        """One process at a time: for files that are no part's."""
        return nullcontext() if self.leases is None else self.leases.alone()

    # ── working ──

    def mine(self, parts: int) -> list[int]:
        """The numbers of the parts that this process sees to."""
        return [part for part in range(parts) if self.shard is None or self.shard.holds(part)]

    def see_to(
        self,
        numbers: Sequence[int],
        is_done: Callable[[int], bool],
        open_part: Callable[[int], WorkPart],
        ask: Callable[[Sequence[WorkPart]], None],
    ) -> None:
        """Has parts finished, by this process or by whoever has them in hand.

        Args:
            numbers: of the parts that are not finished.
            is_done: whether a part is, by now.
            open_part: a part for the engine.
            ask: runs the engine.
        """
        if self.leases is None:
            return ask([open_part(number) for number in numbers])
        ask([open_part(number) for number in self._rotated(numbers)])
        looks = _Looks(self._told_s)
        left = self._rotated(numbers)
        while left := [number for number in left if not is_done(number)]:
            self.leases.refresh()
            for number in left:
                part = open_part(number)
                if part.claim():  # its owner is gone
                    ask([part, *(open_part(other) for other in left if other != number)])
                    looks = _Looks(self._told_s)
                    break
            else:
                if looks.wait():
                    stage = part.work.stage.name
                    self._tell(f"{stage} of {_some(left)}", [self.leases.holder(stage, number) for number in left])

    def _tell(self, what: str, holders: Iterable[str]) -> None:
        """Says whom this process waits for; nothing where nobody seems to be there."""
        words = [holder.rstrip(",") for holder in dict.fromkeys(holders) if holder]
        if words:
            more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
            self._say(f"waiting for {what}, which others have: {'; '.join(words[:MOST_NAMED])}{more}; {FREEING}")

    def _tell_shards(self, left: Sequence[int]) -> None:
        """Says which processes of other shards this one waits for."""
        assert self.leases is not None
        assert self.shard is not None
        members = {Shard.of(part, self.shard.count).member for part in left}
        self._tell(_some(left), [other.told() for other in self.leases.others() if other.member in members])

    def _rotated(self, numbers: Sequence[int]) -> list[int]:
        """Each process begins elsewhere, so that they seldom come to the same part at the same time."""
        if self.leases is None or not numbers:
            return list(numbers)
        start = int.from_bytes(blake2b(self.leases.member.encode(), digest_size=8).digest(), "big") % len(numbers)
        return [*numbers[start:], *numbers[:start]]

    # ── waiting for other shards ──

    def wait_for(
        self, missing: Callable[[Iterable[int]], list[int]], parts: int, told: Callable[[list[int]], str]
    ) -> None:
        """Waits until the other shards have finished their parts.

        Args:
            missing: those of some parts that are not finished.
            parts: number of parts.
            told: what to say where nobody works on these parts.

        Raises:
            Incomplete: nobody works on some that are missing.
        """
        if self.leases is None or self.shard is None:
            return  # what this process sees to is all there is
        gone = _Gone(self, self._patience_s)
        looks = _Looks(self._told_s)
        left = missing(range(parts))
        while left:
            if gone.look(left) is not None:
                raise Incomplete(told(left))
            if looks.wait():
                self._tell_shards(left)
            self.leases.refresh()
            left = missing(left)

    def see_to_all(
        self,
        parts: int,
        is_done: Callable[[int], bool],
        open_part: Callable[[int], WorkPart],
        ask: Callable[[Sequence[WorkPart]], None],
    ) -> None:
        """As `see_to` for all parts: the other shards' are waited for, or done here where nobody is at work on them."""
        self.see_to([part for part in self.mine(parts) if not is_done(part)], is_done, open_part, ask)
        if self.leases is None or self.shard is None:
            return
        gone = _Gone(self, self._patience_s)
        looks = _Looks(self._told_s)
        left: list[int] = list(range(parts))
        while left := [number for number in left if not is_done(number)]:
            index = gone.look(left)
            lease = None if index is None else self.leases.take(f"shards-{self.shard.count}", index - 1)
            if index is None or lease is None:
                if looks.wait():
                    self._tell_shards(left)
                self.leases.refresh()
                continue
            shard = Shard(index, self.shard.count)
            try:
                self.see_to([number for number in left if shard.holds(number)], is_done, open_part, ask)
            finally:
                lease.release()


class _Gone:
    """Watches which shards have no process."""

    def __init__(self, together: Together, patience_s: float) -> None:
        self._together = together
        self._patience_s = patience_s
        self._since: dict[int, float] = {}

    def look(self, left: Iterable[int]) -> int | None:
        """A shard that parts are left of and that has had no process for a while."""
        leases, shard = self._together.leases, self._together.shard
        assert leases is not None
        assert shard is not None
        there = {other.member for other in leases.others()}
        now = time.monotonic()
        since: dict[int, float] = {}
        for index in {Shard.of(part, shard.count).index for part in left}:
            if Shard(index, shard.count).member not in there and index != shard.index:
                since[index] = self._since.get(index, now)
        self._since = since
        late = [index for index, began in since.items() if now - began >= self._patience_s]
        return min(late, default=None)


class _Looks:
    """The pauses between looks at what others do: short at first.

    Args:
        told_s: how long is waited before it is told.
    """

    def __init__(self, told_s: float) -> None:
        self._told_s = told_s
        self._waited_s = 0.0

    def wait(self) -> bool:
        """Pauses; whether it is time, once, to say for whom."""
        pause_s = min(_LAST_LOOK_S, max(_FIRST_LOOK_S, self._waited_s / 4))
        time.sleep(pause_s)
        self._waited_s += pause_s
        return self._waited_s - pause_s < self._told_s <= self._waited_s


def _some(parts: Sequence[int]) -> str:
    """Numbers of parts, in words."""
    more = f" and {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else ""
    return f"part{'s' if len(parts) > 1 else ''} {', '.join(map(str, parts[:MOST_NAMED]))}{more}"
