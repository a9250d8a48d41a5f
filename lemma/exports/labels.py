"""The card's section on label error: what people found who judged a sample of the rows (`lemma audit`)."""

from __future__ import annotations

from lemma.audit.figures import AuditFigures
from lemma.audit.tally import agreement_cells, error_cells
from lemma.audit.verdicts import CLAIMS
from lemma.exports.markdown import Cells, table


def label_error(figures: AuditFigures) -> str:
    """The section, with its heading; no annotator is named."""
    counted = [(text, figures.claims[claim], figures.agreement.get(claim)) for claim, text in CLAIMS.items()]
    head = ["claim", "right", "wrong", "unsure", "label error", "95 % interval"]
    rows: list[Cells] = [
        [text, counts.yes, counts.no, counts.unsure, *error_cells(counts)]
        for text, counts, _ in [*counted, ("all five, in rows judged in full", figures.whole, None)]
    ]
    who = "one person" if figures.annotators == 1 else f"{figures.annotators} people"
    text = (
        "## How often its labels are wrong\n\n"
        f"{figures.rows:,} of the run's trajectories, drawn by error type, strategy and origin, "
        f"were judged by {who}.\n\n"
        f"{table(head, rows)}\n\n"
        "Label error is wrong / (right + wrong), with Wilson's score interval; unsure counts apart."
    )
    if figures.annotators > 1:
        text += " Where several judged, what most of them said counts, a tie as unsure."
    if figures.agreement:
        cells = [[text, *agreement_cells(found)] for text, _, found in counted]
        text += "\n\n" + table(["claim", "agreement", "Cohen's kappa"], cells)
    return text
