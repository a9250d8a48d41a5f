"""The export formats by name; a plugin adds its own to `FORMATS`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import partial
from typing import Final

from lemma.config import ExportConfig
from lemma.errors import ConfigError
from lemma.exports.alpaca import ALPACA
from lemma.exports.base import ExportFormat, JsonLines
from lemma.exports.completion import COMPLETION
from lemma.exports.llamafactory import LLAMAFACTORY
from lemma.exports.messages import MESSAGES
from lemma.exports.parquet import PARQUET
from lemma.exports.process import PAIRS, STEPS
from lemma.exports.sharegpt import SHAREGPT
from lemma.records import TrainingRow

FORMATS: Final[dict[str, ExportFormat]] = {
    "alpaca": ALPACA,
    "messages": MESSAGES,
    "sharegpt": SHAREGPT,
    "parquet": PARQUET,
    "completion": COMPLETION,
    "llamafactory": LLAMAFACTORY,
    "steps": STEPS,
    "pairs": PAIRS,
}

ROWS: Final = ExportFormat(
    "train.jsonl",
    "validation.jsonl",
    partial(JsonLines, TrainingRow.model_dump),
    ", ".join(TrainingRow.model_fields),
)
"""The rows themselves: always written, and what the others are made from."""


def formats_of(names: Iterable[str], config: ExportConfig | None = None) -> dict[str, ExportFormat]:
    """The formats that a configuration names, by name, each once.

    Args:
        names: as in `export.formats`.
        config: what formats are made for; null: the defaults.

    Raises:
        ConfigError: a name that is not registered; tells the known ones, the nearest first. Or an unknown prompt.
    """
    formats: dict[str, ExportFormat] = {}
    for name in names:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=len(FORMATS), cutoff=0)
            raise ConfigError(f"export.formats: unknown format {name!r}; known are {', '.join(near)}")
        form = FORMATS[name]
        formats[name] = form.configured(config or ExportConfig()) if form.configured else form
    return formats
