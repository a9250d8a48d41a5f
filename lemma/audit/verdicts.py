"""What is judged of a row, and the files that verdicts are appended to.

A verdict names its row by id and by a hash of what was shown: once the row's text changes, it speaks of another row.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from pydantic import ValidationError, model_validator

from lemma.errors import InputError, RunError
from lemma.records import Record, Trajectory, content_hash
from lemma.shards.files import disk_errors

CLAIMS: Final[dict[str, str]] = {
    "answer_is_wrong": "the wrong solution's answer is wrong",
    "type_is_right": "the error type is right",
    "step_is_first_wrong": "the marked step is the first wrong one",
    "reflection_is_true": "the reflection is true",
    "correction_is_right": "the correction is right",
}
"""What a row claims: each is judged by itself, in this order."""

SAID: Final = ("yes", "no", "unsure")
"""`no` means that the claim is false: the label is wrong."""

NOTE: Final = "note"


def short(claim: str) -> str:
    """What a claim speaks of, in a word: ``type`` for ``type_is_right``."""
    return claim.partition("_is_")[0]


_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Verdict(Record):
    """One claim about one row, judged; or a note on the row."""

    id: str
    """Of the trajectory."""
    shown: str
    """Hash of what the annotator saw (`shown_of`)."""
    claim: Literal[
        "answer_is_wrong", "type_is_right", "step_is_first_wrong", "reflection_is_true", "correction_is_right", "note"
    ]
    said: str
    """``yes``, ``no`` or ``unsure``; for a note its text."""

    @model_validator(mode="after")
    def _is_a_verdict(self) -> Verdict:
        if self.claim != NOTE and self.said not in SAID:
            raise ValueError(f"said {self.said!r} is none of {', '.join(SAID)}")
        return self


def shown_of(trajectory: Trajectory) -> str:
    """A hash of all that an annotator is shown of a row and judges, such as ``v-9a1b5c…``.

    It begins with a letter, since a spreadsheet would read 16 hex digits such as 5154e26178132578 as a number.
    """
    mistake = trajectory.mistake
    problem = mistake.problem
    digest = content_hash(
        problem.question,
        problem.answer,
        mistake.solution,
        mistake.answer,
        mistake.error_type,
        str(mistake.prefix_end),
        trajectory.prefix,
        trajectory.reflection,
        trajectory.continuation,
    )
    return f"v-{digest[:16]}"


@dataclass
class Judged:
    """What one annotator said, as a file has it."""

    said: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(id, shown, claim) → the last verdict, or note."""
    unreadable: list[int] = field(default_factory=list)
    """Numbers, from 1, of lines that are no verdict: what a killed process left half-written."""

    def read(self, raw: bytes) -> None:
        """Takes the bytes of a file."""
        for number, line in enumerate(raw.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                verdict = Verdict.model_validate_json(line)
            except ValidationError:
                self.unreadable.append(number)
            else:
                self.said[verdict.id, verdict.shown, verdict.claim] = verdict.said


def verdict_path(run: Path, name: str) -> Path:
    """Where an annotator's verdicts stand.

    Raises:
        InputError: a name that must not become a file's.
    """
    if _NAME.fullmatch(name) is None:
        raise InputError(f"--by {name[:50]!r}: a name is 1 to 40 letters a-z, digits, - and _, with no other sign")
    return run / "audit" / f"{name}.jsonl"


def annotators(run: Path) -> Iterator[tuple[str, Judged]]:
    """Everybody who judged rows of the run, in the order of their names.

    Raises:
        RunError: a file cannot be read.
    """
    for path in sorted((run / "audit").glob("*.jsonl")):
        if _NAME.fullmatch(path.stem):
            judged = Judged()
            try:
                judged.read(path.read_bytes())
            except OSError as error:
                raise RunError(f"{path}: cannot be read: {error.strerror}") from None
            yield path.stem, judged


class VerdictFile:
    """One annotator's file, open for appending; a context manager, since it holds the file's lock.

    Args:
        run: the run's folder.
        name: the annotator's.

    Raises:
        InputError: the name cannot be one.
        RunError: another process judges under this name.
        DiskError: the file cannot be written.
    """

    def __init__(self, run: Path, name: str) -> None:
        self.path = verdict_path(run, name)
        self.judged = Judged()
        self._file = -1
        self._is_line_open = False

    def __enter__(self) -> VerdictFile:
        with disk_errors(self.path):
            self.path.parent.mkdir(exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise RunError(
                f"{self.path}: another process judges under this name; end it, or choose another --by"
            ) from None
        raw = self.path.read_bytes()
        self.judged.read(raw)
        self._is_line_open = not raw.endswith(b"\n") and raw != b""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def said(self, row: Trajectory, claim: str) -> str | None:
        """The verdict about a claim, or the note; None where there is none."""
        return self.judged.said.get((row.id, shown_of(row), claim))

    def say(self, row: Trajectory, claim: str, said: str) -> None:
        """Appends a verdict or a note; it is on disk when this returns.

        Raises:
            DiskError: it could not be written.
        """
        verdict = Verdict.model_validate({"id": row.id, "shown": shown_of(row), "claim": claim, "said": said})
        line = verdict.model_dump_json().encode() + b"\n"
        if self._is_line_open:  # what was left half-written must not swallow this one
            line = b"\n" + line
        self._is_line_open = True
        with disk_errors(self.path):
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        self._is_line_open = False
        self.judged.said[verdict.id, verdict.shown, verdict.claim] = said
