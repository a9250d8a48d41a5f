"""The card's section on label error: what people found who judged a sample of the rows (`lemma audit`)."""

from __future__ import annotations

from lemma.audit.figures import AuditFigures
from lemma.audit.report import explanation, figures_table
from lemma.exports.markdown import table


def label_error(figures: AuditFigures) -> str:
    """The section, with its heading; no annotator is named."""
    head, *rows = figures_table(figures)
    who = "one person" if figures.annotators == 1 else f"{figures.annotators} people"
    return (
        "## How often its labels are wrong\n\n"
        f"{figures.rows:,} of the run's trajectories, drawn by error type, strategy and origin, were judged by "
        f"{who}.\n\n"
        f"{table(list(map(str, head)), rows)}\n\n"
        f"{explanation(figures)}"
    )
