"""A stand-in for the workers: it answers as told and keeps what it was asked."""

from __future__ import annotations

import json
from typing import Any

from lemma.answers.comparing.formulas import Formulas
from lemma.answers.comparing.kinds import Comparison
from lemma.answers.reading import read
from lemma.sandbox import Sandbox


class ScriptedSandbox(Sandbox):
    """Replies ``reply`` to every request, in this process."""

    def __init__(self, reply: bool | None) -> None:
        super().__init__("json:loads", deadline_s=1, memory_mb=256)
        self.reply = reply
        self.requests: list[Any] = []

    def warm(self) -> None:
        """Nothing is to be started."""

    def run(self, request: Any, deadline_s: float | None = None) -> Any:
        """Keep the request."""
        self.requests.append(json.loads(request))
        return self.reply


def same(left: str, right: str, reply: bool | None = None) -> bool | None:
    """Compare two answers' values, with workers that always say ``reply``; both ways round, which must agree."""
    one, other = read(left), read(right)
    assert one is not None
    assert other is not None
    there, back = (
        Comparison(Formulas(lambda: ScriptedSandbox(reply))).same(*sides) for sides in ((one, other), (other, one))
    )
    assert there is back
    return there
