"""What an export format is: the names of its files, and how rows are written to one.

A format whose rows are lines of JSON is one function::

    def shape(row: TrainingRow) -> dict[str, object]:
        return {"prompt": row.instruction, "completion": row.output}

    MINE = ExportFormat("mine.jsonl", "mine_validation.jsonl", partial(JsonLines, shape), "prompt, completion")

Rows come one by one and go to disk as they come: no format may hold more than a few thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from lemma.config import ExportConfig
from lemma.records import TrainingRow, Trajectory

Shape = Callable[[TrainingRow], Mapping[str, object]]
"""A row as one JSON object of a format."""


class RowWriter(Protocol):
    """Writes rows to an open file; the caller opens it, and closes it after `finish`."""

    def write(self, row: TrainingRow) -> None:
        """Takes the next row."""
        ...

    def finish(self) -> None:
        """Writes what is still to be written; no row comes after."""
        ...

    def abandon(self) -> None:
        """The export failed and the file is thrown away: lets go of what is held, and raises nothing."""
        ...


@dataclass(slots=True)
class Labels:
    """What a format that needs more than the row makes of one."""

    lines: list[dict[str, object]] = field(default_factory=list)
    """Objects to write; what was written before is not written again."""
    left_out: list[str] = field(default_factory=list)
    """Why something was not made, in a word each."""


LabelMaker = Callable[[TrainingRow, Trajectory | None], Labels]
"""A row with its trajectory; None for a plain solution."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One way to write the dataset, as registered in `lemma.exports.FORMATS`."""

    train: str
    """File name of the training split."""
    validation: str
    """File name of the validation split, written where it has rows."""
    writer: Callable[[BinaryIO], RowWriter] | None
    """None where `labels` makes the lines."""
    columns: str
    """What a row holds, in a few words for the dataset card."""
    is_json: bool = True
    """Whether `datasets.load_dataset("json", …)` reads it: then the card offers it as a configuration."""
    labels: LabelMaker | None = None
    """Makes lines from a trajectory, where a row does not hold enough."""
    companions: Callable[[bool, frozenset[str]], Mapping[str, bytes]] | None = None
    """Further small files, by name; told whether there are validation rows, and which files stand in the folder."""
    companion_names: tuple[str, ...] = ()
    """Of all that `companions` may write."""
    configured: Callable[[ExportConfig], ExportFormat] | None = None
    """Makes the format that a configuration wants, where one decides."""


class JsonLines:
    """One JSON object a line, UTF-8, in the key order of `shape`."""

    def __init__(self, shape: Shape, file: BinaryIO) -> None:
        self._shape = shape
        self._file = file

    def write(self, row: TrainingRow) -> None:
        """Writes one line."""
        self._file.write(to_json(self._shape(row)) + b"\n")

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held."""


class LabelLines:
    """One JSON object a line, made before by `ExportFormat.labels`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write_line(self, line: Mapping[str, object]) -> None:
        """Writes one line."""
        self._file.write(to_json(line) + b"\n")

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held."""


class JsonArray:
    """One JSON array with an object a line, written as a stream."""

    def __init__(self, shape: Shape, file: BinaryIO) -> None:
        self._shape = shape
        self._file = file
        self._separator = b"[\n"

    def write(self, row: TrainingRow) -> None:
        """Writes one element."""
        self._file.write(self._separator + to_json(self._shape(row)))
        self._separator = b",\n"

    def finish(self) -> None:
        """Closes the array."""
        self._file.write(b"[]\n" if self._separator == b"[\n" else b"\n]\n")

    def abandon(self) -> None:
        """Nothing is held."""


def to_json(value: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON, keys in the mapping's order."""
    import orjson

    return orjson.dumps(value)
