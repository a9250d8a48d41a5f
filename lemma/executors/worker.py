"""One worker: an engine in a process of its own, on the parts of a job that it can lease.

The engine runs in one thread; reports, and the wish to stop, come through others. A worker that is killed leaves its
leases to the kernel; the process that derives its parts ends with it (`lemma.deriver`).
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma import __version__
from lemma.budget import Budget
from lemma.deriver import die_with_parent
from lemma.engine import Engine
from lemma.errors import Incomplete, Interrupted, LemmaError, RunError
from lemma.executors.job import Ended, Job, Report
from lemma.leases import Leases, LockLeases
from lemma.stages.base import Reply
from lemma.stagework import StageWork, WorkPart
from lemma.teacher.base import CallFailed, Program, Teacher
from lemma.teacher.permits import LeasedThrottle, SharedPool, Wish

Ask = Callable[[int, LeasedThrottle, Wish], None]


class Worker:
    """What the command talks to.

    Args:
        name: for people.
        folder: where the command was started: relative paths are relative to it.
        plugins: of the configuration.
        variables: of the environment, that hold keys.
    """

    def __init__(self, name: str, folder: str, plugins: Sequence[Path], variables: Mapping[str, str]) -> None:
        self._name = name
        self._folder = folder
        self._plugins = tuple(plugins)
        self._is_ready = False
        self._is_stopped = False
        self._tally = Tally()
        self._budget: Budget | None = None
        self._done: set[int] = set()
        self._kept: list[WorkPart] = []
        self._leases: LockLeases | None = None
        self._engine: Engine | None = None
        os.environ.update(variables)
        die_with_parent()  # Ray's own process on this machine, which sees to it as well, but not at once

    def run(self, parcel: bytes, job: Job, ask: Ask | None) -> Ended:
        """Works on a job until nothing of it is left that this worker may have.

        Args:
            parcel: the pickled stage and its parts.
            job: what to do.
            ask: sends wishes for permits on their way, see `SharedPool`.
        """
        self.release()
        self._done.clear()
        self._budget = job.budget
        error: LemmaError | None = None
        try:
            self._work(parcel, job, ask)
        except LemmaError as raised:
            error = raised
        is_spent = isinstance(error, Incomplete) and job.budget is not None and job.budget.is_exhausted
        return Ended(self.report(()), error, is_spent)

    def _work(self, parcel: bytes, job: Job, ask: Ask | None) -> None:
        self._prepare(job)
        work: StageWork
        work, all_parts = pickle.loads(parcel)
        work.share(self._leases_of(work.run))
        by_number = {part.number: part for part in all_parts}
        parts = [_ToldPart(by_number[number], self._tally, self._done, self._kept) for number in job.numbers]
        options: dict[str, Any] = {}
        if job.endpoint is not None:
            options = {"concurrency": job.endpoint.concurrency, "patience_s": job.endpoint.patience_s}
            options["budget"] = job.budget
        self._engine = Engine(work.stage, parts, _teacher(job, ask), self._tally, **options)
        try:
            if self._is_stopped:  # before there was an engine to hear of it
                raise Interrupted("interrupted; every reply is on disk")
            self._engine.run()
        finally:
            self._engine = None

    def _leases_of(self, run: Path) -> Leases:
        """This worker's; from now on no other command works on the run until it has ended."""
        if self._leases is None:
            self._leases = LockLeases(run, self._name)
            self._leases.join()
        return self._leases

    def _prepare(self, job: Job) -> None:
        """Once: comes before anything of the user's is unpickled."""
        if job.version != __version__:
            raise RunError(f"{self._name} has lemma {__version__}, the command {job.version}: install the same one")
        if self._is_ready:
            return
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise RunError(
                f"{self._name}: {self._folder}: {error.strerror}; workers on other machines need the run's folder, and "
                "the one that the command was started in, at the same place on a shared file system"
            ) from None
        if self._plugins:
            from lemma.plugins import load_plugins  # what plugins may add takes a third of a second to load

            load_plugins(self._plugins)
        self._is_ready = True

    def report(self, done: Sequence[int]) -> Report:
        """What is new; and hears which parts others have finished."""
        self._done.update(done)
        report = self._tally.take()
        if self._budget is not None:
            report.spent_tokens, report.spent_usd = self._budget.tokens, self._budget.cost_usd
        return report

    def release(self) -> None:
        """Gives parts back that were done, and would have been done once more by whoever had leased them."""
        while self._kept:
            self._kept.pop().release()

    def stop(self) -> None:
        """First call: no new calls to the endpoint, those in flight are awaited. Second call: they are given up too."""
        self._is_stopped = True
        engine = self._engine
        while engine is not None and engine is self._engine and not engine.interrupt_soon():
            time.sleep(0.01)


def _teacher(job: Job, ask: Ask | None) -> Teacher | Program:
    if job.endpoint is None:
        from lemma.teacher.rules import RulesTeacher

        return RulesTeacher(job.answer_form)
    from lemma.teacher.openai import OpenAITeacher

    urls = [url or "" for url in job.endpoint.addresses]
    return OpenAITeacher(job.endpoint, job.role, SharedPool(urls, job.endpoint.concurrency, job.near, ask))


class _ToldPart:
    """A part whose end is told to the command."""

    def __init__(self, part: WorkPart, tally: Tally, done: set[int], kept: list[WorkPart]) -> None:
        self.number = part.number
        self._part = part
        self._tally = tally
        self._done = done
        self._kept = kept
        self._is_kept = False
        self.open_replies = part.open_replies
        self.groups = part.groups
        self.finish = part.finish

    def claim(self) -> bool:
        """As the part's; not what another worker has finished."""
        if self.number in self._done:
            return False
        is_mine = self._part.claim()
        if not is_mine and self._part.is_done():
            self._tally.done(self.number, None)  # by a worker that could not tell any more
        return is_mine

    def release(self) -> None:
        """As the part's, unless it is kept from others until the command has heard of it."""
        if not self._is_kept:
            self._part.release()

    def finished(self, result: Any) -> None:
        """Keeps the result for the command."""
        self._tally.done(self.number, result)
        if self._part.is_done():
            self._part.finished(result)
        else:  # nothing on disk says so: a round of injection, or a part that is derived anew
            self._is_kept = True
            self._kept.append(self._part)


class Tally:
    """Counts for the command what an engine tells a meter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report = Report()

    def take(self) -> Report:
        """What was counted since the last time."""
        with self._lock:
            report, self._report = self._report, Report(in_flight=self._report.in_flight)
        return report

    def done(self, number: int, result: Any) -> None:
        """A part is, with this result."""
        with self._lock:
            self._report.finished.append((number, result))

    def settled(self, reply: Reply | None) -> None:
        """See `Meter`."""
        with self._lock:
            self._report.settled += 1
            self._report.known += reply is None

    def replied(self, reply: Reply) -> None:
        """See `Meter`."""
        with self._lock:
            self._report.count(reply)

    def failed(self, error: CallFailed) -> None:
        """See `Meter`."""
        with self._lock:
            self._report.failures[error.kind] += 1
            self._report.last_failure = error.detail[:500]

    def finished(self, part: int) -> None:
        """Told by the part itself, with its result."""

    def tick(self, in_flight: int) -> None:
        """See `Meter`."""
        with self._lock:
            self._report.in_flight = in_flight

    def say(self, line: str) -> None:
        """Only that the engine stops, which the command knows: it told it to."""
