"""A program answers, as the derive pass comes to its requests: in processes of their own where it is pure."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Final

from lemma.deriver import Deriver, Tell
from lemma.engine.base import Meter, Part
from lemma.engine.finishing import Finishing
from lemma.stages.base import Reply
from lemma.teacher.base import Program, PureProgram

TELL_EVERY = 64  # draws that are answered between two words about it
_ANSWERED = Reply("", "", "stop")


class Computing:
    """Has parts derived one after the other, or side by side, with a program for what they lack.

    Args:
        parts: by number, in order.
        program: who answers.
        meter: told of progress.
    """

    in_flight: Final = 0

    def __init__(self, parts: Mapping[int, Part], program: Program, meter: Meter) -> None:
        self._parts = parts
        self._program = program
        self._is_pure = isinstance(program, PureProgram)
        self._processes = max(1, min(_num_cores(), len(parts))) if self._is_pure else 1
        self._meter = meter

    def deriver(self) -> Deriver:
        """What derives the parts, and does all the work: it stands back for nobody."""
        return Deriver(self._derive, self._processes, 0, self._heard)

    async def work(self, finishing: Finishing) -> None:
        """Hands over every part that is to be had."""
        for number, part in self._parts.items():
            await finishing.wait_for_room(2 * self._processes)  # some are claimed before there is a process for them
            if finishing.error is not None:
                return
            if not part.claim():
                continue
            if self._is_pure:
                finishing.submit(part)
            else:
                finishing.finished(part, self._derive(number, self._heard))
                await asyncio.sleep(0)

    def give_up(self) -> None:
        """Nothing is in flight: what is under way ends when it next tells how far it is."""

    def _derive(self, number: int, tell: Tell) -> Any:
        """In a derive process or, where the program has a state, in this one."""
        part = self._parts[number]
        store = part.open_replies()
        try:
            store.sync_all()
            progress = _Progress(tell)
            progress.flush()
            store.complete_by(self._program.answer_now, progress.told)
            result = part.finish(store)
            progress.flush()
            return result
        finally:
            store.close()

    def _heard(self, progress: tuple[int, int]) -> None:
        """How many requests were answered, and how many replies were on disk, since it was last heard of."""
        answered, known = progress
        for _ in range(answered):
            self._meter.replied(_ANSWERED)
            self._meter.settled(_ANSWERED)
        for _ in range(known):
            self._meter.settled(None)


class _Progress:
    """Tells now and then what a program has done."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._answered = self._known = 0

    def told(self, reply: Reply | None) -> None:
        if reply is None:
            self._known += 1
        else:
            self._answered += 1
        if self._answered + self._known == TELL_EVERY:
            self.flush()

    def flush(self) -> None:
        self._tell((self._answered, self._known))
        self._answered = self._known = 0


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
