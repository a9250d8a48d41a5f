"""The small types that the readers share; they stand on nothing else of the package's datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lemma.records import Record


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of an input, not yet read."""

    file: str
    """As the configuration names it, for people."""
    stem: str
    """The file's name without folder and ending: the label of problems that bring none."""
    line: int
    """From 1."""
    value: Mapping[str, Any]


class SetAside(Record):
    """An input line that gave no problem, and why; a line of ``problems/set_aside.jsonl``.

    Example::

        {"file":"train.jsonl","line":17,"reason":"broken_json","detail":"EOF while parsing a value at column 80"}
    """

    file: str
    line: int
    """From 1; blank lines count."""
    reason: str
    """A key of `lemma.reasons.READING`."""
    detail: str
