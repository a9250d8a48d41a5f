"""Counts one too few where the solution has counted: days, the person itself, times a term."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from lemma.arithmetic import Number
from lemma.teacher.rules.alter import first_that_works, targets
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.reading import Computation, Quantity, read_quantities, write_number
from lemma.teacher.rules.skip import without_step
from lemma.teacher.rules.task import Alteration, Injected, Task

MAX_COUNT: Final = 12
_LETTER: Final = re.compile(r"[A-Za-z(]")
_WITH: Final = re.compile(r"\b(?:and|with) (?:his|her|their|[A-Z]\w+['’]s)(?: other)? \Z")
_PEOPLE: Final = re.compile(
    r" (?:\w+ )?(?:friends|brothers|sisters|siblings|children|kids|cousins|classmates|roommates|colleagues|coworkers|"
    r"neighbors|sons|daughters|teammates)\b"
)
_DAYS: Final = re.compile(
    r"\b(?:days?|weekdays?|months?|weekends?|nights?|mornings?|evenings?|afternoons?)\b", re.IGNORECASE
)
_RANGE: Final = re.compile(r"day (?:through|to) (?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day")
_NAMES: Final = re.compile(
    r"\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|weekdays?|weekends?|through|January|February|March|April|June|"
    r"July|August|September|October|November|December)\b"
)


def miscount(task: Task) -> Injected:
    """Takes a count that the solution made itself for one less.

    Raises:
        Declined: nothing is counted that the question does not give.
    """

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            yield from _repeated(task, target)
            for place, number in enumerate(target.equation.operands):
                if _is_count(task, target, number):
                    new = number.value - 1  # the first or the last is not counted in
                    words = (write_number(number.value), write_number(new))
                    reason = f"There are {words[0]} to count and not {words[1]}"
                    yield Alteration(target, operand=place, new_operand=new, reason=reason)

    try:
        return first_that_works(task, alterations())
    except Declined:
        return _uncounted_self(task)


def _is_count(task: Task, target: Computation, number: Number) -> bool:
    """Whether the number is one that the solution has counted: of days that the question names."""
    value = number.value
    if value.denominator != 1 or not 2 <= value <= MAX_COUNT or number.currency or number.is_percent or number.decimals:
        return False
    if value in task.question or len(target.symbols) != 1 or target.symbols[0] not in "*/":
        return False
    start, end = task.solution.spans[target.step]
    step = task.solution.text[start:end]
    if any(q.value == value and q.start < start for q in task.solution.quantities):
        return False
    if value == 7 or len(set(_NAMES.findall(task.question_text))) < 2:
        return False
    if len(set(_NAMES.findall(step))) == value or "inclusive" in step:
        return False  # nobody miscounts what is listed in the same breath
    is_range = value > 2 and _RANGE.search(step) is not None
    return _DAYS.match(number.unit) is not None or is_range


def _uncounted_self(task: Task) -> Injected:
    """``4 friends + 1``: whoever the question is about is not counted.

    Raises:
        Declined: nobody is added to a number of the question.
    """
    for removed in targets(task):
        values = [v for v in removed.operand_values if v != 1]
        if removed.symbols != ("+",) or len(values) != 1 or removed.step + 1 == len(task.solution.spans):
            continue
        if any(
            q.value == values[0] and _is_company(task.question_text, q) for q in read_quantities(task.question_text)
        ):
            with suppress(Declined):
                return without_step(task, removed, values[0], "The one whom the others are with is not counted")
    raise Declined("nothing is counted that the question does not give")


def _is_company(question: str, quantity: Quantity) -> bool:
    """``Ava and her 3 brothers``: whether the number is of people who are with the one that is spoken of."""
    before, behind = question[max(0, quantity.start - 30) : quantity.start], question[quantity.end :]
    return _WITH.search(before) is not None and _PEOPLE.match(behind) is not None


def _repeated(task: Task, target: Computation) -> Iterator[Alteration]:
    """``3 + 3 + 3``: one of the equal terms is not counted."""
    values, work = target.operand_values, target.equation.work
    if set(target.symbols) != {"+"} or len(values) < 3 or len(set(values)) != 1:
        return
    if _LETTER.search(task.solution.text, work.start, work.end):
        return
    before = task.solution.text[task.solution.spans[target.step][0] : target.equation.start]
    if values[0] == 1 or "," in before or any(q.value == len(values) for q in read_quantities(before)):
        return  # what is listed or counted in the same breath is not lost
    number = target.equation.operands[0]
    term = f"{number.currency}{task.solution.text[number.start : number.end]}"
    yield Alteration(
        target,
        new_work=" + ".join([term] * (len(values) - 1)),
        new_value=target.shown - values[0],
        reason=f"{write_number(values[0])} has to be counted {len(values)} times",
    )
