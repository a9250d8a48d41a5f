"""A pilot: a few problems through all stages for real, then what the whole would take, and some of what came of it.

Totals are scaled from the pilot's problems to all of them. The intervals are percentiles of a bootstrap over problems
(problems drawn with replacement, 2,000 times): they tell how far so few problems can mislead, not whether the first
problems of a file are like the rest of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lemma.budget import cost_usd
from lemma.config import Config
from lemma.derive import Derived, derive
from lemma.errors import RunError
from lemma.ledger import prices_of
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.plan import count_problems, money, write_plan
from lemma.records import Problem, Rejection, Trajectory
from lemma.shards import StageFolder, read_records
from lemma.stagework import StageWork
from lemma.teacher.base import Program, Teacher

PILOT_PROBLEMS: Final = 30
DRAWS: Final = 2000
SHOWN: Final = 5
FIGURES: Final = ("calls", "input tokens", "output tokens", "cost", "rows")


def run_pilot(
    config: Config, run: Path, options: Options, teacher: Callable[[str], Teacher | Program] | None = None
) -> str:
    """Runs the pilot and projects the whole; its replies count towards the run.

    Args:
        config: the whole run's configuration.
        run: the run's folder.
        options: with `pilot`.
        teacher: as `Pipeline`'s.

    Returns:
        The yield table, the projection and some trajectories, for people.

    Raises:
        LemmaError: of any kind; what was paid for is on disk.
    """
    limit = max(1, math.ceil(PILOT_PROBLEMS / len(config.data)))
    data = [spec.model_copy(update={"limit": min(limit, spec.limit or limit)}) for spec in config.data]
    small = config.model_copy(update={"data": data})
    whole = count_problems(config)[0]
    if whole == 0:
        raise RunError("there are no problems to try; see `data` in the configuration")
    with Pipeline(run, small, options, teacher=teacher) as pipeline:
        if int(pipeline.problems["problems"]) > 0:
            pipeline.work(STAGES)
        table = pipeline.report(STAGES)
        figures = _by_problem(pipeline, config)
        last = "smooth" if "smooth" in pipeline.fresh_manifests() else "correct"
        trajectories = _some(run, last, pipeline.parts)
    projection = project(figures, whole)
    write_plan(run, {"from": f"a pilot of {len(figures)} problems", "problems": whole, "projection": projection})
    lines = [table, "", _projection_lines(projection, len(figures), whole)]
    if not trajectories:
        lines.append("no trajectory was kept: nothing to show; `rejected/` in each stage's folder says why")
    lines += [show(one) for one in trajectories]
    return "\n".join(lines)


def _by_problem(pipeline: Pipeline, config: Config) -> list[list[float]]:
    """Figures of each problem, over all stages."""
    sums: dict[str, list[float]] = {}
    works = [(name, work) for name in STAGES[:-1] if (work := pipeline.work_of(name)) is not None]
    for part in range(pipeline.parts):
        for problem in read_records(StageFolder(works[0][1].run, "problems").part(part), Problem):
            sums[problem.id] = [0.0] * len(FIGURES)
        for name, work in works:
            _add_stage(sums, name, work, part, config)
    return list(sums.values())


def _add_stage(sums: dict[str, list[float]], name: str, work: StageWork, part: int, config: Config) -> None:
    opened = work.open_part(part)
    is_last = name == ("correct" if config.smooth.scope == "off" else "smooth")
    prices = prices_of(config, name)
    with opened.open_replies() as store:
        derived = Derived()
        for unit, result in derive(work.stage, opened.groups(), store.get, derived):
            mine = sums[unit.problem.id]
            for reply in derived.replies:
                cost = cost_usd(reply.usage, prices)
                more = (1, reply.usage.input_tokens, reply.usage.output_tokens, math.nan if cost is None else cost)
                for place, value in enumerate(more):
                    mine[place] += value
            mine[4] += is_last and result is not None and not isinstance(result, Rejection)


def project(figures: Sequence[Sequence[float]], whole: int) -> dict[str, dict[str, float | None]]:
    """Scales to `whole` problems.

    Args:
        figures: one row of `FIGURES` a problem.
        whole: number of problems of the whole.

    Returns:
        Figure → ``{"total", "low", "high"}``, the latter two a 90 % interval; None where unknown.
    """
    source = random.Random(0)
    count = len(figures)
    found: dict[str, dict[str, float | None]] = {}
    draws = [source.choices(range(count), k=count) for _ in range(DRAWS)] if count else []
    for place, name in enumerate(FIGURES):
        values = [row[place] for row in figures]
        if not values or any(math.isnan(value) for value in values):
            found[name] = {"total": None, "low": None, "high": None}
            continue
        scale = whole / count
        means = sorted(sum(values[index] for index in draw) * scale for draw in draws)
        found[name] = {
            "total": sum(values) * scale,
            "low": means[int(0.05 * DRAWS)],
            "high": means[int(0.95 * DRAWS) - 1],
        }
    return found


def _projection_lines(projection: dict[str, dict[str, float | None]], count: int, whole: int) -> str:
    lines = [f"projected from {count} problems to {whole} (90 % intervals, bootstrap over problems):"]
    for name, one in projection.items():
        total, low, high = one["total"], one["low"], one["high"]
        if total is None or low is None or high is None:
            lines.append(f"  {name}: unknown")
        elif name == "cost":
            lines.append(f"  {name}: {money(total)} ({money(low)} to {money(high)})")
        else:
            lines.append(f"  {name}: {total:,.0f} ({low:,.0f} to {high:,.0f})")
    return "\n".join(lines)


def _some(run: Path, stage: str, parts: int) -> list[Trajectory]:
    """A few trajectories, spread over what there is."""
    folder = StageFolder(run, stage)
    every = [one for part in range(parts) for one in read_records(folder.part(part), Trajectory)]
    step = max(1, len(every) // SHOWN)
    return every[::step][:SHOWN]


def show(trajectory: Trajectory) -> str:
    """One trajectory as plain text, its parts told apart."""
    mistake = trajectory.mistake
    head = f"── {trajectory.id}: {trajectory.strategy}, {mistake.error_type}, {mistake.origin} ──"
    parts: list[tuple[str, Any]] = [
        ("question", mistake.problem.question),
        ("prefix, with the error", trajectory.prefix),
        ("reflection", trajectory.reflection),
        ("continuation", trajectory.continuation),
    ]
    return "\n".join(["", head, *(f"[{name}]\n{str(text).strip()}" for name, text in parts)])
