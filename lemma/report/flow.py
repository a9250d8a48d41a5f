"""From problems to rows: the funnel, what was lost and why, and the yield by type, strategy and level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lemma.counts import FunnelStep
from lemma.reasons import CHECKS, EXPORT, READING, REPLIES
from lemma.report.charts import Bar, stacked
from lemma.report.facts import RunFacts
from lemma.report.figures import Cell, Figure, Section, Table, figure, percent, plain, titled

SHOWN_LOSSES = 12
_KEPT_AND_LOST = ("var(--accent)", "var(--rest)")
_KNOWN = {reason: one for kind in (READING, REPLIES, CHECKS, EXPORT) for reason, one in kind.items()}
_VERDICTS = {
    "right": "the student's answer equals the reference: nothing to correct, but of use as a correct solution",
    "undecided": "whether the answer equals the reference could not be decided",
    "no_answer": "no final answer can be read from the student's solution",
}


def flow(runs: Sequence[RunFacts]) -> list[Section]:
    """The funnel, the losses and the yields of each run."""
    figures = []
    for facts in runs:
        steps = facts.counts.funnel()
        figures += [_funnel(facts, runs, steps), _losses(facts, runs, steps), *_yields(facts, runs)]
    return [Section("funnel", "Funnel", "From problems to rows", figures)]


def _funnel(facts: RunFacts, runs: Sequence[RunFacts], steps: Sequence[FunnelStep]) -> Figure:
    bars, rows = [], list[list[Cell]]()
    for step in steps:
        lost = step.asked - step.kept
        said = f"{step.kept:,} of {step.asked:,}" if lost else f"{step.kept:,}"
        bars += [Bar(step.name, step.kept, "kept", said), Bar(step.name, lost, "lost")]
        rows.append([step.name, step.asked, step.kept, lost, percent(step.kept, step.asked)])
    note = (
        "Each step looks at what the steps before it left: a wrong sample gives at most one mistake, a mistake one "
        "trajectory for each strategy. Counted in finished parts."
    )
    table = Table(["step", "looked at", "kept", "lost", "yield"], rows)
    return figure(titled(facts, runs, "The funnel"), note, table, stacked(bars, _KEPT_AND_LOST))


def _losses(facts: RunFacts, runs: Sequence[RunFacts], steps: Sequence[FunnelStep]) -> Figure:
    lost = [(step, reason, count) for step in steps for reason, count in step.lost.items() if count]
    lost.sort(key=lambda one: -one[2])
    rows: list[list[Cell]] = []
    for step, reason, count in lost:
        known = _KNOWN.get(reason)
        meaning = _VERDICTS.get(reason, "") if step.name == "wrong samples" else known.meaning if known else ""
        advice = known.advice if known and step.name != "wrong samples" else ""
        rows.append([step.name, reason, count, percent(count, step.asked), meaning, advice])
    bars = [
        Bar(f"{step.name}: {plain(reason)}", count, said=f"{count:,} · {percent(count, step.asked)}")
        for step, reason, count in lost[:SHOWN_LOSSES]
    ]
    note = "By step and reason; the share is of what the step looked at."
    if len(lost) > SHOWN_LOSSES:
        note += f" The {SHOWN_LOSSES} most frequent of {len(lost)} are drawn."
    table = Table(["step", "reason", "lost", "share", "meaning", "what helps"], rows)
    return figure(titled(facts, runs, "Losses by reason"), note, table, stacked(bars, ("var(--rest-strong)",)))


def _yields(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    found, strategies = facts.findings, list(facts.config.correct.strategies)
    kinds = facts.counts.trajectories(facts.last)
    by_type, by_strategy = Counter[str](), Counter[str]()
    rows_of_type, rows_of_strategy = Counter[str](), Counter[str]()
    for kind, count in kinds.items():
        by_type[kind.error_type] += count
        by_strategy[kind.strategy] += count
    for kind, count in facts.rows.items():
        rows_of_type[kind.error_type] += count
        rows_of_strategy[kind.strategy] += count
    asked = {name: count * len(strategies) for name, count in found.to_correct.items()}
    mistakes = found.to_correct.total()
    asked_of = dict.fromkeys([*strategies, *sorted(by_strategy)], mistakes) if mistakes else {}
    note = (
        "Corrections asked for (a mistake once for each strategy), and those that went through all checks to the end."
    )
    return [
        _yield(titled(facts, runs, "Yield by error type"), note, "error type", asked, by_type, rows_of_type),
        _yield(titled(facts, runs, "Yield by strategy"), note, "strategy", asked_of, by_strategy, rows_of_strategy),
        *_by_level(facts, runs, len(strategies)),
    ]


def _yield(
    title: str, note: str, head: str, asked: Mapping[str, int], kept: Mapping[str, int], exported: Mapping[str, int]
) -> Figure:
    names = sorted(asked, key=lambda name: (-asked[name], name))
    rows: list[list[Cell]] = [
        [name, asked[name], kept.get(name, 0), percent(kept.get(name, 0), asked[name]), exported.get(name, 0)]
        for name in names
    ]
    bars = []
    for name in names:
        share = percent(kept.get(name, 0), asked[name]) or "–"
        bars.append(Bar(plain(name), kept.get(name, 0), "kept", f"{kept.get(name, 0):,} · {share}"))
        bars.append(Bar(plain(name), max(0, asked[name] - kept.get(name, 0)), "lost"))
    table = Table([head, "asked", "trajectories", "yield", "exported rows"], rows)
    return figure(title, note, table, stacked(bars, _KEPT_AND_LOST))


def _by_level(facts: RunFacts, runs: Sequence[RunFacts], strategies: int) -> list[Figure]:
    levels = facts.findings.levels
    names = sorted({level for level, _ in levels if level})
    if not names:
        return []
    columns = ("problems", "samples", "right", "student mistakes", "injected mistakes")
    rows: list[list[Cell]] = []
    bars = []
    for level in [*names, *([""] if levels["", "problems"] else [])]:
        asked, kept = levels[level, "to correct"] * strategies, levels[level, "trajectories"]
        share = percent(kept, asked)
        rows.append([level or "(not given)", *(levels[level, what] for what in columns), asked, kept, share])
        bars.append(Bar(level or "(not given)", kept, "kept", f"{kept:,} · {share or '–'}"))
        bars.append(Bar(level or "(not given)", max(0, asked - kept), "lost"))
    note = "By the level that the dataset gives its problems."
    table = Table(["level", *columns, "corrections asked", "trajectories", "yield"], rows)
    return [figure(titled(facts, runs, "Yield by level"), note, table, stacked(bars, _KEPT_AND_LOST))]
