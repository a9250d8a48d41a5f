"""What each stage does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lemma.config.base import Section


class SampleConfig(Section):
    """Student sampling."""

    num_samples: Annotated[int, Field(ge=1)] = 4
    """Solutions of each problem."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    """High ones give nonsense that ordinary decoding never shows."""
    max_tokens: Annotated[int, Field(ge=1)] = 1024
    """Of one solution; one that is cut there is set aside."""


class AnalyzeConfig(Section):
    """Error analysis (paper, section 3.1)."""

    votes: Annotated[int, Field(ge=1, le=15)] = 1
    """Replies a sample; the majority counts."""


class InjectConfig(Section):
    """Mistake injection (paper, section 3.2)."""

    per_problem: Annotated[int, Field(ge=0)] = 1
    """Mistakes put into a correct solution, for each problem; 0 for the student's alone."""
    types: Literal["analysed"] | dict[str, Annotated[float, Field(ge=0)]] = "analysed"
    """The distribution to draw from: as analysed, or shares by type."""
    min_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Types rarer than this are left out."""

    @field_validator("types")
    @classmethod
    def _some_share(cls, value: Any) -> Any:
        if isinstance(value, dict) and not sum(value.values()) > 0:
            raise ValueError("the shares add up to 0; give at least one type a share above 0")
        return value


class CorrectConfig(Section):
    """Correction (paper, section 3.3)."""

    strategies: Annotated[list[str], Field(min_length=1)] = Field(default=["fix_continue", "fresh_restart"])
    """Each makes a trajectory of every mistake: going on from the wrong step, or beginning anew."""

    @field_validator("strategies")
    @classmethod
    def _no_twins(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a strategy stands there twice")
        return value


class SmoothConfig(Section):
    """Smoothing (paper, section 3.4)."""

    scope: Literal["joint", "whole", "off"] = "joint"
    """`joint`: reflection and continuation only, the mistake's words stay as they are; `whole`: the published method,
    all three parts; `off`: as corrected."""

    @field_validator("scope", mode="before")
    @classmethod
    def _yaml_off(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


class ChecksConfig(Section):
    """Limits of what is kept."""

    max_chars: Annotated[int, Field(ge=100)] = 12000
    """Length of a trajectory."""


class ExportConfig(Section):
    """What trainers read."""

    formats: list[str] = Field(default=["alpaca", "messages", "sharegpt", "parquet", "llamafactory"])
    """Files beside `train.jsonl`, which is always written."""
    plain_share: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of the rows that are plain correct solutions."""
    max_per_problem: Annotated[int, Field(ge=1)] | None = None
    """Trajectories of one problem at most."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = 0.65
    """Rows with the same numbers that share this much of their word pairs are one row: the first is kept. Null keeps
    all but identical ones."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of the problems whose rows go into a validation split."""
    max_type_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the trajectories' rows that one error type may have at most; types that are fewer than this allows get
    equal shares. Null takes them as they come."""
    shuffle: bool = True
    """Rows in an order drawn by the seed; false: as they were made, the plain ones last."""
    prompt: str = "paper"
    """How `completion`, `llamafactory` and `pairs` put the question: `paper` (the published evaluation's), `alpaca`,
    `question`, or a text of your own that holds `{instruction}` once."""
    loss_on: Literal["solution", "correction"] = "solution"
    """What `completion` and `llamafactory` have a model learn: the whole solution, or what follows the mistake, which
    then stands in the prompt."""
