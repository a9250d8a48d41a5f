"""Tokens, cost and calls: by stage, over time, beside what was estimated, and for each row that was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from lemma.counts import ASKING_STAGES
from lemma.failures import FAILURES, FailedCalls
from lemma.ledger import OUTCOMES, LedgerLine, total_cost
from lemma.plan import money
from lemma.report.calls import MOST_BINS, Bin
from lemma.report.charts import Bar, Point, over_time, stacked
from lemma.report.facts import RunFacts
from lemma.report.figures import Cell, Figure, Section, Table, figure, percent, titled

SHOWN_STRETCHES = 200


def costs(runs: Sequence[RunFacts]) -> list[Section]:
    """By stage, by outcome, beside the estimate, over time; a set for each run."""
    figures = []
    for facts in runs:
        figures += [_tokens(facts, runs), _outcomes(facts, runs), *_estimate(facts, runs), *_over_time(facts, runs)]
        figures += _failed(facts, runs)
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
        [_when(at * calls.width_s), one.calls, one.retries, one.refused, one.input_tokens, one.output_tokens]
        for at, one in sorted(calls.bins.items())[-SHOWN_STRETCHES:]
    ]
    counted, tokens = [], []
    for at, one in [*stretches.items(), (numbers[-1] + 1, empty)]:
        time_s = at * calls.width_s
        counted += [Point(time_s, one.calls, "calls"), Point(time_s, one.retries, "retries")]
        tokens += [Point(time_s, one.input_tokens, "tokens sent"), Point(time_s, one.output_tokens, "tokens received")]
    head = ["from (UTC)", "calls", "retries", "refused", "tokens sent", "tokens received"]
    note = (
        f"Replies as they arrived, every {_span(calls.width_s)}. Retries are second or later attempts. Calls that "
        "gave no reply are not among them."
    )
    table = Table(head, rows)
    return [
        figure(
            titled(facts, runs, "Calls over time"), note, table, over_time(counted, ("var(--accent)", "var(--wrong)"))
        ),
        figure(titled(facts, runs, "Tokens over time"), note, table, over_time(tokens)),
    ]


def _failed(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    """Calls that gave no reply, by stage and over time; nothing where there were none."""
    if not facts.failed:
        return []
    every = FailedCalls()
    by_stage: list[list[Cell]] = []
    bars = []
    for stage, one in facts.failed.items():
        every.merge(one)
        kinds = one.kinds()
        by_stage.append([stage, kinds.total(), *(kinds[kind] for kind in FAILURES)])
        parts = [Bar(stage, kinds[kind], words) for kind, words in FAILURES.items() if kinds[kind]]
        bars += [parts[0]._replace(said=f"{kinds.total():,}"), *parts[1:]]
    while max(every.stretches) - min(every.stretches) >= MOST_BINS:
        every.widen()
    seen = [kind for kind in FAILURES if every.kinds()[kind]]
    rows: list[list[Cell]] = [
        [_when(at * every.width_s), *(kinds.get(kind, 0) for kind in seen)]
        for at, kinds in sorted(every.stretches.items())[-SHOWN_STRETCHES:]
    ]
    points = [
        Point(at * every.width_s, every.stretches.get(at, {}).get(kind, 0), FAILURES[kind])
        for at in range(min(every.stretches), max(every.stretches) + 2)
        for kind in seen
    ]
    note = (
        "Each was made again later, cost no attempt of its unit and, as a rule, no money. 429: too many calls at once."
    )
    table = Table(["stage", "in all", *FAILURES.values()], by_stage)
    over = Table(["from (UTC)", *(FAILURES[kind] for kind in seen)], rows)
    when = f"When they failed, every {_span(every.width_s)}."
    return [
        figure(titled(facts, runs, "Calls without a reply"), note, table, stacked(bars)),
        figure(titled(facts, runs, "Calls without a reply over time"), when, over, over_time(points)),
    ]


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: int) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return f"{seconds // unit} {name}" if seconds > unit else name[:-1]
    return f"{seconds} seconds" if seconds > 1 else "second"
