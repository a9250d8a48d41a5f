"""Which computation of a wrong solution is the first that leads astray, judged by its values alone.

What the reference computes, and every regrouping of it (`paths`), is a right value. A departing one is named only
where it is clear that it, and no other, is the first: its result goes into the answer, the steps before it
can be read, and no other candidate stands far from it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Equation, Truth
from lemma.endings import strip_answer
from lemma.teacher.rules.carry import CONSTANTS
from lemma.teacher.rules.describe import Case, Error, departure, false_equation, missing
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.kinds import converts
from lemma.teacher.rules.meaning import is_settled
from lemma.teacher.rules.paths import CONVERSIONS
from lemma.teacher.rules.reading import Computation

_HENCE: Final = re.compile(r"[a-z,] (?:so|thus|hence|therefore|which means|that means)\b[^.\n]*\d", re.IGNORECASE)
MAX_GAP: Final = 1
"""Steps in a row that compute nothing readable; behind more of them, the error may well stand among them."""
_UNREADABLE: Final = "every computation can be right, and where the answer comes from cannot be read"


def by_values(case: Case, random: Random) -> Error:
    """The first false equation or departing computation.

    Raises:
        Declined: it cannot be told which one it is.
    """
    false = next((e for e in case.sample.equations if e.truth is Truth.FALSE), None)
    computations = case.sample.computations
    if not computations and false is None:
        raise Declined("no computation can be read in the solution")
    if not case.paths.computations and false is None:
        raise Declined("no computation can be read in what it is compared with")
    detour: Computation | None = None  # a value that only a regrouping explains, and that leads to nothing right
    is_misnamed = False  # a result of the reference, said of something else
    leading = _leading_to_answer(case)
    for computation in computations if case.paths.computations else ():
        if false is not None and computation.equation.start >= false.start:
            break
        if is_settled(case.sample, computation, case.reference, case.question):
            continue
        is_in_passing = bool(leading) and computation not in leading  # nothing is made of it; but is it true?
        if not is_in_passing and _departs(case, computation):
            if detour is not None:
                raise Declined("more than one step could be the first that leads astray")
            return _certain_departure(case, computation, random)
        detour = detour or computation
        is_misnamed = is_misnamed or computation.shown in case.paths.results or not computation.is_true
        is_misnamed = is_misnamed or _departs(case, computation)
    if false is not None:
        if is_misnamed or not _is_only_miscomputed(case, false):
            raise Declined("more than one step could be the first that leads astray")
        return false_equation(case.sample, false, random)
    if detour is not None and detour.step != computations[-1].step:
        raise Declined("more than one step could be the first that leads astray")
    return _ends_early(case, random)


def _is_only_miscomputed(case: Case, false: Equation) -> bool:
    """Whether the work of a false equation is right, and before it stands nothing that cannot be read.

    Where the solution is compared with nothing, a false equation is all that there is to find.
    """
    if not case.paths.computations:
        return not case.reference.equations or case.sample.equations[0] == false
    read = {c.equation.start for c in case.sample.computations}
    if any(e.start < false.start and e.start not in read and e.truth is not Truth.FALSE for e in case.sample.equations):
        return False
    value = false.work.value
    return (
        value is not None
        and false.result is not None
        and any(value * scale in case.paths.derived for scale in (1, 100))
    )


def _leading_to_answer(case: Case) -> set[Computation]:
    """The computations of whose results the answer is made; empty where that cannot be followed."""
    computations = case.sample.computations
    last = next((c for c in reversed(computations) if c.shown == case.answer), None)
    if last is None:
        return set()
    found, wanted = {last}, set(last.operand_values)
    for computation in reversed(computations[: computations.index(last)]):
        if abs(computation.shown) in wanted or computation.shown in wanted:
            found.add(computation)
            wanted.update(computation.operand_values)
    return found


def _certain_departure(case: Case, computation: Computation, random: Random) -> Error:
    """The error at a departing computation, unless the steps before it say too much that cannot be read."""
    if not computation.equation.work.is_plain or not computation.equation.right.is_plain:
        raise Declined("the first departing value stands in an equation with an unknown")
    before = [c.step for c in case.sample.computations if c.equation.start < computation.equation.start]
    gap = computation.step - max(before, default=-1) - 1
    read = {c.equation.start for c in case.sample.computations}
    is_algebra = any(e.start < computation.equation.start and e.start not in read for e in case.sample.equations)
    if gap > MAX_GAP or (gap == MAX_GAP and is_algebra):
        raise Declined("the steps before the first departing value cannot be read")
    if _says_unknown_number(case, computation):
        raise Declined("a number before the first departing value comes from nowhere that can be read")
    if _concludes_without_work(case, computation.step):
        raise Declined("a step before the first departing value concludes something without computing it")
    open_ones = open_references(case, computation.step) or list(case.paths.computations[-1:])
    if not open_ones:
        raise Declined("no computation can be read in what it is compared with")
    right, is_sure = _counterpart(computation, open_ones)
    error = departure(case, computation, right, _first_mention(case, computation), random, is_sure)
    if error.error_type == "missing_step" and not _follows(case, computation):
        raise Declined("something has been left out, and where it was needed first cannot be told")
    is_figure = error.error_type == "referencing_context_value_error"  # both figures may have their place
    is_misread = error.error_type == "question_misinterpretation"
    is_guess = not before and (is_figure or (is_misread and not is_sure))
    if is_guess and all(v in case.paths.said for v in computation.operand_values):
        raise Declined("a first thing is worked out of the question's numbers that may well be true")
    return error


def _concludes_without_work(case: Case, step: int) -> bool:
    """Whether a step before `step` states a number as a conclusion, and no computation: ``so he has 12 cookies``."""
    worked = {c.step for c in case.sample.computations}
    stating = {case.sample.step_index(q.start) for q in case.sample.quantities if not q.is_word} - worked
    return any(place < step and _HENCE.search(case.sample.step_text(place)) for place in stating)


def _says_unknown_number(case: Case, computation: Computation) -> bool:
    """Whether a step before a computation's own states a number that is neither given nor found."""
    start = case.sample.spans[_first_mention(case, computation)][0]
    found = {abs(c.shown) for c in case.sample.computations}
    found.update(v for c in case.sample.computations for v in c.operand_values)
    return any(
        quantity.end <= start
        and not quantity.is_word
        and quantity.value > case.sample.step_index(quantity.start) + 1  # no number of a step
        and quantity.value not in found
        and quantity.value not in case.paths.allowed
        for quantity in case.sample.quantities
    )


def _follows(case: Case, computation: Computation) -> bool:
    """Whether all that is computed before is what the reference computes, in its order and from the same numbers."""
    theirs = iter([(c.shown, sorted(c.operand_values)) for c in case.paths.computations])
    mine = [c for c in case.sample.computations if c.equation.start < computation.equation.start]
    return all((c.shown, sorted(c.operand_values)) in theirs for c in mine)


def _rejoins(case: Case, computation: Computation) -> bool:
    """Whether what is made of the value later is a result of the reference: then this was another way to it."""
    made = {computation.shown}
    for later in case.sample.computations:
        if later.equation.start <= computation.equation.start or not later.is_true:
            continue
        if made.isdisjoint(later.operand_values):
            continue
        if later.shown in case.paths.results and later.shown not in case.paths.known:
            return True
        made.add(later.shown)
    return False


def _departs(case: Case, computation: Computation) -> bool:
    """Whether no correct path known here computes this value."""
    if computation.shown < 0 and all(value >= 0 for value in case.paths.results):
        return True  # taken away the wrong way round
    shown = abs(computation.shown)
    if shown in case.paths.derived | case.paths.known or _is_conversion(case, computation):
        return False
    return not _near(case, computation)


def _is_conversion(case: Case, computation: Computation) -> bool:
    """``3 * 60 = 180``, ``100 - 20 = 80``, ``20 / 100 = 0.2``: a known value in another form."""
    values = computation.operand_values
    if len(values) != 2:
        return False
    known = case.paths.known | case.paths.results
    symbol = computation.symbols[0]
    step = case.sample.step_text(computation.step)
    if symbol in "*/" and any(converts(v, step) and other in known for v, other in (values, values[::-1])):
        return True
    if symbol in "*/":
        return any(v in CONVERSIONS and other in known for v, other in (values, values[::-1])) and not all(
            v in case.paths.known for v in values
        )
    return symbol in "+-" and values[0] in (1, 100) and values[1] in known and computation.shown in case.paths.allowed


def _near(case: Case, computation: Computation) -> set[Fraction]:
    """Allowed values that the written one rounds."""
    if computation.is_exact and computation.shown.denominator == 1:
        return set()
    shown = abs(computation.shown)
    return {shown} if any(abs(shown - value) <= value / 200 for value in case.paths.derived if value) else set()


def _ends_early(case: Case, random: Random) -> Error:
    """Every value can lie on a correct path, and yet the answer is wrong.

    Either one of them is no result of the reference, and nothing right comes of it; or the solution stops at a value on
    the way, or goes on behind the right one.
    """
    if case.answer is None or case.answer == case.wanted:
        raise Declined(_UNREADABLE)
    computations = case.sample.computations
    for place, computation in enumerate(computations):
        if computation.shown == case.wanted and place + 1 < len(computations):
            return _certain_departure(case, computations[place + 1], random)
        if computation.shown not in case.paths.results and not _rejoins(case, computation):
            if computation.step + 1 < computations[-1].step:
                raise Declined("the values are made in another order, and which one leads astray cannot be told")
            return _certain_departure(case, computation, random)
    last = computations[-1]
    if any("=" in strip_answer(case.sample.step_text(step)) for step in range(last.step + 1, len(case.sample.spans))):
        raise Declined(_UNREADABLE)
    open_ones = open_references(case, last.step + 1)
    if case.answer not in case.paths.allowed or last.shown != case.answer or not open_ones:
        raise Declined(_UNREADABLE)
    claiming = _claiming_step(case, last)
    if claiming > last.step and not is_settled(case.sample, last, case.reference, case.question):
        raise Declined("more than one step could be the first that leads astray")
    return missing(case, claiming, last, open_ones[0], random)


def _claiming_step(case: Case, last: Computation) -> int:
    """The step that gives a value on the way as the answer: one behind its computation, if it stands in words there."""
    for quantity in case.sample.quantities:
        step = case.sample.step_index(quantity.start)
        if quantity.value == last.shown and step > last.step and strip_answer(case.sample.step_text(step)):
            if step > last.step + 1:
                raise Declined("between the last value and what is made of it stands more than can be read")
            return step
    if not _follows(case, last):
        raise Declined("something is left out at the end, or was read otherwise from the beginning")
    return last.step


def open_references(case: Case, step: int) -> list[Computation]:
    """The reference's computations whose results the sample has not found before `step`."""
    done = {c.shown for c in case.sample.computations if c.step < step and c.is_true}
    return [c for c in case.paths.computations if c.shown not in done]


def _counterpart(wrong: Computation, candidates: list[Computation]) -> tuple[Computation, bool]:
    """The open computation of the reference that shares most operands; and whether it surely is the one meant.

    Surely, if all operands but one are the same and so is the operation, or all of them and not the operation.
    """

    def shared(right: Computation) -> int:
        others = list(right.operand_values)
        count = 0
        for value in wrong.operand_values:
            if value in others:
                others.remove(value)
                count += 1
        return 2 * count - len(others) + (sorted(wrong.symbols) == sorted(right.symbols))

    best = max(candidates[:4], key=shared)
    others = list(best.operand_values)
    for value in wrong.operand_values:
        if value in others:
            others.remove(value)
    is_same_kind = len(best.operand_values) == len(wrong.operand_values)
    is_sure = is_same_kind and (not others or (len(others) == 1 and sorted(wrong.symbols) == sorted(best.symbols)))
    return best, is_sure


def _first_mention(case: Case, computation: Computation) -> int:
    """The step in which a number that comes from nowhere is first said, at the latest the computation's own."""
    results = {c.shown for c in case.sample.computations}
    for value in computation.operand_values:
        if value in case.paths.allowed or value in results or value in CONSTANTS:
            continue
        for quantity in case.sample.quantities:
            if quantity.value == value and not quantity.is_word:
                return min(computation.step, case.sample.step_index(quantity.start))
    return computation.step
