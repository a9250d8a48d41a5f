"""Sends what a run makes to the storage, from a thread beside it, which never waits for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from lemma.errors import LemmaError, StorageError
from lemma.storage.mirror import Mirror

T = TypeVar("T")
LOOK_S: Final = 1.0
REPLY_BYTES: Final = 2000
"""Of one reply, roughly: what is not up is counted in bytes."""
PATIENCE_S: Final = 120.0
"""How long the end of a command tries to get the rest up."""
LONGEST_PAUSE_S: Final = 30.0


class Pusher:
    """A thread that sends replies every so many or so many seconds, and finished parts as they come.

    Args:
        mirror: what is sent.
        require_lease: raises where this process must not write files any more; its replies are its own in any case.
        flush_s: how long a reply may be here only.
        flush_replies: about how many may be.
        say: takes a line for the person.
        patience_s: see `PATIENCE_S`.
    """

    def __init__(
        self,
        mirror: Mirror,
        require_lease: Callable[[], None],
        flush_s: float,
        flush_replies: int,
        say: Callable[[str], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._mirror = mirror
        self._require_lease = require_lease
        self._flush_s = flush_s
        self._flush_bytes = flush_replies * REPLY_BYTES
        self._say = say
        self._patience_s = patience_s
        self._pushing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._afterwards: list[Callable[[], None]] = []
        self._failing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def after_push(self, do: Callable[[], None]) -> None:
        """Has something done once all that is here now is up; soon."""
        self._afterwards.append(do)
        self._wake.set()

    def push(self, *, with_exports: bool = False) -> None:
        """Sends what is here and not there.

        Raises:
            StorageError: the storage cannot be reached.
            RunError: this process may have been taken for dead; its replies are up.
        """
        with self._pushing:
            count = len(self._afterwards)
            self._mirror.push_replies()
            self._mirror.push_files(self._require_lease, with_exports=with_exports)
            for _ in range(count):
                self._afterwards[0]()  # stays where it fails, and is tried again
                del self._afterwards[0]

    def push_soon(self) -> None:
        """Has the thread send what is here, without waiting for that."""
        self._wake.set()

    def push_now(self) -> None:
        """As `push`, for others who wait for it; the dataset goes up as well, nobody is writing it.

        Raises:
            StorageError: the storage could not be reached for `patience_s`.
            RunError: see `push`.
        """
        self.patiently(lambda: self.push(with_exports=True))

    def patiently(self, do: Callable[[], T]) -> T:
        """Does something, again and again where the storage cannot be reached.

        Raises:
            StorageError: it could not be for `patience_s`.
        """
        return self._attempts(stop=stop_after_delay(self._patience_s))(do)

    def fetch(self, prefix: str = "", *, with_replies: bool) -> None:
        """Brings here what others have sent: of all files, or of those whose names begin so.

        Raises:
            StorageError: the storage could not be reached for `patience_s`.
        """

        def fetch() -> None:
            with self._pushing:
                self._mirror.fetch(prefix, is_final=False, with_replies=with_replies)

        self.patiently(fetch)

    def close(self) -> None:
        """Ends the thread and sends the rest, dataset and all.

        Raises:
            StorageError: not all is up, though it was tried for `patience_s`.
            RunError: see `push`.
        """
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.patiently(lambda: self.push(with_exports=True))

    def _attempts(self, **more: Any) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(StorageError),
            wait=wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_S) + wait_random(0, 0.5),
            before_sleep=self._tell,
            reraise=True,
            **more,
        )

    def _tell(self, state: RetryCallState) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            error = state.outcome.exception() if state.outcome is not None else None
            self._say(f"{error}; trying again, all is on the local disk meanwhile")

    def _run(self) -> None:
        pushed_s = time.monotonic()
        while not self._closing.is_set():
            is_asked = self._wake.wait(min(LOOK_S, self._flush_s))
            self._wake.clear()
            is_due = is_asked or time.monotonic() - pushed_s >= self._flush_s
            if self._closing.is_set() or not (is_due or self._mirror.pending_bytes() >= self._flush_bytes):
                continue
            try:
                for attempt in self._attempts(
                    stop=stop_when_event_set(self._closing), sleep=sleep_using_event(self._closing)
                ):
                    with attempt:
                        self.push()
            except StorageError:
                return  # the end of the command: `close` tries on
            except LemmaError as error:
                self._say(str(error))
                return  # nothing is sent any more; `close` tells it again
            except OSError as error:  # of a file that came or went at this moment: the next time
                self._say(str(error))
                continue
            except Exception as error:  # the thread's edge: a fault of ours must not have others wait without end
                self._say(f"internal error while files were sent: {type(error).__name__}: {error}; trying again")
                continue
            if self._failing_since is not None:
                self._say(f"the storage is reached again, after {time.monotonic() - self._failing_since:.0f} s")
                self._failing_since = None
            pushed_s = time.monotonic()
