"""Run small pure functions in worker processes that can be killed.

A function that reads hostile input may run for ever or ask for all memory. Here it runs in a child that is killed
at a deadline and held to a memory limit by the kernel; never by signals or threads inside the caller. Safe to call
from any thread, from a thread under asyncio, and from scripts without a ``__main__`` guard, as nothing of the
caller's program is imported by a worker.

A *warden* process (this module run as a program) imports the wanted module once and forks a *worker* from itself. A
killed worker is replaced by a fresh fork, within milliseconds and from the warden's clean memory. Requests and
replies are single lines of JSON.

Example::

    sandbox = Sandbox("lemma.answers.algebra:settle", deadline_s=0.6, memory_mb=512)
    sandbox.run([["sym", "x"], ["sym", "y"]])   # the function's JSON result, or raises SandboxError
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_START_S = 30.0
_TASKS_PER_WORKER = 5_000
_MAX_REQUEST_BYTES = 48_000  # below a pipe's capacity, so that writing to a stuck worker never blocks


class SandboxError(Exception):
    """A call gave no result: it ran out of time or memory, crashed, or raised. The message says which."""


class Sandbox:
    """A pool of workers for one function, started as needed.

    Args:
        target: ``module:function``; the function takes and returns one JSON value.
        deadline_s: seconds a call may run before its worker is killed. Starting a worker does not count.
        memory_mb: address space a worker may have.
        max_workers: calls that run at once; further callers wait.
    """

    def __init__(self, target: str, *, deadline_s: float, memory_mb: int, max_workers: int | None = None) -> None:
        self.target = target
        self.deadline_s = deadline_s
        self.memory_mb = memory_mb
        self._slots = threading.BoundedSemaphore(max_workers or min(4, os.cpu_count() or 1))
        self._lock = threading.Lock()
        self._idle: list[_Warden] = []
        self._all: set[_Warden] = set()
        self._owner = os.getpid()
        atexit.register(self.close)

    def run(self, request: Any, deadline_s: float | None = None) -> Any:
        """Return ``function(request)``, computed in a worker.

        Raises:
            SandboxError: the worker was killed at the deadline, died, or the function raised.
        """
        line = json.dumps(request).encode()
        if len(line) > _MAX_REQUEST_BYTES:
            raise SandboxError("request too large")
        with self._slots:
            warden = self._take()
            try:
                reply = warden.call(line, deadline_s or self.deadline_s)
            except BaseException:
                if warden.is_usable:
                    self._give_back(warden)
                else:
                    self._discard(warden)
                raise
            self._give_back(warden)
        return reply

    def warm(self) -> None:
        """Start one worker now, so that the first call does not wait for it. Raises SandboxError if none starts."""
        with self._slots:
            self._give_back(self._take())

    def worker_pids(self) -> list[int]:
        """Process ids of the wardens and workers alive, for tests and monitoring."""
        with self._lock:
            return [pid for warden in self._all for pid in (warden.process.pid, warden.worker_pid) if pid]

    def close(self) -> None:
        """End all processes. The sandbox starts new ones when used again."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            wardens, self._all = self._all, set()
            self._idle = []
        for warden in wardens:
            warden.stop()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> _Warden:
        if os.getpid() != self._owner:  # a fork: the wardens are the parent's, and so are their pipes
            self._owner, self._idle, self._all = os.getpid(), [], set()
        with self._lock:
            while self._idle:
                warden = self._idle.pop()
                if warden.process.poll() is None:
                    return warden
                self._all.discard(warden)
                warden.stop()
        warden = _Warden(self.target, self.memory_mb)
        with self._lock:
            self._all.add(warden)
        try:
            warden.wait_ready(_START_S)
        except SandboxError:
            self._discard(warden)
            raise
        return warden

    def _give_back(self, warden: _Warden) -> None:
        with self._lock:
            if warden in self._all:
                self._idle.append(warden)

    def _discard(self, warden: _Warden) -> None:
        with self._lock:
            self._all.discard(warden)
        warden.stop()


class _Warden:
    """The caller's end of one warden process and its current worker."""

    def __init__(self, target: str, memory_mb: int) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", "lemma.sandbox", target, str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
            start_new_session=True,  # an interrupt at the terminal is the caller's to handle
        )
        self.worker_pid = 0
        self.is_usable = False
        self._buffer = b""
        self._serial = 0
        self._poll = select.poll()  # select() would fail in a program with a thousand open files
        assert self.process.stdout is not None
        self._poll.register(self.process.stdout, select.POLLIN | select.POLLHUP)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until a worker says that it is there."""
        if not self.worker_pid:
            self._await_reply(None, time.monotonic() + timeout_s)
        self.is_usable = True

    def call(self, line: bytes, deadline_s: float) -> Any:
        """Send one request and wait for its reply; kill the worker when it is late."""
        self._serial += 1
        self.is_usable = False
        assert self.process.stdin is not None
        try:
            self.wait_ready(_START_S)
            self.is_usable = False
            self.process.stdin.write(b"%d %s\n" % (self._serial, line))
            status, value = self._await_reply(self._serial, time.monotonic() + deadline_s)
        except OSError as error:
            raise SandboxError("the warden is gone") from error
        except _LateError:
            self._replace()
            raise SandboxError(f"killed after {deadline_s} s") from None
        except _DiedError:
            self._replace()
            raise SandboxError("the worker died") from None
        self.is_usable = True
        if status != "ok":
            raise SandboxError(str(value))
        return value

    def stop(self) -> None:
        """Kill warden and worker, and reap the warden."""
        for pid in (self.worker_pid, self.process.pid):
            if pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)

    def _replace(self) -> None:
        """Kill the worker; the warden forks the next one, which announces itself when it is first needed."""
        if self.worker_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.worker_pid, signal.SIGKILL)
        self.worker_pid = 0
        self.is_usable = self.process.poll() is None

    def _await_reply(self, serial: int | None, until: float) -> tuple[str, Any]:
        """Read lines until the reply to ``serial``, or, where it is None, until a worker announces itself."""
        assert self.process.stdout is not None
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                head, _, body = line.partition(b" ")
                if head == b"ready":
                    # A new worker while a reply is awaited: the one before it died of the request.
                    self.worker_pid = int(body)
                    if serial is None:
                        return "ready", None
                    raise _DiedError
                if head == b"%d" % (serial or 0):
                    status, value, is_last = json.loads(body)
                    if is_last:
                        self.worker_pid = 0
                    return status, value
            wait_s = until - time.monotonic()
            if wait_s <= 0 or not self._poll.poll(wait_s * 1000):
                if serial is None:
                    raise SandboxError("no worker started")
                raise _LateError
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                raise SandboxError("the warden is gone")
            self._buffer += chunk


class _LateError(Exception):
    """The deadline passed."""


class _DiedError(Exception):
    """The worker was replaced while its reply was awaited."""


def _serve(function: Any, tasks: int) -> None:
    """Answer requests from standard input until it ends, in a worker."""
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    os.write(1, b"ready %d\n" % os.getpid())
    pending = b""
    while tasks:
        while b"\n" not in pending:
            chunk = source.read(65536)
            if not chunk:
                os._exit(0)
            pending += chunk
        line, pending = pending.split(b"\n", 1)
        serial, _, body = line.partition(b" ")
        try:
            reply: list[Any] = ["ok", function(json.loads(body))]
        except MemoryError:
            os._exit(70)  # the heap may be in any state
        except Exception as error:  # the process's edge: whatever the function raises is told, not lost
            reply = ["error", f"{type(error).__name__}: {error}"[:500]]
        tasks -= 1
        # The caller is told that this worker ends here, so that it waits for the next one's announcement.
        os.write(1, serial + b" " + json.dumps([*reply, not tasks]).encode() + b"\n")
    os._exit(3)


def _die_with_parent() -> None:
    """Ask Linux to kill this worker when its warden ends; elsewhere it ends at its next read."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _limit_memory(memory_mb: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limit = memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _keep_worker(target: str, memory_mb: int) -> None:
    """Fork workers, one at a time, until the caller is gone: the warden's whole life."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    caller = os.getppid()
    while True:
        worker = os.fork()
        if worker == 0:
            _die_with_parent()
            _limit_memory(memory_mb)
            _serve(function, _TASKS_PER_WORKER)
        while True:
            done, status = os.waitpid(worker, os.WNOHANG)
            if done:
                break
            # Wakes at the worker's end where the platform can tell it, else every so often; and looks for the caller.
            _wait_for_end(worker, 1.0)
            if os.getppid() != caller:
                os.kill(worker, signal.SIGKILL)
                os._exit(0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            os._exit(0)


def _wait_for_end(worker: int, timeout_s: float) -> None:
    if not hasattr(os, "pidfd_open"):
        time.sleep(0.02)
        return
    handle = os.pidfd_open(worker)
    try:
        select.select([handle], [], [], timeout_s)
    finally:
        os.close(handle)


if __name__ == "__main__":
    _keep_worker(sys.argv[1], int(sys.argv[2]))
