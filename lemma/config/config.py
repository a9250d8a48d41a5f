"""A whole run's configuration."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from lemma.config.base import OPERATIONAL, Section, content_value
from lemma.config.data import DatasetSpec
from lemma.config.endpoints import BudgetConfig, StudentConfig, TeacherConfig
from lemma.config.evaluation import EvalConfig
from lemma.config.execution import ExecutorConfig, ShardsConfig, StorageConfig
from lemma.config.stages import (
    AnalyzeConfig,
    ChecksConfig,
    CorrectConfig,
    ExportConfig,
    InjectConfig,
    SampleConfig,
    SmoothConfig,
)


class Config(Section):
    """A whole run's configuration."""

    seed: int = 0
    """Of all that is drawn at random."""
    data: Annotated[list[DatasetSpec], Field(min_length=1)]
    """Where problems come from, one entry a source."""
    decontaminate: list[str] = Field(default=["gsm8k-test", "math-test"])
    """Test sets whose questions are left out at reading: those that come with lemma by name, or paths to your own."""
    student: StudentConfig | None = None
    """The model whose mistakes are studied; not needed where the data holds its samples."""
    teacher: TeacherConfig = Field(default_factory=TeacherConfig)
    """The model that analyses, injects, corrects and smooths."""
    budget: BudgetConfig = Field(default_factory=BudgetConfig, json_schema_extra=OPERATIONAL)
    """What the run may spend."""
    prompts: Path | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """A folder whose files replace the package's; their hashes are content, its place is not."""
    plugins: list[Path] = Field(default=[], json_schema_extra=OPERATIONAL)
    """Python files that add a strategy, an error type, a dataset or an export format; their bytes are content, their
    places are not. They are run: name only files that you trust."""
    answer_form: str = "The answer is: {answer}"
    """How every trajectory ends; holds `{answer}` once."""
    sample: SampleConfig = Field(default_factory=SampleConfig)
    """The student's sampling."""
    analyze: AnalyzeConfig = Field(default_factory=AnalyzeConfig)
    """Error analysis."""
    inject: InjectConfig = Field(default_factory=InjectConfig)
    """Mistake injection."""
    correct: CorrectConfig = Field(default_factory=CorrectConfig)
    """Correction."""
    smooth: SmoothConfig = Field(default_factory=SmoothConfig)
    """Smoothing."""
    checks: ChecksConfig = Field(default_factory=ChecksConfig)
    """Limits of what is kept."""
    export: ExportConfig = Field(default_factory=ExportConfig)
    """What trainers read."""
    eval: EvalConfig | None = None
    """What `lemma eval` measures."""
    shards: ShardsConfig = Field(default_factory=ShardsConfig, json_schema_extra=OPERATIONAL)
    """How the work is cut into parts."""
    executor: ExecutorConfig = Field(default_factory=ExecutorConfig, json_schema_extra=OPERATIONAL)
    """Where the work is done."""
    storage: StorageConfig = Field(default_factory=StorageConfig, json_schema_extra=OPERATIONAL)
    """How a run in object storage is treated."""

    @field_validator("budget")
    @classmethod
    def _is_priced(cls, value: BudgetConfig, info: ValidationInfo) -> BudgetConfig:
        if value.max_cost_usd is None:
            return value
        for role in ("student", "teacher"):
            endpoint = info.data.get(role)
            if endpoint is None or endpoint.backend == "rules":
                continue  # not asked, or at no cost
            for name in ("input_usd_per_mtok", "output_usd_per_mtok"):
                if getattr(endpoint.prices, name) is None:
                    raise ValueError(
                        f"has max_cost_usd, but a price that it is counted by is unknown: give {role}.prices.{name} "
                        "(0 for a server of your own), or limit budget.max_tokens instead"
                    )
        return value

    @field_validator("answer_form")
    @classmethod
    def _has_place(cls, value: str) -> str:
        if value.count("{answer}") != 1:
            raise ValueError("must hold the place {answer} exactly once")
        return value

    @property
    def draws(self) -> int:
        """Solutions that the student is asked for of each problem: as `eval` says where it is given, else `sample`."""
        return self.sample.num_samples if self.eval is None else self.eval.greedy + self.eval.num_samples

    def content_of(self, *keys: str) -> dict[str, JsonValue]:
        """The content of some top-level keys, for a stage's fingerprint: ``{"teacher": {…}, "seed": 0}``.

        Plugins may change anything, so their hashes are part of it.

        Raises:
            OSError: a plugin cannot be read.
        """
        content = {key: content_value(getattr(self, key)) for key in keys}
        if self.plugins:
            content["plugins"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.plugins]
        return content
