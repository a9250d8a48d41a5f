"""What an engine works on, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from lemma.replies import ReplyStore
from lemma.stages.base import Group, Reply
from lemma.teacher.base import CallFailed

REFUSALS_TOLERATED = 50  # from the start of a stage without a single answer


class Part(Protocol):
    """A part whose units may lack replies."""

    number: int

    def claim(self) -> bool:
        """Called when the engine comes to the part. False: another process works on it, or has finished it."""
        ...

    def release(self) -> None:
        """Called at the end, whatever became of the part: another process may have it."""
        ...

    def open_replies(self) -> ReplyStore:
        """The part's replies."""
        ...

    def groups(self) -> Iterator[Group]:
        """Its problems with all that earlier stages made of them, streamed from disk."""
        ...

    def finish(self, store: ReplyStore) -> Any:
        """Derives and writes the part once no unit lacks a reply; called in another process."""
        ...

    def finished(self, result: Any) -> None:
        """Hears in this process what `finish` returned in that one."""
        ...


class Meter(Protocol):
    """What a person wants to see while units are worked on."""

    def settled(self, reply: Reply | None) -> None:
        """A draw is done: by this reply, or (None) by replies on disk."""
        ...

    def replied(self, reply: Reply) -> None:
        """A reply arrived."""
        ...

    def failed(self, error: CallFailed) -> None:
        """A call failed and will be made again."""
        ...

    def finished(self, part: int) -> None:
        """A part is on disk."""
        ...

    def tick(self, in_flight: int) -> None:
        """Some seconds have passed; so many calls are in flight."""
        ...

    def say(self, line: str) -> None:
        """A line for the person."""
        ...
