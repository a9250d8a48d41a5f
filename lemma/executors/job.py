"""What goes between the command and its workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from lemma.budget import Budget
from lemma.config import Endpoint
from lemma.errors import LemmaError
from lemma.stages.base import Reply
from lemma.teacher.base import FailureKind

Role = Literal["student", "teacher"]


@dataclass(frozen=True)
class Job:
    """Some parts of a stage for one worker."""

    version: str
    """Of lemma: the same everywhere, or prompts and checks would differ from part to part."""
    numbers: tuple[int, ...]
    """Of the parts, in the order in which to come to them."""
    role: Role
    endpoint: Endpoint | None
    """With the worker's share of the calls; None: a program answers."""
    near: frozenset[int]
    """Which of the endpoint's addresses come first."""
    budget: Budget | None
    """The worker's share; None: no limit."""
    answer_form: str


@dataclass
class Report:
    """What happened in a worker since it last told."""

    settled: int = 0
    """Draws that are done, those `known` among them."""
    known: int = 0
    """By replies that were on disk before."""
    replies: int = 0
    input_tokens: int = 0
    """Of these replies; the next two likewise."""
    cached_input_tokens: int = 0
    output_tokens: int = 0
    failures: Counter[FailureKind] = field(default_factory=Counter)
    last_failure: str = ""
    """In the endpoint's own words."""
    finished: list[tuple[int, Any]] = field(default_factory=list)
    """Parts that are done, with what their `finish` returned."""
    in_flight: int = 0
    spent_tokens: int = 0
    """Of the share, in all."""
    spent_usd: float = 0.0

    def count(self, reply: Reply) -> None:
        """A reply arrived."""
        self.replies += 1
        self.input_tokens += reply.usage.input_tokens
        self.cached_input_tokens += reply.usage.cached_input_tokens
        self.output_tokens += reply.usage.output_tokens

    @property
    def is_news(self) -> bool:
        """Whether the work has come on."""
        return bool(self.settled or self.replies or self.finished)


@dataclass(frozen=True)
class Ended:
    """How a worker's work on a job ended."""

    last: Report
    error: LemmaError | None = None
    is_spent: bool = False
    """Its share of the budget is."""
