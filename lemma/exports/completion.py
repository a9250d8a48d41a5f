"""``completion.jsonl``: ``{"prompt", "completion"}`` a line, as TRL's `SFTTrainer` and others read it.

The prompt is whole text (`export.prompt`), for models without a chat template. Trainers leave a prompt out of the loss.
With ``export.loss_on: correction`` the mistake, too, stands in the prompt: then a model learns to notice and correct
after a wrong step, and is never taught to take one. See huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from lemma.config import ExportConfig
from lemma.exports.base import ExportFormat, JsonLines
from lemma.exports.templates import Template, template_of
from lemma.records import TrainingRow


class Parts(NamedTuple):
    """A row as text for a model: prompt + completion is all of it."""

    prompt: str
    completion: str


def parts_of(row: TrainingRow, template: Template, loss_on: str) -> Parts:
    """What is given and what is learnt.

    Args:
        row: the row.
        template: of the prompt.
        loss_on: `export.loss_on`.
    """
    question = f"{row.instruction}\n{row.input}" if row.input else row.instruction
    given = 0 if row.spans is None or loss_on == "solution" else row.spans.prefix[1]
    text = template.lead + row.output
    cut = given + len(template.lead) if given else 0
    return Parts(template.prompt(question) + text[:cut], text[cut:])


def completion_format(config: ExportConfig) -> ExportFormat:
    """The format as configured.

    Raises:
        ConfigError: an unknown prompt.
    """
    template = template_of(config.prompt)

    def shape(row: TrainingRow) -> dict[str, object]:
        return parts_of(row, template, config.loss_on)._asdict()

    return ExportFormat(
        "completion.jsonl", "completion_validation.jsonl", partial(JsonLines, shape), "prompt, completion"
    )


COMPLETION = replace(completion_format(ExportConfig()), configured=completion_format)
