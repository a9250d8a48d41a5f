"""A run, or several side by side, as one HTML file that needs nothing else.

::

    facts  ◀─ counts, ledger, audit (what others count), scan (one pass over the records), calls (over the replies)
    flow kinds shape money judged      facts → figures: a picture (charts → svg) and its numbers as a table
    pick ─▶ items ─▶ mathematics       the browser's sample of trajectories and rejections
    page                               template, style, script, content security policy
"""

from __future__ import annotations

from lemma.report.writing import DEFAULT_SAMPLES, make_report, write_report

__all__ = ["DEFAULT_SAMPLES", "make_report", "write_report"]
