"""What smoothing may not change: the order of error, reflection and correction, and the correction's numbers."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Final

from lemma.arithmetic import read_equations
from lemma.checks.words import values_of
from lemma.endings import strip_answer
from lemma.errors import Rejected
from lemma.records import Trajectory

MIN_KEPT: Final = 0.6
"""Share of all the correction's numbers; some become words (``half``, ``two``)."""
MIN_IN_ORDER: Final = 3
"""Results of which an order can be told."""


@lru_cache(maxsize=1024)
def _results(text: str) -> tuple[Fraction, ...]:
    """The results of the computations of a text, each once, in order."""
    found = [one.result.value for one in read_equations(text) if one.is_computation and one.result is not None]
    return tuple(dict.fromkeys(found))


def _new_results(trajectory: Trajectory) -> set[Fraction]:
    """What reflection and continuation find that neither prefix nor question has."""
    old = values_of(trajectory.prefix) | values_of(trajectory.mistake.problem.question)
    return {value for value in _results(trajectory.reflection + "\n" + trajectory.continuation) if value not in old}


def keeps_numbers(smoothed: Trajectory, source: Trajectory) -> None:
    """Every result that the correction computes still stands in it, and most of its other numbers.

    Raises:
        Rejected: `numbers_lost`.
    """
    correction = strip_answer(source.continuation)
    here = values_of(smoothed.reflection) | values_of(smoothed.continuation)
    lost = [value for value in _results(correction) if value not in here]
    if lost:
        raise Rejected("numbers_lost", f"{lost[0]} is gone")
    numbers = values_of(correction)
    kept = len(numbers & here)
    if kept < MIN_KEPT * len(numbers):
        raise Rejected("numbers_lost", f"{kept} of {len(numbers)} numbers are left")


def keeps_order(smoothed: Trajectory, source: Trajectory) -> None:
    """First the error, then the reflection, then the correction: no part has moved before another.

    Raises:
        Rejected: `order_changed`.
    """
    if smoothed.prefix != source.prefix and (new := _new_results(source)):
        early = values_of(smoothed.prefix)
        if all(value in early for value in new):
            raise Rejected("order_changed", "the correction stands before the reflection")
    body = strip_answer(smoothed.reflection)
    if len(body) < len(smoothed.reflection.rstrip()) and strip_answer(source.reflection) == source.reflection:
        raise Rejected("order_changed", "the reflection ends in the final answer")
    of_source = _results(strip_answer(source.continuation))
    of_smoothed = _results(strip_answer(smoothed.continuation))
    if of_source == of_smoothed:
        return
    new = _new_results(source)
    places = [of_smoothed.index(value) for value in of_source if value in of_smoothed and value in new]
    if len(places) >= MIN_IN_ORDER and sum(left > right for left, right in pairwise(places)) * 2 > len(places) - 1:
        raise Rejected("order_changed", "the computations of the correction are in another order")
