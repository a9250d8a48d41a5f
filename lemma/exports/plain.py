"""Plain correct solutions among the rows: how many, of which problems, and which of a problem's own.

Mixing them in keeps a model that was trained on corrections from seeking a mistake in everything. The student's own
correct samples come first (they are the student's words), then the reference solution.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from lemma.exports.digests import DigestSet, digest64, kth_smallest, normalised
from lemma.exports.rows import digest_of
from lemma.records import Problem, TrainingRow, make_id
from lemma.stages.base import Gold

PlainSource = Callable[[], Iterator[tuple[Problem, Sequence[Gold]]]]
"""Every problem with its correct solutions; each call is a new pass in the same order."""

_MOST = 255  # solutions of one problem that are counted: one byte each


def plain_count(trajectories: int, share: float) -> int:
    """How many plain rows make `share` of a dataset with so many rows of trajectories, to the nearest."""
    return round(trajectories * share / (1 - share))


def plain_rows(source: PlainSource, count: int, *, seed: int, seen: DigestSet) -> Iterator[TrainingRow]:
    """Up to `count` plain rows, in the order of the problems.

    Each problem gives one before any gives two; among equals a seeded hash of the question chooses. Two passes over
    `source`, 9 bytes a problem held between them beside the digests.

    Args:
        source: the problems; a question that was read before is passed over.
        count: rows wanted; fewer come where there are no more solutions.
        seed: the configuration's.
        seen: digests of the rows given out before; those of this call are added.
    """
    if count <= 0:
        return
    hashes, counts = _survey(source, seed, seen)
    full, threshold = _levels(hashes, counts, count)
    for index, (problem, golds) in enumerate(source()):
        wanted = min(counts[index], full)
        if counts[index] > full and hashes[index] <= threshold:
            wanted += 1
        if wanted:  # most problems give none: their golds need no sorting
            for row in _candidates(problem, golds, seed, seen)[:wanted]:
                seen.add(digest_of(row))
                yield row


def _survey(source: PlainSource, seed: int, seen: DigestSet) -> tuple[array[int], bytearray]:
    """For every problem its hash and how many different solutions it has (0 for a question read before)."""
    hashes = array("Q")
    counts = bytearray()
    questions = DigestSet()
    for problem, golds in source():
        key = digest64("plain", str(seed), normalised(problem.question))
        hashes.append(key)
        is_new = questions.add(key)
        counts.append(min(_MOST, len(_candidates(problem, golds, seed, seen))) if is_new else 0)
    return hashes, counts


def _levels(hashes: array[int], counts: bytearray, wanted: int) -> tuple[int, int]:
    """How many solutions every problem may give, and the largest hash that earns one more (0: none does)."""
    by_count = [0] * (_MOST + 1)
    for count in counts:
        by_count[count] += 1
    level, having_more = 0, len(counts) - by_count[0]
    while having_more and having_more <= wanted:
        wanted -= having_more
        level += 1
        having_more -= by_count[level]
    if not having_more or not wanted:
        return level, 0

    def keys() -> Iterator[int]:
        return (key for key, count in zip(hashes, counts, strict=True) if count > level)

    return level, kth_smallest(keys(), keys(), wanted)


def _candidates(problem: Problem, golds: Sequence[Gold], seed: int, seen: DigestSet) -> list[TrainingRow]:
    """The problem's different solutions as rows: the student's, shuffled by seed, then the reference."""
    order = sorted(golds, key=lambda gold: (gold.source != "student", digest64("gold", str(seed), gold.id)))
    rows: dict[int, TrainingRow] = {}
    for gold in order:
        row = TrainingRow(
            instruction=problem.question,
            input="",
            output=gold.text,
            id=make_id("r", gold.id),
            dataset=problem.dataset,
            strategy=None,
            error_type=None,
            origin=None,
            spans=None,
        )
        digest = digest_of(row)
        if digest not in seen:
            rows.setdefault(digest, row)
    return list(rows.values())
