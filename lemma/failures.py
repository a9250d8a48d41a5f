"""Calls that gave no reply, by when and why: how a stage went, never what it is made from.

``RUN/<stage>/failed_calls.json``, written only where calls failed (``failed_calls.2-of-8.json`` by one of several
processes that work together)::

    {"width_s": 60, "stretches": {"28333351": {"throttled": 12, "timeout": 1}}}

A stretch's number times `width_s` is its beginning in Unix time. Nothing reads the file but `lemma status` and
`lemma report`; without it, or with a damaged one, only its counts are gone.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lemma.teacher.base import FailureKind

NAME: Final = "failed_calls.json"
FAILURES: Final[dict[FailureKind, str]] = {
    "throttled": "429",
    "server_error": "5xx",
    "timeout": "no answer in time",
    "connection": "connection broken",
    "unreadable": "no whole reply",
    "other": "another status",
}
"""Kinds in words."""
SAVE_EVERY_S: Final = 5.0
MOST_STRETCHES: Final = 500
_WIDTHS_S: Final = (60, 600, 3600, 21_600, 86_400, 604_800)
"""Each divides the next."""
_END_OF_TIME_S: Final = 1e11
"""Beyond it, a number is no time."""

Stretches = dict[Annotated[int, Field(ge=0)], dict[FailureKind, Annotated[int, Field(gt=0, lt=2**53)]]]


class FailedCalls(BaseModel):
    """Failed calls over time; memory and file stay small, since stretches become longer where there are many."""

    model_config = ConfigDict(extra="forbid")

    width_s: Annotated[int, Field(ge=_WIDTHS_S[0], lt=_END_OF_TIME_S, multiple_of=_WIDTHS_S[0])] = _WIDTHS_S[0]
    """Of a stretch."""
    stretches: Stretches = Field(default_factory=dict)
    """Number of a stretch → why → calls; stretches without any are not there."""

    @model_validator(mode="after")
    def _are_times(self) -> FailedCalls:
        if any(number * self.width_s >= _END_OF_TIME_S for number in self.stretches):
            raise ValueError("a stretch that is no time")
        return self

    def add(self, time_s: float, kind: FailureKind, calls: int = 1) -> None:
        """Counts calls that failed at a Unix time."""
        stretch = self.stretches.setdefault(int(time_s // self.width_s), {})
        stretch[kind] = stretch.get(kind, 0) + calls
        while len(self.stretches) > MOST_STRETCHES:
            self.widen()

    def merge(self, other: FailedCalls) -> None:
        """Adds another's."""
        while self.width_s < other.width_s:
            self.widen()
        for number, kinds in other.stretches.items():
            for kind, calls in kinds.items():
                self.add(number * other.width_s, kind, calls)

    def widen(self) -> None:
        """Makes the stretches longer, by the next step."""
        before, width_s = self.stretches, self.width_s
        self.width_s = next((width for width in _WIDTHS_S if width > width_s), 4 * width_s)
        self.stretches = {}
        for number, kinds in before.items():
            stretch = self.stretches.setdefault(number * width_s // self.width_s, {})
            for kind, calls in kinds.items():
                stretch[kind] = stretch.get(kind, 0) + calls

    def kinds(self) -> Counter[FailureKind]:
        """Why → calls, over all time; commonest first."""
        sums: Counter[FailureKind] = Counter()
        for kinds in self.stretches.values():
            sums.update(kinds)
        return Counter(dict(sorted(sums.items(), key=lambda item: (-item[1], item[0]))))


def read_failed_calls(run: Path, stage: str) -> FailedCalls:
    """A stage's failed calls, of all processes; none where nothing is known of any."""
    first, *more = [_read(path) for path in sorted((run / stage).glob("failed_calls*.json"))] or [FailedCalls()]
    for other in more:
        first.merge(other)
    return first


def _read(path: Path) -> FailedCalls:
    try:
        return FailedCalls.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return FailedCalls()


class FailureLog:
    """Counts a stage's failed calls on disk, beside those of earlier commands; the run's lock is held.

    A disk that takes no more is no error here: the replies, which matter, tell that.

    Args:
        run: the run's folder.
        stage: whose calls.
        clock: Unix seconds.
        member: of the processes that work together the one that counts: each has a file of its own.
    """

    def __init__(self, run: Path, stage: str, clock: Callable[[], float] = time.time, member: str = "") -> None:
        self._path = run / stage / (NAME.replace(".", f".{member}.") if member else NAME)
        self._clock = clock
        self._calls: FailedCalls | None = None
        self._is_saved = True
        self._saved_s = clock()

    def count(self, kind: FailureKind) -> None:
        """A call failed."""
        if self._calls is None:
            self._calls = _read(self._path)
        self._calls.add(self._clock(), kind)
        self._is_saved = False

    def save_now_and_then(self) -> None:
        """Writes what is new, where the last time is some seconds ago."""
        if not self._is_saved and abs(self._clock() - self._saved_s) >= SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Writes what is new."""
        if self._is_saved or self._calls is None:
            return
        self._is_saved, self._saved_s = True, self._clock()
        path = self._path
        temporary = path.with_name(f".{path.name}.tmp")
        # not synced, as other files are: that takes its time on the loop that sends calls, and no loss would matter
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # left by a crash; a link there must not be written through
            try:
                with temporary.open("xb") as file:
                    file.write(self._calls.model_dump_json().encode() + b"\n")
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
