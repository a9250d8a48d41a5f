"""Where a run stands: by stage what is done, kept, rejected and left, and what it cost, beside what was expected.

It reads the folder without its lock, also while a run is going on. The JSON form is stable::

    {"version": 1, "run": "RUN", "in_use_by": "process 123 on host" | null, "problems": 7473,
     "stages": [{"stage": "analyze", "parts": 8, "parts_done": 3, "units": 2900, "kept": 2500, "rejected": 400,
                 "reasons": {"judged_correct": 300, …},
                 "spent": {"kept": {"replies": 2600, "input_tokens": …, "cached_input_tokens": …, "output_tokens": …,
                                    "cost_usd": 1.25 | null}, …}}, …],
     "tokens": 9000000, "cost_usd": 12.5 | null, "estimate": the plan or pilot kept in the folder | null,
     "warnings": ["analyze: 1 line of the replies cannot be read, …", …],
     "injected": {"gsm8k": {"slots": 500, "kept": 490, "shortfall": 10, "total_variation": 0.012, "types": {…}}, …},
     "audit": {"rows": 100, "annotators": 2, "claims": {"type_is_right": {"right": 88, "wrong": 12, "unsure": 0,
               "label_error": 0.12, "low": 0.07, "high": 0.198}, …}, …} | null}

Units, kept and rejected are those of finished parts; `spent` counts every reply on disk once (see `lemma.ledger`).
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from pathlib import Path
from typing import Any

from lemma.audit.report import status_line
from lemma.audit.tally import figures_tree, read_audit
from lemma.config import Config
from lemma.distribution import read_injected
from lemma.errors import RunError
from lemma.exporting import last_stage
from lemma.ledger import LedgerLine, read_ledger, total_cost
from lemma.pipeline import STAGES, Pipeline
from lemma.plan import PLAN_FILE, money
from lemma.problems import ProblemsFolder
from lemma.replies import broken_replies, broken_words
from lemma.runfile import NAME, read_runfile
from lemma.shards import Manifest, StageFolder, read_json
from lemma.summary import facts_of

STATUS_VERSION = 1


def config_of(run: Path) -> Config:
    """The configuration that a run was last worked on with.

    Raises:
        RunError: the folder is no run, or of another version.
    """
    tree = read_runfile(run) if (run / NAME).exists() else None
    if tree is None and ProblemsFolder(run).summary_path.exists():
        raise RunError(f"{run}: {NAME} is missing; any stage command with your configuration makes it anew")
    if tree is None:
        raise RunError(f"{run}: there is no run; name the folder that `lemma run … -o` was given")
    try:
        return Config.model_validate(tree["config"])
    except ValueError:
        raise RunError(
            f"{run}: was written by lemma {tree.get('lemma')}, whose configuration this version does not know; "
            "any stage command with your configuration brings it up to date"
        ) from None


def read_status(run: Path) -> dict[str, Any]:
    """See the module.

    Raises:
        RunError: the folder is no run.
    """
    config = config_of(run)
    pipeline = Pipeline.look(run, config)
    fresh = pipeline.fresh_manifests()
    lines = read_ledger(run, config, fresh, pipeline.parts)
    stages = [_stage(name, pipeline.parts, fresh.get(name, {}), lines) for name in STAGES[:-1]]
    if config.smooth.scope == "off":
        stages = [stage for stage in stages if stage["stage"] != "smooth"]
    audit = read_audit(run, last_stage(config))
    return {
        "version": STATUS_VERSION,
        "run": str(run),
        "in_use_by": holder(run),
        "problems": int(pipeline.problems["problems"]),
        "stages": stages,
        "tokens": sum(line.usage.input_tokens + line.usage.output_tokens for line in lines),
        "cost_usd": total_cost(lines),
        "estimate": read_json(run / PLAN_FILE),
        "warnings": [
            broken_words(name, broken) for name in STAGES[:-1] if (broken := broken_replies(StageFolder(run, name)))
        ],
        "injected": read_injected(run),
        "audit": figures_tree(audit.figures) if audit else None,
    }


def _stage(name: str, parts: int, manifests: dict[int, Manifest], lines: list[LedgerLine]) -> dict[str, Any]:
    facts = facts_of(name, manifests.values())
    spent = {}
    by_outcome: dict[str, list[LedgerLine]] = {}
    for line in lines:
        if line.stage == name:
            by_outcome.setdefault(line.outcome, []).append(line)
    for outcome, some in by_outcome.items():
        totals = Counter[str]()
        for line in some:
            totals.update(line.usage.model_dump())
        spent[outcome] = {**totals, "cost_usd": total_cost(some)}
    return {
        "stage": name,
        "parts": parts,
        "parts_done": len(manifests),
        "units": facts.units,
        "kept": facts.kept,
        "rejected": sum(facts.rejected.values()),
        "reasons": dict(facts.rejected),
        "spent": spent,
    }


def holder(run: Path) -> str | None:
    """Who is at work on the run; None where nobody is."""
    try:
        descriptor = os.open(run / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(descriptor)
    return None


def status_table(status: dict[str, Any]) -> str:
    """For people."""
    head = f"{status['run']}: {status['problems']} problems"
    if status["in_use_by"]:
        head += f"; in use by {status['in_use_by']}"
    rows = [("stage", "parts", "units", "kept", "rejected", "replies", "tokens", "cost", "expected", "")]
    expected = {stage["stage"]: stage for stage in (status["estimate"] or {}).get("stages", [])}
    for stage in status["stages"]:
        spent = stage["spent"].values()
        costs = [outcome["cost_usd"] for outcome in spent]
        plan = expected.get(stage["stage"])
        reasons = sorted(stage["reasons"].items(), key=lambda item: (-item[1], item[0]))[:4]
        rows.append(
            (
                stage["stage"],
                f"{stage['parts_done']}/{stage['parts']}",
                str(stage["units"]),
                str(stage["kept"]),
                str(stage["rejected"]),
                str(sum(outcome["replies"] for outcome in spent)),
                str(sum(outcome["input_tokens"] + outcome["output_tokens"] for outcome in spent)),
                money(None if None in costs else sum(costs)),
                f"{plan['calls']} calls, {money(plan.get('total_usd'))}" if plan else "–",
                ", ".join(f"{reason} {count}" for reason, count in reasons),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(9)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, 9)), row[9]]).rstrip()
        for row in rows
    ]
    lost = [f"{name} {sum(s['spent'].get(name, {}).get('replies', 0) for s in status['stages'])}" for name in _LOST]
    tail = f"in all: {status['tokens']} tokens, {money(status['cost_usd'])}; of the replies {', '.join(lost)}"
    mix = [
        f"injected, {name}: {one['kept']} of {one['slots']}, {one['shortfall']} short, types off their target by "
        f"{one['total_variation']:.3f} (total variation)"
        for name, one in status["injected"].items()
    ]
    audited = [status_line(status["audit"])] if status["audit"] else []
    return "\n".join([head, *lines, tail, *mix, *audited, *status["warnings"]])


_LOST = ("kept", "rejected", "retried", "refused", "unused", "open")
