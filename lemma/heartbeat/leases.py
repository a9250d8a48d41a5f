"""Leases that last as long as their process shows itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lemma.errors import LemmaError, RunError
from lemma.heartbeat.chains import Chains, stem_of
from lemma.heartbeat.presence import Presence
from lemma.heartbeat.store import ConditionalStore
from lemma.holders import TOLD_S, Other, waiting_alone

_POLL_S: Final = 0.2
_LONGEST_POLL_S: Final = 2.0


class HeartbeatLease:
    """See `lemma.leases.Lease`."""

    def __init__(self, leases: HeartbeatLeases, name: str, epoch: int, is_passed_on: bool = False) -> None:
        self._leases = leases
        self.is_passed_on = is_passed_on
        """Whether another process had it last."""
        self.name = name
        """Of its object; empty: it needs none."""
        self.epoch = epoch
        self._is_released = False

    @property
    def is_released(self) -> bool:
        """Whether this process needs it no more, though others may still have to hear of it."""
        return self._is_released

    def is_held(self) -> bool:
        """See `lemma.leases.Lease.is_held`."""
        return not self._is_released and self._leases.is_held()

    def release(self) -> None:
        """See `lemma.leases.Lease.release`."""
        if not self._is_released:
            self._is_released = True
            self._leases.give_back(self)


class HeartbeatLeases:
    """See the package, and `lemma.leases.Leases`.

    Args:
        store: where the objects are.
        member: see `lemma.leases.Leases`.
        lease_s: the time to live.
        is_alone: whether this process works on the run by itself; then parts need no leases of their own.
        folder: see `lemma.heartbeat.presence.Member`.
        say: takes a line for the person.
        place: where the run is, in words.
    """

    def __init__(
        self,
        store: ConditionalStore,
        member: str = "",
        lease_s: float = 60.0,
        is_alone: bool = False,
        folder: str = "",
        say: Callable[[str], None] = lambda line: None,
        place: str = "the run",
    ) -> None:
        self.place = place
        self.member = member
        self.is_shared = not is_alone
        self.epoch = 0
        """Of what this process appends, where it takes nothing over."""
        self._lease_s = lease_s
        self._say = say
        self._held: dict[str, HeartbeatLease] = {}
        self._presence = Presence(store, member, lease_s, folder, self._has_successor)
        self._chains = Chains(store, self._presence)

    # ── beginning and end ──

    def join(self) -> None:
        """See `lemma.leases.Leases.join`."""
        self._presence.begin()
        try:
            if not self.is_shared:
                while self._take("run") is None:
                    self._refuse_living(self._chains.owner("run"))
                for other in self._presence.registered():
                    self._refuse_living(other)
            elif (owner := self._chains.owner("run")) and not self._presence.is_gone(owner):
                self._refuse_living(owner)
            self.epoch = self._chains.epoch_now()
        except BaseException:
            self.leave()
            raise

    def enrol(self) -> None:
        """See `lemma.leases.Leases.enrol`."""
        self._presence.enrol()

    def stop(self) -> None:
        """Shows itself no more, and gives nothing back: what it had is taken over under another epoch."""
        self._presence.stop()

    def leave(self) -> None:
        """See `lemma.leases.Leases.leave`."""
        self.stop()
        for lease in list(self._held.values()):
            lease.release()
        self._presence.leave()

    @property
    def is_lost(self) -> bool:
        """Whether something was taken over from this process, as far as it knows by now."""
        return self._presence.is_lost

    def is_held(self) -> bool:
        """See `lemma.leases.Leases.is_held`."""
        return self._presence.is_held()

    def others(self) -> list[Other]:
        """See `lemma.leases.Leases.others`."""
        return self._presence.others()

    def at_work(self) -> list[str]:
        """All that have not been silent for too long, in words; for those who look from outside."""
        return self._presence.at_work()

    def _has_successor(self) -> bool:
        return any(self._chains.last(stem_of(name)) != name for name in list(self._held))

    def _refuse_living(self, one: str | None) -> None:
        """Waits until a process is seen to be alive or dead.

        Raises:
            RunError: it is alive.
        """
        presence = self._presence
        first = presence.member(one) if one is not None else None
        is_told = False
        while one is not None and first is not None and not presence.is_gone(one):
            now = presence.member(one)
            if now is not None and now.beat != first.beat:
                raise RunError(f"{self.place}: in use by {now.words}; wait for it to end, or choose another")
            if not is_told:
                self._say(f"{first.words} worked on it a moment ago; looking whether it still does")
                is_told = True
            time.sleep(_POLL_S)

    # ── parts ──

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `lemma.leases.Leases.alone`."""
        if not self.is_shared:
            yield
            return
        began_s, is_told = time.monotonic(), False
        while (lease := self._take("alone")) is None:
            waited_s = time.monotonic() - began_s
            if not is_told and waited_s > TOLD_S:
                self._say(waiting_alone(self.place, self._chains.holder("alone")))
                is_told = True
            time.sleep(min(_LONGEST_POLL_S, max(_POLL_S, waited_s / 10)))
        try:
            yield
        finally:
            lease.release()

    def take(self, stage: str, part: int) -> HeartbeatLease | None:
        """See `lemma.leases.Leases.take`."""
        if not self.is_shared:
            return HeartbeatLease(self, "", self.epoch)
        return self._take(f"{stage}/part-{part:05d}")

    def give_back(self, lease: HeartbeatLease) -> None:
        """Has others know that a lease is free."""
        with contextlib.suppress(LemmaError):  # it is free once this process has ended
            self.free(lease)

    def free(self, lease: HeartbeatLease) -> None:
        """As `give_back`.

        Raises:
            LemmaError: the store cannot be reached; try again.
        """
        if lease.name in self._held:  # this process may have taken the part again since
            self._chains.free(lease.name, lease.epoch)
            del self._held[lease.name]

    def publish(self, *paths: Path) -> None:
        """Nothing to do: the folder is the others' as well."""

    def refresh(self) -> None:
        """Nothing to do: the folder is the others' as well."""

    def _take(self, stem: str) -> HeartbeatLease | None:
        """Takes what is free, or was a process's that is gone; None where somebody has it.

        Raises:
            RunError: this process may have been taken for dead.
        """
        if not self.is_held():
            raise RunError(f"{self.place}: this process did not show itself for a while; the same command goes on")
        chains, presence = self._chains, self._presence
        name = chains.last(stem)
        tree = {} if name is None else chains.tree(name)
        if name is not None and not tree and chains.age_s(name) < self._lease_s:
            return None  # its name is there, and its words are just being written
        owner = None if name is None or tree.get("is_released") else str(tree.get("owner"))
        seen = None if owner is None else presence.member(owner)
        is_mine = owner == presence.id
        if name is not None and is_mine and (held := self._held.get(name)) is not None and not held.is_released:
            return None
        if owner is not None and not is_mine and not presence.is_gone(owner):
            return None
        before = tree.get("epoch")
        epoch = max(self.epoch, before if isinstance(before, int) else 0)
        if owner is not None and not is_mine and "/" in stem and not presence.is_own_folder(tree.get("folder")):
            epoch = chains.new_epoch()
        is_passed_on = name is not None and tree.get("owner") != presence.id
        lease = HeartbeatLease(self, chains.next(stem, name), epoch, is_passed_on)
        if not chains.make(lease.name, epoch):
            return None
        self._held[lease.name] = lease
        if is_mine and name is not None:  # given back, and nobody has heard of that yet
            self._held.pop(name, None)
        elif owner is not None and presence.member(owner) not in (seen, None):  # it woke up meanwhile
            self.free(lease)
            return None
        return lease

    def holder(self, stage: str, part: int) -> str:
        """See `lemma.leases.Leases.holder`."""
        return self._chains.holder(f"{stage}/part-{part:05d}")
