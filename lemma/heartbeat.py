"""Leases where nothing tells that a process has ended: on file systems without locks, and in object storage.

Every process shows itself by rewriting one small object now and then; whoever has not done so for the time to live
is taken for dead, and its parts are taken over. All that this stands on is a store that makes an object only where
there is none (`ConditionalStore.create`): of many that try at once, one succeeds. Names below ``.leases/``::

    processes/3f9c…            a process at work, rewritten now and then: who it is, and a number that grows
    alone.g00003               the lease of what one process at a time does: its third owner
    run.g00001                 the lease of a command that works on the run by itself
    analyze/part-00012.g00002  the lease of a part: its second owner
    epochs/00000001            epochs given out so far

An owner that is thought dead may wake up and write: *epochs* keep it from harming its successor. A part that is taken
over from a process that did not give it back gets an epoch that nobody had before, and with it replies of its own
(see `lemma.shards.epoch_files`).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from lemma.errors import LemmaError, RunError
from lemma.leases import Other

BEATS: Final = 10
"""A process shows itself this often in its time to live."""
HELD: Final = 0.75
"""A process counts on its leases for this share of the time to live: it stops before others take over."""
LIST_S: Final = 2.0
"""How old a look at who is there may be."""
_DEADLINE: Final = struct.Struct("d")
_POLL_S: Final = 0.2


class ConditionalStore(Protocol):
    """Small objects by name, which all processes see at once as they were written last.

    Raises:
        LemmaError: the store cannot be reached, or refuses.
    """

    def create(self, name: str, body: bytes) -> bool:
        """Makes an object; False where there is one of that name."""
        ...

    def write(self, name: str, body: bytes) -> None:
        """Makes or replaces an object."""
        ...

    def read(self, name: str) -> bytes | None:
        """An object; None where there is none."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The objects whose names begin so, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Removes an object, where there is one."""
        ...

    def age_s(self, name: str) -> float | None:
        """How long ago an object was written, by the store's own clock; None: it cannot tell, or there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """Who a process is."""

    member: str
    """See `lemma.leases.Leases.member`."""
    words: str
    """For people."""
    folder: str = ""
    """A name for the folder that it alone works in, held by a lock: others that were there before are gone."""
    is_enrolled: bool = False
    beat: int = 0
    lease_s: float = 0.0

    def body(self) -> bytes:
        """As an object."""
        return orjson.dumps(self)

    @classmethod
    def read(cls, body: bytes) -> Member:
        """From an object; a damaged one is somebody of whom nothing is known."""
        try:
            return cls(**orjson.loads(body))
        except (ValueError, TypeError):
            return cls("", "another process")


class HeartbeatLease:
    """A lease that lasts as long as its process shows itself; see `lemma.leases.Lease`."""

    def __init__(self, leases: HeartbeatLeases, name: str, epoch: int, is_passed_on: bool = False) -> None:
        self._leases = leases
        self.is_passed_on = is_passed_on
        """Whether another process had it last."""
        self.name = name
        """Of its object; empty: it needs none."""
        self.epoch = epoch
        self._is_released = False

    def is_held(self) -> bool:
        """See `lemma.leases.Lease.is_held`."""
        return not self._is_released and self._leases.is_held()

    def release(self) -> None:
        """See `lemma.leases.Lease.release`."""
        if not self._is_released:
            self._is_released = True
            self._leases.give_back(self)


class HeartbeatLeases:
    """See the module, and `lemma.leases.Leases`.

    Args:
        store: where the objects are.
        member: see `lemma.leases.Leases`.
        lease_s: the time to live.
        is_alone: whether this process works on the run by itself; then parts need no leases of their own.
        folder: see `Member`.
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
        self._place = place
        self.member = member
        self.is_shared = not is_alone
        self.epoch = 0
        """Of what this process appends, where it takes nothing over."""
        self._store = store
        self._lease_s = lease_s
        self._say = say
        self._id = secrets.token_hex(8)
        words = f"process {os.getpid()} on {socket.gethostname()}" + (f" ({member})" if member else "")
        self._me = Member(member, words, folder, False, 0, lease_s)
        self._held: dict[str, HeartbeatLease] = {}
        self._watched: dict[str, tuple[int, float]] = {}
        self._others: dict[str, tuple[float, Other | None]] = {}
        self._listed_s = -1e9
        # shared with the processes that are forked from this one: they write parts in its name
        self._deadline = mmap.mmap(-1, _DEADLINE.size)
        self._is_lost = False
        self._wake = threading.Event()
        self._beating = threading.Lock()
        self._thread: threading.Thread | None = None

    # ── showing itself ──

    def join(self) -> None:
        """See `lemma.leases.Leases.join`."""
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self._thread.start()
        try:
            if not self.is_shared:
                while (lease := self._take("run")) is None:
                    self._refuse_living(self._owner("run"))
                for other in self._registered():
                    self._refuse_living(other)
                self._held[lease.name] = lease
            elif (owner := self._owner("run")) and not self._is_gone(owner):
                self._refuse_living(owner)
            self.epoch = self._epoch_now()
        except BaseException:
            self.leave()
            raise

    def enrol(self) -> None:
        """See `lemma.leases.Leases.enrol`."""
        self._beat(is_enrolled=True)

    def stop(self) -> None:
        """Shows itself no more, and gives nothing back: what it had is taken over under another epoch."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=self._lease_s)

    def leave(self) -> None:
        """See `lemma.leases.Leases.leave`."""
        self.stop()
        for lease in list(self._held.values()):
            lease.release()
        _DEADLINE.pack_into(self._deadline, 0, 0.0)
        with contextlib.suppress(LemmaError):  # it is taken for dead some time later
            self._store.delete(f"processes/{self._id}")

    @property
    def is_lost(self) -> bool:
        """Whether something was taken over from this process, as far as it knows by now."""
        return self._is_lost

    def is_held(self) -> bool:
        """See `lemma.leases.Leases.is_held`."""
        deadline: float = _DEADLINE.unpack_from(self._deadline)[0]
        return time.monotonic() < deadline

    def _beat(self, is_enrolled: bool | None = None) -> None:
        with self._beating:
            before = self._me
            is_enrolled = before.is_enrolled if is_enrolled is None else is_enrolled
            member = Member(before.member, before.words, before.folder, is_enrolled, before.beat + 1, before.lease_s)
            sent_s = time.monotonic()
            has_lapsed = before.beat > 0 and not self.is_held()
            self._store.write(f"processes/{self._id}", member.body())
            self._me = member
            if self._is_lost or (has_lapsed and self._has_successor()):
                self._is_lost = True
                return
            _DEADLINE.pack_into(self._deadline, 0, sent_s + HELD * self._lease_s)

    def _keep_beating(self) -> None:
        pause_s = self._lease_s / BEATS
        while not self._wake.wait(pause_s):
            try:
                self._beat()
            except LemmaError:  # of a store that cannot be reached; `is_held` sees how long
                pause_s = self._lease_s / (4 * BEATS)
            else:
                pause_s = self._lease_s / BEATS

    def _has_successor(self) -> bool:
        """Whether anything was taken over from this process while it did not show itself."""
        return any(self._last(_stem(name)) != name for name in list(self._held))

    # ── others ──

    def others(self) -> list[Other]:
        """See `lemma.leases.Leases.others`; who is new is seen soon, at whom is known it looks now and then only."""
        now, pause_s = time.monotonic(), self._lease_s / BEATS
        if now - self._listed_s > min(pause_s, LIST_S):
            ids, self._listed_s = self._registered(), now
            known, self._others = self._others, {}
            for one in ids:
                looked_s, other = known.get(one, (-pause_s, None))
                if other is None or now - looked_s > pause_s:
                    member = None if self._is_gone(one) else self._member(one)
                    is_there = member is not None and member.is_enrolled
                    looked_s, other = now, Other(member.member, member.words) if member and is_there else None
                self._others[one] = (looked_s, other)
        return [other for _, other in self._others.values() if other is not None]

    def at_work(self) -> list[str]:
        """All that have not been silent for too long, in words; for those who look from outside."""
        found = [self._member(one) for one in self._registered() if not self._is_gone(one)]
        return [member.words for member in found if member is not None]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `lemma.leases.Leases.alone`."""
        if not self.is_shared:
            yield
            return
        while (lease := self._take("alone")) is None:
            time.sleep(_POLL_S)
        self._held[lease.name] = lease
        try:
            yield
        finally:
            lease.release()

    def _registered(self) -> list[str]:
        """The ids of the other processes, living or not."""
        ids = [name.rpartition("/")[2] for name in self._store.names("processes/")]
        return [one for one in ids if one != self._id]

    def _member(self, one: str) -> Member | None:
        body = self._store.read(f"processes/{one}")
        return None if body is None else Member.read(body)

    def _is_gone(self, one: str) -> bool:
        """Whether a process has left, was in this process's folder before, or did not show itself for too long."""
        member = self._member(one)
        if member is None or self._is_own_folder(member.folder):
            return True
        lease_s = member.lease_s or self._lease_s
        age_s = self._store.age_s(f"processes/{one}")
        if age_s is not None:
            return age_s > lease_s
        # no clock that all agree on: it has to be seen not to change
        now = time.monotonic()
        beat, since = self._watched.get(one, (-1, now))
        if beat != member.beat:
            beat, since = self._watched[one] = (member.beat, now)
        return now - since > lease_s

    def _is_own_folder(self, folder: object) -> bool:
        return bool(folder) and folder == self._me.folder

    def _refuse_living(self, one: str | None) -> None:
        """Waits until a process is seen to be alive or dead.

        Raises:
            RunError: it is alive.
        """
        first = self._member(one) if one is not None else None
        is_told = False
        while one is not None and first is not None and not self._is_gone(one):
            now = self._member(one)
            if now is not None and now.beat != first.beat:
                raise RunError(f"{self._place}: in use by {now.words}; wait for it to end, or choose another")
            if not is_told:
                self._say(f"{first.words} worked on it a moment ago; looking whether it still does")
                is_told = True
            time.sleep(_POLL_S)

    # ── parts ──

    def take(self, stage: str, part: int) -> HeartbeatLease | None:
        """See `lemma.leases.Leases.take`."""
        if not self.is_shared:
            return HeartbeatLease(self, "", self.epoch)
        lease = self._take(f"{stage}/part-{part:05d}")
        if lease is not None:
            self._held[lease.name] = lease
        return lease

    def give_back(self, lease: HeartbeatLease) -> None:
        """Has others know that a lease is free."""
        self._held.pop(lease.name, None)
        if lease.name:
            with contextlib.suppress(LemmaError):  # it is free once this process has ended
                self._store.write(lease.name, self._lease_body(lease.epoch, is_released=True))

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
            raise RunError(f"{self._place}: this process did not show itself for a while; the same command goes on")
        name = self._last(stem)
        tree = {} if name is None else self._tree(name)
        if name is not None and not tree and (self._store.age_s(name) or 0.0) < self._lease_s:
            return None  # its name is there, and its words are just being written
        owner = None if name is None or tree.get("is_released") else str(tree.get("owner"))
        seen = None if owner is None else self._member(owner)
        if owner is not None and (owner == self._id or not self._is_gone(owner)):
            return None
        before = tree.get("epoch")
        epoch = max(self.epoch, before if isinstance(before, int) else 0)
        if owner is not None and "/" in stem and not self._is_own_folder(tree.get("folder")):
            epoch = self._new_epoch()
        number = 1 if name is None else _generation(name) + 1
        lease = HeartbeatLease(
            self, f"{stem}.g{number:05d}", epoch, is_passed_on=name is not None and tree.get("owner") != self._id
        )
        if not self._store.create(lease.name, self._lease_body(epoch)):
            return None
        if owner is not None and self._member(owner) not in (seen, None):  # it woke up meanwhile
            lease.release()
            return None
        return lease

    def _owner(self, stem: str) -> str | None:
        """Id of the process that has a lease; None where it is free."""
        name = self._last(stem)
        tree = {} if name is None else self._tree(name)
        return None if tree.get("is_released") else tree.get("owner")

    def _last(self, stem: str) -> str | None:
        """The object of the last owner."""
        names = [name for name in self._store.names(f"{stem}.g") if _stem(name) == stem]
        return max(names, key=_generation, default=None)

    def _lease_body(self, epoch: int, is_released: bool = False) -> bytes:
        tree = {"owner": self._id, "epoch": epoch, "is_released": is_released, "folder": self._me.folder}
        return orjson.dumps({**tree, "words": self._me.words})

    def _tree(self, name: str) -> dict[str, Any]:
        try:
            tree = orjson.loads(self._store.read(name) or b"{}")
        except ValueError:
            tree = None
        return tree if isinstance(tree, dict) else {}

    # ── epochs ──

    def _epoch_now(self) -> int:
        """The last epoch; a new one where somebody has ended without a word: it may have replies that nobody knows."""
        gone = [one for one in self._registered() if self._is_gone(one)]
        members = {one: self._member(one) for one in gone}
        if any(member is not None and not self._is_own_folder(member.folder) for member in members.values()):
            epoch = self._new_epoch()
        else:
            epoch = self._last_epoch()
        for one in gone:
            self._store.delete(f"processes/{one}")
        return epoch

    def _last_epoch(self) -> int:
        names = [name.rpartition("/")[2] for name in self._store.names("epochs/")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    def _new_epoch(self) -> int:
        """One that nobody had."""
        epoch = self._last_epoch() + 1
        while not self._store.create(f"epochs/{epoch:08d}", self._me.words.encode()):
            epoch += 1
        return epoch


_NAME: Final = re.compile(r"(.+)\.g([0-9]{5,9})", re.ASCII)


def _stem(name: str) -> str:
    found = _NAME.fullmatch(name)
    return found[1] if found else ""


def _generation(name: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found[2]) if found else 0
