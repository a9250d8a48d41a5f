"""What a stage is: its units of work, what it asks about them, how it reads and checks the replies.

A stage knows nothing of files, time or concurrency; the engine knows nothing of mathematics. Data flow::

    Group ─ units() ─▶ Unit ─ request() ─▶ Request ─ (teacher) ─▶ Reply ─ parse() ─▶ parsed ─ make() ─▶ record
                                                                                                  ─ check()

A unit gives exactly one record or one rejection, so that units = kept + rejected + left always holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol

from pydantic import JsonValue

from lemma.records import Mistake, Problem, Record, Sample, Trajectory, content_hash


@dataclass(frozen=True, slots=True)
class GivenSample:
    """A student output that came with the problem (dataset `rollouts`): scored, never resampled."""

    text: str
    model: str
    claimed_correct: bool | None = None
    """The source's own flag, compared with our verdict; ours counts."""


@dataclass(frozen=True, slots=True)
class Group:
    """One problem with all that earlier stages made of it, each list in its file's order."""

    problem: Problem
    given: tuple[GivenSample, ...] = ()
    samples: tuple[Sample, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """Of the student (analyze) first, then injected ones."""
    trajectories: tuple[Trajectory, ...] = ()


@dataclass(frozen=True, slots=True)
class Gold:
    """A correct solution that we already have."""

    text: str
    """Ends in the configured answer form."""
    source: Literal["student", "reference"]
    id: str
    """Id of the sample, or of the problem for its reference solution."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to do. `id` is a hash of (parent id, stage, what is asked)."""

    id: str

    @property
    def problem(self) -> Problem:
        """The problem that the unit belongs to."""
        raise NotImplementedError

    @property
    def parent(self) -> str:
        """Id of the record that the unit works on."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What is asked, in a word or two (a strategy, an error type)."""
        return ""


@dataclass(frozen=True, slots=True)
class SampleUnit(Unit):
    """Draw number `draw` of a problem; with `given`, nothing is asked and the text is only scored."""

    of: Problem
    draw: int
    given: GivenSample | None = None

    @property
    def problem(self) -> Problem:  # noqa: D102
        return self.of

    @property
    def parent(self) -> str:  # noqa: D102
        return self.of.id


@dataclass(frozen=True, slots=True)
class AnalyzeUnit(Unit):
    """A wrong sample: where is its first error, and of which type?"""

    sample: Sample

    @property
    def problem(self) -> Problem:  # noqa: D102
        return self.sample.problem

    @property
    def parent(self) -> str:  # noqa: D102
        return self.sample.id


@dataclass(frozen=True, slots=True)
class InjectUnit(Unit):
    """Alter one step of `gold` by an error of `error_type`, carried through to a wrong answer."""

    of: Problem
    gold: Gold
    error_type: str
    slot: int
    """Which of the problem's `inject.per_problem` mistakes this is, from 0."""
    round: int
    """From 1; a slot that gave nothing may be asked again in a later round."""

    @property
    def problem(self) -> Problem:  # noqa: D102
        return self.of

    @property
    def parent(self) -> str:  # noqa: D102
        return self.of.id

    @property
    def label(self) -> str:  # noqa: D102
        return self.error_type


@dataclass(frozen=True, slots=True)
class CorrectUnit(Unit):
    """Correct `mistake` by `strategy`."""

    mistake: Mistake
    strategy: str
    gold: Gold
    """The correct solution that guides the teacher, or that the text starts afresh with."""
    is_gold_verbatim: bool
    """Whether `gold`, character for character, is the continuation and only a reflection is asked."""

    @property
    def problem(self) -> Problem:  # noqa: D102
        return self.mistake.problem

    @property
    def parent(self) -> str:  # noqa: D102
        return self.mistake.id

    @property
    def label(self) -> str:  # noqa: D102
        return self.strategy


@dataclass(frozen=True, slots=True)
class SmoothUnit(Unit):
    """Make `trajectory` read as one natural train of thought."""

    trajectory: Trajectory

    @property
    def problem(self) -> Problem:  # noqa: D102
        return self.trajectory.mistake.problem

    @property
    def parent(self) -> str:  # noqa: D102
        return self.trajectory.id

    @property
    def label(self) -> str:  # noqa: D102
        return self.trajectory.strategy


def hash_sampling(sampling: Mapping[str, JsonValue]) -> str:
    """Hash of a request's parameters."""
    return content_hash(json.dumps(sampling, sort_keys=True))


@lru_cache(maxsize=64)
def _constant_hash(text: str) -> str:
    return content_hash(text)


def _text_hash(message: Mapping[str, str]) -> str:
    """Hash of a message's text; instructions are the same in every request of a stage, and long."""
    return _constant_hash(message["content"]) if message["role"] == "system" else content_hash(message["content"])


@dataclass(frozen=True)
class Request:
    """What is asked; `unit` lets a teacher that is no language model answer from it."""

    unit: Unit
    messages: tuple[Mapping[str, str], ...]
    """``{"role": "system" | "user" | "assistant", "content": text}`` each, as endpoints take them."""
    model: str
    sampling: Mapping[str, JsonValue]
    """Every parameter that changes the reply: temperature, max_tokens, api, stop, extra_body, …"""
    prompt_hash: str
    draw: int = 0
    """Index of the sample or vote."""
    attempt: int = 0
    """Index of the attempt, from 0."""
    sampling_hash: str = ""
    """`hash_sampling` of `sampling`, where it is known: a stage sends few different ones."""

    @cached_property
    def key(self) -> str:
        """Hash of (messages, model, sampling, draw, attempt): never of address, backend or timeout."""
        messages = [part for message in self.messages for part in (message["role"], _text_hash(message))]
        sampling = self.sampling_hash or hash_sampling(self.sampling)
        return content_hash(*messages, self.model, sampling, str(self.draw), str(self.attempt))[:32]

    @property
    def seed(self) -> int:
        """The seed to send, in [0, 2**31): derived from (unit, draw, attempt)."""
        return int(content_hash(self.unit.id, str(self.draw), str(self.attempt))[:8], 16) >> 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the endpoint counts them."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    is_batch: bool = False
    """Whether they were paid for at the price of batches."""

    @property
    def batch_input_tokens(self) -> int:
        """`input_tokens` where they are a batch's."""
        return self.input_tokens if self.is_batch else 0

    @property
    def batch_cached_input_tokens(self) -> int:
        """Likewise."""
        return self.cached_input_tokens if self.is_batch else 0

    @property
    def batch_output_tokens(self) -> int:
        """Likewise."""
        return self.output_tokens if self.is_batch else 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer that was paid for, as kept in ``replies/``."""

    key: str
    text: str
    finish_reason: str
    """`stop`, `length`, … as the endpoint says; `refused` where it would not answer (400, content filter)."""
    model: str = ""
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    detail: str = ""
    """The endpoint's words where it refused."""
    created_s: float = 0.0
    """Unix time of arrival; nothing derived may depend on it."""
    is_copy: bool = False
    """Whether the reply was paid for in another part, from where its problem was moved."""


class Stage(Protocol):
    """The contract of a stage: every method is a pure function of its arguments and the configuration."""

    @property
    def name(self) -> str:
        """A verb: the command, and the folder of what it makes."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the stages whose records its groups hold."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything but the input that decides the output: configuration, prompts, error types."""
        ...

    @property
    def attempts(self) -> int:
        """How many unreadable replies a draw may cost."""
        ...

    @property
    def raises_cap(self) -> bool:
        """Whether a reply that was cut short earns one attempt with twice the cap."""
        ...

    @property
    def record_type(self) -> type[Record]:
        """What a unit gives."""
        ...

    def units(self, group: Group) -> Iterator[Any]:
        """The units of a group, in a fixed order."""
        ...

    def draws(self, unit: Any) -> int:
        """How many replies are asked for (votes); 0 where nothing has to be asked."""
        ...

    def request(self, unit: Any, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """What to ask."""
        ...

    def parse(self, unit: Any, reply: Reply) -> Any:
        """Reads one whole reply; cheap.

        Raises:
            ParseError: it has not the form asked for; the next attempt is made.
            Rejected: it was read and is final (the teacher declined).
        """
        ...

    def make(self, unit: Any, parsed: Sequence[tuple[Request, Reply, Any]]) -> Record:
        """Builds the record from the parsed replies, one a draw.

        Raises:
            Rejected: nothing can be made of them.
        """
        ...

    def check(self, unit: Any, record: Any) -> None:
        """Tests the record's guarantees.

        Raises:
            Rejected: with the reason of the first one that fails.
        """
        ...
