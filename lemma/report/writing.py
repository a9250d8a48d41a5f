"""`lemma report`: from runs to one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lemma.errors import ConfigError
from lemma.plan import money
from lemma.reasons import CHECKS, EXPORT, READING, REPLIES
from lemma.report.facts import RunFacts, names_of, read_facts
from lemma.report.figures import percent, shown
from lemma.report.flow import flow
from lemma.report.items import items_of, texts_of
from lemma.report.judged import judged
from lemma.report.kinds import kinds
from lemma.report.lines import Tree
from lemma.report.mathematics import PATTERN, read_mathematics
from lemma.report.money import costs
from lemma.report.page import embedded, render
from lemma.report.shape import shape
from lemma.shards.files import write_whole

MOST_ITEM_BYTES: Final = 16_000_000
"""Of the browser's items together: the page stays below 25 MB whatever stands in them."""
MOST_MATHEMATICS: Final = 20_000
"""Formulas; those beyond are shown as they were written."""
DEFAULT_SAMPLES: Final = 300


def write_report(runs: Sequence[Path], output: Path | None, samples: int = DEFAULT_SAMPLES) -> str:
    """Writes the page; reads the runs without their locks.

    Args:
        runs: their folders.
        output: where to; ``report.html`` in the run's folder where there is one run.
        samples: trajectories and rejections to look at, of all runs together.

    Returns:
        One line about what was written.

    Raises:
        ConfigError: several runs, and no output.
        RunError: a folder is no run, or damaged.
        DiskError: the page cannot be written.
    """
    if output is None:
        if len(runs) > 1:
            raise ConfigError("several runs in one report: say where it goes with -o report.html")
        output = runs[0] / "report.html"
    page, items = make_report(runs, samples)
    raw = page.encode()
    write_whole(output, [raw])
    return f"{output}: {len(raw) / 1e6:.1f} MB, {items:,} trajectories and rejections to look at; open it in a browser"


def make_report(runs: Sequence[Path], samples: int) -> tuple[str, int]:
    """The page, and how many items are in its browser.

    The same runs give the same page: it names no time, and of their folders only the last names.

    Raises:
        RunError: a folder is no run, or damaged.
    """
    share = samples // len(runs)
    facts = [read_facts(run, name, share) for run, name in zip(runs, names_of(list(runs)), strict=True)]
    items = [item for at, one in enumerate(facts) for item in items_of(one, share, at)]
    items, left_out = _within_bounds(items)
    sections = [section for make in (flow, kinds, shape, costs, judged) for section in make(facts)]
    sections = [section for section in sections if section.figures]
    several = len(facts) > 1
    lead = [f"{one.name}: {warning}" if several else warning for one in facts for warning in one.warnings]
    title = " · ".join(one.name for one in facts)
    page = render(title, lead, [(one.name, tiles_of(one)) for one in facts], sections, _data(facts, items, left_out))
    return page, len(items)


def tiles_of(facts: RunFacts) -> list[tuple[str, str, str]]:
    """The key figures of a run: (label, value, remark)."""
    counts = facts.counts
    verdicts, samples = counts.verdicts(), counts.stages["sample"].kept
    mistakes = counts.stages["analyze"].kept + counts.stages["inject"].kept
    trajectories = counts.stages[facts.last].kept
    asked = facts.findings.to_correct.total() * len(facts.config.correct.strategies)
    a_row = f"{facts.tokens / counts.rows:,.0f} a kept row" if counts.rows and facts.tokens else ""
    return [
        ("problems", shown(counts.problems.kept), f"{sum(counts.problems.rejected.values()):,} set aside"),
        ("samples", shown(samples), f"{percent(verdicts['right'], samples) or '–'} right"),
        ("mistakes", shown(mistakes), f"{counts.stages['inject'].kept:,} of them injected"),
        ("trajectories", shown(trajectories), f"{percent(trajectories, asked) or '–'} of those asked for"),
        ("rows", shown(counts.rows), "exported" if counts.export else "not exported yet"),
        ("tokens", shown(facts.tokens), a_row),
        ("cost", money(facts.cost_usd) if facts.tokens else "$0.00", "" if facts.tokens else "nobody was asked"),
    ]


def _within_bounds(items: list[Tree]) -> tuple[list[Tree], int]:
    """As many of the items as a page can hold, of all kinds; and how many are left out."""
    kept, size = [], 0
    for item in items:
        length = len(embedded(item))
        if size + length <= MOST_ITEM_BYTES:
            kept.append(item)
            size += length
    return kept, len(items) - len(kept)


def _data(facts: Sequence[RunFacts], items: list[Tree], left_out: int) -> dict[str, Any]:
    known = {reason: one for kind in (READING, REPLIES, CHECKS, EXPORT) for reason, one in kind.items()}
    return {
        "runs": [one.name for one in facts],
        "all": {
            "kept": sum(one.findings.kept.counts.total() for one in facts),
            "rejected": sum(one.findings.rejected.counts.total() for one in facts),
        },
        "left_out": left_out,
        "reasons": {
            reason: [known[reason].meaning, known[reason].advice]
            for reason in sorted({item["reason"] for item in items} & known.keys())
        },
        "pattern": PATTERN,
        "mathematics": read_mathematics((text for item in items for text in texts_of(item)), MOST_MATHEMATICS),
        "items": items,
    }
