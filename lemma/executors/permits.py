"""Permits between processes: a desk that gives them out, and the way from an engine's loop to it and back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from lemma.teacher.permits import LeasedThrottle, SharedLimit, Wish


class Desk:
    """Gives out the permits of one address, first come first served.

    Args:
        rpm: requests a minute at most.
        tpm: tokens a minute at most.
    """

    def __init__(self, rpm: float | None, tpm: float | None) -> None:
        self._limit = SharedLimit(rpm, tpm, time.monotonic())
        self._turn = asyncio.Lock()

    async def lease(self, wish: Wish) -> int:
        """Permits for a wish, as soon as there are some."""
        self._limit.hear(wish, time.monotonic())
        async with self._turn:
            while not (permits := self._limit.take(wish, time.monotonic())):
                await asyncio.sleep(self._limit.wait_s(wish, time.monotonic()))
            return permits


class Desks:
    """The desks of an endpoint's addresses, as a worker asks them; see `SharedPool`.

    Args:
        handles: of the desks, one for each address.
    """

    def __init__(self, handles: Sequence[Any]) -> None:
        self._handles = list(handles)

    def __call__(self, number: int, throttle: LeasedThrottle, wish: Wish) -> None:
        """Sends a wish on its way; never waits."""
        loop = asyncio.get_running_loop()

        def answered(answer: Future[int]) -> None:
            # a desk that is gone gives nothing; it is started anew elsewhere
            permits = answer.result() if answer.exception() is None else 0
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                loop.call_soon_threadsafe(lambda: throttle.granted(permits, time.monotonic()))

        self._handles[number].lease.remote(wish).future().add_done_callback(answered)
