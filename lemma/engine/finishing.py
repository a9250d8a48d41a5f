"""Parts that lack nothing on their way through the derive pass; and the error that ends the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lemma.deriver import Deriver
from lemma.engine.base import Meter, Part
from lemma.errors import LemmaError


class Finishing:
    """Hands parts to the derive pass and hears what became of them; made inside the loop.

    Args:
        deriver: what derives them.
        meter: told of those that are finished.

    Attributes:
        error: what ends the work: nothing is begun once there is one.
        on_stop: called when something has said that the work has to end.
    """

    def __init__(self, deriver: Deriver, meter: Meter) -> None:
        self._deriver = deriver
        self._meter = meter
        self._pending: set[asyncio.Future[Any]] = set()
        self.error: LemmaError | None = None
        self.on_stop: Callable[[], None] | None = None
        deriver.attach(asyncio.get_running_loop())

    def submit(self, part: Part) -> None:
        """Queues a part whose replies are all on disk, or that needs nobody to be asked."""
        future = self._deriver.submit(part.number)
        self._pending.add(future)
        future.add_done_callback(lambda done: self._derived(part, done))

    def finished(self, part: Part, result: Any) -> None:
        """A part is derived and written."""
        part.finished(result)
        self._meter.finished(part.number)

    def _derived(self, part: Part, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.finished(part, future.result())
        else:
            self.stop(error)

    def stop(self, error: BaseException) -> None:
        """Ends the work; the first error is the one to tell."""
        if self.error is None:
            self.error = error if isinstance(error, LemmaError) else _Crash(error)
            self._deriver.stop()
        if self.on_stop is not None:
            self.on_stop()

    async def wait_for_room(self, ahead: int) -> None:
        """Until no more than `ahead` parts are under way, or the work ends."""
        while len(self._pending) > ahead and self.error is None:
            await asyncio.wait(set(self._pending), return_when=asyncio.FIRST_COMPLETED)

    async def wait(self) -> None:
        """Until no part is under way."""
        while self._pending:
            await asyncio.wait(set(self._pending))

    def close(self) -> None:
        """Hears of nothing any more."""
        self._deriver.detach()


class _Crash(LemmaError):
    """A fault of our own in a call's task; carries it to the process's edge."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"internal error: {type(error).__name__}: {error}")
        self.__cause__ = error
