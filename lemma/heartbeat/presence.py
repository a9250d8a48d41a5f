"""Who is at work: each process rewrites a small object of its own, and looks at those of the others."""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from lemma.errors import LemmaError
from lemma.heartbeat.store import ConditionalStore
from lemma.holders import Other

BEATS: Final = 10
"""A process shows itself this often in its time to live."""
HELD: Final = 0.75
"""A process counts on its leases for this share of the time to live: it stops before others take over."""
LIST_S: Final = 2.0
"""How old a look at who is there may be."""
_DEADLINE: Final = struct.Struct("d")


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
    since_s: float = 0.0
    """When it came, by its own clock, in seconds since 1970."""

    def body(self) -> bytes:
        """As an object."""
        return orjson.dumps(self)

    def other(self) -> Other:
        """As others see it."""
        return Other(self.member, self.words, self.is_enrolled, self.since_s)

    @classmethod
    def read(cls, body: bytes) -> Member:
        """From an object; a damaged one is somebody of whom nothing is known."""
        try:
            return cls(**orjson.loads(body))
        except (ValueError, TypeError):
            return cls("", "another process")


class Presence:
    """This process among the others.

    Args:
        store: where the objects are.
        member: see `lemma.leases.Leases`.
        lease_s: the time to live.
        folder: see `Member`.
        has_successor: whether anything was taken over from this process while it did not show itself.
    """

    def __init__(
        self, store: ConditionalStore, member: str, lease_s: float, folder: str, has_successor: Callable[[], bool]
    ) -> None:
        self._store = store
        self._lease_s = lease_s
        self._has_successor = has_successor
        self.id = secrets.token_hex(8)
        words = f"process {os.getpid()} on {socket.gethostname()}" + (f" ({member})" if member else "")
        self.me = Member(member, words, folder, False, 0, lease_s, time.time())
        self._watched: dict[str, tuple[int, float]] = {}
        self._others: dict[str, tuple[float, Other | None]] = {}
        self._listed_s = -1e9
        # shared with the processes that are forked from this one: they write parts in its name
        self._deadline = mmap.mmap(-1, _DEADLINE.size)
        self.is_lost = False
        """Whether something was taken over from this process, as far as it knows by now."""
        self._wake = threading.Event()
        self._beating = threading.Lock()
        self._thread: threading.Thread | None = None

    # ── showing itself ──

    def begin(self) -> None:
        """Shows itself from now on."""
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self._thread.start()

    def enrol(self) -> None:
        """See `lemma.leases.Leases.enrol`."""
        self._beat(is_enrolled=True)

    def stop(self) -> None:
        """Shows itself no more; others take it for dead after a while."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=self._lease_s)

    def leave(self) -> None:
        """Is gone; comes after `stop`."""
        _DEADLINE.pack_into(self._deadline, 0, 0.0)
        with contextlib.suppress(LemmaError):  # it is taken for dead some time later
            self._store.delete(f"processes/{self.id}")

    def is_held(self) -> bool:
        """Whether this process showed itself so lately that nobody takes it for dead; cheap."""
        deadline: float = _DEADLINE.unpack_from(self._deadline)[0]
        return time.monotonic() < deadline

    def _beat(self, is_enrolled: bool | None = None) -> None:
        with self._beating:
            before = self.me
            is_enrolled = before.is_enrolled if is_enrolled is None else is_enrolled
            member = replace(before, is_enrolled=is_enrolled, beat=before.beat + 1)
            sent_s = time.monotonic()
            has_lapsed = before.beat > 0 and not self.is_held()
            self._store.write(f"processes/{self.id}", member.body())
            self.me = member
            if self.is_lost or (has_lapsed and self._has_successor()):
                self.is_lost = True
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

    # ── others ──

    def others(self) -> list[Other]:
        """See `lemma.leases.Leases.others`; who is new is seen soon, at who is enrolled it looks now and then only."""
        now, pause_s = time.monotonic(), self._lease_s / BEATS
        if now - self._listed_s > min(pause_s, LIST_S):
            ids, self._listed_s = self.registered(), now
            known, self._others = self._others, {}
            for one in ids:
                looked_s, other = known.get(one, (-pause_s, None))
                if other is None or not other.is_enrolled or now - looked_s > pause_s:
                    member = None if self.is_gone(one) else self.member(one)
                    looked_s, other = now, None if member is None else member.other()
                self._others[one] = (looked_s, other)
        return [other for _, other in self._others.values() if other is not None]

    def at_work(self) -> list[str]:
        """All that have not been silent for too long, in words; for those who look from outside."""
        found = [self.member(one) for one in self.registered() if not self.is_gone(one)]
        return [member.words for member in found if member is not None]

    def registered(self) -> list[str]:
        """The ids of the other processes, living or not."""
        ids = [name.rpartition("/")[2] for name in self._store.names("processes/")]
        return [one for one in ids if one != self.id]

    def member(self, one: str) -> Member | None:
        """Who a process is; None where it has left."""
        body = self._store.read(f"processes/{one}")
        return None if body is None else Member.read(body)

    def forget(self, one: str) -> None:
        """Removes the object of a process that is gone."""
        self._store.delete(f"processes/{one}")

    def is_gone(self, one: str) -> bool:
        """Whether a process has left, was in this process's folder before, or did not show itself for too long."""
        member = self.member(one)
        if member is None or self.is_own_folder(member.folder):
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

    def is_own_folder(self, folder: object) -> bool:
        """Whether it is the one that this process works in, by itself."""
        return bool(folder) and folder == self.me.folder
