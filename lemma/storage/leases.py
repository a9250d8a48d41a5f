"""Leases of a run in object storage, and the small objects that they are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lemma.heartbeat import HeartbeatLease, HeartbeatLeases
from lemma.holders import Other
from lemma.storage.objects import Objects
from lemma.storage.pushing import Pusher

LEASES = ".leases/"
T = TypeVar("T")


class StorageLeases(HeartbeatLeases):
    """Leases of a run in object storage: a part is given back when it is up, and files travel through the storage."""

    _pusher: Pusher | None = None

    def attach(self, pusher: Pusher) -> None:
        """What sends and fetches files; comes before anything is taken."""
        self._pusher = pusher

    def join(self) -> None:
        """Done before: the folder is brought up to date after it."""

    def leave(self) -> None:
        """Done later: the rest is sent before it."""

    def give_back(self, lease: HeartbeatLease) -> None:
        """See `HeartbeatLeases.give_back`; once its files are up."""
        if self._pusher is None or "/" not in lease.name:  # of no part; `alone` has sent what it made
            super().give_back(lease)
        else:
            self._pusher.after_push(lambda: self.free(lease))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `lemma.leases.Leases.alone`; what others made comes here before, and what is made goes there after."""
        with super().alone():
            if self.is_shared:
                self.refresh()
            yield
            if self.is_shared and self._pusher is not None:
                self._pusher.push_now()

    def _take(self, stem: str) -> HeartbeatLease | None:
        return self._patiently(lambda: super(StorageLeases, self)._take(stem))

    def others(self) -> list[Other]:
        """See `lemma.leases.Leases.others`."""
        return self._patiently(super().others)

    def _patiently(self, do: Callable[[], T]) -> T:
        """What asks the storage is tried again for a while, as what sends is."""
        return do() if self._pusher is None else self._pusher.patiently(do)

    def take(self, stage: str, part: int) -> HeartbeatLease | None:
        """See `lemma.leases.Leases.take`; what the last owner made comes here, replies and all."""
        lease = super().take(stage, part)
        if lease is not None and lease.is_passed_on and self._pusher is not None:
            self._pusher.fetch(f"{stage}/", with_replies=True)
        return lease

    def publish(self, *paths: Path) -> None:
        """See `lemma.leases.Leases.publish`; soon, as nobody else may wait for the storage here."""
        if self.is_shared and self._pusher is not None:
            self._pusher.push_soon()

    def refresh(self) -> None:
        """See `lemma.leases.Leases.refresh`."""
        if self.is_shared and self._pusher is not None:
            self._pusher.fetch(with_replies=False)

    def detach(self, is_all_up: bool) -> None:
        """Ends: all is given back, or (where not all is up) left to be taken over under another epoch."""
        self._pusher = None
        if is_all_up:
            super().leave()
        else:
            self.stop()


class Below:
    """Objects whose names begin with a prefix; see `lemma.heartbeat.ConditionalStore`."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    def create(self, name: str, body: bytes) -> bool:
        """See `ConditionalStore.create`."""
        return self._objects.create(self._prefix + name, body)

    def write(self, name: str, body: bytes) -> None:
        """See `ConditionalStore.write`."""
        self._objects.write(self._prefix + name, body)

    def read(self, name: str) -> bytes | None:
        """See `ConditionalStore.read`."""
        return self._objects.read(self._prefix + name)

    def names(self, prefix: str) -> list[str]:
        """See `ConditionalStore.names`."""
        return [name.removeprefix(self._prefix) for name in self._objects.names(self._prefix + prefix)]

    def delete(self, name: str) -> None:
        """See `ConditionalStore.delete`."""
        self._objects.delete(self._prefix + name)

    def age_s(self, name: str) -> float | None:
        """See `ConditionalStore.age_s`."""
        return self._objects.age_s(self._prefix + name)
