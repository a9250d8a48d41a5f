r"""Any JSON Lines file of problems, with a field map.

``fields:`` says where our fields stand in a row (dots step into objects); any other name goes to `meta`::

    - dataset: jsonl
      path: my.jsonl
      fields: {question: prompt, reference_solution: info.cot, level: difficulty}

Without a map, `question` (or `problem`), `reference_solution` (or `solution`), `answer`, `id` and `dataset`
are read. The final answer is that of the `answer` field where there is one; else it is read from the
reference solution, behind ``####`` or in the last ``\boxed{…}``. GSM8K's marks are taken out.
"""

from __future__ import annotations

from collections.abc import Mapping

from lemma.datasets.base import DatasetSpec, Parsed, Row, answer_text, is_given, look_up, plain, text_of
from lemma.datasets.cleaning import (
    answer_behind_sign,
    final_answer,
    marks_meta,
    take_out_marks,
    without_thousands_commas,
)
from lemma.errors import Rejected

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "problem"),
    "reference_solution": ("reference_solution", "solution"),
    "answer": ("answer",),
    "id": ("id",),
    "dataset": ("dataset",),
}
"""Our fields, and theirs where the map does not say."""


def parse(row: Row, spec: DatasetSpec) -> Parsed:
    """Reads a row through the field map."""
    return parse_mapped(row, spec, DEFAULTS)


def parse_mapped(row: Row, spec: DatasetSpec, defaults: Mapping[str, tuple[str, ...]]) -> Parsed:
    """Reads a row through the field map; `defaults` holds the names for what the map leaves out.

    Raises:
        Rejected: `missing_field`.
    """
    names = field_names(spec, defaults)
    question = text_of(row.value, *names["question"])
    solution, marks = take_out_marks(text_of(row.value, *names["reference_solution"]))
    meta = marks_meta(marks)
    for ours, theirs in spec.fields.items():
        if ours not in defaults and (value := look_up(row.value, theirs)) is not None:
            meta[ours] = plain(value)
    return Parsed(
        dataset=_label(row, spec, names["dataset"]),
        question=question,
        reference_solution=solution,
        answer=_answer(row, names["answer"], solution),
        meta=meta,
        given_id=_first(row, names["id"]) or None,
    )


def field_names(spec: DatasetSpec, defaults: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """For each of our fields, the names of theirs to try in turn.

    A name that the map gives to one of ours is no default of another: with ``reference_solution: answer`` the
    field `answer` is not taken for the final answer as well.
    """
    taken = set(spec.fields.values())
    return {
        ours: (spec.fields[ours],) if ours in spec.fields else tuple(name for name in usual if name not in taken)
        for ours, usual in defaults.items()
    }


def _first(row: Row, names: tuple[str, ...]) -> str:
    """The first of the fields that says anything, as text; empty if none does."""
    for name in names:
        value = look_up(row.value, name)
        if is_given(value):
            return answer_text(value, name)
    return ""


def _answer(row: Row, names: tuple[str, ...], solution: str) -> str:
    """The final answer: the row's own, else that of the reference solution; may be empty."""
    own = _first(row, names)
    if not own:
        return final_answer(solution)
    # the same problem must have the same answer, and id, whether a field or the last line was read
    if answer_behind_sign(solution):
        return without_thousands_commas(own)
    return own


def _label(row: Row, spec: DatasetSpec, names: tuple[str, ...]) -> str:
    """The row's own label, else the configured one, else the file's name."""
    for name in names:
        label = look_up(row.value, name)
        if is_given(label):
            if not isinstance(label, str):
                raise Rejected("missing_field", f"`{name}` is no text")
            return label.strip()
    return spec.name or row.stem
