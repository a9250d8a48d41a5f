"""What a finished part was made from, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from lemma.records import content_hash
from lemma.stages.base import Reply, Usage

MANIFEST_VERSION = 2


class StageUsage(BaseModel):
    """Some replies and their tokens, added up."""

    model_config = ConfigDict(extra="forbid")

    replies: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    batch_input_tokens: int = 0
    """Part of `input_tokens` at the price of batches; the next two likewise."""
    batch_cached_input_tokens: int = 0
    batch_output_tokens: int = 0

    def count(self, reply: Reply) -> None:
        """Adds one reply."""
        self.replies += 1
        self._add_tokens(reply.usage)

    def add(self, other: StageUsage) -> None:
        """Adds some more."""
        self.replies += other.replies
        self._add_tokens(other)

    def _add_tokens(self, tokens: Usage | StageUsage) -> None:
        self.input_tokens += tokens.input_tokens
        self.cached_input_tokens += tokens.cached_input_tokens
        self.output_tokens += tokens.output_tokens
        self.batch_input_tokens += tokens.batch_input_tokens
        self.batch_cached_input_tokens += tokens.batch_cached_input_tokens
        self.batch_output_tokens += tokens.batch_output_tokens


class Manifest(BaseModel):
    """What a finished part was made from. Equal manifests mean equal bytes."""

    model_config = ConfigDict(extra="forbid")

    version: int = MANIFEST_VERSION
    stage: str
    part: int
    fingerprint: str
    """Of the stage: its configuration and prompts."""
    inputs: dict[str, str]
    """Name of each input → SHA-256 of its bytes."""
    files: dict[str, str]
    """Path inside the stage's folder → SHA-256 of what was written there."""
    units: int
    kept: int
    rejected: int
    reasons: dict[str, int] = Field(default_factory=dict)
    tally: dict[str, int] = Field(default_factory=dict)
    """Counts of the kept records by what later steps need to know of them (verdicts, error types)."""
    usage: dict[str, dict[str, StageUsage]] = Field(default_factory=dict)
    """Model, as the endpoint calls it → outcome (see `lemma.ledger`) → all replies of the part's file, each once."""
    copied: dict[str, StageUsage] = Field(default_factory=dict)
    """Model → those of them that were paid for in another part, from where problems were moved."""
    broken_lines: int = 0
    """Lines of the part's replies that cannot be read, see `lemma.replies`."""

    @property
    def output_hash(self) -> str:
        """One hash for all that was written: what a later stage names as its input."""
        return content_hash(*(f"{name}={digest}" for name, digest in sorted(self.files.items())))


def sum_counts(manifests: Iterable[Manifest]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Adds up manifests: (units/kept/rejected, reasons, tally)."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tally: Counter[str] = Counter()
    for manifest in manifests:
        counts.update(units=manifest.units, kept=manifest.kept, rejected=manifest.rejected)
        reasons.update(manifest.reasons)
        tally.update(manifest.tally)
    return counts, reasons, tally
