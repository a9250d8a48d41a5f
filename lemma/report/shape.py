"""What texts look like: where the first error stands, and how long things are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lemma.report.charts import Bar, columns
from lemma.report.facts import RunFacts
from lemma.report.figures import Cell, Figure, Section, Table, figure, percent, plain, titled
from lemma.report.scan import LAST_STEP, PARTS_OF_TEXT

BINS = 16
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ORIGINS = ("student", "injected")


def shape(runs: Sequence[RunFacts]) -> list[Section]:
    """Three figures for each run."""
    figures = [one for facts in runs for one in (_steps(facts, runs), _tenths(facts, runs), _lengths(facts, runs))]
    return [Section("texts", "Texts", "Where errors stand, how long texts are", figures)]


def _steps(facts: RunFacts, runs: Sequence[RunFacts]) -> Figure:
    steps = facts.findings.steps
    numbers = range(1, LAST_STEP + 1) if steps else ()
    names = {number: f"{number}+" if number == LAST_STEP else str(number) for number in numbers}
    rows: list[list[Cell]] = [
        [names[number], *(steps[origin, number] for origin in _ORIGINS), _share(steps, number)] for number in numbers
    ]
    bars = [Bar(names[number], steps[origin, number], origin) for number in numbers for origin in _ORIGINS]
    note = "The step, counted from 1, in which a solution first goes wrong."
    table = Table(["first wrong step", *_ORIGINS, "share"], rows)
    return figure(titled(facts, runs, "First wrong step"), note, table, columns(bars, "step"))


def _tenths(facts: RunFacts, runs: Sequence[RunFacts]) -> Figure:
    tenths = facts.findings.tenths
    numbers = range(10) if tenths else ()
    rows: list[list[Cell]] = [
        [f"{10 * at}–{10 * at + 10} %", *(tenths[origin, at] for origin in _ORIGINS), _share(tenths, at)]
        for at in numbers
    ]
    bars = [Bar(f"{10 * at}", tenths[origin, at], origin) for at in numbers for origin in _ORIGINS]
    note = "How far into the solution, in characters, the first wrong step ends."
    table = Table(["of the solution", *_ORIGINS, "share"], rows)
    spec = columns(bars, "% of the solution")
    return figure(titled(facts, runs, "Where the first error stands"), note, table, spec)


def _share(counts: Counter[tuple[str, int]], number: int) -> str | None:
    return percent(sum(counts[origin, number] for origin in _ORIGINS), counts.total())


def _lengths(facts: RunFacts, runs: Sequence[RunFacts]) -> Figure:
    lengths = facts.findings.lengths
    rows: list[list[Cell]] = [
        [plain(strategy), "whole text" if part == "text" else part, *_quantiles(lengths[strategy, part])]
        for strategy in sorted({strategy for strategy, _ in lengths})
        for part in PARTS_OF_TEXT
    ]
    whole = {strategy: counts for (strategy, part), counts in sorted(lengths.items()) if part == "text"}
    width = _width(sum(whole.values(), Counter()))
    binned = {strategy: _binned(counts, width) for strategy, counts in whole.items()}
    bars = [
        Bar(f"{at * width:,}", counts[at], plain(strategy))
        for at in range(BINS + 1)
        for strategy, counts in binned.items()
    ]
    note = f"Whole texts of trajectories, in columns of {width:,} characters; the last holds all longer ones."
    head = ["strategy", "part", "5 %", "25 %", "median", "75 %", "95 %", "longest"]
    return figure(titled(facts, runs, "Length in characters"), note, Table(head, rows), columns(bars, "characters"))


def _quantiles(counts: Counter[int]) -> list[Cell]:
    """Exact ones, from the counts of each length; the longest at last."""
    cells: list[Cell] = []
    ordered, seen = sorted(counts.items()), 0
    wanted = [max(1, round(share * counts.total())) for share in QUANTILES]
    for length, count in ordered:
        seen += count
        while len(cells) < len(wanted) and seen >= wanted[len(cells)]:
            cells.append(length)
    return [*cells, ordered[-1][0]]


def _width(counts: Counter[int]) -> int:
    """A round width of the columns, so that nearly all lengths find a place."""
    if not counts:
        return 100
    high = _quantiles(counts)[4]
    assert isinstance(high, int)
    return next((width for width in (10, 20, 50, 100, 200, 250, 500, 1000) if width * BINS >= high), 2000)


def _binned(counts: Counter[int], width: int) -> Counter[int]:
    binned = Counter[int]()
    for length, count in counts.items():
        binned[min(BINS, length // width)] += count
    return binned
