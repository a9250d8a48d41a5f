"""What a dataset is: where its rows come from, and how a row is read.

Most datasets are lines of files, and then one function does it all::

    def parse(row: Row, spec: DatasetSpec) -> Parsed:
        question = text_of(row, "question")
        ...

    DATASETS["mine"] = Dataset(parse)

Cleaning happens here, once, before ids are made: marks are taken out, the answer is read, ends are stripped.
What comes after never touches a text again, so that offsets hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import JsonValue

from lemma.config import DatasetSpec
from lemma.datasets.lines import file_fingerprint, file_rows
from lemma.datasets.rows import Row, SetAside
from lemma.errors import Rejected
from lemma.records import Problem, make_id
from lemma.stages.base import GivenSample

__all__ = [
    "Dataset",
    "DatasetSpec",
    "Parsed",
    "ReadProblem",
    "Row",
    "SetAside",
    "answer_text",
    "is_given",
    "look_up",
    "plain",
    "text_of",
]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row as its dataset reads it: cleaned, without an id yet."""

    dataset: str
    question: str
    reference_solution: str
    answer: str
    meta: dict[str, JsonValue] = field(default_factory=dict)
    given: tuple[GivenSample, ...] = ()
    given_id: str | None = None
    """The row's own id, if it has one: it alone, with `dataset`, then makes the problem's id."""

    def problem(self, row: int) -> Problem:
        """The record; `row` (from 1) goes to ``meta["row"]``.

        The id hashes dataset and given id, or dataset, question, reference solution and answer: identical
        rows collide on purpose, and a file's name or a line's number is no part of it.
        """
        if self.given_id is not None:
            key: tuple[str, ...] = ("id", self.given_id)
        else:
            key = (self.question, self.reference_solution, self.answer)
        return Problem(
            id=make_id("p", self.dataset, *key),
            dataset=self.dataset,
            question=self.question,
            reference_solution=self.reference_solution,
            answer=self.answer,
            meta={"row": row, **self.meta},
        )


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A problem that was kept, with the samples that came with it."""

    problem: Problem
    given: tuple[GivenSample, ...]
    file: str
    line: int


class RowsOf(Protocol):
    """Where rows come from. Bounded memory; a row that is no JSON object is yielded as set aside."""

    def __call__(self, spec: DatasetSpec) -> Iterator[Row | SetAside]: ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of dataset, as registered in `lemma.datasets.DATASETS`."""

    parse: Callable[[Row, DatasetSpec], Parsed]
    """Reads one row; raises `Rejected` with a key of `lemma.reasons.READING` where it cannot."""
    rows: RowsOf = file_rows
    fingerprint: Callable[[DatasetSpec], str] = file_fingerprint
    """Hash of the rows' contents, read as a stream."""
    has_fields: bool = False
    """Whether the configuration's `fields:` are obeyed; where they are not, giving them is an error."""


_MISSING = object()


def look_up(row: Mapping[str, Any], name: str) -> Any:
    """The value under `name`; dots step into objects, and a key that holds dots itself comes first.

    Returns:
        The value, or None where there is none (JSON's null counts as none).
    """
    if name in row:
        return row[name]
    value: Any = row
    for key in name.split("."):
        value = value.get(key, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            return None
    return value


def is_given(value: Any) -> bool:
    """Whether a field says anything: there, and no blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """The first of the fields `names` that is there, stripped at its ends; may be empty.

    Raises:
        Rejected: `missing_field`, if none is there or it is no text.
    """
    for name in names:
        value = look_up(row, name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Rejected("missing_field", f"`{name}` is {_kind(value)}, a text is needed")
        return value.strip()
    raise Rejected("missing_field", f"no field {' or '.join(f'`{name}`' for name in names)}")


def answer_text(value: Any, name: str) -> str:
    """A final answer as text: texts stripped, numbers as written (72.0 as 72).

    Raises:
        Rejected: `missing_field`, if it is neither.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("missing_field", f"`{name}` is {_kind(value)}, a text or a number is needed")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Rejected("missing_field", f"`{name}` is no finite number")
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def plain(value: Any) -> JsonValue:
    """A value as `meta` can hold it: JSON stays, all else (dates, bytes, infinities) becomes its text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return str(value)


def _kind(value: Any) -> str:
    """JSON's word for a value's type, for messages."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"of type {type(value).__name__}"
