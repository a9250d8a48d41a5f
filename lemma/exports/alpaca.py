"""``alpaca.json``: one array of ``{"instruction", "input", "output"}``, as LLaMA-Factory's `alpaca` format reads it.

It is also the form of the published dataset (paper, section 4.1).
"""

from __future__ import annotations

from functools import partial

from lemma.exports.base import ExportFormat, JsonArray
from lemma.records import TrainingRow


def shape(row: TrainingRow) -> dict[str, object]:
    """``{"instruction": question, "input": "", "output": solution}``."""
    return {"instruction": row.instruction, "input": row.input, "output": row.output}


ALPACA = ExportFormat("alpaca.json", "alpaca_validation.json", partial(JsonArray, shape), "instruction, input, output")
