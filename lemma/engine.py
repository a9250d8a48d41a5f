"""The engine, one for all stages: asks for what is missing, keeps every reply, hands whole parts to the derive pass.

The event loop only sends, receives and appends. Parsing that decides about another attempt is inline and cheap;
records are made part by part in a process beside it, from disk; a teacher that is a program answers there. Parts are
opened lazily, the next as soon as there is room, and nothing waits at a part's end. A call that waits for its next
attempt holds no place.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import itertools
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from lemma.derive import Chain
from lemma.deriver import COLLECT_EVERY, NICENESS, Deriver, Tell
from lemma.errors import Incomplete, Interrupted, LemmaError, TeacherError
from lemma.replies import ReplyStore, shared
from lemma.shards import disk_errors
from lemma.stages.base import Group, Reply, Request, Stage
from lemma.teacher.base import CallFailed, Program, PureProgram, Teacher
from lemma.teacher.retry import RetryPolicy

if TYPE_CHECKING:
    from lemma.budget import Budget, Reservation

YIELD_EVERY = 64  # draws that are answered without waiting between two looks at signals and arriving replies
START_EVERY = 16  # calls that are made ready before the first of them is sent
SYNC_EVERY_S = 2.0
REFUSALS_TOLERATED = 50  # from the start of a stage without a single answer


class Part(Protocol):
    """A part whose units may lack replies."""

    number: int

    def claim(self) -> bool:
        """Called when the engine comes to the part. False: another process works on it, or has finished it."""
        ...

    def release(self) -> None:
        """Called at the end, whatever became of the part: another process may have it."""
        ...

    def open_replies(self) -> ReplyStore:
        """The part's replies."""
        ...

    def groups(self) -> Iterator[Group]:
        """Its problems with all that earlier stages made of them, streamed from disk."""
        ...

    def finish(self, store: ReplyStore) -> Any:
        """Derives and writes the part once no unit lacks a reply; called in another process."""
        ...

    def finished(self, result: Any) -> None:
        """Hears in this process what `finish` returned in that one."""
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

    def finished(self, part: int) -> None:
        """A part is on disk."""
        ...

    def tick(self, in_flight: int) -> None:
        """Some seconds have passed; so many calls are in flight."""
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
        parts: the parts that are not finished, in order.
        teacher: who answers: a `Program`, or a `Teacher` behind an endpoint.
        meter: told of progress.
        concurrency: calls in flight at most.
        patience_s: how long calls may fail without one success before the run gives up.
        retry: how long a failed call waits.
        budget: what may be spent.
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
        budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._parts = {part.number: part for part in parts}
        self._teacher = teacher
        self._is_pure = isinstance(teacher, PureProgram)
        self._meter = meter
        self._concurrency = concurrency
        self._patience_s = patience_s
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._budget = budget if budget is not None and budget.is_limited else None
        self._ready: deque[_Job] = deque()
        self._delayed: list[tuple[float, int, _Job]] = []
        self._order = itertools.count()
        self._asking: dict[str, list[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._deriving: set[asyncio.Future[Any]] = set()
        self._open: dict[int, _OpenPart] = {}
        self._error: LemmaError | None = None
        self._failing_since: float | None = None
        self._refused = 0
        self._is_exhausted = False
        self._running: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.Handle | None = None
        self._alarm_at = 0.0  # when it rings

    def run(self) -> None:
        """Works until every part is finished.

        Raises:
            Interrupted: the user asked to stop; everything paid for is on disk.
            Incomplete: the endpoint gave no answer for `patience_s`, or the budget is reached.
            TeacherError: the endpoint refuses every call.
            DiskError: a reply or a part could not be written.
        """
        niceness = 0 if isinstance(self._teacher, Program) else NICENESS
        processes = max(1, min(_num_cores(), len(self._parts))) if self._is_pure else 1
        self._ahead = 2 * processes  # parts that are claimed before there is a process for them
        deriver = Deriver(self._derive, processes, niceness, self._heard)
        # asyncio's own loop, whatever this process has chosen (Ray: uvloop, where that is installed)
        runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        with deriver as self._deriver, _calm_collector(), runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = self._loop.create_future()
        self._deriver.attach(self._loop)
        self._running = self._loop
        syncing = asyncio.create_task(self._keep_synced())
        with self._signals():
            try:
                if isinstance(self._teacher, Program):
                    await self._compute()
                else:
                    await self._ask()
                while self._deriving:
                    await asyncio.wait(set(self._deriving))
            except asyncio.CancelledError:
                if self._error is None:
                    raise
            finally:
                syncing.cancel()
                await self._let_go(syncing)
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

    def interrupt_soon(self) -> bool:
        """As `interrupt`, from another thread; False where `run` has not come so far yet."""
        loop = self._running
        if loop is None:
            return False
        with contextlib.suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(self.interrupt)
        return True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            for number in numbers:
                self._loop.add_signal_handler(number, self.interrupt)
        except (RuntimeError, ValueError):  # not the main thread: the caller's business
            numbers = ()  # type: ignore[assignment]
        try:
            yield
        finally:
            for number in numbers:
                self._loop.remove_signal_handler(number)

    # ── admission ──

    def _admit(self) -> Iterator[_Job | None]:
        """All that lacks a reply, part by part; parts that lack none go straight to the derive pass.

        Now and then None, where there is much that lacks nothing: the loop has to breathe.
        """
        stage = self._stage
        known = 0
        for part in self._parts.values():
            if not part.claim():
                continue
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
        """Hands a part to the derive pass once nothing of it is missing."""
        if opened.open_chains or not opened.is_enumerated or self._error is not None:
            return
        part = opened.part
        del self._open[part.number]
        opened.store.close(sync=False)  # the derive pass syncs it
        self._submit(part)

    def _submit(self, part: Part) -> None:
        future = self._deriver.submit(part.number)
        self._deriving.add(future)
        future.add_done_callback(lambda done: self._derived(part, done))

    def _derive(self, number: int, tell: Tell) -> Any:
        """In a derive process (or, where a program answers that has a state, in this one)."""
        store = self._parts[number].open_replies()
        try:
            store.sync_all()
            if not isinstance(self._teacher, Program):
                return self._parts[number].finish(store)
            progress = _Progress(tell)
            progress.flush()
            store.complete_by(self._teacher.answer_now, progress.told)
            result = self._parts[number].finish(store)
            progress.flush()
            return result
        finally:
            store.close()

    def _heard(self, progress: tuple[int, int]) -> None:
        """How many requests a program answered, and how many replies were on disk, since it was last heard of."""
        answered, known = progress
        for _ in range(answered):
            self._meter.replied(_ANSWERED)
            self._meter.settled(_ANSWERED)
        for _ in range(known):
            self._meter.settled(None)

    def _derived(self, part: Part, future: asyncio.Future[Any]) -> None:
        self._deriving.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            part.finished(future.result())
            self._meter.finished(part.number)
        else:
            self._stop(error if isinstance(error, LemmaError) else _Crash(error))

    # ── a program answers, as the derive pass comes to its requests ──

    async def _compute(self) -> None:
        for number, part in self._parts.items():
            while len(self._deriving) > self._ahead and self._error is None:
                await asyncio.wait(set(self._deriving), return_when=asyncio.FIRST_COMPLETED)
            if self._error is not None:
                return
            if not part.claim():
                continue
            if self._is_pure:
                self._submit(part)
            else:
                part.finished(self._derive(number, self._heard))
                self._meter.finished(number)
                await asyncio.sleep(0)

    # ── an endpoint answers ──

    async def _ask(self) -> None:
        self._jobs = self._admit()
        self._fill()
        await self._idle

    def _fill(self) -> None:
        """Starts calls while there is room and something to ask."""
        for _ in range(START_EVERY):
            if self._error is not None or len(self._tasks) >= self._concurrency:
                break
            try:
                ready = self._next()
            except LemmaError as error:  # a damaged input: what is in flight is paid for, and awaited
                self._stop(error)
                break
            if ready is None:
                break
            task = self._loop.create_task(self._work(*ready))
            self._tasks.add(task)
            task.add_done_callback(self._worked)
        else:
            self._loop.call_soon(self._fill)
        self._look_for_end()

    async def _work(self, job: _Job, place: Any, reservation: Reservation | None) -> None:
        """Makes calls one after the other, as long as there is another."""
        ready: tuple[_Job, Any, Reservation | None] | None = (job, place, reservation)
        while ready is not None:
            await self._call(*ready)
            # where the endpoint takes more than a moment ago, others begin beside this one
            if len(self._tasks) < self._concurrency:
                self._loop.call_soon(self._fill)
            ready = self._next() if self._error is None else None

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stop(error if isinstance(error, LemmaError) else _Crash(error))
        self._look_for_end()

    def _look_for_end(self) -> None:
        if self._tasks or self._idle.done():
            return
        is_done = self._is_exhausted and not self._delayed and not self._ready
        if is_done or self._error is not None:
            self._idle.set_result(None)

    def _next(self) -> tuple[_Job, Any, Reservation | None] | None:
        """What to ask, with its place and its money; None where there is nothing at present (`_fill` is called)."""
        while True:
            job = self._pull()
            if job is None:
                return None
            request = job.chain.request
            if request.key in self._asking:  # the very same is being asked: its reply serves both
                self._asking[request.key].append(job)
                continue
            reservation = self._reserve(request) if self._budget is not None else None
            if reservation is None and self._budget is not None:
                self._ready.appendleft(job)  # until a call in flight turns out to cost less than it might have
                return None
            place = self._teacher.claim(request)  # type: ignore[union-attr]
            if place is None:
                if self._budget is not None and reservation is not None:
                    self._budget.settle(reservation, None)
                self._ready.appendleft(job)
                self._wake_in(self._teacher.wait_s())  # type: ignore[union-attr]
                return None
            self._asking[request.key] = []
            return job, place, reservation

    def _reserve(self, request: Request) -> Reservation | None:
        assert self._budget is not None
        chars = sum(len(message["content"]) for message in request.messages)
        cap = request.sampling.get("max_tokens")
        reservation = self._budget.reserve(chars, cap if isinstance(cap, int) else 0)
        if reservation is None and self._budget.is_exhausted:
            self._stop(Incomplete(self._budget.line()))
        return reservation

    def _pull(self) -> _Job | None:
        """The next draw that lacks a reply."""
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            job = heapq.heappop(self._delayed)[2]
            known = job.part.store.get(job.chain.request)
            if known is None:
                return job
            # another unit of the part asked the very same while this one waited
            self._take(job, shared(known), is_stored=True)
        if self._ready:
            return self._ready.popleft()
        if not self._is_exhausted:
            found = next(self._jobs, _END)
            if isinstance(found, _Job):
                return found
            if found is None:
                self._loop.call_soon(self._fill)
                return None
            self._is_exhausted = True
        if self._delayed:
            self._wake_in(self._delayed[0][0] - now)
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

    async def _call(self, job: _Job, place: Any, reservation: Reservation | None) -> None:
        key = job.chain.request.key
        reply: Reply | None = None
        try:
            reply = await self._teacher.answer(job.chain.request, place)  # type: ignore[union-attr]
        except CallFailed as error:
            self._again(job, error)
            for twin in self._asking.pop(key):
                self._delay(twin, 0.0)
        except TeacherError as error:
            self._stop(error)
        finally:
            if self._budget is not None and reservation is not None:
                self._budget.settle(reservation, reply.usage if reply is not None else None)
        if reply is not None:
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
        self._delay(job, self._retry.wait_s(job.failures, error))

    def _delay(self, job: _Job, wait_s: float) -> None:
        heapq.heappush(self._delayed, (self._clock() + wait_s, next(self._order), job))

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
        else:
            self._delay(job, 0.0)

    async def _keep_synced(self) -> None:
        """Makes replies survive a power cut, in groups and beside the loop: a disk may take its time."""
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            self._meter.tick(len(self._tasks))
            for opened in list(self._open.values()):
                descriptor = opened.store.take_unsynced()
                if descriptor is None:
                    continue
                try:
                    with disk_errors(opened.store.path):
                        await self._loop.run_in_executor(None, _sync, descriptor)
                except LemmaError as error:
                    self._stop(error)

    def _stop(self, error: LemmaError) -> None:
        if self._error is None:
            self._error = error
            if self._is_pure:
                self._deriver.stop()
        self._look_for_end()

    async def _let_go(self, syncing: asyncio.Task[None]) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, syncing, return_exceptions=True)
        while self._deriving:
            await asyncio.wait(set(self._deriving))
        self._deriver.detach()
        if self._alarm is not None:
            self._alarm.cancel()
        for opened in list(self._open.values()):
            with contextlib.suppress(LemmaError):  # the first error is the one to tell
                opened.store.close()
        for part in self._parts.values():
            part.release()
        if not isinstance(self._teacher, Program):
            await self._teacher.close()


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Has the garbage collector look seldom: a thousand calls in flight are much to look through, and no garbage.

    Measured at 1,024 calls in flight: a tenth of the time, in pauses of up to a third of a second.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Progress:
    """Tells now and then what a program has done."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._answered = self._known = 0

    def told(self, reply: Reply | None) -> None:
        if reply is None:
            self._known += 1
        else:
            self._answered += 1
        if self._answered + self._known == YIELD_EVERY:
            self.flush()

    def flush(self) -> None:
        self._tell((self._answered, self._known))
        self._answered = self._known = 0


_END = object()
_ANSWERED = Reply("", "", "stop")


class _Crash(LemmaError):
    """A fault of our own in a call's task; carries it to the process's edge."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"internal error: {type(error).__name__}: {error}")
        self.__cause__ = error
