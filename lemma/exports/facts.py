"""What the dataset card has to be told, and what is counted while rows are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lemma.audit.figures import AuditFigures
from lemma.records import TrainingRow


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage's line of the yield table: units = kept + rejected + left."""

    name: str
    units: int
    kept: int
    rejected: Mapping[str, int]
    """Reason → count."""
    left: int = 0


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where problems came from."""

    dataset: str
    """As the rows' `dataset` says."""
    problems: int
    licence: str | None = None
    """As its publisher states it; null where we do not know."""


@dataclass(frozen=True, slots=True)
class OverlapFacts:
    """Problems of a source that were left out at reading, since they stand in a test set."""

    dataset: str
    """The source, as the configuration names it."""
    test_set: str
    exact: int
    """Whole questions that are the same but for their looks."""
    overlap: int
    """Questions that share most of their 13-grams with the test set."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a run knows of itself, for the dataset card. No time and no path: equal runs give equal cards."""

    version: str
    """Of lemma."""
    sources: tuple[SourceFacts, ...]
    decontaminated: tuple[str, ...]
    """Names of the test sets whose questions were left out at reading."""
    students: tuple[str, ...]
    """Names of the models whose mistakes were studied."""
    teacher: str
    stages: tuple[StageFacts, ...]
    """In order, without the export itself."""
    target: Mapping[str, float] = field(default_factory=dict)
    """Error type → share that injection aimed at; empty where nothing was injected."""
    injected: Mapping[str, Any] = field(default_factory=dict)
    """Dataset → what injection came to, as in ``inject/distribution.json``; empty where nothing was injected."""
    overlaps: tuple[OverlapFacts, ...] = ()
    """What was left out, by source and test set; those without any are not listed. Empty for several runs."""
    unfinished: str = ""
    """What is missing of the run, in words; empty where nothing is."""
    runs: int = 1
    """How many runs the rows are from."""
    is_demonstration: bool = False
    """Whether the problems are test questions, so that nobody should train on the rows."""
    audit: AuditFigures | None = None
    """What people found who judged a sample of the rows; null where nobody did."""


@dataclass(slots=True)
class RowCounts:
    """Rows by what they say of themselves."""

    splits: Counter[str] = field(default_factory=Counter)
    """`train` and `validation`."""
    datasets: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    """`student`, `injected`; plain solutions have none and are counted as `plain`."""
    strategies: Counter[str] = field(default_factory=Counter)
    error_types: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(error type, origin)."""
    lines: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(format, split) → lines, of the formats of process labels: a row may give several, or none."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(format, reason) → what such a format did not make of the rows."""

    def add(self, row: TrainingRow, split: str) -> None:
        """Counts one row."""
        self.splits[split] += 1
        self.datasets[row.dataset] += 1
        self.origins[row.origin or "plain"] += 1
        self.strategies[row.strategy or "plain"] += 1
        if row.error_type and row.origin:
            self.error_types[row.error_type, row.origin] += 1

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return self.splits.total()


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export wrote: trajectories = rows - plain + rejected."""

    trajectories: int
    """Trajectories read."""
    counts: RowCounts
    rejected: Mapping[str, int]
    """Trajectories left out, by reason."""
    files: tuple[str, ...]
    """Names in the folder, the card last."""

    @property
    def rows(self) -> int:
        """Rows of all splits, plain ones among them."""
        return self.counts.rows

    @property
    def plain(self) -> int:
        """Rows that are plain correct solutions."""
        return self.counts.origins["plain"]
