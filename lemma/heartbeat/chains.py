"""What is owned: each lease is a chain of objects, one for each owner after the other, and epochs are a row of them."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import orjson

from lemma.heartbeat.presence import Presence
from lemma.heartbeat.store import ConditionalStore
from lemma.holders import since

_NAME: Final = re.compile(r"(.+)\.g([0-9]{5,9})", re.ASCII)


class Chains:
    """The leases and epochs in a store.

    Args:
        store: where they are.
        presence: who this process is.
    """

    def __init__(self, store: ConditionalStore, presence: Presence) -> None:
        self._store = store
        self._presence = presence

    def last(self, stem: str) -> str | None:
        """The object of a lease's last owner."""
        names = [name for name in self._store.names(f"{stem}.g") if stem_of(name) == stem]
        return max(names, key=_generation, default=None)

    def next(self, stem: str, last: str | None) -> str:
        """The name of the object that comes after."""
        return f"{stem}.g{1 if last is None else _generation(last) + 1:05d}"

    def tree(self, name: str) -> dict[str, Any]:
        """What an object says; nothing where it is damaged, or just being written."""
        try:
            tree = orjson.loads(self._store.read(name) or b"{}")
        except ValueError:
            tree = None
        return tree if isinstance(tree, dict) else {}

    def owner(self, stem: str) -> str | None:
        """Id of the process that has a lease; None where it is free."""
        name = self.last(stem)
        tree = {} if name is None else self.tree(name)
        return None if tree.get("is_released") else tree.get("owner")

    def holder(self, stem: str) -> str:
        """Who has a lease, and since when, for people; empty where it is free."""
        name = self.last(stem)
        tree = {"is_released": True} if name is None else self.tree(name)
        since_s = tree.get("since_s")
        words = str(tree.get("words") or "another process")
        return "" if tree.get("is_released") else since(words, since_s if isinstance(since_s, float) else 0.0)

    def make(self, name: str, epoch: int) -> bool:
        """Makes this process the owner; False where another one was quicker."""
        return self._store.create(name, self._body(epoch))

    def free(self, name: str, epoch: int) -> None:
        """Has others know that a lease of this process is free."""
        self._store.write(name, self._body(epoch, is_released=True))

    def age_s(self, name: str) -> float:
        """How long ago an object was written; 0 where nobody can tell."""
        return self._store.age_s(name) or 0.0

    def _body(self, epoch: int, is_released: bool = False) -> bytes:
        me = self._presence.me
        tree = {"owner": self._presence.id, "epoch": epoch, "is_released": is_released, "folder": me.folder}
        return orjson.dumps({**tree, "words": me.words, "since_s": time.time()})

    # ── epochs ──

    def epoch_now(self) -> int:
        """The last epoch; a new one where somebody has ended without a word: it may have replies that nobody knows."""
        presence = self._presence
        gone = [one for one in presence.registered() if presence.is_gone(one)]
        members = {one: presence.member(one) for one in gone}
        if any(member is not None and not presence.is_own_folder(member.folder) for member in members.values()):
            epoch = self.new_epoch()
        else:
            epoch = self._last_epoch()
        for one in gone:
            presence.forget(one)
        return epoch

    def new_epoch(self) -> int:
        """One that nobody had."""
        epoch = self._last_epoch() + 1
        while not self._store.create(f"epochs/{epoch:08d}", self._presence.me.words.encode()):
            epoch += 1
        return epoch

    def _last_epoch(self) -> int:
        names = [name.rpartition("/")[2] for name in self._store.names("epochs/")]
        return max((int(name) for name in names if name.isdigit()), default=0)


def stem_of(name: str) -> str:
    """The lease that an object belongs to; empty where it is no lease's."""
    found = _NAME.fullmatch(name)
    return found[1] if found else ""


def _generation(name: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found[2]) if found else 0
