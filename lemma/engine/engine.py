"""Runs a stage over its parts, whoever answers, until they are finished or there is a reason to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from lemma.deriver import COLLECT_EVERY, Deriver
from lemma.engine.asking import Asking
from lemma.engine.base import Meter, Part
from lemma.engine.computing import Computing
from lemma.engine.finishing import Finishing
from lemma.errors import Interrupted
from lemma.stages.base import Stage
from lemma.teacher.base import Program, Teacher
from lemma.teacher.retry import RetryPolicy

if TYPE_CHECKING:
    from lemma.budget import Budget

TICK_EVERY_S = 2.0


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
        self._parts = {part.number: part for part in parts}
        self._meter = meter
        self._way: Computing | Asking
        if isinstance(teacher, Program):
            self._way = Computing(self._parts, teacher, meter)
        else:
            retry = retry or RetryPolicy()
            self._way = Asking(stage, self._parts, teacher, meter, concurrency, patience_s, retry, budget, clock)
        self._running: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Works until every part is finished.

        Raises:
            Interrupted: the user asked to stop; everything paid for is on disk.
            Incomplete: the endpoint gave no answer for `patience_s`, or the budget is reached.
            TeacherError: the endpoint refuses every call.
            DiskError: a reply or a part could not be written.
        """
        # asyncio's own loop, whatever this process has chosen (Ray: uvloop, where that is installed)
        runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        with self._way.deriver() as deriver, _calm_collector(), runner:
            runner.run(self._run(deriver))

    async def _run(self, deriver: Deriver) -> None:
        loop = asyncio.get_running_loop()
        finishing = self._finishing = Finishing(deriver, self._meter)
        self._running = loop
        ticking = asyncio.create_task(self._tick())
        with self._signals(loop):
            try:
                await self._way.work(finishing)
                await finishing.wait()
            except asyncio.CancelledError:
                if finishing.error is None:
                    raise
            finally:
                await finishing.wait()
                ticking.cancel()
                finishing.close()
                for part in self._parts.values():
                    part.release()
        if finishing.error is not None:
            raise finishing.error

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_EVERY_S)
            self._meter.tick(self._way.in_flight)

    def interrupt(self) -> None:
        """First call: no new calls, those in flight are awaited. Second call: those are given up too."""
        if self._finishing.error is None:
            calls = self._way.in_flight
            waiting = f" Waiting for {calls} calls in flight; again to stop at once." if calls else ""
            self._meter.say(f"Stopping.{waiting}")
            self._finishing.stop(Interrupted("interrupted; every reply is on disk"))
        else:
            self._way.give_up()

    def interrupt_soon(self) -> bool:
        """As `interrupt`, from another thread; False where `run` has not come so far yet."""
        loop = self._running
        if loop is None:
            return False
        with contextlib.suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(self.interrupt)
        return True

    @contextlib.contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
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
