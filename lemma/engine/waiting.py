"""Draws that wait to be asked: for room, for a time to pass, or for the reply to a twin."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lemma.derive import Chain
    from lemma.engine.base import Part
    from lemma.replies import ReplyStore


class OpenPart:
    """A part that lacks replies, or of which that is not known yet."""

    __slots__ = ("is_enumerated", "open_chains", "part", "store")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.store: ReplyStore = part.open_replies()
        self.open_chains = 0
        self.is_enumerated = False


class Job:
    """A draw that lacks its reply."""

    __slots__ = ("chain", "failures", "part")

    def __init__(self, part: OpenPart, chain: Chain) -> None:
        self.part = part
        self.chain = chain
        self.failures = 0


class Waiting:
    """Jobs that cannot be asked at present.

    Those with the same request are *twins*: while one of them is being asked, the others wait for its reply.
    """

    def __init__(self) -> None:
        self._ready: deque[Job] = deque()
        self._delayed: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._twins: dict[str, list[Job]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for room or for its time; twins are their call's business."""
        return not self._delayed and not self._ready

    @property
    def next_s(self) -> float:
        """When the first of those that wait for a time may be asked; infinite where none does."""
        return self._delayed[0][0] if self._delayed else math.inf

    def put_back(self, job: Job) -> None:
        """There was no room for it: it is the first of those that wait for that."""
        self._ready.appendleft(job)

    def delay(self, job: Job, until_s: float) -> None:
        """It is not asked before; of several with the same time, the first comes first."""
        heapq.heappush(self._delayed, (until_s, next(self._order), job))

    def pull(self, now_s: float) -> Job | None:
        """Takes the first of those whose time has come, or else of those that were put back."""
        if self._delayed and self._delayed[0][0] <= now_s:
            return heapq.heappop(self._delayed)[2]
        return self._ready.popleft() if self._ready else None

    def join(self, job: Job) -> bool:
        """Has a job wait for its twin's reply; False where the very same is not being asked."""
        twins = self._twins.get(job.chain.request.key)
        if twins is None:
            return False
        twins.append(job)
        return True

    def begin(self, key: str) -> None:
        """A request is being asked from now on."""
        self._twins[key] = []

    def end(self, key: str) -> list[Job]:
        """It is no longer; returns the twins that waited for it."""
        return self._twins.pop(key)
