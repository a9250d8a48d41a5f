"""What an audit found, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lemma.audit.figures import Agreement, AuditFigures, Counts
from lemma.audit.tally import Audit
from lemma.audit.verdicts import CLAIMS, short
from lemma.terminal import flat

ALONE: Final = "each alone"
"""Head of the column that holds the lowest and the highest label error of one annotator."""


def figures_table(figures: AuditFigures) -> list[list[str | int]]:
    """Head and lines, one a claim and one for rows in full; with several annotators what they disagree about too."""
    several = figures.annotators > 1
    head: list[str | int] = ["claim", "right", "wrong", "unsure", *(["disputed"] if several else [])]
    head += ["label error", "95 % interval", *([ALONE, "agreement", "kappa"] if several else [])]
    table = [head]
    for claim, text in CLAIMS.items():
        table.append(_line(text, figures.claims[claim], several))
        if several:
            table[-1] += [_alone_cell(figures.alone.get(claim)), *_agreement_cells(figures.agreement.get(claim))]
    table.append(_line("all five, in rows judged in full", figures.whole, several))
    table[-1] += ["–"] * (len(head) - len(table[-1]))
    return table


def explanation(figures: AuditFigures) -> str:
    """What the table's columns mean."""
    text = "Label error is wrong / (right + wrong), with Wilson's score interval; unsure counts apart."
    if figures.annotators > 1:
        way = "kappa is Cohen's" if figures.annotators == 2 else "both are means over all pairs, kappa being Light's"
        text += (
            " What most annotators said counts; as many yes as no is disputed. Each alone: the lowest and the highest "
            f"label error by one annotator. Agreement takes unsure for a third answer; {way}."
        )
    return text


def _line(text: str, counts: Counts, several: bool) -> list[str | int]:
    error, interval = counts.error, counts.interval
    return [
        text,
        counts.yes,
        counts.no,
        counts.unsure,
        *([counts.disputed] if several else []),
        "–" if error is None else f"{100 * error:.1f} %",
        "–" if interval is None else _range(interval),
    ]


def _range(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f} %"


def _alone_cell(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else _range(ends)


def _agreement_cells(found: Agreement | None) -> tuple[str, str]:
    if found is None:
        return "–", "–"
    return f"{100 * found.share:.1f} %", "undefined" if found.kappa is None else f"{found.kappa:.2f}"


def report(audit: Audit) -> str:
    """The whole report as text."""
    figures = audit.figures
    names = ", ".join(f"{name} {count}" for name, count in audit.rows_by.items())
    table = [list(map(str, line)) for line in figures_table(figures)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [f"{figures.rows} rows judged" + (f": {names}" if names else "")]
    for line in table:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells))
    lines.append(explanation(figures))
    if figures.outdated:
        lines.append(f"Left out: {figures.outdated} verdicts about rows that the run no longer has as they were shown.")
    lines += [unreadable_line(name, numbers) for name, numbers in audit.unreadable.items()]
    return "\n".join([*lines, *_row_lines(audit)])


def _row_lines(audit: Audit) -> list[str]:
    """The rows to look at again."""
    ids = sorted(audit.wrong.keys() | audit.disputed.keys() | audit.notes.keys())
    lines = ["Rows with a claim found wrong or disputed, or with a note:"] if ids else []
    for row in ids:
        said = [
            f"{head}: {', '.join(map(short, claims[row]))}"
            for head, claims in (("wrong", audit.wrong), ("disputed", audit.disputed))
            if row in claims
        ]
        lines.append(f"  {flat(row)}  {'; '.join([*said, *map(flat, audit.notes.get(row, []))])}")
    return lines


def unreadable_line(name: str, numbers: list[int]) -> str:
    """Tells which lines of a file were passed over."""
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return f"Passed over in audit/{name}.jsonl: line {shown} (half-written, or no verdict)."


def status_line(tree: Mapping[str, Any]) -> str:
    """One line for `lemma status`, from `lemma.audit.tally.figures_tree`."""
    cells = []
    for claim, one in tree["claims"].items():
        disputed = f", {one['disputed']} disputed" if one["disputed"] else ""
        if one["label_error"] is not None:
            ends = f"{100 * one['low']:.1f}–{100 * one['high']:.1f}"
            cells.append(f"{short(claim)} {100 * one['label_error']:.1f} % ({ends}{disputed})")
    head = f"audit: {tree['rows']} rows judged by {tree['annotators']}"
    left = f"; {tree['outdated']} verdicts are about rows as they no longer are" if tree["outdated"] else ""
    return f"{head}; label error {', '.join(cells) or 'not known yet'}{left}"
