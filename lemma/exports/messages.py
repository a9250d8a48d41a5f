"""``messages.jsonl``: one conversation a line, as OpenAI's fine-tuning and TRL's `SFTTrainer` read it."""

from __future__ import annotations

from functools import partial

from lemma.exports.base import ExportFormat, JsonLines
from lemma.records import TrainingRow


def user_text(row: TrainingRow) -> str:
    """What the user says: the instruction, with the input under it where there is one."""
    return f"{row.instruction}\n\n{row.input}" if row.input else row.instruction


def shape(row: TrainingRow) -> dict[str, object]:
    """``{"messages": [{"role": "user", …}, {"role": "assistant", …}]}``."""
    return {
        "messages": [
            {"role": "user", "content": user_text(row)},
            {"role": "assistant", "content": row.output},
        ]
    }


MESSAGES = ExportFormat(
    "messages.jsonl", "messages_validation.jsonl", partial(JsonLines, shape), "messages (user, assistant)"
)
