"""What answers requests: a language model behind an endpoint, or a program."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

from lemma.stages.base import Reply, Request
from lemma.teacher.throttle import RateLimits

FailureKind = Literal["throttled", "server_error", "timeout", "connection", "unreadable", "other"]
"""Why a call gave no reply: status 429; status 500 and above; no answer in time; no connection, or one that was broken
off; a body that is no whole reply; another status."""


class CallFailed(Exception):
    """A call that gave no reply; it costs no attempt and may be made again.

    Args:
        detail: the endpoint's or the network's own words.
        is_throttled: the endpoint asks for fewer calls (429, 503).
        retry_after_s: how long the endpoint asks to wait, in seconds.
        limits: what the endpoint's headers say of its limits.
        kind: what it is counted as.
    """

    def __init__(
        self,
        detail: str,
        is_throttled: bool = False,
        retry_after_s: float | None = None,
        limits: RateLimits | None = None,
        kind: FailureKind = "other",
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.is_throttled = is_throttled
        self.retry_after_s = retry_after_s
        self.limits = limits
        self.kind = kind


@runtime_checkable
class Teacher(Protocol):
    """Answers one request at a time, many at once."""

    def claim(self, request: Request) -> Any | None:
        """A place for one more call, to be handed to `answer` at once; None where there is none at present."""
        ...

    def wait_s(self) -> float:
        """Seconds until there may be a place; infinite where that takes the end of a call."""
        ...

    async def answer(self, request: Request, place: Any) -> Reply:
        """Answers, and gives the place back.

        Raises:
            CallFailed: no reply this time.
            TeacherError: there will be none for any request (key, model name, quota).
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


@runtime_checkable
class Program(Protocol):
    """A teacher that computes: its answer is there at once and costs nothing."""

    def answer_now(self, request: Request) -> Reply:
        """Answers; never fails."""
        ...


@runtime_checkable
class PureProgram(Program, Protocol):
    """A program whose answers depend on the requests alone: any process may ask its own copy of it."""

    is_pure: bool
