r"""MATH (hendrycks/math, MIT): one object a problem.

A row::

    {"problem": "Compute $\\dbinom{5}{1}$.", "level": "Level 1", "type": "Counting & Probability",
     "solution": "$\\dbinom{5}{1} = \\dfrac{5!}{1!4!}=\\boxed{5}.$"}

The answer is the last box of the solution, kept as it is. A row whose box is empty has none.
"""

from __future__ import annotations

from pydantic import JsonValue

from lemma.datasets.base import DatasetSpec, Parsed, Row, look_up, plain, text_of
from lemma.datasets.cleaning import boxed

KEPT = ("level", "type", "subject", "unique_id")
"""Fields that go to `meta`; the last two are those of the 500-problem subset."""


def parse(row: Row, spec: DatasetSpec) -> Parsed:
    """Reads a row of MATH."""
    solution = text_of(row.value, "solution")
    meta: dict[str, JsonValue] = {}
    for name in KEPT:
        value = look_up(row.value, name)
        if value is not None:
            meta[name] = plain(value)
    return Parsed(
        dataset=spec.name or "math",
        question=text_of(row.value, "problem", "question"),
        reference_solution=solution,
        answer=boxed(solution),
        meta=meta,
    )
