"""What of a correct solution has been done before the wrong step, and what is to be done next.

Computations are told apart, not values: 250 pieces that one has placed are not the 250 that another places.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from lemma.teacher.rules.carry import CONSTANTS
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.reading import Computation, Solution, read_quantities

_KNOWN_TO_ALL: Final = CONSTANTS - {3, 5, 10, 31, 50}
Done = frozenset[Computation]
"""Computations of the correct solution that need not be made again."""


def gold_position(prefix: Solution, gold: Solution, wrong_step: int) -> int | None:
    """The step of the correct solution that belongs in place of the wrong one, where the texts ran alike so far."""
    start = prefix.spans[wrong_step][0]
    if start and gold.text[:start] == prefix.text[:start]:
        return min(gold.step_index(start), len(gold.spans) - 1)
    return 0 if start == 0 else None


def done_before(prefix: Solution, gold: Solution, wrong_step: int) -> Done:
    """The computations of the correct solution that stand before the wrong step, made from the same numbers.

    An equal value made of other numbers is another thing: 6 miles are not 6 miles an hour. What only leads to
    something done is done as well.
    """
    done: set[Computation] = set()
    for mine in prefix.computations:
        if mine.step < wrong_step and mine.is_true:
            found = same_in(gold, mine, done)
            if found is not None:
                done.add(found)
    return frozenset(done | _superseded(gold, done))


def same_in(gold: Solution, mine: Computation, done: set[Computation]) -> Computation | None:
    """The computation of the correct solution that gives the same from the same numbers and is not done yet."""
    numbers = set(mine.operand_values)
    alike = [
        c
        for c in gold.computations
        if c.shown == mine.shown and c not in done and not numbers.isdisjoint(c.operand_values)
    ]
    return max(alike, key=lambda c: len(numbers.intersection(c.operand_values)), default=None)


def _superseded(gold: Solution, done: set[Computation]) -> set[Computation]:
    """Those that only lead to what is done already; none, where the way to the answer cannot be followed."""
    computations = [c for c in gold.computations if c.is_true]
    if not computations:
        return set()
    wanted = {computations[-1].shown}
    needed: set[Computation] = set()
    is_joined = False
    for computation in reversed(computations):
        if computation.shown in wanted:
            is_joined |= computation in done
            if computation not in done:
                needed.add(computation)
                wanted.update(computation.operand_values)
    return set(computations) - needed if is_joined else set()


def open_computations(gold: Solution, done: Done, position: int | None) -> list[Computation]:
    """What the correct solution still has to compute; its last computation where nothing is left.

    Raises:
        Declined: it computes nothing that can be read.
    """
    computations = [c for c in gold.computations if c.is_true]
    if not computations:
        raise Declined("no computation can be read in the correct solution")
    found = [c for c in computations if c not in done]
    if position is not None:
        found = [c for c in found if c.step >= position] or found
    return found or computations[-1:]


def ready_ones(question: str, open_ones: Sequence[Computation], done: Done) -> list[Computation]:
    """Those that can be worked out at once, from what the question says and what is done.

    Raises:
        Declined: none can.
    """
    said = {quantity.value for quantity in read_quantities(question)}
    forms = {form for v in said if v <= 200 for form in (v / 100, 1 - v / 100, 1 + v / 100, Fraction(v.numerator))}
    found = {c.shown for c in done}
    to_come = {c.shown for c in open_ones} - said - found
    given = (said | forms | _KNOWN_TO_ALL | {Fraction(v.denominator) for v in said}) - to_come | found
    ready = [c for c in open_ones if all(value in given for value in c.operand_values)]
    if not ready:
        raise Declined("what has to be worked out next cannot be read in the correct solution")
    return ready
