"""Trajectories become training rows: copies, near copies and rows over the cap are left out, each with its reason.

One row::

    {"instruction": "Natalia sold …", "input": "", "output": "<prefix><reflection><continuation>", "id": "r-…",
     "dataset": "gsm8k", "strategy": "fix_continue", "error_type": "calculation_error", "origin": "student",
     "spans": {"prefix": [0, 81], "reflection": [81, 140], "continuation": [140, 296]}}
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from lemma.exports.digests import DigestSet, digest64, normalised
from lemma.exports.near import NearCopies, Twin
from lemma.records import Rejection, Spans, TrainingRow, Trajectory, UnitRef, make_id

STAGE = "export"


def row_of(trajectory: Trajectory) -> TrainingRow:
    """One trajectory as a row; the spans are character offsets into `output`."""
    first = len(trajectory.prefix)
    second = first + len(trajectory.reflection)
    mistake = trajectory.mistake
    return TrainingRow(
        instruction=mistake.problem.question,
        input="",
        output=trajectory.text,
        id=make_id("r", trajectory.id),
        dataset=mistake.problem.dataset,
        strategy=trajectory.strategy,
        error_type=mistake.error_type,
        origin=mistake.origin,
        spans=Spans(prefix=(0, first), reflection=(first, second), continuation=(second, len(trajectory.text))),
    )


def digest_of(row: TrainingRow) -> int:
    """The digest by which exact copies are known: question and solution, up to white space."""
    return digest64(normalised(row.instruction), normalised(row.output))


def rows_of(
    trajectories: Iterable[Trajectory],
    *,
    max_per_problem: int | None,
    seed: int,
    seen: DigestSet,
    near: NearCopies | None = None,
) -> Iterator[tuple[TrainingRow, Trajectory] | Rejection]:
    """One row (with what it was made of) or one rejection a trajectory, in their order.

    Args:
        trajectories: grouped by problem (that is how a run's files stand); one problem's are held at a time.
        max_per_problem: trajectories of a problem that are kept; which ones, a seeded hash of their ids decides.
        seed: the configuration's.
        seen: digests of the rows given out before; those of this call are added.
        near: the outputs given out before, of which no near copy is wanted; those of this call are added. The first in
            order is kept; under a cap the first by that hash, so that no row is lost to one that is not kept itself.
    """
    for _, group in itertools.groupby(trajectories, key=lambda one: one.mistake.problem.id):
        yield from _rows_of_problem(list(group), max_per_problem, seed, seen, near)


def _rows_of_problem(
    group: Sequence[Trajectory], cap: int | None, seed: int, seen: DigestSet, near: NearCopies | None
) -> Iterator[tuple[TrainingRow, Trajectory] | Rejection]:
    rows: list[tuple[Trajectory, TrainingRow, int | None]] = []  # with its digest, None for a duplicate
    here: set[int] = set()
    for trajectory in group:
        row = row_of(trajectory)
        digest = digest_of(row)
        is_old = digest in seen or digest in here
        here.add(digest)
        rows.append((trajectory, row, None if is_old else digest))
    new = [row for _, row, digest in rows if digest is not None]
    chosen, twins = _choose(new, cap, seed, near)
    for trajectory, row, known in rows:
        if known is None:
            yield rejection_of(trajectory, "duplicate", "")
        elif (twin := twins.get(row.id)) is not None:
            yield rejection_of(trajectory, "near_duplicate", f"of {twin.name}: {100 * twin.similarity:.0f} % alike")
        elif row.id not in chosen:
            yield rejection_of(trajectory, "over_cap", f"one of {len(new)}, {cap} are kept")
        else:
            seen.add(known)
            yield row, trajectory


def _choose(
    rows: Sequence[TrainingRow], cap: int | None, seed: int, near: NearCopies | None
) -> tuple[set[str], dict[str, Twin]]:
    """Ids of the rows that are kept, and the near copies among the others by id."""
    chosen: set[str] = set()
    twins: dict[str, Twin] = {}
    if cap is not None:
        # by hash, not by position: the first ones would all come from the student and lean to one strategy
        rows = sorted(rows, key=lambda row: digest64("cap", str(seed), row.id))
    for row in rows:
        if len(chosen) == cap:
            break
        if near is not None:
            sketch = near.sketch(row.output, row.instruction)
            if twin := near.twin_of(sketch):
                twins[row.id] = twin
                continue
            near.add(sketch, row.id)
        chosen.add(row.id)
    return chosen, twins


def rejection_of(trajectory: Trajectory, reason: str, detail: str) -> Rejection:
    """Why a trajectory gives no row."""
    unit = make_id("u", trajectory.id, STAGE)
    return Rejection(
        id=make_id("x", unit, reason),
        stage=STAGE,
        unit=UnitRef(
            id=unit,
            problem=trajectory.mistake.problem,
            parent=trajectory.id,
            label=trajectory.strategy,
        ),
        reason=reason,
        detail=detail,
    )


def is_validation(row: TrainingRow, share: float, seed: int) -> bool:
    """Whether the row goes into the validation split, `share` of the problems in expectation.

    The question alone decides, not the problem's id: one that stands in two datasets must not be trained on and
    validated on. A problem keeps its side when others are added.
    """
    return digest64("validation", str(seed), normalised(row.instruction)) < share * 2**64
