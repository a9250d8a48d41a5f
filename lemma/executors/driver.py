"""The command's side: hands the parts of a stage to workers, replaces those that are gone, and tells how it goes.

Every worker gets all the parts, beginning elsewhere, and leases each as it comes to it; so one that is slow takes
fewer. A worker that is killed, or whose machine goes, is replaced at once, and what it had in hand is leased by the
next. Concurrency and budget are divided; what a worker leaves of its share of the budget is shared out again.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lemma import __version__
from lemma.budget import Budget
from lemma.config import Config, Endpoint
from lemma.engine import Meter, Part
from lemma.errors import Incomplete, Interrupted, LemmaError, RunError
from lemma.executors.job import Ended, Job, Report, Role
from lemma.leases import LockLeases, tidy
from lemma.shards.lock import RunLock
from lemma.stages.base import Reply, Usage
from lemma.stagework import StageWork
from lemma.teacher.base import CallFailed

if TYPE_CHECKING:
    from lemma.executors.cluster import Cluster

REPORT_EVERY_S: Final = 0.5
LOOK_AGAIN_S: Final = 1.0
"""Between two looks at parts that somebody else has in hand, though no worker of ours is at work."""
TIDY_S: Final = 2.0
DEATHS_IN_VAIN: Final = 5
"""So many workers may be killed beyond their number before anything was done between."""


class RayExecutor:
    """Has stages done by workers; they are started at the first one, and stay.

    No other command works on the run meanwhile, nor while workers outlive a command that was killed: these hold the
    run's lock as well.

    Args:
        run: the run's folder.
        config: the run's configuration.
        lock: of the run; shared with the workers from now on.

    Raises:
        ConfigError: Ray is not installed.
        RunError: there is no cluster to be had.
    """

    def __init__(self, run: Path, config: Config, lock: RunLock) -> None:
        from lemma.executors.cluster import Cluster

        self._config = config
        self._lock = lock
        self._cluster = Cluster(config)
        self._stack = contextlib.ExitStack()
        # shards of other commands may share the lock: they wait for this
        self._stack.enter_context(LockLeases(run).alone())
        lock.share()

    def run(
        self, work: StageWork, parts: Sequence[Part], role: Role, meter: Meter, budget: Callable[[], Budget | None]
    ) -> None:
        """Works until every part is finished.

        Args:
            work: the stage over the run's folder.
            parts: the parts that are not finished.
            role: who is asked.
            meter: told of progress.
            budget: what may still be spent, by what is on disk; None: nobody is asked for money.

        Raises:
            LemmaError: as `Engine.run`; or workers die one after the other.
        """
        StageRun(self._cluster, self._config, work, parts, role, meter, budget).run()

    def close(self) -> None:
        """Ends the workers, and what was started for them."""
        self._cluster.close()
        self._stack.close()
        deadline = time.monotonic() + TIDY_S
        while not tidy(self._lock) and time.monotonic() < deadline:
            time.sleep(0.02)  # the last of them is about to end


class _Slot:
    """A worker's place, whichever process is in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.running: Any = None
        """The job under way."""
        self.reporting: Any = None
        self.report_at = 0.0
        self.share: Budget | None = None
        self.spent: tuple[int, float] = (0, 0.0)
        self.told = 0
        """How many of the finished parts it has been told of."""
        self.in_flight = 0
        self.is_fresh = True
        """Whether parts may have come free since it last looked."""


class StageRun:
    """One stage, done by the workers of a cluster; arguments as `RayExecutor`'s."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        work: StageWork,
        parts: Sequence[Part],
        role: Role,
        meter: Meter,
        budget: Callable[[], Budget | None],
    ) -> None:
        self._cluster = cluster
        self._config = config
        endpoint = config.student if role == "student" else config.teacher
        self._endpoint = None if endpoint is None or endpoint.backend == "rules" else endpoint
        self._role = role
        self._meter = meter
        self._budget = budget
        self._left = {part.number: part for part in parts}
        self._numbers = tuple(self._left)
        self._done: list[int] = []
        self._parcel = cluster.put((work, list(parts)))
        self._ask = cluster.permits(self._endpoint) if self._endpoint is not None else None
        most = self._endpoint.concurrency if self._endpoint is not None else len(parts)
        self._slots = [_Slot(number) for number in range(min(config.executor.workers, most))]
        self._error: LemmaError | None = None
        self._stops = 0
        self._stops_sent = 0
        self._signalled = 0
        self._deaths = 0
        self._is_spent = False
        self._look_at = 0.0
        self._tick_at = 0.0

    def run(self) -> None:
        """Works until every part is finished."""
        with self._signals():
            while True:
                self._heed_signals()
                self._hand_out()
                busy = [slot for slot in self._slots if slot.running is not None]
                if not busy and (not self._left or self._error is not None):
                    break
                self._send_stops(busy)
                self._listen(busy)
        for slot in self._slots:
            self._cluster.release(slot.number)
        if self._error is not None:
            raise self._error

    # ── handing out ──

    def _hand_out(self) -> None:
        """Gives idle workers what is left to do."""
        if not self._left or self._error is not None:
            return
        idle = [slot for slot in self._slots if slot.running is None]
        if len(idle) < len(self._slots):
            idle = [slot for slot in idle if slot.is_fresh and not self._is_spent]
        elif not any(slot.is_fresh for slot in idle):
            # all came back, and parts are left: somebody else has them, or one of ours could not tell that it had done
            if time.monotonic() < self._look_at:
                return
            self._look_at = time.monotonic() + LOOK_AGAIN_S
        if not idle:
            return
        if self._is_spent and len(idle) == len(self._slots):
            idle = idle[:1]  # the rest of the budget, to the last reply
            self._is_spent = False
        shares = self._shares(len(idle))
        if self._error is None:
            for slot, share in zip(idle, shares, strict=True):
                self._start(slot, share)

    def _shares(self, among: int) -> list[Budget | None]:
        """What each of some workers may spend: of what is left by the replies on disk, less what others may yet."""
        whole = self._budget()
        if whole is None or not whole.is_limited:
            return [None] * among
        tokens, cost_usd = 0, 0.0
        for slot in self._slots:
            if slot.running is not None and slot.share is not None:
                left_tokens, left_usd = slot.share.left()
                tokens += max(0, left_tokens - slot.spent[0])
                cost_usd += max(0.0, left_usd - slot.spent[1])
        if whole.is_exhausted:
            self._stop(Incomplete(whole.line()))
        return [whole.share(among, tokens, cost_usd) for _ in range(among)]

    def _start(self, slot: _Slot, share: Budget | None) -> None:
        count = len(self._slots)
        left = [number for number in self._numbers if number in self._left]
        begin = slot.number * len(left) // count
        endpoint, near = self._part_of_endpoint(slot.number)
        job = Job(
            version=__version__,
            numbers=(*left[begin:], *left[:begin]),
            role=self._role,
            endpoint=endpoint,
            near=near,
            budget=share,
            answer_form=self._config.answer_form,
        )
        slot.share, slot.spent, slot.is_fresh, slot.told = share, (0, 0.0), False, 0
        slot.running = self._cluster.start(slot.number, self._parcel, job, self._ask)
        slot.reporting = None
        slot.report_at = time.monotonic() + REPORT_EVERY_S

    def _part_of_endpoint(self, number: int) -> tuple[Endpoint | None, frozenset[int]]:
        if self._endpoint is None:
            return None, frozenset()
        count = len(self._slots)
        share, more = divmod(self._endpoint.concurrency, count)
        endpoint = self._endpoint.model_copy(update={"concurrency": share + (number < more)})
        return endpoint, near_addresses(number, count, len(endpoint.addresses))

    # ── listening ──

    def _listen(self, busy: Sequence[_Slot]) -> None:
        """Waits a moment for whatever comes from the workers, and takes it in."""
        now = time.monotonic()
        pending: dict[Any, _Slot] = {}
        for slot in busy:
            if slot.reporting is None and now >= slot.report_at:
                slot.reporting = self._cluster.report(slot.number, self._done[slot.told :])
                slot.told = len(self._done)
            pending[slot.running] = slot
            if slot.reporting is not None:
                pending[slot.reporting] = slot
        if now >= self._tick_at:
            self._tick_at = now + REPORT_EVERY_S
            self._meter.tick(sum(slot.in_flight for slot in busy))
        if not pending:
            time.sleep(REPORT_EVERY_S / 5)
            return
        for one in self._cluster.wait(list(pending), REPORT_EVERY_S / 5):
            slot = pending[one]
            if slot.running is None:  # replaced a moment ago
                continue
            result = self._cluster.result(one)
            if result is None:
                self._bury(slot)
            elif isinstance(result, Ended):
                self._end(slot, result)
            else:
                slot.reporting = None
                slot.report_at = time.monotonic() + REPORT_EVERY_S
                self._hear(slot, result)

    def _end(self, slot: _Slot, ended: Ended) -> None:
        # asked for before the worker ended: it holds what was new then, and is there or a moment away
        report = self._cluster.result(slot.reporting) if slot.reporting is not None else None
        slot.running = slot.reporting = None
        if report is not None:
            self._hear(slot, report)
        self._hear(slot, ended.last)
        slot.in_flight = 0
        if ended.is_spent:
            self._is_spent = True
        elif ended.error is not None:
            self._stop(ended.error)

    def _bury(self, slot: _Slot) -> None:
        """A worker was killed, or its machine is gone; the others, and the one in its place, look for its parts."""
        slot.running = slot.reporting = None
        slot.in_flight = 0
        self._deaths += 1
        self._cluster.replace(slot.number)
        for other in self._slots:
            other.is_fresh = True
        if self._error is None and self._left:
            self._meter.say(f"worker {slot.number + 1} was killed, or its machine is gone; another takes its place")
        if self._deaths > DEATHS_IN_VAIN + len(self._slots):
            self._stop(
                RunError(
                    f"{self._deaths} workers died one after the other and nothing was done (out of memory? the newest "
                    "file worker-*.err in the session's logs of Ray says more); every reply is on disk"
                )
            )

    def _hear(self, slot: _Slot, report: Report) -> None:
        meter = self._meter
        slot.in_flight = report.in_flight
        slot.spent = (report.spent_tokens, report.spent_usd)
        if report.is_news:
            self._deaths = 0
            self._cluster.keep_spare()  # now that those at work have been started
        # one of them brings the tokens of all
        usage = Usage(report.input_tokens, report.cached_input_tokens, report.output_tokens)
        for number in range(report.replies):
            meter.replied(Reply("", "", "stop", usage=usage) if number == 0 else _REPLY)
        for number in range(report.settled):
            meter.settled(None if number < report.known else _REPLY)
        for kind, count in report.failures.items():
            for _ in range(count):
                meter.failed(CallFailed(report.last_failure, kind=kind))
        for number, result in report.finished:
            part = self._left.pop(number, None)
            if part is not None:
                part.finished(result)
                meter.finished(number)
                self._done.append(number)

    # ── ending ──

    def _stop(self, error: LemmaError) -> None:
        """No new calls anywhere; the first reason is the one that is told."""
        if self._error is None:
            self._error = error
            self._stops = max(self._stops, 1)

    def _send_stops(self, busy: Sequence[_Slot]) -> None:
        while self._stops_sent < min(self._stops, 2):
            self._stops_sent += 1
            for slot in busy:
                self._cluster.stop(slot.number)
        if self._stops > 2:
            for slot in busy:
                self._cluster.replace(slot.number)
                slot.running = slot.reporting = None

    def _heed_signals(self) -> None:
        """What to do about Ctrl-C is not done in the handler: that comes in the middle of anything."""
        if self._signalled:
            self._stops += self._signalled
            self._signalled = 0
        if self._stops and self._error is None:
            calls = sum(slot.in_flight for slot in self._slots)
            waiting = f" Waiting for about {calls} calls in flight; again to stop at once." if calls else ""
            self._meter.say(f"Stopping.{waiting}")
            self._error = Interrupted("interrupted; every reply is on disk")

    def _signal(self, number: int, frame: object) -> None:
        self._signalled += 1

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        before = {}
        with contextlib.suppress(ValueError):  # not the main thread: the caller's business
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def near_addresses(worker: int, workers: int, addresses: int) -> frozenset[int]:
    """The addresses that a worker calls first: every one is near to somebody, and every worker to as many."""
    if addresses <= workers:
        return frozenset({worker % addresses})
    return frozenset(range(worker, addresses, workers))


_REPLY = Reply("", "", "stop")
