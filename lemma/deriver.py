"""A process beside the event loop that derives finished parts, so that the loop only sends, receives and appends.

It is forked before the loop starts, holds the same stage and parts, and is told the numbers of parts whose replies
are all on disk. Nothing but what a part's `finish` returns comes back. It ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from lemma.errors import LemmaError, RunError

NICENESS = 5  # calls come first where cores are few, and yet parts are not starved where others want the cores too
AHEAD = 2  # parts that the process knows of: one to work on, and one so that it need not wait for the loop


class Deriver:
    """Runs `derive(number)` for one number after the other, in a process of its own; a context manager.

    Args:
        derive: called in the child; its result is pickled.
        niceness: how far the child stands back for others, as ``os.nice`` takes it.
    """

    def __init__(self, derive: Callable[[int], Any], niceness: int = NICENESS) -> None:
        self._derive = derive
        self._niceness = niceness
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._queue: deque[int] = deque()
        self._sent = 0

    def __enter__(self) -> Deriver:
        context = multiprocessing.get_context("fork")  # the parts and their plan are there without being sent
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._derive, self._niceness), name="derive")
        self._process.start()
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()  # the child ends at its next read, after what it is at
        self._process.join()
        self._process.close()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hears of results through the loop."""
        self._loop = loop
        loop.add_reader(self._ours.fileno(), self._receive)

    def detach(self) -> None:
        """Ends `attach`."""
        self._loop.remove_reader(self._ours.fileno())

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

    def _send(self) -> None:
        """Hands on a few numbers: with a pipe full of them either side would wait for the other to read."""
        try:
            while self._queue and self._sent < AHEAD:
                self._ours.send(self._queue.popleft())
                self._sent += 1
        except OSError:
            self._gone()

    def _receive(self) -> None:
        try:
            number, result, error = self._ours.recv()
        except (EOFError, OSError):
            self._gone()
            return
        self._sent -= 1
        self._send()
        future = self._waiting.pop(number)
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _gone(self) -> None:
        self._loop.remove_reader(self._ours.fileno())
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(
                    RunError(
                        "the process that derives finished parts was killed (out of memory?); every reply is on disk, "
                        "run the same command again"
                    )
                )
        self._waiting.clear()


def _serve(theirs: Connection, derive: Callable[[int], Any], niceness: int) -> None:
    # the parent's end of the pipe, or its end would never be seen; and whatever else is not ours to hold open
    for number in _open_descriptors():
        if number > 2 and number != theirs.fileno():
            with contextlib.suppress(OSError):
                os.close(number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides, and closes the pipe
    _die_with_parent()
    os.nice(niceness)
    gc.freeze()  # what the parent made is shared with it, and no garbage
    while True:
        try:
            number = theirs.recv()
        except (EOFError, OSError):
            return
        result, failure = None, None
        try:
            result = derive(number)
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


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the one that forked it ends; elsewhere it ends at its next read."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(0)
