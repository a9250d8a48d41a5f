"""Groups: one problem with all that earlier stages made of it, merge-joined from disk in problem order.

Files keep problem order, so that streaming them side by side needs no index and holds one problem at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from lemma.errors import RunError
from lemma.problems import ProblemsFolder
from lemma.records import Mistake, Problem, Record, Sample, Trajectory
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder
from lemma.stages.base import GivenSample, Group

T = TypeVar("T")
R = TypeVar("R", bound=Record)

RECORD_TYPES: dict[str, type[Record]] = {
    "problems": Problem,
    "sample": Sample,
    "analyze": Mistake,
    "inject": Mistake,
    "correct": Trajectory,
    "smooth": Trajectory,
}


class _Cursor(Generic[T]):
    """Reads one file along with the problems."""

    def __init__(self, path: Path, items: Iterator[T], problem_id: Callable[[T], str]) -> None:
        self._path = path
        self._items = items
        self._problem_id = problem_id
        self._next = next(items, None)

    def take(self, problem_id: str) -> tuple[T, ...]:
        """All items of the problem, which come next or not at all."""
        taken = []
        while self._next is not None and self._problem_id(self._next) == problem_id:
            taken.append(self._next)
            self._next = next(self._items, None)
        return tuple(taken)

    def require_end(self) -> None:
        """Raises RunError where an item fitted no problem."""
        if self._next is not None:
            raise RunError(
                f"{self._path}: holds records of problems that are not in the part; "
                "remove the part's .manifest and run again"
            )


def read_groups(run: Path, part: int, reads: tuple[str, ...]) -> Iterator[Group]:
    """Streams a part's groups.

    Args:
        run: the run's folder.
        part: number of the part.
        reads: the stages whose records the groups hold; with none, samples given with the problems.

    Raises:
        RunError: a file is damaged, or holds records of problems that are not in the part.
    """
    folder = ProblemsFolder(run)
    given: _Cursor[tuple[str, GivenSample]] = _Cursor(
        folder.rollouts(part), folder.given(part) if not reads else iter(()), lambda one: one[0]
    )
    samples = _cursor(run, part, "sample", reads, Sample, lambda one: one.problem.id)
    analyzed = _cursor(run, part, "analyze", reads, Mistake, lambda one: one.problem.id)
    injected = _cursor(run, part, "inject", reads, Mistake, lambda one: one.problem.id)
    corrected = _cursor(run, part, "correct", reads, Trajectory, lambda one: one.mistake.problem.id)
    for problem in read_records(folder.part(part), Problem):
        yield Group(
            problem=problem,
            given=tuple(sample for _, sample in given.take(problem.id)),
            samples=samples.take(problem.id),
            mistakes=analyzed.take(problem.id) + injected.take(problem.id),
            trajectories=corrected.take(problem.id),
        )
    for cursor in (given, samples, analyzed, injected, corrected):
        cursor.require_end()


def _cursor(
    run: Path, part: int, stage: str, reads: tuple[str, ...], kind: type[R], problem_id: Callable[[R], str]
) -> _Cursor[R]:
    path = StageFolder(run, stage).part(part)
    return _Cursor(path, read_records(path, kind) if stage in reads else iter(()), problem_id)
