"""The export formats by name; a plugin adds its own to `FORMATS`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import partial
from typing import Final

from lemma.errors import ConfigError
from lemma.exports.alpaca import ALPACA
from lemma.exports.base import ExportFormat, JsonLines
from lemma.exports.messages import MESSAGES
from lemma.exports.parquet import PARQUET
from lemma.exports.sharegpt import SHAREGPT
from lemma.records import TrainingRow

FORMATS: Final[dict[str, ExportFormat]] = {
    "alpaca": ALPACA,
    "messages": MESSAGES,
    "sharegpt": SHAREGPT,
    "parquet": PARQUET,
}

ROWS: Final = ExportFormat(
    "train.jsonl",
    "validation.jsonl",
    partial(JsonLines, TrainingRow.model_dump),
    ", ".join(TrainingRow.model_fields),
)
"""The rows themselves: always written, and what the others are made from."""


def formats_of(names: Iterable[str]) -> dict[str, ExportFormat]:
    """The formats that a configuration names, by name, each once.

    Raises:
        ConfigError: a name that is not registered; tells the known ones, the nearest first.
    """
    formats: dict[str, ExportFormat] = {}
    for name in names:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=len(FORMATS), cutoff=0)
            raise ConfigError(f"export.formats: unknown format {name!r}; known are {', '.join(near)}")
        formats[name] = FORMATS[name]
    return formats
