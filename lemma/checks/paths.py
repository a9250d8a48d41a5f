"""Where the correction goes: on from the wrong step, or from the beginning on another path."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from lemma.arithmetic import read_equations
from lemma.checks.guarantees import bare, before_wrong_step
from lemma.checks.words import values_of
from lemma.errors import Rejected
from lemma.records import Trajectory
from lemma.steps import split_steps

MIN_REDONE: Final = 2
"""So many computations or steps done a second time are a new start, or the old path."""
MIN_PATH_CHARS: Final = 60
"""Of shorter beginnings there is often no second wording."""
_SHORTEST_STEP: Final = 10
_SMALL: Final = 12  # small numbers are dozens, months, sides: known without having been found

_ANEW: Final = re.compile(
    r"(?<!without )(?<!need to )(?<!have to )(?<!not )(?<!n't )"
    r"\b(?:(?:start|begin|starting|beginning) (?:over|afresh|anew|fresh|all over|again from|from scratch)"
    r"|from (?:scratch|the very beginning|the beginning|the start|square one)"
    r"|(?:re-?start|re-?starting) (?:the|this|my|from))\b",
    re.IGNORECASE,
)


def _redone(before: str, continuation: str) -> tuple[list[str], int]:
    """The longer steps of `before`, as compared, and how many from the first on stand in `continuation` in order."""
    steps = [step for step in map(bare, split_steps(before)) if len(step) >= _SHORTEST_STEP]
    text, place, count = bare(continuation), 0, 0
    for step in steps:
        found = text.find(step.rstrip(".,;:!"), place)
        if found < 0:
            break
        place, count = found + 1, count + 1
    return steps, count


def goes_on(trajectory: Trajectory) -> None:
    """Fix & Continue takes up where the error was: it says of no new start, and does not do all over what was right.

    Raises:
        Rejected: `started_over`.
    """
    head = trajectory.continuation.lstrip()[:200]
    words = _ANEW.search(trajectory.reflection) or _ANEW.search(head)
    if words is not None and words[0].lower() not in trajectory.mistake.problem.question.lower():
        raise Rejected("started_over", words[0])
    before = before_wrong_step(trajectory.mistake)
    steps, count = _redone(before, trajectory.continuation)
    if len(steps) >= MIN_REDONE and count == len(steps):
        raise Rejected("started_over", f"{count} right steps stand there again")
    done = _computations(before)
    if len(done) >= MIN_REDONE and done <= _computations(trajectory.continuation):
        raise Rejected("started_over", f"{len(done)} computations are done again")


@lru_cache(maxsize=1024)
def _computations(text: str) -> frozenset[tuple[tuple[Fraction, ...], Fraction]]:
    """What is computed in a text: operands, in the order of their size, and result."""
    return frozenset(
        (tuple(sorted(number.value for number in one.operands)), one.result.value)
        for one in read_equations(text)
        if one.is_computation and one.result
    )


def starts_over(trajectory: Trajectory) -> None:
    """Fresh & Restart computes from the question's numbers, not from what the dropped attempt had found.

    Only its first computation is looked at, and only a number that was found before and is not derived again.

    Raises:
        Rejected: `not_restarted`.
    """
    problem = trajectory.mistake.problem
    continuation = trajectory.continuation
    first = next((one for one in read_equations(continuation) if one.is_computation), None)
    if first is None:
        return
    given = values_of(continuation[: first.start]) | values_of(problem.question)
    numbers = [number.value for number in first.operands if number.value > _SMALL and number.value not in given]
    if not numbers or _takes_reference(continuation, problem.reference_solution):
        return
    found = {
        one.result.value
        for one in read_equations(before_wrong_step(trajectory.mistake) + "\n" + trajectory.reflection)
        if one.is_computation and one.result is not None
    }
    if not found.isdisjoint(numbers):
        raise Rejected("not_restarted", continuation[first.start : first.end])


def _takes_reference(continuation: str, reference: str) -> bool:
    """Whether the reference solution stands there from its beginning: whatever it leaves out is not lemma's fault."""
    steps = split_steps(reference)
    return bool(steps) and bare(continuation).startswith(bare(steps[0]).rstrip(".,;:!"))


def takes_another_path(trajectory: Trajectory) -> None:
    """Fresh & Restart does not say the right steps of the dropped attempt word for word, and then go on from there.

    The path of the reference solution is free to take: where a mistake was put into it, no other may be known. And a
    smoothed text is not asked: its path was chosen before.

    Raises:
        Rejected: `same_path`.
    """
    before = before_wrong_step(trajectory.mistake)
    path = bare(before).rstrip(".,;:!")
    if trajectory.is_smoothed or len(path) < MIN_PATH_CHARS:
        return
    is_free = path in bare(trajectory.mistake.problem.reference_solution)
    if is_free or not bare(trajectory.continuation).startswith(path):
        return
    if len(split_steps(before)) >= MIN_REDONE:
        raise Rejected("same_path", before.strip()[:200])
