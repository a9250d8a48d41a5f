"""Turns trajectories into what trainers read: rows, their formats, a dataset card.

::

    summary = export_run(trajectories, plain, run / "export", config, facts)

`trajectories` and `plain` are functions that start a new pass over the run's files. A new format is one new file with
an `ExportFormat`, and its line in `registry.FORMATS`.
"""

from lemma.exports.base import ExportFormat, JsonArray, JsonLines, RowWriter
from lemma.exports.facts import CardFacts, ExportSummary, OverlapFacts, RowCounts, SourceFacts, StageFacts
from lemma.exports.plain import PlainSource
from lemma.exports.registry import FORMATS, formats_of
from lemma.exports.rows import row_of
from lemma.exports.run import export_run

__all__ = [
    "FORMATS",
    "CardFacts",
    "ExportFormat",
    "ExportSummary",
    "JsonArray",
    "JsonLines",
    "OverlapFacts",
    "PlainSource",
    "RowCounts",
    "RowWriter",
    "SourceFacts",
    "StageFacts",
    "export_run",
    "formats_of",
    "row_of",
]
