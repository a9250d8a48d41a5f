"""A pilot: a few problems through all stages for real, then what the whole would take, and some of what came of it.

Totals are scaled, dataset by dataset, from the pilot's problems to all of them. The intervals are percentiles of a
bootstrap over problems (drawn with replacement within each dataset, 2,000 times): they tell how far so few problems can
mislead, not whether the first problems of a file are like the rest of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lemma.budget import cost_usd
from lemma.config import Config
from lemma.derive import Derived, derive
from lemma.errors import RunError
from lemma.ledger import prices_of
from lemma.pipeline import STAGES, Options, Pipeline, RunStages
from lemma.plan import count_problems, money, write_plan
from lemma.problems import ProblemsFolder
from lemma.records import Problem, Rejection, Trajectory
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder
from lemma.stagework import StageWork, WorkPart
from lemma.teacher.base import Program, Teacher
from lemma.terminal import flat, safe

PILOT_PROBLEMS: Final = 30
DRAWS: Final = 2000
SHOWN: Final = 5
FIGURES: Final = ("calls", "input tokens", "output tokens", "cost", "rows")


@dataclass
class Figures:
    """What a pilot took."""

    rows: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Dataset → problem id → `FIGURES` of the problem, over all stages."""
    stages: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Stage → dataset → the first four of `FIGURES`, of all its problems."""

    @property
    def problems(self) -> int:
        """Problems of the pilot."""
        return sum(map(len, self.rows.values()))

    def scales(self, whole: Mapping[str, int]) -> dict[str, float]:
        """Dataset → problems of the whole for one of the pilot; datasets that the pilot did not meet are like it."""
        seen = sum(whole[name] for name in self.rows)
        return {name: whole[name] / len(rows) * sum(whole.values()) / seen for name, rows in self.rows.items()}


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
        RunError: the run is past a pilot.
        LemmaError: of any kind; what was paid for is on disk.
    """
    limit = max(1, math.ceil(PILOT_PROBLEMS / len(config.data)))
    data = [spec.model_copy(update={"limit": min(limit, spec.limit or limit)}) for spec in config.data]
    small = config.model_copy(update={"data": data})
    whole = count_problems(config)[0]
    if not whole:
        raise RunError("there are no problems to try; see `data` in the configuration")
    _require_no_more(run, count_problems(small)[0].total())
    with Pipeline(run, small, options, teacher=teacher) as pipeline:
        pipeline.work(STAGES)
        table = pipeline.report(STAGES)
        figures = _figures(pipeline.stages, run, small)
        last = "smooth" if "smooth" in pipeline.stages.fresh_manifests() else "correct"
        trajectories = _some(run, last, pipeline.stages.parts)
    scales = figures.scales(whole)
    projection = project([(list(rows.values()), scales[name]) for name, rows in figures.rows.items()])
    write_plan(run, _estimate(figures, projection, scales, whole.total()))
    lines = [table, "", _projection_lines(projection, figures.problems, whole.total())]
    if not trajectories:
        lines.append("no trajectory was kept: nothing to show; `rejected/` in each stage's folder says why")
    lines += [show(one) for one in trajectories]
    return "\n".join(lines)


def _require_no_more(run: Path, problems: int) -> None:
    """A pilot reads fewer problems: what a run has finished of others would have to be derived anew.

    Raises:
        RunError: the run has more problems than the pilot.
    """
    there = int((ProblemsFolder(run).summary() or {"problems": 0})["problems"])
    if there > problems:
        raise RunError(
            f"{run}: has {there} problems and is past a pilot; `lemma plan CONFIG -o {run}` tells what is to come, "
            "or name another folder for a pilot"
        )


def _figures(stages: RunStages, run: Path, config: Config) -> Figures:
    """Adds up the replies that each problem's units used."""
    figures = Figures()
    places: dict[str, list[float]] = {}
    for part in range(stages.parts):
        for problem in read_records(StageFolder(run, "problems").part(part), Problem):
            mine = figures.rows.setdefault(problem.dataset, {})
            mine[problem.id] = places[problem.id] = [0.0] * len(FIGURES)

    def add(work: StageWork, parts: Sequence[WorkPart]) -> None:
        for part in parts:
            _add_part(figures, places, work, part, config)

    def round_again(work: StageWork, parts: Sequence[WorkPart], label: str) -> None:
        add(work, parts)
        for part in parts:
            with part.open_replies() as store:
                part.finished(part.finish(store))

    for name in STAGES[:-1]:
        work = stages.work_of(name)
        if work is not None and name != "inject":
            add(work, [work.open_part(number) for number in range(stages.parts)])
    target = stages.target()
    if target is not None:  # what is asked follows from round to round, so the rounds are gone through once more
        RunStages.look(run, config).injection(target).run(round_again)
    return figures


def _add_part(
    figures: Figures, places: Mapping[str, list[float]], work: StageWork, part: WorkPart, config: Config
) -> None:
    name = work.stage.name
    by_dataset = figures.stages.setdefault(name, {})
    is_last = name == ("correct" if config.smooth.scope == "off" else "smooth")
    prices = prices_of(config, name)
    derived = Derived()
    with part.open_replies() as store:
        for unit, result in derive(work.stage, part.groups(), store.get, derived):
            mine = places[unit.problem.id]
            sums = by_dataset.setdefault(unit.problem.dataset, [0.0] * 4)
            for reply in derived.replies:
                cost = cost_usd(reply.usage, prices)
                more = (1, reply.usage.input_tokens, reply.usage.output_tokens, math.nan if cost is None else cost)
                for place, value in enumerate(more):
                    mine[place] += value
                    sums[place] += value
            mine[4] += is_last and result is not None and not isinstance(result, Rejection)


def _estimate(
    figures: Figures, projection: Mapping[str, Any], scales: Mapping[str, float], whole: int
) -> dict[str, Any]:
    """What `lemma status` shows beside what it came to."""
    stages = []
    for name in STAGES[:-1]:
        if name not in figures.stages:
            continue
        totals = [sum(sums[at] * scales[key] for key, sums in figures.stages[name].items()) for at in range(4)]
        stages.append(
            {
                "stage": name,
                "calls": round(totals[0]),
                "input_tokens": round(totals[1]),
                "output_tokens": round(totals[2]),
                "total_usd": None if math.isnan(totals[3]) else totals[3],
            }
        )
    return {
        "from": f"a pilot of {figures.problems} problems",
        "problems": whole,
        "projection": projection,
        "stages": stages,
    }


def project(strata: Sequence[tuple[Sequence[Sequence[float]], float]]) -> dict[str, dict[str, float | None]]:
    """Scales the figures of some problems to the whole.

    Args:
        strata: for each dataset one row of `FIGURES` a problem, and how many problems of the whole each stands for.

    Returns:
        Figure → ``{"total", "low", "high"}``, the latter two a 90 % interval; None where unknown.
    """
    source = random.Random(0)
    draws = [[source.choices(range(len(rows)), k=len(rows)) for rows, _ in strata] for _ in range(DRAWS)]
    found: dict[str, dict[str, float | None]] = {}
    for place, name in enumerate(FIGURES):
        columns = [[row[place] * scale for row in rows] for rows, scale in strata]
        if not columns or any(math.isnan(value) for column in columns for value in column):
            found[name] = {"total": None, "low": None, "high": None}
            continue
        totals = sorted(
            sum(sum(map(column.__getitem__, drawn)) for column, drawn in zip(columns, draw, strict=True))
            for draw in draws
        )
        found[name] = {
            "total": sum(map(sum, columns)),
            "low": totals[int(0.05 * DRAWS)],
            "high": totals[int(0.95 * DRAWS) - 1],
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
    head = flat(f"── {trajectory.id}: {trajectory.strategy}, {mistake.error_type}, {mistake.origin} ──")
    parts = [
        ("question", mistake.problem.question),
        ("prefix, with the error", trajectory.prefix),
        ("reflection", trajectory.reflection),
        ("continuation", trajectory.continuation),
    ]
    return "\n".join(["", head, *(f"[{name}]\n{safe(text).strip()}" for name, text in parts)])
