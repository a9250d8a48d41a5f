"""Where a run stands, as a tree of plain values: its form is documented key by key in ``docs/status.md`` and stays.

It reads the folder without its lock, also while a run is going on. Units, kept and rejected are those of finished
parts; `answered` looks into the parts that are not finished; `spent` counts every reply on disk once (see
`lemma.ledger`).
"""

from __future__ import annotations

import copy
import fcntl
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lemma.audit.tally import figures_tree, read_audit
from lemma.batch.waves import Waves, stages_with_waves
from lemma.config import Config
from lemma.counts import StageCounts, count_parts, count_run, expected_units
from lemma.errors import ConfigError, RunError
from lemma.exporting import last_stage
from lemma.failures import read_failed_calls
from lemma.leases import at_work
from lemma.ledger import LedgerLine, read_ledger, total_cost
from lemma.pipeline import STAGES, RunStages
from lemma.plan import PLAN_FILE
from lemma.problems import ProblemsFolder
from lemma.replies import broken_replies, broken_words
from lemma.runfile import NAME, read_runfile
from lemma.shards.files import read_json
from lemma.shards.folder import StageFolder
from lemma.shards.lock import holder_named
from lemma.shards.manifest import Manifest, StageUsage
from lemma.status.pace import read_pace
from lemma.terminal import flat

STATUS_VERSION = 1
"""Raised where a key goes or changes its meaning, not where one is added."""

MOST_NAMED = 8
"""Of the processes that work on a run together, in words."""


def config_of(run: Path) -> Config:
    """The configuration that a run was last worked on with.

    Raises:
        RunError: the folder is no run, or of a version with another configuration.
    """
    tree = require_run(run)
    try:
        return Config.model_validate(tree["config"])
    except ValidationError:
        raise RunError(
            f"{run}: was written by lemma {tree.get('lemma')}, whose configuration this version does not know; "
            "any stage command with your configuration brings it up to date"
        ) from None


def require_run(run: Path) -> dict[str, Any]:
    """What ``run.yaml`` holds.

    Raises:
        RunError: the folder is no run.
    """
    tree = read_runfile(run) if (run / NAME).exists() else None
    if tree is None and ProblemsFolder(run).summary_path.exists():
        raise RunError(f"{run}: {NAME} is missing; any stage command with your configuration makes it anew")
    if tree is None:
        raise RunError(f"{run}: there is no run; name the folder that `lemma run … -o` was given")
    return tree


def config_as_known(run: Path) -> tuple[Config, list[str]]:
    """As `config_of`, for looking only: keys of another version are passed over, and told in the list.

    Raises:
        RunError: the folder is no run, or hardly anything of its configuration is known.
    """
    tree = require_run(run)
    config, unknown = copy.deepcopy(tree["config"]), list[str]()
    while True:
        try:
            known = Config.model_validate(config)
        except ValidationError as error:
            dropped = [key for one in error.errors() if (key := _drop(config, one["loc"]))]
            if not dropped:
                return config_of(run), []  # raises
            unknown += dropped
        else:
            break
    words = f"{run}: was written by lemma {flat(str(tree.get('lemma')))}; this version does not know its"
    return known, [f"{words} {', '.join(map(flat, unknown))}"] if unknown else []


def _drop(tree: Any, path: Iterable[str | int]) -> str:
    """Takes out what an error points at; returns its name, empty where there is no such thing."""
    place, holder_of_it, name = tree, None, ""
    walked: list[str] = []
    for key in path:
        if not (isinstance(place, dict) and key in place):
            break
        holder_of_it, name, place = place, str(key), place[key]
        walked.append(name)
    if holder_of_it is None:
        return ""
    del holder_of_it[name]
    return ".".join(walked)


def read_status(run: Path) -> dict[str, Any]:
    """See ``docs/status.md``.

    Raises:
        RunError: the folder is no run.
    """
    config, warnings = config_as_known(run)
    fresh: dict[str, dict[int, Manifest]] = {}
    try:
        fresh = RunStages.look(run, config).fresh_manifests()
    except ConfigError as error:  # a plugin or a prompt that is gone: what was made with it can still be counted
        warnings.append(f"what is of the present configuration cannot be told: {error}")
    counts = count_run(run, fresh)
    in_use_by = holder(run)
    # in which parts a stage works was read above: a part that has been finished since counts as open, never twice
    lines = read_ledger(run, config, fresh, counts.parts)
    names = [name for name in STAGES[:-1] if name != "smooth" or config.smooth.scope != "off"]
    if config.eval is not None:
        names = ["sample"]  # an evaluation asks for solutions alone; what it found stands in its own table
    stages = []
    for name in names:
        looked = _Look(run, config, counts.parts, fresh.get(name, {}), [line for line in lines if line.stage == name])
        stages.append(looked.tree(counts.stages[name], in_use_by is not None))
    warnings += [
        broken_words(name, broken) for name in STAGES[:-1] if (broken := broken_replies(StageFolder(run, name)))
    ]
    audit = read_audit(run, last_stage(config))
    return {
        "version": STATUS_VERSION,
        "run": str(run),
        "in_use_by": in_use_by,
        "problems": counts.problems.kept,
        "set_aside": dict(counts.problems.rejected),
        "stages": stages,
        "export": None
        if counts.export is None
        else {
            "units": counts.export.units,
            "kept": counts.export.kept,
            "rejected": sum(counts.export.rejected.values()),
            "reasons": dict(counts.export.rejected),
            "rows": counts.rows,
        },
        "tokens": sum(line.usage.input_tokens + line.usage.output_tokens for line in lines),
        "cost_usd": total_cost(lines),
        "estimate": read_json(run / PLAN_FILE),
        "batches": _batches(run, warnings),
        "warnings": warnings,
        "injected": counts.injected,
        "audit": figures_tree(audit.figures) if audit else None,
    }


class _Look:
    """One stage, looked at once."""

    def __init__(
        self, run: Path, config: Config, parts: int, fresh: Mapping[int, Manifest], lines: list[LedgerLine]
    ) -> None:
        self._run = run
        self._config = config
        self._parts = parts
        self._fresh = fresh
        self._lines = lines

    def tree(self, counts: StageCounts, is_in_use: bool) -> dict[str, Any]:
        """See ``docs/status.md``.

        Args:
            counts: of the stage's finished parts.
            is_in_use: whether somebody is at work on the run.
        """
        folder = StageFolder(self._run, counts.stage)
        draws = self._config.analyze.votes if counts.stage == "analyze" else 1
        now_s = time.time()
        pace = read_pace(folder, draws, self._fresh, self._parts, now_s)
        stale = [part for part in range(self._parts) if part not in self._fresh]
        coming = {part: expected_units(self._run, self._config, counts.stage, part) for part in stale}
        is_known = self._parts > 0 and None not in coming.values()
        to_come = sum(units for units in coming.values() if units is not None)
        # replies of an earlier configuration lie there too, and are no answer to what is asked now
        answered = sum(
            min(count, units) if (units := coming[part]) is not None else 0 for part, count in pace.answered.items()
        )
        left = to_come - answered if is_known else None
        speed = pace.units_per_s(now_s) if is_in_use else None
        outdated = count_parts(self._run, counts.stage, stale)
        paid = [line for line in self._lines if line.outcome != "unused"]
        cost, done = total_cost(paid), counts.units + answered
        expected = counts.units + to_come if is_known else None
        is_projected = cost is not None and expected is not None and done > 0
        return {
            "stage": counts.stage,
            "parts": self._parts,
            "parts_done": counts.parts,
            "units": counts.units,
            "kept": counts.kept,
            "rejected": counts.rejected,
            "reasons": dict(counts.reasons.most_common()),
            "expected": expected,
            "answered": answered,
            "left": left,
            "units_per_s": speed,
            "eta_s": left / speed if left is not None and speed else None,
            "outdated": {
                "parts": outdated.parts,
                "units": outdated.units,
                "kept": outdated.kept,
                "rejected": outdated.rejected,
            },
            "cost_usd": total_cost(self._lines),
            "projected_usd": cost * expected / done if is_projected else None,  # type: ignore[operator]
            "spent": self._spent(self._lines),
            "models": {
                model: self._spent([line for line in self._lines if line.model == model])
                for model in sorted({line.model for line in self._lines})
            },
            "failed_calls": _failed_calls(self._run, counts.stage),
        }

    def _spent(self, lines: Iterable[LedgerLine]) -> dict[str, Any]:
        """Outcome → sums and cost."""
        by_outcome: dict[str, list[LedgerLine]] = {}
        for line in lines:
            by_outcome.setdefault(line.outcome, []).append(line)
        spent = {}
        for outcome, some in by_outcome.items():
            total = StageUsage()
            for line in some:
                total.add(line.usage)
            spent[outcome] = {**total.model_dump(), "cost_usd": total_cost(some)}
        return spent


def _failed_calls(run: Path, stage: str) -> dict[str, Any]:
    calls = read_failed_calls(run, stage)
    return {
        "kinds": dict(calls.kinds()),
        "width_s": calls.width_s,
        "over_time": [
            {"from_s": number * calls.width_s, "kinds": dict(kinds)}
            for number, kinds in sorted(calls.stretches.items())
        ],
    }


def _batches(run: Path, warnings: list[str]) -> list[dict[str, Any]]:
    """What is under way at the endpoint, as it was last seen; what cannot be read is told among the warnings."""
    found = []
    for stage in stages_with_waves(run):
        try:
            wave = Waves(run, stage).open_wave()
        except RunError as error:
            warnings.append(str(error))
            continue
        if wave is not None:
            found.append(
                {
                    "stage": stage,
                    "batches": len(wave.open_batches),
                    "requests": sum(batch.requests for batch in wave.open_batches),
                    "done": sum(batch.finished for batch in wave.open_batches),
                }
            )
    return found


def holder(run: Path) -> str | None:
    """Who is at work on the run; None where nobody is."""
    try:
        descriptor = os.open(run / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return holder_named(descriptor)
    finally:
        os.close(descriptor)
    together = [other.words for other in at_work(run)]  # they hold it shared
    more = f" and {len(together) - MOST_NAMED} more" if len(together) > MOST_NAMED else ""
    return ", ".join(together[:MOST_NAMED]) + more or None
