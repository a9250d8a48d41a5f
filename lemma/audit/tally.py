"""From verdicts on disk to figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemma.audit.figures import DISPUTED, AuditFigures, Counts, agreement, consensus
from lemma.audit.rows import find
from lemma.audit.verdicts import CLAIMS, NOTE, annotators, shown_of

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
    disputed: Mapping[str, list[str]]
    """Row's id → claims that as many found true as false."""
    notes: Mapping[str, list[str]]
    """Row's id → notes, each with its annotator."""
    unreadable: Mapping[str, list[int]]
    """Annotator → lines of the file that are no verdict."""


def read_audit(run: Path, stage: str) -> Audit | None:
    """Counts the verdicts of all annotators about the rows as they are now; None where nobody judged any.

    Where several judged a claim, what most of them said counts, and a tie is `disputed` or `unsure`.

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
        alone=_alone(said) if len(rows_by) > 1 else {},
        agreement={claim: one for claim, one in found.items() if one is not None},
        outdated=outdated,
    )
    notes: dict[str, list[str]] = {}
    for name, texts in said[NOTE].items():
        for row, text in texts.items():
            if text:
                notes.setdefault(row, []).append(f"{name}: {text}")
    wrong, disputed = _claims_of(agreed, "no"), _claims_of(agreed, DISPUTED)
    return Audit(figures, rows_by, wrong, disputed, notes, unreadable)


def _claims_of(agreed: Mapping[str, Mapping[str, str]], wanted: str) -> dict[str, list[str]]:
    """Row's id → claims about which this is what was said."""
    found: dict[str, list[str]] = {}
    for claim, words in agreed.items():
        for row, word in words.items():
            if word == wanted:
                found.setdefault(row, []).append(claim)
    return found


def _alone(said: Said) -> dict[str, tuple[float, float]]:
    found = {}
    for claim in CLAIMS:
        counted = [_counts(Counter(words.values())).error for words in said[claim].values()]
        errors = [error for error in counted if error is not None]
        if errors:
            found[claim] = min(errors), max(errors)
    return found


def _by_row(said: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    words: dict[str, list[str]] = {}
    for verdicts in said.values():
        for row, word in verdicts.items():
            words.setdefault(row, []).append(word)
    return {row: consensus(several) for row, several in words.items()}


def _is_full(agreed: Mapping[str, Mapping[str, str]], row: str) -> bool:
    return all(row in words for words in agreed.values())


def _whole(words: list[str]) -> str:
    return next((word for word in ("no", DISPUTED, "unsure") if word in words), "yes")


def _counts(counter: Counter[str]) -> Counts:
    return Counts(counter["yes"], counter["no"], counter["unsure"], counter[DISPUTED])


def figures_tree(figures: AuditFigures) -> dict[str, Any]:
    """The figures for `lemma status --json`; shares are fractions, null where nothing was decided."""
    return {
        "rows": figures.rows,
        "annotators": figures.annotators,
        "outdated": figures.outdated,
        "claims": {claim: _counts_tree(counts) for claim, counts in figures.claims.items()},
        "each_alone": {claim: {"low": low, "high": high} for claim, (low, high) in figures.alone.items()},
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
        "disputed": counts.disputed,
        "label_error": counts.error,
        "low": low,
        "high": high,
    }
