"""What people found who judged a sample of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from lemma.audit.report import explanation, figures_table
from lemma.audit.verdicts import CLAIMS
from lemma.report.charts import Interval, intervals
from lemma.report.facts import RunFacts
from lemma.report.figures import Figure, Section, Table, figure, titled


def judged(runs: Sequence[RunFacts]) -> list[Section]:
    """A figure for each run that was judged; no section where none was."""
    figures = [one for facts in runs for one in _audit(facts, runs)]
    return [Section("audit", "Audit", "What people found", figures)] if figures else []


def _audit(facts: RunFacts, runs: Sequence[RunFacts]) -> list[Figure]:
    if facts.audit is None or not facts.audit.figures.rows:
        return []
    figures = facts.audit.figures
    table = figures_table(figures)
    drawn = []
    for claim, text in CLAIMS.items():
        counts = figures.claims[claim]
        if counts.error is not None and counts.interval is not None:
            low, high = counts.interval
            said = f"{100 * counts.error:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
            drawn.append(Interval(text, counts.error, low, high, said))
    note = f"Label error in {figures.rows:,} rows judged by {figures.annotators:,}. {explanation(figures)}"
    head = [str(cell) for cell in table[0]]
    spec = intervals(drawn) if drawn else None
    return [figure(titled(facts, runs, "How often labels are wrong"), note, Table(head, table[1:]), spec)]
