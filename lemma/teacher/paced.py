"""A teacher behind one address or several: each call goes to the least busy one that has room for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from lemma.stages.base import Reply, Request
from lemma.teacher.base import CallFailed
from lemma.teacher.pool import Address, Pool
from lemma.teacher.throttle import RateLimits

CHARS_A_TOKEN = 4.0
"""Before anything is known; then as the endpoint counts."""


class PacedTeacher:
    """Keeps calls within what the addresses can take; a subclass makes the calls.

    Args:
        pool: the addresses with their limits.
        clock: monotonic seconds.
    """

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._chars = self._input_tokens = 0
        self._replies = self._output_tokens = 0
        self._wanted = 1

    async def _call(self, request: Request, address: Address) -> tuple[Reply, RateLimits | None]:
        """Makes one call; raises as `Teacher.answer`."""
        raise NotImplementedError

    def claim(self, request: Request) -> tuple[Address, int] | None:
        """A place at the least busy address, with the tokens reserved; None where there is none at present."""
        now = self._clock()
        tokens = self._wanted = self._estimate(request)
        address = self._pool.pick(now, tokens)
        if address is None:
            return None
        self._pool.start(address, now, tokens)
        return address, tokens

    def wait_s(self) -> float:
        """Seconds until there may be a place for what was last refused one; infinite: when a call ends."""
        return self._pool.wait_s(self._clock(), self._wanted)

    async def answer(self, request: Request, place: tuple[Address, int]) -> Reply:
        """Makes the call and tells the pool how it went.

        Raises:
            CallFailed: no reply this time.
            TeacherError: there will be none for any request.
        """
        address, tokens = place
        began = self._clock()
        try:
            reply, limits = await self._call(request, address)
        except CallFailed as error:
            now = self._clock()
            if error.is_throttled:
                self._pool.throttled(address, now, began, error.retry_after_s, error.limits)
            else:
                self._pool.failed(address, now)
            raise
        except BaseException:
            self._pool.failed(address, self._clock())
            raise
        now = self._clock()
        used = self._learn(request, reply) or tokens
        self._pool.answered(address, now, began, tokens, used, limits)
        return reply

    def _estimate(self, request: Request) -> int:
        ratio = self._chars / self._input_tokens if self._input_tokens else CHARS_A_TOKEN
        output = self._output_tokens / self._replies if self._replies else 0
        if not self._replies and isinstance(cap := request.sampling.get("max_tokens"), int):
            output = cap / 4  # replies seldom fill it
        return int(_chars(request) / ratio + output) + 1

    def _learn(self, request: Request, reply: Reply) -> int:
        """Tokens of the call as the endpoint counts them; 0 where it does not say."""
        usage = reply.usage
        if usage.input_tokens:
            self._chars += _chars(request)
            self._input_tokens += usage.input_tokens
            self._replies += 1
            self._output_tokens += usage.output_tokens
        return usage.input_tokens + usage.output_tokens


def _chars(request: Request) -> int:
    return sum(len(message["content"]) for message in request.messages)
