"""Tokens, cost and calls: by stage, over time, beside what was estimated, and for each row that was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from lemma.counts import ASKING_STAGES
from lemma.ledger import OUTCOMES, LedgerLine, total_cost
from lemma.plan import money
from lemma.report.calls import Bin, Calls
from lemma.report.charts import Bar, Point, over_time, stacked
from lemma.report.facts import RunFacts
from lemma.report.figures import Cell, Figure, Section, Table, figure, percent, titled

SHOWN_STRETCHES = 200


def costs(runs: Sequence[RunFacts]) -> list[Section]:
    """By stage, by outcome, beside the estimate, over time; a set for each run."""
    figures = []
    for facts in runs:
        figures += [_tokens(facts, runs), _outcomes(facts, runs), *_estimate(facts, runs), *_over_time(facts, runs)]
    return [Section("cost", "Cost", "Tokens, cost, calls", figures)]


def _sums(lines: Sequence[LedgerLine]) -> Counter[str]:
    sums = Counter[str]()
    for line in lines:
        sums.update(line.usage.model_dump())
    return sums


def _tokens(facts: RunFacts, runs: Sequence[RunFacts]) -> Figure:
    rows: list[list[Cell]] = []
    bars = []
    kept = facts.counts.rows
    by_stage = {stage: [line for line in facts.ledger if line.stage == stage] for stage in ASKING_STAGES}
    for stage, lines in [*by_stage.items(), ("in all", facts.ledger)]:
        sums, cost = _sums(lines), total_cost(lines)
        tokens = sums["input_tokens"] + sums["output_tokens"]
        cells: list[Cell] = [sums[name] for name in ("replies", "input_tokens", "cached_input_tokens", "output_tokens")]
        rows.append([stage, *cells, money(cost), round(tokens / kept, 1) if kept else None])
        if stage in by_stage:
            bars.append(Bar(stage, sums["input_tokens"], "sent", f"{tokens:,}"))
            bars.append(Bar(stage, sums["output_tokens"], "received"))
    note = "All replies on disk, each counted once, also those that came to nothing; at the present prices."
    head = ["stage", "replies", "tokens sent", "of them cached", "tokens received", "cost", "tokens a kept row"]
    spec = stacked(bars) if any(bar.value for bar in bars) else None
    return figure(titled(facts, runs, "Tokens and cost by stage"), note, Table(head, rows), spec)


def _outcomes(facts: RunFacts, runs: Sequence[RunFacts]) -> Figure:
    rows: list[list[Cell]] = []
    bars = []
    whole = facts.tokens
    for outcome in OUTCOMES:
        lines = [line for line in facts.ledger if line.outcome == outcome]
        sums = _sums(lines)
        tokens = sums["input_tokens"] + sums["output_tokens"]
        rows.append([outcome, sums["replies"], tokens, percent(tokens, whole), money(total_cost(lines))])
        if sums["replies"]:
            bars.append(Bar(outcome, sums["replies"], said=f"{sums['replies']:,}"))
    note = (
        "Kept: gave a record. Rejected: the last word about a unit that gave none. Retried: unreadable or cut short, "
        "asked again. Refused: by the endpoint. Unused: of another configuration. Open: of a part that is not finished."
    )
    table = Table(["replies", "how many", "tokens", "share of tokens", "cost"], rows)
    return figure(titled(facts, runs, "What replies were paid for"), note, table, stacked(bars) if bars else None)


def _estimate(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    stages = (facts.estimate or {}).get("stages")
    if not isinstance(stages, list):
        return []
    rows: list[list[Cell]] = []
    bars = []
    for plan in stages:
        lines = [line for line in facts.ledger if line.stage == plan["stage"]]
        calls, cost = _sums(lines)["replies"], total_cost(lines)
        rows.append([plan["stage"], plan["calls"], calls, money(plan.get("total_usd")), money(cost)])
        bars.append(Bar(f"{plan['stage']}, estimated", plan["calls"], "estimated", f"{plan['calls']:,}"))
        bars.append(Bar(f"{plan['stage']}, made", calls, "made", f"{calls:,}"))
    note = "Calls by the estimate that `lemma plan -o RUN` or `lemma pilot` kept last, beside those made."
    table = Table(["stage", "calls estimated", "calls made", "cost estimated", "cost"], rows)
    spec = stacked(bars, ("var(--rest-strong)", "var(--accent)")) if any(bar.value for bar in bars) else None
    return [figure(titled(facts, runs, "Estimate beside actual"), note, table, spec)]


def _over_time(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    calls = facts.calls
    if not calls.bins:
        return []
    numbers = range(min(calls.bins), max(calls.bins) + 1)
    empty = Bin()
    stretches = {number: calls.bins.get(number, empty) for number in numbers}
    rows: list[list[Cell]] = [
        [_when(calls, at), one.calls, one.retries, one.refused, one.input_tokens, one.output_tokens]
        for at, one in sorted(calls.bins.items())[-SHOWN_STRETCHES:]
    ]
    counted, tokens = [], []
    for at, one in [*stretches.items(), (numbers[-1] + 1, empty)]:
        time_s = at * calls.width_s
        counted += [Point(time_s, one.calls, "calls"), Point(time_s, one.retries, "retries")]
        tokens += [Point(time_s, one.input_tokens, "tokens sent"), Point(time_s, one.output_tokens, "tokens received")]
    head = ["from (UTC)", "calls", "retries", "refused", "tokens sent", "tokens received"]
    note = (
        f"Replies as they arrived, every {_span(calls.width_s)}. Retries are second or later attempts. What the "
        "endpoint turned away (429, 503) leaves no reply and cost nothing: it shows as gaps."
    )
    table = Table(head, rows)
    return [
        figure(
            titled(facts, runs, "Calls over time"), note, table, over_time(counted, ("var(--accent)", "var(--wrong)"))
        ),
        figure(titled(facts, runs, "Tokens over time"), note, table, over_time(tokens)),
    ]


def _when(calls: Calls, number: int) -> str:
    return datetime.fromtimestamp(number * calls.width_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: int) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return f"{seconds // unit} {name}" if seconds > unit else name[:-1]
    return f"{seconds} seconds" if seconds > 1 else "second"
