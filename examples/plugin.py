"""A plugin: a correction strategy with its prompt, an error type, a dataset and an export format.

Name it in the configuration (``plugins: [examples/plugin.py]``) and use what it adds::

    data: [{dataset: short_answer, path: questions.jsonl}]
    correct: {strategies: [check_back, fresh_restart]}
    export: {formats: [alpaca, prompt_completion]}
"""

from __future__ import annotations

from functools import partial

from lemma.config import DatasetSpec
from lemma.datasets import Dataset, Parsed, Row, text_of
from lemma.exports import ExportFormat, JsonLines
from lemma.plugins import add_dataset, add_error_type, add_export, add_strategy
from lemma.records import Mistake, TrainingRow
from lemma.stages.base import CorrectUnit, Gold
from lemma.stages.golds import Golds


# A correction strategy says which solution guides the teacher and which prompt is sent.
class CheckBack:
    """The wrong result is put back into the problem, does not fit, and so the step is mended."""

    name = "check_back"
    templates: tuple[str, ...] = ("check_back",)
    starts_anew = False

    def choose_gold(self, mistake: Mistake, golds: Golds, seed: str) -> tuple[Gold, bool]:
        """The reference solution; False: the teacher writes the continuation itself."""
        return golds.reference, False

    def template_for(self, unit: CorrectUnit) -> str:
        """The one prompt."""
        return self.templates[0]


CHECK_BACK = """
=== system ===
Someone is solving a mathematics problem in writing. What stands there so far ends in a wrong step. You write what comes
next, as the same person: a reflection in which they put the value of that step back into the problem, see that it
cannot be, and mend it; then the continuation to the right answer. They know nothing of the notes.

How to reply
{{how_to_reply}}
=== user ===
Problem to check back:
{{question}}

Text so far:
{{prefix}}

Notes for you alone
What is wrong: {{explanation}}
A correct solution: {{solution}}

Answer line: {{answer_line}}
"""
add_strategy(CheckBack(), {"check_back": CHECK_BACK})

# An error type is what stands in a file of lemma/prompts/error_types/.
add_error_type(
    "rounding_error",
    """---
title: Rounding error
injectable: true
---
## Definition
A value is rounded too early, or the wrong way (7.5 buses taken as 7), and what follows uses the rounded one.

## Not this
The value was worked out wrongly before it was rounded (calculation_error).

## Making one
Round a value that has to stay exact, or round down where only rounding up makes sense, and go on with it.

## Example: word problem
Question: 30 children go by cars that take 4 each. How many cars?
Right step: 30 / 4 = 7.5, so they need 8 cars.
Wrong step: 30 / 4 = 7.5, so they need 7 cars.
Why: Half a car cannot go; with 7 cars two children stay behind.
""",
)


# A dataset reads one row; `text_of` tells a row without the field by file and line.
def parse(row: Row, spec: DatasetSpec) -> Parsed:
    """``{"q": question, "steps": solution, "a": answer}``."""
    return Parsed(
        dataset=spec.name or "short_answer",
        question=text_of(row.value, "q"),
        reference_solution=text_of(row.value, "steps"),
        answer=text_of(row.value, "a"),
    )


add_dataset("short_answer", Dataset(parse))


# An export format gives a training row its form.
def shape(row: TrainingRow) -> dict[str, object]:
    """``{"prompt", "completion"}``, as TRL's SFTTrainer reads it."""
    return {"prompt": row.instruction, "completion": row.output}


add_export(
    "prompt_completion",
    ExportFormat("prompts.jsonl", "prompts_validation.jsonl", partial(JsonLines, shape), "prompt, completion"),
)
