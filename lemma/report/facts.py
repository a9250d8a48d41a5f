"""All that a report tells of one run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemma.audit.tally import Audit, read_audit
from lemma.config import Config
from lemma.counts import ASKING_STAGES, RunCounts, TrajectoryKind, count_rows, count_run, finished_parts
from lemma.errors import ConfigError
from lemma.exporting import last_stage
from lemma.failures import FailedCalls, read_failed_calls
from lemma.ledger import LedgerLine, read_ledger, total_cost
from lemma.pipeline import RunStages
from lemma.plan import PLAN_FILE
from lemma.report.calls import Calls, read_calls
from lemma.report.scan import Findings, Finished, scan_run
from lemma.shards.files import read_json
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.status import holder
from lemma.status.tree import config_as_known


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, counted."""

    run: Path
    name: str
    """Of the folder; runs of one report have different ones."""
    config: Config
    last: str
    """The stage whose trajectories are the last ones."""
    finished: Finished
    """The parts that count."""
    counts: RunCounts
    rows: Mapping[TrajectoryKind, int]
    """Exported rows by kind."""
    ledger: list[LedgerLine]
    calls: Calls
    failed: Mapping[str, FailedCalls]
    """Stage → its calls that gave no reply; stages without any are not there."""
    estimate: Mapping[str, Any] | None
    """What `lemma plan -o` or `lemma pilot` kept."""
    audit: Audit | None
    findings: Findings
    warnings: list[str]

    @property
    def tokens(self) -> int:
        """Input and output tokens of all replies on disk."""
        return sum(line.usage.input_tokens + line.usage.output_tokens for line in self.ledger)

    @property
    def cost_usd(self) -> float | None:
        """What they cost; None where a price is unknown."""
        return total_cost(self.ledger)


def read_facts(run: Path, name: str, number: int) -> RunFacts:
    """Reads a run's folder, without its lock.

    Args:
        run: the folder.
        name: what to call it.
        number: records that the browser may show.

    Raises:
        RunError: the folder is no run, or a file is damaged.
    """
    config, warnings = config_as_known(run)
    fresh: Mapping[str, Mapping[int, Manifest]] = {}
    try:
        fresh = RunStages.look(run, config).fresh_manifests()
    except ConfigError as error:  # a plugin or prompt that is gone
        warnings.append(f"what is of the present configuration cannot be told: {error}")
    finished, more = _finished(run, fresh)
    counts = count_run(run, finished)
    last = last_stage(config)
    if holder(run):
        warnings.append("a command is at work on this run: the report shows the parts that were finished")
    parts = finished | {"problems": range(counts.parts), **({"export": [0]} if counts.export else {})}
    return RunFacts(
        run=run,
        name=name,
        config=config,
        last=last,
        finished=parts,
        counts=counts,
        rows=count_rows(run),
        ledger=read_ledger(run, config, fresh, counts.parts),
        calls=read_calls(run, ASKING_STAGES),
        failed={stage: one for stage in ASKING_STAGES if (one := read_failed_calls(run, stage)).stretches},
        estimate=read_json(run / PLAN_FILE),
        audit=read_audit(run, last),
        findings=scan_run(run, parts, last, number),
        warnings=warnings + more,
    )


def _finished(run: Path, fresh: Mapping[str, Mapping[int, Manifest]]) -> tuple[dict[str, list[int]], list[str]]:
    """The parts that count: those of the present configuration; where a stage has none, those that lie there."""
    finished, shown, passed_over = dict[str, list[int]](), list[str](), list[str]()
    for stage in ASKING_STAGES:
        there, present = finished_parts(StageFolder(run, stage)), sorted(fresh.get(stage, ()))
        finished[stage] = present or there
        if there and not present:
            shown.append(stage)
        elif len(there) > len(present):
            passed_over.append(f"{stage} {len(there) - len(present)}")
    warnings = []
    if shown:
        warnings.append(
            f"made with another configuration or version of lemma, and shown as it lies there: {', '.join(shown)} "
            "(`lemma status` counts it as outdated)"
        )
    if passed_over:
        warnings.append(f"parts of another configuration or input, not counted: {', '.join(passed_over)}")
    return finished, warnings


def names_of(runs: list[Path]) -> list[str]:
    """What to call each run: its folder's name, with the folder above it, or a number, where two are alike."""
    with contextlib.suppress(OSError):
        runs = [run.resolve() for run in runs]
    for depth in (1, 2, 3):
        names = ["/".join(run.parts[-depth:]) for run in runs]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]
