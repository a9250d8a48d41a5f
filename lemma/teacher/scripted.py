"""A teacher that answers by a script: for tests of one's own stages and prompts, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lemma.errors import TeacherError
from lemma.stages.base import Reply, Request
from lemma.teacher.base import CallFailed
from lemma.teacher.paced import PacedTeacher
from lemma.teacher.pool import Address, Pool

MAX_CALLS = 65536

Script = Callable[[Request, int], "Reply | CallFailed | TeacherError"]
"""(request, how often it was asked before) → what happens."""


class ScriptedTeacher(PacedTeacher):
    """Answers by `script`, after `latency_s` seconds; counts what it was asked.

    Attributes:
        asked: request key → number of calls.
        answered: keys that were answered with a reply, in order; a key twice was paid for twice.
        in_flight_max: most calls at once.
    """

    def __init__(self, script: Script, latency_s: float = 0.0) -> None:
        super().__init__(Pool([""], MAX_CALLS, None, None))
        self._script = script
        self._latency_s = latency_s
        self.asked: dict[str, int] = {}
        self.answered: list[str] = []
        self.in_flight = 0
        self.in_flight_max = 0

    async def _call(self, request: Request, address: Address) -> tuple[Reply, None]:
        """Answers by the script.

        Raises:
            CallFailed: where the script says so.
            TeacherError: likewise.
        """
        before = self.asked.get(request.key, 0)
        self.asked[request.key] = before + 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await asyncio.sleep(self._latency_s)
            result = self._script(request, before)
        finally:
            self.in_flight -= 1
        if isinstance(result, Exception):
            raise result
        self.answered.append(request.key)
        return result, None

    async def close(self) -> None:
        """Nothing to let go of."""
