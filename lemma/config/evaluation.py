"""What `lemma eval` measures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lemma.config.base import OPERATIONAL, Section


class EvalSet(Section):
    """One benchmark."""

    set: str
    """gsm8k, math, math500, svamp, asdiv, mawps, college_math or deepmind_mathematics."""
    path: str | None = None
    """File or glob; null: the set's place on the hub, where it is known (gsm8k, math500)."""
    hub: bool = False
    """Whether `path` is a name on the hub, or a folder that `datasets.load_dataset` reads."""
    split: str = "test"
    """Split, on the hub."""
    subset: str | None = None
    """Configuration name, on the hub."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our field → theirs, for rows of another form than the benchmark's own."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read this many problems at most."""


class EvalConfig(Section):
    """`lemma eval`: the student is measured on benchmarks."""

    sets: list[EvalSet] = Field(default=[], json_schema_extra=OPERATIONAL)
    """The benchmarks; each becomes an entry of `data`, beside those that stand there."""
    shots: Literal["paper"] | Annotated[int, Field(ge=0, le=8)] = "paper"
    """Worked examples before each question. `paper`: eight for svamp, asdiv and mawps, none elsewhere. A number: as
    many everywhere, as far as there are any (eight of word problems, four of competition mathematics)."""
    greedy: bool = True
    """One solution at temperature 0: pass@1."""
    num_samples: Annotated[int, Field(ge=0)] = 0
    """Further solutions at `temperature`, of which mean and majority are told."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    """Of the samples."""
    max_tokens: Annotated[int, Field(ge=1)] = 2048
    """Of one solution; one that is cut there counts as wrong."""
    stop: list[str] = Field(default=["### Instruction"])
    """What ends a solution; a model that was not trained to end writes the next question. [] for endpoints that refuse
    the parameter."""

    @model_validator(mode="after")
    def _asks_something(self) -> EvalConfig:
        if not self.greedy and not self.num_samples:
            raise ValueError("asks for nothing: set greedy, or num_samples above 0")
        return self
