"""Processes beside the event loop that derive finished parts, so that the loop only sends, receives and appends.

They are forked before the loop starts, hold the same stage and parts, and are told the numbers of parts whose replies
are all on disk, or that need nobody to be asked. What a part's `finish` returns comes back, and now and then how far
it is. They end with their parent, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import mmap
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from lemma.errors import Interrupted, LemmaError, RunError

NICENESS = 5  # calls come first where cores are few, and yet parts are not starved where others want the cores too
AHEAD = 2  # parts that a single process knows of: one to work on, and one so that it need not wait for the loop
COLLECT_EVERY = 50_000  # new objects; records hold no cycles, so the collector finds nothing

Tell = Callable[[Any], None]
"""Sends word of how far a part is to the parent; raises Interrupted where that wants no more of it."""


class Deriver:
    """Runs `derive(number, tell)` for many numbers, in processes of its own; a context manager.

    Args:
        derive: called in a child; its result is pickled, as is what it tells.
        processes: how many work side by side.
        niceness: how far they stand back for others, as ``os.nice`` takes it.
        hear: called in the parent with what `derive` told.
    """

    def __init__(
        self,
        derive: Callable[[int, Tell], Any],
        processes: int = 1,
        niceness: int = NICENESS,
        hear: Callable[[Any], None] = lambda told: None,
    ) -> None:
        self._derive = derive
        self._num = processes
        self._niceness = niceness
        self._hear = hear
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._queue: deque[int] = deque()
        self._children: list[_Child] = []
        self._is_stopped = mmap.mmap(-1, 1)  # one byte that parent and children share

    def __enter__(self) -> Deriver:
        context = multiprocessing.get_context("fork")  # the parts and their plan are there without being sent
        for _ in range(self._num):
            ours, theirs = context.Pipe()
            arguments = (theirs, self._derive, self._niceness, self._is_stopped)
            process = context.Process(target=_serve, args=arguments, name="derive")
            process.start()
            theirs.close()
            self._children.append(_Child(ours, process))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.pipe.close()  # the child ends at its next read, after what it is at
        for child in self._children:
            child.process.join()
            child.process.close()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hears of results through the loop."""
        self._loop = loop
        for child in self._children:
            loop.add_reader(child.pipe.fileno(), self._receive, child)

    def detach(self) -> None:
        """Ends `attach`."""
        for child in self._children:
            self._loop.remove_reader(child.pipe.fileno())

    def submit(self, number: int) -> asyncio.Future[Any]:
        """Queues a part.

        Returns:
            What `derive` returned; or raises what it raised, as far as that is a LemmaError; other faults raise
            RunError with their trace.
        """
        future = self._waiting[number] = self._loop.create_future()
        self._queue.append(number)
        self._send()
        return future

    def stop(self) -> None:
        """Has what is queued or under way end with Interrupted when it next tells how far it is."""
        self._is_stopped[0] = 1

    def _send(self) -> None:
        """Hands on a few numbers: with a pipe full of them either side would wait for the other to read."""
        ahead = AHEAD if self._num == 1 else 1  # or one of them would end with two to do, and the others with none
        try:
            for child in self._children:
                while self._queue and child.sent < ahead:
                    child.pipe.send(self._queue.popleft())
                    child.sent += 1
        except OSError:
            self._gone()

    def _receive(self, child: _Child) -> None:
        try:
            number, result, error = child.pipe.recv()
        except (EOFError, OSError):
            self._gone()
            return
        if number is None:
            self._hear(result)
            return
        child.sent -= 1
        self._send()
        future = self._waiting.pop(number, None)
        if future is None or future.done():  # given up, as another process was killed
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _gone(self) -> None:
        self.detach()
        self._queue.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(
                    RunError(
                        "the process that derives finished parts was killed (out of memory?); every reply is on disk, "
                        "run the same command again"
                    )
                )
        self._waiting.clear()


class _Child:
    def __init__(self, pipe: Connection, process: multiprocessing.context.ForkProcess) -> None:
        self.pipe = pipe
        self.process = process
        self.sent = 0


def _serve(theirs: Connection, derive: Callable[[int, Tell], Any], niceness: int, is_stopped: mmap.mmap) -> None:
    # the parent's end of the pipe, or its end would never be seen; and whatever else is not ours to hold open
    for number in _open_descriptors():
        if number > 2 and number != theirs.fileno():
            with contextlib.suppress(OSError):
                os.close(number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides, and closes the pipe
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(0)  # it ended before
    os.nice(niceness)
    gc.freeze()  # what the parent made is shared with it, and no garbage
    gc.set_threshold(COLLECT_EVERY, 20, 100)

    def tell(told: Any) -> None:
        if is_stopped[0]:
            raise Interrupted("interrupted; every reply is on disk")
        with contextlib.suppress(BrokenPipeError):
            theirs.send((None, told, None))

    while True:
        try:
            number = theirs.recv()
        except (EOFError, OSError):
            return
        result, failure = None, None
        try:
            result = derive(number, tell)
        except LemmaError as error:
            failure = error
        except Exception as error:  # the process's edge: told in the parent, not lost
            trace = " | ".join(line.strip() for line in traceback.format_exception(error)[-3:])
            failure = RunError(f"internal error while a part was derived: {trace}")
        with contextlib.suppress(BrokenPipeError):
            theirs.send((number, result, failure))


def _open_descriptors() -> list[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            return [int(name) for name in os.listdir(folder)]
    return list(range(3, 1024))


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that forked it ends; elsewhere it ends at its next read."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
