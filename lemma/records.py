"""What flows between the stages: frozen records, one JSON object a line on disk.

A record holds its parent, so that any line can be read alone::

    Problem ◀─ Sample ◀─ Mistake ◀─ Trajectory ─▶ TrainingRow

Ids are hashes of (parent id, stage, request key, choice), never of time or order of arrival, so that two runs
merge without collision and an interrupted run writes the same bytes as a whole one.

Example of a problem's line::

    {"id":"p-1d0c…","dataset":"gsm8k","question":"Natalia sold clips to 48 of her friends …",
     "reference_solution":"Natalia sold 48/2 = 24 clips in May. …","answer":"72","meta":{"row":0}}
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Origin = Literal["student", "injected"]
"""Who made a mistake: the student while sampling, or the teacher on request."""

ID_HEX_CHARS = 20  # 80 bits: a collision among 10^9 records has a chance below 10^-6


def content_hash(*parts: str) -> str:
    """The full hex SHA-256 of some texts; unambiguous, since each part's length goes in before it."""
    # surrogatepass: hostile text may hold lone surrogates, and must still have an identity
    raws = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.sha256(b"".join([b"%d:%b" % (len(raw), raw) for raw in raws])).hexdigest()


def make_id(kind: str, *parts: str) -> str:
    """An id such as ``p-1d0c5e…``: `kind` is a letter for people, the rest a hash of `parts`."""
    return f"{kind}-{content_hash(kind, *parts)[:ID_HEX_CHARS]}"


class Record(BaseModel):
    """Frozen, and closed: an unknown key is an error, so that a typo or a newer file never passes unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MadeBy(Record):
    """Where a record came from."""

    stage: str
    model: str
    """Name of the student or teacher as configured; `given` rollouts carry the name in their file."""
    prompt_hash: str
    """Hash of the prompt template and error types that were rendered; empty where nothing was asked."""
    request_key: str
    """Key of the reply in ``replies/``; empty where nothing was asked."""
    config_hash: str
    """Hash of the content configuration of the stage."""


class Problem(Record):
    """A question with its reference solution, cleaned once by the dataset's reader."""

    id: str
    dataset: str
    question: str
    reference_solution: str
    answer: str
    meta: dict[str, JsonValue] = Field(default_factory=dict)


class Sample(Record):
    """One solution by the student."""

    id: str
    problem: Problem
    model: str
    text: str
    answer: str | None
    """The final answer read from `text`; null if there is none."""
    is_correct: bool | None
    """Whether `answer` equals the problem's; null if there is none or the comparison is undecided."""
    made_by: MadeBy


class Mistake(Record):
    """A wrong solution with its error type and its first wrong step, whoever made it."""

    id: str
    problem: Problem
    origin: Origin
    model: str
    """Who wrote the solution: the student, or the teacher that injected the error."""
    solution: str
    answer: str
    error_type: str
    prefix_end: Annotated[int, Field(ge=1)]
    """Character offset into `solution` just behind the first wrong step: the truth about where it is."""
    first_error_step: Annotated[int, Field(ge=1)]
    """Number of the first wrong step, from 1: derived from `prefix_end` by the splitter."""
    explanation: str
    made_by: MadeBy

    @model_validator(mode="after")
    def _offset_lies_inside(self) -> Mistake:
        if self.prefix_end > len(self.solution):
            raise ValueError(f"prefix_end {self.prefix_end} lies behind the end {len(self.solution)}")
        return self

    @property
    def prefix(self) -> str:
        """The solution through its first wrong step, character for character."""
        return self.solution[: self.prefix_end]


class Trajectory(Record):
    """A mistake's prefix, a reflection that notices, and a continuation that reaches the answer."""

    id: str
    mistake: Mistake
    strategy: str
    """`fix_continue`, `fresh_restart`, or a strategy of a plugin."""
    prefix: str
    reflection: str
    continuation: str
    text: str
    answer: str
    is_smoothed: bool
    made_by: MadeBy

    @model_validator(mode="after")
    def _parts_add_up(self) -> Trajectory:
        if self.text != self.prefix + self.reflection + self.continuation:
            raise ValueError("text is not prefix + reflection + continuation")
        return self


class Spans(Record):
    """Offsets of the three parts in a row's output: [start, end) in characters."""

    prefix: tuple[int, int]
    reflection: tuple[int, int]
    continuation: tuple[int, int]


class TrainingRow(Record):
    """One row of the exported dataset."""

    instruction: str
    input: str
    output: str
    id: str
    dataset: str
    strategy: str | None
    error_type: str | None
    origin: Origin | None
    spans: Spans | None
    """Null for a plain solution, as are `strategy`, `error_type` and `origin`."""


class UnitRef(Record):
    """What a rejection speaks of, enough to find it again and to read the line alone."""

    id: str
    problem: Problem
    parent: str
    """Id of the record that the unit works on (a problem, sample, mistake or trajectory)."""
    label: str
    """What was asked, in a word or two: a strategy, an error type; empty where there is one kind."""


class Rejection(Record):
    """A unit that gave no record, and why."""

    id: str
    stage: str
    unit: UnitRef
    reason: str
    """A key of `lemma.reasons.REASONS`."""
    detail: str
