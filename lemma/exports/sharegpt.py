"""``sharegpt.json``: one array of conversations, as LLaMA-Factory's `sharegpt` format, FastChat and Axolotl read it."""

from __future__ import annotations

from functools import partial

from lemma.exports.base import ExportFormat, JsonArray
from lemma.exports.messages import user_text
from lemma.records import TrainingRow


def shape(row: TrainingRow) -> dict[str, object]:
    """``{"conversations": [{"from": "human", …}, {"from": "gpt", …}]}``."""
    return {
        "conversations": [
            {"from": "human", "value": user_text(row)},
            {"from": "gpt", "value": row.output},
        ]
    }


SHAREGPT = ExportFormat(
    "sharegpt.json", "sharegpt_validation.json", partial(JsonArray, shape), "conversations (human, gpt)"
)
