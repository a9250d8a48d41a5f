r"""GSM8K (openai/grade-school-math, MIT): ``train.jsonl`` and ``test.jsonl`` as published.

A row::

    {"question": "Natalia sold clips to 48 of her friends in April, …",
     "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold … altogether.\n#### 72"}

`answer` is the worked solution; the last line is the final answer.
"""

from __future__ import annotations

from lemma.datasets.base import DatasetSpec, Parsed, Row, text_of
from lemma.datasets.cleaning import answer_behind_sign, marks_meta, take_out_marks


def parse(row: Row, spec: DatasetSpec) -> Parsed:
    """Reads a row of GSM8K."""
    solution, marks = take_out_marks(text_of(row.value, "answer"))
    return Parsed(
        dataset=spec.name or "gsm8k",
        question=text_of(row.value, "question"),
        reference_solution=solution,
        answer=answer_behind_sign(solution),
        meta=marks_meta(marks),
    )
