"""From verdicts on disk to figures, and how people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemma.audit.figures import Agreement, AuditFigures, Counts, agreement, consensus
from lemma.audit.rows import find
from lemma.audit.screen import flat
from lemma.audit.verdicts import CLAIMS, NOTE, annotators, short, shown_of

Said = dict[str, dict[str, dict[str, str]]]
"""Claim (or note) → annotator → row's id → what was said."""


@dataclass(frozen=True)
class Audit:
    """All that was judged of a run."""

    figures: AuditFigures
    rows_by: Mapping[str, int]
    """Annotator → rows judged."""
    wrong: Mapping[str, list[str]]
    """Row's id → claims that do not hold."""
    notes: Mapping[str, list[str]]
    """Row's id → notes, each with its annotator."""
    unreadable: Mapping[str, list[int]]
    """Annotator → lines of the file that are no verdict."""


def read_audit(run: Path, stage: str) -> Audit | None:
    """Counts the verdicts of all annotators about the rows as they are now; None where nobody judged any.

    Where several judged a claim, what most of them said counts, and a tie as `unsure`.

    Args:
        run: the run's folder.
        stage: whose trajectories are the last ones.

    Raises:
        RunError: a file cannot be read.
    """
    everybody = dict(annotators(run))
    keys = {key for judged in everybody.values() for key in judged.said}
    rows = find(run, stage, {identity for identity, _, _ in keys})
    current = {(row.id, shown_of(row)) for row in rows.values()}
    said: Said = {claim: {} for claim in (*CLAIMS, NOTE)}
    rows_by: dict[str, int] = {}
    outdated = 0
    for name, judged in everybody.items():
        mine: set[str] = set()
        for (identity, shown, claim), word in judged.said.items():
            if (identity, shown) not in current:
                outdated += claim != NOTE
                continue
            said[claim].setdefault(name, {})[identity] = word
            if claim != NOTE:
                mine.add(identity)
        if mine:
            rows_by[name] = len(mine)
    unreadable = {name: judged.unreadable for name, judged in everybody.items() if judged.unreadable}
    if not keys and not unreadable:
        return None
    return _audit(said, rows_by, outdated, unreadable)


def _audit(said: Said, rows_by: Mapping[str, int], outdated: int, unreadable: Mapping[str, list[int]]) -> Audit:
    agreed = {claim: _by_row(said[claim]) for claim in CLAIMS}
    rows = sorted({row for words in agreed.values() for row in words})
    whole = Counter(_whole([words[row] for words in agreed.values()]) for row in rows if _is_full(agreed, row))
    found = {claim: agreement(said[claim]) for claim in CLAIMS}
    figures = AuditFigures(
        rows=len(rows),
        annotators=len(rows_by),
        claims={claim: _counts(Counter(words.values())) for claim, words in agreed.items()},
        whole=_counts(whole),
        agreement={claim: one for claim, one in found.items() if one is not None},
        outdated=outdated,
    )
    wrong = {row: [claim for claim, words in agreed.items() if words.get(row) == "no"] for row in rows}
    notes: dict[str, list[str]] = {}
    for name, texts in said[NOTE].items():
        for row, text in texts.items():
            if text:
                notes.setdefault(row, []).append(f"{name}: {text}")
    return Audit(figures, rows_by, {row: claims for row, claims in wrong.items() if claims}, notes, unreadable)


def _by_row(said: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    words: dict[str, list[str]] = {}
    for verdicts in said.values():
        for row, word in verdicts.items():
            words.setdefault(row, []).append(word)
    return {row: consensus(several) for row, several in words.items()}


def _is_full(agreed: Mapping[str, Mapping[str, str]], row: str) -> bool:
    return all(row in words for words in agreed.values())


def _whole(words: list[str]) -> str:
    return "no" if "no" in words else "unsure" if "unsure" in words else "yes"


def _counts(counter: Counter[str]) -> Counts:
    return Counts(counter["yes"], counter["no"], counter["unsure"])


# ── for people ──


def error_cells(counts: Counts) -> tuple[str, str]:
    """Label error and its interval: ``("12.0 %", "7.0–19.8 %")``; dashes where nothing was decided."""
    error, interval = counts.error, counts.interval
    if error is None or interval is None:
        return "–", "–"
    return f"{100 * error:.1f} %", f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %"


def agreement_cells(found: Agreement | None) -> tuple[str, str]:
    """Share and kappa: ``("92.0 %", "0.71")``."""
    if found is None:
        return "–", "–"
    return f"{100 * found.share:.1f} %", "undefined" if found.kappa is None else f"{found.kappa:.2f}"


def report(audit: Audit) -> str:
    """The whole report as text."""
    figures = audit.figures
    names = ", ".join(f"{name} {count}" for name, count in audit.rows_by.items())
    head = ["claim", "right", "wrong", "unsure", "label error", "95 % interval"]
    table = [head + (["agreement", "kappa"] if figures.agreement else [])]
    for claim, text in CLAIMS.items():
        table.append(_line(text, figures.claims[claim]))
        if figures.agreement:
            table[-1] += agreement_cells(figures.agreement.get(claim))
    table.append(_line("all five (rows judged in full)", figures.whole))
    widths = [max(len(row[at]) for row in table if at < len(row)) for at in range(len(table[0]))]
    lines = [f"{figures.rows} rows judged" + (f": {names}" if names else "")]
    lines += [
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        for row in table
    ]
    lines += _explained(audit)
    ids = sorted(audit.wrong.keys() | audit.notes.keys())
    if ids:
        lines.append("rows with a claim that does not hold, or with a note:")
    lines += [
        "  ".join(
            ["", flat(row), ", ".join(map(short, audit.wrong.get(row, []))), *map(flat, audit.notes.get(row, []))]
        ).rstrip()
        for row in ids
    ]
    return "\n".join(lines)


def _line(text: str, counts: Counts) -> list[str]:
    return [text, str(counts.yes), str(counts.no), str(counts.unsure), *error_cells(counts)]


def _explained(audit: Audit) -> list[str]:
    figures = audit.figures
    lines = ["label error: wrong / (right + wrong), with Wilson's interval; unsure counts apart"]
    if figures.annotators > 1:
        lines.append("several annotators: what most said counts, a tie as unsure")
    if figures.agreement:
        way = "Cohen's kappa" if figures.annotators == 2 else "means over all pairs, kappa Cohen's (so Light's)"
        lines.append(f"agreement: over the rows two judged, unsure being a third answer; {way}")
    if figures.outdated:
        lines.append(f"left out: {figures.outdated} verdicts about rows that the run no longer has as they were shown")
    for name, numbers in audit.unreadable.items():
        lines.append(unreadable_line(name, numbers))
    return lines


def unreadable_line(name: str, numbers: list[int]) -> str:
    """Tells which lines of a file were passed over."""
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return f"passed over in audit/{name}.jsonl: line {shown} (half-written, or no verdict)"


def figures_tree(figures: AuditFigures) -> dict[str, Any]:
    """The figures for `lemma status --json`; shares are fractions, null where nothing was decided."""
    return {
        "rows": figures.rows,
        "annotators": figures.annotators,
        "outdated": figures.outdated,
        "claims": {claim: _counts_tree(counts) for claim, counts in figures.claims.items()},
        "all_claims": _counts_tree(figures.whole),
        "agreement": {
            claim: {"rows": one.rows, "share": one.share, "kappa": one.kappa}
            for claim, one in figures.agreement.items()
        },
    }


def _counts_tree(counts: Counts) -> dict[str, Any]:
    low, high = counts.interval or (None, None)
    return {
        "right": counts.yes,
        "wrong": counts.no,
        "unsure": counts.unsure,
        "label_error": counts.error,
        "low": low,
        "high": high,
    }


def status_line(tree: Mapping[str, Any]) -> str:
    """One line for `lemma status`, from `figures_tree`."""
    cells = []
    for claim, one in tree["claims"].items():
        if one["label_error"] is not None:
            cells.append(
                f"{short(claim)} {100 * one['label_error']:.1f} % ({100 * one['low']:.1f}–{100 * one['high']:.1f})"
            )
    head = f"audit: {tree['rows']} rows judged by {tree['annotators']}"
    left = f"; {tree['outdated']} verdicts are about rows as they no longer are" if tree["outdated"] else ""
    return f"{head}; label error {', '.join(cells) or 'not known yet'}{left}"
