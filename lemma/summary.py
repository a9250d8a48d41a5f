"""The yield table: what became of every unit, stage by stage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from lemma.exports.facts import StageFacts
from lemma.shards.manifest import Manifest, sum_counts

SHOWN_REASONS = 4


def facts_of(stage: str, manifests: Iterable[Manifest]) -> StageFacts:
    """Adds up a stage's manifests."""
    counts, reasons, _ = sum_counts(manifests)
    return StageFacts(stage, counts["units"], counts["kept"], dict(reasons.most_common()))


def verdicts(manifests: Iterable[Manifest]) -> Counter[str]:
    """Counts of samples by verdict: right, wrong, undecided, no_answer, flag_disagrees."""
    total: Counter[str] = Counter()
    for manifest in manifests:
        for key, count in manifest.tally.items():
            total[json.loads(key)[-1]] += count
    return total


def yield_table(stages: Sequence[StageFacts], notes: dict[str, str] | None = None) -> str:
    """The table as text: units = kept + rejected + left in every line."""
    rows = [("stage", "units", "kept", "rejected", "left", "yield", "")]
    for facts in stages:
        rejected = sum(facts.rejected.values())
        share = f"{100 * facts.kept / facts.units:.1f} %" if facts.units else "–"
        remark = (notes or {}).get(facts.name, "")
        reasons = sorted(facts.rejected.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{reason} {count}" for reason, count in reasons[:SHOWN_REASONS]]
        if len(reasons) > SHOWN_REASONS:
            shown.append(f"{len(reasons) - SHOWN_REASONS} other reasons")
        text = "; ".join(part for part in (remark, ", ".join(shown)) if part)
        rows.append((facts.name, str(facts.units), str(facts.kept), str(rejected), str(facts.left), share, text))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, 6)), row[6]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
