"""The engine, one for all stages: asks for what is missing, keeps every reply, hands whole parts to the derive pass.

The event loop only sends, receives and appends. Parsing that decides about another attempt is inline and cheap;
records are made part by part in a thread, from disk. Parts are opened lazily, the next as soon as there is room, and
nothing waits at a part's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from lemma.derive import Chain
from lemma.errors import Incomplete, Interrupted, LemmaError, TeacherError
from lemma.replies import ReplyStore, shared
from lemma.stages.base import Group, Reply, Stage
from lemma.teacher.base import CallFailed, Program, Teacher
from lemma.teacher.retry import RetryPolicy

YIELD_EVERY = 64  # draws that are answered without waiting between two looks at signals and arriving replies
SYNC_EVERY_S = 2.0
REFUSALS_TOLERATED = 50  # from the start of a stage without a single answer


class Part(Protocol):
    """A part whose units may lack replies."""

    number: int

    def open_replies(self) -> ReplyStore:
        """The part's replies."""
        ...

    def groups(self) -> Iterator[Group]:
        """Its problems with all that earlier stages made of them, streamed from disk."""
        ...

    def finish(self, store: ReplyStore) -> None:
        """Derives and writes the part; called off the loop, once no unit lacks a reply."""
        ...


class Meter(Protocol):
    """What a person wants to see while units are worked on."""

    def settled(self, reply: Reply | None) -> None:
        """A draw is done: by this reply, or (None) by replies on disk."""
        ...

    def replied(self, reply: Reply) -> None:
        """A reply arrived."""
        ...

    def failed(self, error: CallFailed) -> None:
        """A call failed and will be made again."""
        ...

    def say(self, line: str) -> None:
        """A line for the person."""
        ...


class _OpenPart:
    def __init__(self, part: Part) -> None:
        self.part = part
        self.store = part.open_replies()
        self.open_chains = 0
        self.is_enumerated = False


class _Job:
    __slots__ = ("chain", "failures", "part")

    def __init__(self, part: _OpenPart, chain: Chain) -> None:
        self.part = part
        self.chain = chain
        self.failures = 0


class Engine:
    """Runs one stage over its parts.

    Args:
        stage: what to ask.
        parts: the parts that are not finished, in order; read lazily.
        teacher: who answers: a `Program`, or a `Teacher` behind an endpoint.
        meter: told of progress.
        concurrency: calls in flight at most.
        patience_s: how long calls may fail without one success before the run gives up.
        retry: how long a failed call waits.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stage: Stage,
        parts: Iterable[Part],
        teacher: Teacher | Program,
        meter: Meter,
        concurrency: int = 64,
        patience_s: float = 300,
        retry: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._parts = parts
        self._teacher = teacher
        self._meter = meter
        self._concurrency = concurrency
        self._patience_s = patience_s
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._delayed: list[tuple[float, int, _Job]] = []
        self._order = itertools.count()
        self._asking: dict[str, list[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Future[None]] = set()
        self._open: dict[int, _OpenPart] = {}
        self._error: LemmaError | None = None
        self._failing_since: float | None = None
        self._paused_until = 0.0
        self._refused = 0
        self._last_sync = 0.0
        self._is_exhausted = False

    async def run(self) -> None:
        """Works until every part is finished.

        Raises:
            Interrupted: the user asked to stop; everything paid for is on disk.
            Incomplete: the endpoint gave no answer for `patience_s`.
            TeacherError: the endpoint refuses every call.
            DiskError: a reply or a part could not be written.
        """
        self._wake = asyncio.Event()
        self._last_sync = self._clock()
        # one thread: parts are derived in order, and beside the loop, never beside each other
        with ThreadPoolExecutor(1, "derive") as self._deriver, self._signals():
            try:
                if isinstance(self._teacher, Program):
                    await self._compute(self._teacher)
                else:
                    await self._ask(self._teacher)
                while self._finishing:
                    await asyncio.wait(set(self._finishing))
            except asyncio.CancelledError:
                if self._error is None:
                    raise
            finally:
                await self._let_go()
        if self._error is not None:
            raise self._error

    def interrupt(self) -> None:
        """First call: no new calls, those in flight are awaited. Second call: those are given up too."""
        if self._error is None:
            waiting = f" Waiting for {len(self._tasks)} calls in flight; again to stop at once." if self._tasks else ""
            self._meter.say(f"Stopping.{waiting}")
            self._stop(Interrupted("interrupted; every reply is on disk"))
        else:
            for task in self._tasks:
                task.cancel()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            for number in numbers:
                loop.add_signal_handler(number, self.interrupt)
        except (RuntimeError, ValueError):  # not the main thread: the caller's business
            numbers = ()  # type: ignore[assignment]
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    # ── admission ──

    def _admit(self) -> Iterator[_Job | None]:
        """All that lacks a reply, part by part; parts that lack none go straight to the derive pass.

        Now and then None, where there is much that lacks nothing: the loop has to breathe.
        """
        stage = self._stage
        known = 0
        for part in self._parts:
            opened = _OpenPart(part)
            self._open[part.number] = opened
            for group in part.groups():
                for unit in stage.units(group):
                    for draw in range(stage.draws(unit)):
                        chain = Chain(stage, unit, draw)
                        while chain.outcome is None:
                            reply = opened.store.get(chain.request)
                            if reply is None:
                                break
                            chain.feed(reply)
                        if chain.outcome is None:
                            opened.open_chains += 1
                            yield _Job(opened, chain)
                            continue
                        self._meter.settled(None)
                        known += 1
                        if known % YIELD_EVERY == 0:
                            yield None
            opened.is_enumerated = True
            self._settle(opened)

    def _settle(self, opened: _OpenPart) -> None:
        if opened.open_chains or not opened.is_enumerated or self._error is not None:
            return
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._deriver, self._finish, opened)
        self._finishing.add(future)
        future.add_done_callback(self._finished)

    def _finish(self, opened: _OpenPart) -> None:
        opened.store.sync()
        opened.part.finish(opened.store)
        opened.store.close()
        del self._open[opened.part.number]

    def _finished(self, future: asyncio.Future[None]) -> None:
        self._finishing.discard(future)
        self._wake.set()
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, LemmaError):
            self._stop(error)
        elif error is not None:
            self._stop(_Crash(error))

    # ── a program answers ──

    async def _compute(self, program: Program) -> None:
        for done, job in enumerate(self._admit(), 1):
            while job is not None and job.chain.outcome is None and self._error is None:
                self._take(job, program.answer_now(job.chain.request))
            if job is None or done % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if self._error is not None:
                return

    # ── an endpoint answers ──

    async def _ask(self, teacher: Teacher) -> None:
        jobs = self._admit()
        while True:
            self._wake.clear()
            if self._fill(jobs, teacher):
                await asyncio.sleep(0)
                continue
            idle = not self._tasks
            if idle and (self._error is not None or (self._is_exhausted and not self._delayed)):
                return
            self._sync()
            alarm = asyncio.get_running_loop().call_later(self._pause_s(), self._wake.set)
            await self._wake.wait()
            alarm.cancel()

    def _fill(self, jobs: Iterator[_Job | None], teacher: Teacher) -> bool:
        """Starts calls while there is room; returns whether there is more to look at before waiting for any."""
        while self._error is None and len(self._tasks) < self._concurrency:
            now = self._clock()
            if now < self._paused_until:
                return False
            try:
                job = self._next(jobs, now)
            except LemmaError as error:  # a damaged input: what is in flight is paid for, and awaited
                self._stop(error)
                return False
            if job is None:
                return not self._is_exhausted
            key = job.chain.request.key
            if key in self._asking:  # the very same is being asked: its reply serves both
                self._asking[key].append(job)
                continue
            self._asking[key] = []
            task = asyncio.create_task(self._call(job, teacher))
            self._tasks.add(task)
            task.add_done_callback(self._called)
        return False

    def _next(self, jobs: Iterator[_Job | None], now: float) -> _Job | None:
        """What to ask; None where there is nothing, or there may be something after a breath."""
        if self._delayed and self._delayed[0][0] <= now:
            job = heapq.heappop(self._delayed)[2]
            known = job.part.store.get(job.chain.request)
            if known is None:
                return job
            # another unit of the part asked the very same while this one waited
            self._take(job, shared(known), is_stored=True)
            return None
        try:
            return next(jobs)
        except StopIteration:
            self._is_exhausted = True
            return None

    def _pause_s(self) -> float:
        """Seconds until there may be something to do, if no call ends before."""
        if len(self._tasks) >= self._concurrency or self._error is not None:
            return SYNC_EVERY_S
        now = self._clock()
        if now < self._paused_until:
            return min(SYNC_EVERY_S, self._paused_until - now)
        due = self._delayed[0][0] - now if self._delayed else SYNC_EVERY_S
        return max(0.001, min(SYNC_EVERY_S, due))

    async def _call(self, job: _Job, teacher: Teacher) -> None:
        key = job.chain.request.key
        try:
            reply = await teacher.answer(job.chain.request)
        except CallFailed as error:
            self._again(job, error)
            for twin in self._asking.pop(key):
                self._delay(twin, 0.0)
        except TeacherError as error:
            self._stop(error)
        else:
            self._failing_since = None
            twins = self._asking.pop(key)
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
            self._stop(TeacherError(f"the endpoint refused every one of {self._refused} requests; it said: {words}"))

    def _called(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stop(error if isinstance(error, LemmaError) else _Crash(error))

    def _again(self, job: _Job, error: CallFailed) -> None:
        self._meter.failed(error)
        now = self._clock()
        words = " ".join(error.detail.split())[:300]
        if self._failing_since is None:
            # counted from the first failure, not from the last success: a slow answer is no failure
            self._failing_since = now
        elif now - self._failing_since > self._patience_s:
            silence_s = now - self._failing_since
            self._stop(Incomplete(f"no call succeeded for {silence_s:.0f} s; the endpoint last said: {words}"))
            return
        job.failures += 1
        wait_s = self._retry.wait_s(job.failures, error)
        if error.is_throttled:
            self._paused_until = max(self._paused_until, now + (error.retry_after_s or 0.0))
        self._delay(job, wait_s)

    def _delay(self, job: _Job, wait_s: float) -> None:
        heapq.heappush(self._delayed, (self._clock() + wait_s, next(self._order), job))

    # ── both ──

    def _take(self, job: _Job, reply: Reply, is_stored: bool = False) -> None:
        """Keeps a reply, then decides what it leads to."""
        chain, opened = job.chain, job.part
        if not is_stored:
            try:
                opened.store.append(reply, chain.request)
            except LemmaError as error:
                self._stop(error)
                return
        self._meter.replied(reply)
        job.failures = 0
        chain.feed(reply)
        if chain.outcome is not None:
            self._meter.settled(reply)
            opened.open_chains -= 1
            self._settle(opened)
        elif not isinstance(self._teacher, Program):
            self._delay(job, 0.0)

    def _sync(self) -> None:
        now = self._clock()
        if now - self._last_sync >= SYNC_EVERY_S:
            self._last_sync = now
            for opened in list(self._open.values()):
                if opened.is_enumerated and not opened.open_chains:
                    continue  # the derive pass has it, and syncs it
                try:
                    opened.store.sync()
                except LemmaError as error:
                    self._stop(error)

    def _stop(self, error: LemmaError) -> None:
        if self._error is None:
            self._error = error
        self._wake.set()

    async def _let_go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._finishing:
            await asyncio.wait(set(self._finishing))
        for opened in list(self._open.values()):
            with contextlib.suppress(LemmaError):  # the first error is the one to tell
                opened.store.close()


class _Crash(LemmaError):
    """A fault of our own in a call's task; carries it to the process's edge."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"internal error: {type(error).__name__}: {error}")
        self.__cause__ = error


def run_engine(engine: Engine) -> None:
    """Runs the engine to its end on an event loop of its own; raises as `Engine.run`."""
    asyncio.run(engine.run())
