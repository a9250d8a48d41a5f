"""An endpoint answers: many calls side by side, each followed by the next as long as there is one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lemma.deriver import Deriver, Tell
from lemma.engine.base import REFUSALS_TOLERATED, Meter, Part
from lemma.engine.finishing import Finishing
from lemma.engine.open_parts import OpenParts
from lemma.engine.waiting import Job, Waiting
from lemma.errors import Incomplete, LemmaError, TeacherError
from lemma.replies import shared
from lemma.stages.base import Reply, Request, Stage
from lemma.teacher.base import CallFailed, Teacher
from lemma.teacher.retry import RetryPolicy

if TYPE_CHECKING:
    from lemma.budget import Budget, Reservation

START_EVERY = 16  # calls that are made ready before the first of them is sent


class Asking:
    """Asks an endpoint for all that parts lack; see `Engine` for the arguments."""

    def __init__(
        self,
        stage: Stage,
        parts: Mapping[int, Part],
        teacher: Teacher,
        meter: Meter,
        concurrency: int,
        patience_s: float,
        retry: RetryPolicy,
        budget: Budget | None,
        clock: Callable[[], float],
    ) -> None:
        self._stage = stage
        self._parts = parts
        self._teacher = teacher
        self._meter = meter
        self._concurrency = concurrency
        self._patience_s = patience_s
        self._retry = retry
        self._budget = budget if budget is not None and budget.is_limited else None
        self._clock = clock
        self._waiting = Waiting()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing_since: float | None = None
        self._refused = 0
        self._is_exhausted = False
        self._alarm: asyncio.Handle | None = None
        self._alarm_at = 0.0  # when it rings

    @property
    def in_flight(self) -> int:
        """Calls at present."""
        return len(self._tasks)

    def deriver(self) -> Deriver:
        """What derives the parts, beside the calls."""
        return Deriver(self._derive)

    def _derive(self, number: int, tell: Tell) -> Any:
        """In the derive process."""
        part = self._parts[number]
        store = part.open_replies()
        try:
            store.sync_all()
            return part.finish(store)
        finally:
            store.close()

    async def work(self, finishing: Finishing) -> None:
        """Asks until nothing is missing, or the work has to end and no call is in flight."""
        self._finishing = finishing
        self._loop = asyncio.get_running_loop()
        self._idle = self._loop.create_future()
        self._open = OpenParts(self._stage, self._parts, self._meter, finishing)
        self._missing = self._open.missing()
        finishing.on_stop = self._look_for_end
        syncing = asyncio.create_task(self._open.keep_synced())
        try:
            self._fill()
            await self._idle
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            syncing.cancel()
            self.give_up()
            await asyncio.gather(*self._tasks, syncing, return_exceptions=True)
            self._open.close()
            await self._teacher.close()

    def give_up(self) -> None:
        """Breaks off the calls in flight."""
        for task in self._tasks:
            task.cancel()

    def _fill(self) -> None:
        """Starts calls while there is room and something to ask."""
        for _ in range(START_EVERY):
            if self._finishing.error is not None or len(self._tasks) >= self._concurrency:
                break
            try:
                ready = self._next()
            except LemmaError as error:  # a damaged input: what is in flight is paid for, and awaited
                self._finishing.stop(error)
                break
            if ready is None:
                break
            task = self._loop.create_task(self._work(*ready))
            self._tasks.add(task)
            task.add_done_callback(self._worked)
        else:
            self._loop.call_soon(self._fill)
        self._look_for_end()

    async def _work(self, job: Job, place: Any, reservation: Reservation | None) -> None:
        """Makes calls one after the other, as long as there is another."""
        ready: tuple[Job, Any, Reservation | None] | None = (job, place, reservation)
        while ready is not None:
            await self._call(*ready)
            # where the endpoint takes more than a moment ago, others begin beside this one
            if len(self._tasks) < self._concurrency:
                self._loop.call_soon(self._fill)
            ready = self._next() if self._finishing.error is None else None

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._finishing.stop(error)
        self._look_for_end()

    def _look_for_end(self) -> None:
        if self._tasks or self._idle.done():
            return
        if (self._is_exhausted and self._waiting.is_empty) or self._finishing.error is not None:
            self._idle.set_result(None)

    def _next(self) -> tuple[Job, Any, Reservation | None] | None:
        """What to ask, with its place and its money; None where there is nothing at present (`_fill` is called)."""
        while True:
            job = self._pull()
            if job is None:
                return None
            request = job.chain.request
            if self._waiting.join(job):  # the very same is being asked: its reply serves both
                continue
            reservation = self._reserve(request) if self._budget is not None else None
            if reservation is None and self._budget is not None:
                self._waiting.put_back(job)  # until a call in flight turns out to cost less than it might have
                return None
            place = self._teacher.claim(request)
            if place is None:
                if self._budget is not None and reservation is not None:
                    self._budget.settle(reservation, None)
                self._waiting.put_back(job)
                self._wake_in(self._teacher.wait_s())
                return None
            self._waiting.begin(request.key)
            return job, place, reservation

    def _reserve(self, request: Request) -> Reservation | None:
        assert self._budget is not None
        chars = sum(len(message["content"]) for message in request.messages)
        cap = request.sampling.get("max_tokens")
        reservation = self._budget.reserve(chars, cap if isinstance(cap, int) else 0)
        if reservation is None and self._budget.is_exhausted:
            self._finishing.stop(Incomplete(self._budget.line()))
        return reservation

    def _pull(self) -> Job | None:
        """The next draw that lacks a reply."""
        now = self._clock()
        while (job := self._waiting.pull(now)) is not None:
            known = job.part.store.get(job.chain.request)
            if known is None:
                return job
            # a twin was asked while this one waited
            self._take(job, shared(known), is_stored=True)
        if not self._is_exhausted:
            found = next(self._missing, _END)
            if isinstance(found, Job):
                return found
            if found is None:
                self._loop.call_soon(self._fill)
                return None
            self._is_exhausted = True
        self._wake_in(self._waiting.next_s - now)
        return None

    def _wake_in(self, wait_s: float) -> None:
        """Looks for something to do after a while, if no call ends before."""
        if math.isinf(wait_s):
            return
        when = self._loop.time() + max(0.001, wait_s)
        if self._alarm is not None:
            if self._alarm_at <= when:
                return
            self._alarm.cancel()
        self._alarm, self._alarm_at = self._loop.call_at(when, self._wake), when

    def _wake(self) -> None:
        # forgotten first: a loop may wake a little early, and an alarm that rang must not pass for one to come
        self._alarm = None
        self._fill()

    async def _call(self, job: Job, place: Any, reservation: Reservation | None) -> None:
        key = job.chain.request.key
        reply: Reply | None = None
        try:
            reply = await self._teacher.answer(job.chain.request, place)
        except CallFailed as error:
            self._again(job, error)
            for twin in self._waiting.end(key):
                self._waiting.delay(twin, self._clock())
        except TeacherError as error:
            self._finishing.stop(error)
        finally:
            if self._budget is not None and reservation is not None:
                self._budget.settle(reservation, reply.usage if reply is not None else None)
        if reply is not None:
            self._failing_since = None
            twins = self._waiting.end(key)
            self._take(job, reply)
            self._watch_refusals(reply)
            for twin in twins:
                is_stored = twin.part.store.get(twin.chain.request) is not None
                self._take(twin, shared(reply), is_stored)

    def _watch_refusals(self, reply: Reply) -> None:
        """A refusal is final for its unit; where every unit is refused, it is not about the units."""
        self._refused = self._refused + 1 if reply.finish_reason == "refused" else REFUSALS_TOLERATED + 1
        if self._refused == REFUSALS_TOLERATED:
            words = " ".join(reply.detail.split())[:300]
            self._finishing.stop(
                TeacherError(f"the endpoint refused every one of {self._refused} requests; it said: {words}")
            )

    def _again(self, job: Job, error: CallFailed) -> None:
        self._meter.failed(error)
        now = self._clock()
        words = " ".join(error.detail.split())[:300]
        if self._failing_since is None:
            # counted from the first failure, not from the last success: a slow answer is no failure
            self._failing_since = now
        elif now - self._failing_since > self._patience_s:
            silence_s = now - self._failing_since
            self._finishing.stop(
                Incomplete(f"no call succeeded for {silence_s:.0f} s; the endpoint last said: {words}")
            )
            return
        job.failures += 1
        self._waiting.delay(job, self._clock() + self._retry.wait_s(job.failures, error))

    def _take(self, job: Job, reply: Reply, is_stored: bool = False) -> None:
        """Keeps a reply, then decides what it leads to."""
        chain, opened = job.chain, job.part
        if not is_stored:
            try:
                opened.store.append(reply, chain.request)
            except LemmaError as error:
                self._finishing.stop(error)
                return
        self._meter.replied(reply)
        job.failures = 0
        chain.feed(reply)
        if chain.outcome is not None:
            self._meter.settled(reply)
            opened.open_chains -= 1
            self._open.settle(opened)
        else:
            self._waiting.delay(job, self._clock())


_END = object()
