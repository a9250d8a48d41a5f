"""What a run would take, before anything is spent: units, calls, tokens and cost by stage, less what is done.

Of an evaluation (a configuration with `eval:`) that is the student's solutions alone.

Prompt lengths are measured: the first problems of each dataset go through all stages in a temporary folder with the
embedded teacher standing in for the models, and what would be sent is counted. Everything else is assumed (the tables
below) until the run itself has replies to learn from; the plan says which. Nobody is called and nothing is written.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from lemma.budget import cost_usd
from lemma.config import Config
from lemma.datasets import Decontaminator, ReadProblem, read_problems
from lemma.endings import finish
from lemma.ledger import prices_of, read_ledger
from lemma.pipeline import STAGES, Options, Pipeline, RunStages
from lemma.shards.files import write_json
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import StageUsage
from lemma.stages.base import Reply, Request, SampleUnit, Usage
from lemma.teacher.rules import RulesTeacher

CHARS_A_TOKEN: Final = 4.0
MEASURED_PROBLEMS: Final = 60
ENOUGH_REPLIES: Final = 30
"""From so many replies on a stage's own figures count."""
WRONG_SHARE: Final = 0.35
"""Of a student's samples."""
YIELD: Final[Mapping[str, float]] = {"analyze": 0.85, "inject": 0.85, "correct": 0.9, "smooth": 0.95}
"""Share of a stage's units that give a record."""
CALLS_A_UNIT: Final[Mapping[str, float]] = {
    "sample": 1.0,
    "analyze": 1.03,
    "inject": 1.2,
    "correct": 1.03,
    "smooth": 1.03,
}
"""Attempts that cannot be read, and for inject the rounds after a decline."""
OUTPUT_TOKENS: Final[Mapping[str, int]] = {"sample": 200, "analyze": 300, "inject": 220, "correct": 180, "smooth": 220}
"""Of one reply."""
PLAN_FILE: Final = "plan.json"


@dataclass
class StagePlan:
    """What one stage takes, all in all and still to come."""

    stage: str
    units: int
    calls: int
    calls_done: int
    done_usd: float | None
    """What the calls done have cost."""
    input_tokens: int
    """To come, as the next two."""
    output_tokens: int
    cost_usd: float | None
    basis: str
    """What the figures rest on."""

    @property
    def total_usd(self) -> float | None:
        """Done and to come; None where a price is unknown."""
        return None if self.done_usd is None or self.cost_usd is None else self.done_usd + self.cost_usd


@dataclass
class Plan:
    """A whole run's."""

    problems: int
    stages: list[StagePlan] = field(default_factory=list)

    @property
    def cost_usd(self) -> float | None:
        """Still to come; None where a price is unknown."""
        costs = [stage.cost_usd for stage in self.stages]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def tree(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "problems": self.problems,
            "stages": [{**asdict(stage), "total_usd": stage.total_usd} for stage in self.stages],
            "cost_usd": self.cost_usd,
        }


class _StandIn:
    """Answers in the models' place and counts what they would have been sent."""

    def __init__(self, answer_form: str) -> None:
        self._rules = RulesTeacher(answer_form)
        self._form = answer_form
        self.chars: dict[str, list[int]] = {}

    def answer_now(self, request: Request) -> Reply:
        unit = request.unit
        stage = {
            "SampleUnit": "sample",
            "AnalyzeUnit": "analyze",
            "InjectUnit": "inject",
            "CorrectUnit": "correct",
        }.get(type(unit).__name__, "smooth")
        self.chars.setdefault(stage, []).append(sum(len(message["content"]) for message in request.messages))
        if isinstance(unit, SampleUnit):
            # as long as a student's: the reference, by every other draw with another answer
            answer = unit.of.answer if unit.draw % 2 else "-987654321"
            return Reply(request.key, finish(unit.of.reference_solution, answer, self._form), "stop", usage=Usage())
        return self._rules.answer_now(request)


def count_problems(config: Config) -> tuple[Counter[str], int]:
    """Problems of the configured data by dataset, and the samples that come with them."""
    problems: Counter[str] = Counter()
    given = 0
    for row in read_problems(config.data, Decontaminator.load(config.decontaminate)):
        if isinstance(row, ReadProblem):
            problems[row.problem.dataset] += 1
            given += len(row.given)
    return problems, given


def measure(config: Config) -> tuple[dict[str, float], float]:
    """Mean characters of a request by stage, and the share of samples that is wrong (-1: nobody knows yet).

    The first problems of each dataset go through the stages in a temporary folder.
    """
    limit = max(1, MEASURED_PROBLEMS // len(config.data))
    data = [spec.model_copy(update={"limit": min(limit, spec.limit or limit)}) for spec in config.data]
    shares = config.inject.types if isinstance(config.inject.types, dict) else {"calculation_error": 1.0}
    config = config.model_copy(
        update={"data": data, "inject": config.inject.model_copy(update={"types": shares, "min_share": 0.0})}
    )
    stand_in = _StandIn(config.answer_form)
    with (
        tempfile.TemporaryDirectory() as folder,
        Pipeline(Path(folder) / "plan", config, Options(quiet=True), lambda line: None, lambda _: stand_in) as work,
    ):
        work.work([name for name in STAGES if name != "export"] if config.eval is None else ["sample"])
        counts = work.stages.verdicts()
    wrong = counts["wrong"] / max(1, counts.total()) if not stand_in.chars.get("sample") else -1.0
    return {stage: sum(chars) / len(chars) for stage, chars in stand_in.chars.items()}, wrong


@dataclass
class Observed:
    """What a run's own replies and finished parts say of one stage."""

    usage: StageUsage
    """Of all replies that are in use."""
    settled: int = 0
    """Those of finished parts, with these problems and units:"""
    problems: int = 0
    units: int = 0
    kept: int = 0


def observe(run: Path | None, config: Config) -> dict[str, Observed]:
    """Stage → what the run has shown of it so far; empty without a run."""
    if run is None or not (run / "run.yaml").exists():
        return {}
    fresh = RunStages.look(run, config).fresh_manifests()
    sums: dict[str, Observed] = {}
    for line in read_ledger(run, config, fresh, 10**9):
        if line.outcome != "unused":
            one = sums.setdefault(line.stage, Observed(StageUsage()))
            one.usage.add(line.usage)
            one.settled += line.usage.replies if line.outcome != "open" else 0
    for stage, manifests in fresh.items():
        one = sums.setdefault(stage, Observed(StageUsage()))
        folder = StageFolder(run, "problems")
        one.problems = sum(part.kept for number in manifests if (part := folder.manifest(number)) is not None)
        one.units = sum(manifest.units for manifest in manifests.values())
        one.kept = sum(manifest.kept for manifest in manifests.values())
    return sums


def make_plan(config: Config, run: Path | None = None) -> Plan:
    """Estimates a run.

    Args:
        config: the configuration.
        run: the run's folder, if there is one: its figures come before assumptions, and what it did is taken off.

    Raises:
        LemmaError: the configuration or the data cannot be used.
    """
    by_dataset, given = count_problems(config)
    problems = by_dataset.total()
    chars, wrong_share = measure(config)
    seen = observe(run, config)
    plan = Plan(problems)
    student_calls = 0 if given or config.student is None else problems * config.draws
    samples = given or student_calls
    units = {"sample": float(samples)}
    if config.eval is None:
        units |= _units_after(config, problems, samples, wrong_share, seen)
    for stage, count in units.items():
        draws = config.analyze.votes if stage == "analyze" else 1
        calls = student_calls if stage == "sample" else count * draws * CALLS_A_UNIT[stage]
        plan.stages.append(_stage_plan(config, stage, round(count), calls, chars.get(stage, 0.0), seen.get(stage)))
    return plan


def _units_after(
    config: Config, problems: int, samples: int, wrong_share: float, seen: Mapping[str, Observed]
) -> dict[str, float]:
    """Stage after sampling → its units."""
    analyzed = seen.get("analyze")
    sampled = seen.get("sample")
    if sampled is not None and sampled.units >= ENOUGH_REPLIES and analyzed is not None and analyzed.units:
        wrong_share = analyzed.units / sampled.units
    elif wrong_share < 0:
        wrong_share = WRONG_SHARE
    units = {"analyze": samples * wrong_share, "inject": float(problems * config.inject.per_problem)}

    injected = seen.get("inject")
    if injected is not None and injected.problems and injected.units >= ENOUGH_REPLIES:
        # a slot whose type was declined is asked again: units are counted by problem, not by slot
        units["inject"] = problems * injected.units / injected.problems

    def kept(stage: str) -> float:
        one = seen.get(stage)
        known = one is not None and one.units >= ENOUGH_REPLIES
        return one.kept / one.units if one is not None and known else YIELD[stage]

    mistakes = units["analyze"] * kept("analyze") + units["inject"] * kept("inject")
    units["correct"] = mistakes * len(config.correct.strategies)
    if config.smooth.scope != "off":
        units["smooth"] = units["correct"] * kept("correct")
    return units


def _stage_plan(
    config: Config, stage: str, units: int, calls: float, chars: float, observed: Observed | None
) -> StagePlan:
    usage = observed.usage if observed is not None else StageUsage()
    if usage.replies >= ENOUGH_REPLIES:
        sent, written = usage.input_tokens / usage.replies, usage.output_tokens / usage.replies
        basis = f"{usage.replies} replies of this run"
        if observed is not None and observed.units >= ENOUGH_REPLIES:
            calls = units * observed.settled / observed.units
    else:
        tokens_a_reply = OUTPUT_TOKENS[stage]
        if stage == "sample":  # a solution is never longer than its limit
            tokens_a_reply = min(tokens_a_reply, (config.eval or config.sample).max_tokens)
        sent, written = chars / CHARS_A_TOKEN, float(tokens_a_reply)
        basis = f"prompts measured, {CHARS_A_TOKEN:g} characters a token; {tokens_a_reply} tokens a reply assumed"
    if stage in YIELD and (observed is None or observed.units < ENOUGH_REPLIES):
        basis += f"; {100 * YIELD[stage]:.0f} % kept assumed"
    endpoint = config.student if stage == "sample" else config.teacher
    if not calls:
        basis = "the samples are given" if stage == "sample" else "nothing to ask"
        return StagePlan(stage, units, 0, 0, 0.0, 0, 0, 0.0, basis)
    if endpoint is not None and endpoint.backend == "rules":
        return StagePlan(stage, units, 0, 0, 0.0, 0, 0, 0.0, "the embedded teacher asks nobody")
    done_usd = cost_usd(usage, prices_of(config, stage))
    left = max(0, round(calls) - usage.replies)
    is_batch = endpoint is not None and endpoint.backend == "batch"
    tokens = Usage(round(left * sent), 0, round(left * written), is_batch)
    cost = cost_usd(tokens, prices_of(config, stage)) if left else 0.0
    sent_left, written_left = tokens.input_tokens, tokens.output_tokens
    return StagePlan(stage, units, round(calls), usage.replies, done_usd, sent_left, written_left, cost, basis)


def write_plan(run: Path, tree: Mapping[str, Any]) -> None:
    """Keeps an estimate in the run's folder, for `lemma status` to show beside what it came to."""
    write_json(run / PLAN_FILE, dict(tree))


def money(cost: float | None) -> str:
    """For people: an unknown price is unknown, not 0."""
    return "unknown" if cost is None else f"${cost:.2f}"


def plan_table(plan: Plan) -> str:
    """For people."""
    rows = [("stage", "units", "calls", "done", "input tokens", "output tokens", "cost to come", "from")]
    rows += [
        (
            one.stage,
            str(one.units),
            str(one.calls),
            str(one.calls_done),
            str(one.input_tokens),
            str(one.output_tokens),
            money(one.cost_usd),
            one.basis,
        )
        for one in plan.stages
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, 7)), row[7]]) for row in rows
    ]
    notes = "calls and tokens are still to come where some are done; no prompt caching is assumed"
    return "\n".join([f"{plan.problems} problems", *lines, f"in all: {money(plan.cost_usd)} to come; {notes}"])
