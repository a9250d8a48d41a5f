"""Brings in something that does not belong there: a number of the question that has no bearing, a tip, a spare one.

The step is kept as it is and goes on by one more operation, which is carried through; its arithmetic is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from lemma.teacher.rules.alter import begin, check_text, finish_carrying, targets
from lemma.teacher.rules.carry import apply_edits, is_sensible
from lemma.teacher.rules.forms import Declined, pick, shuffled, words
from lemma.teacher.rules.reading import Computation, write_number
from lemma.teacher.rules.task import Injected, Task
from lemma.teacher.rules.wording import phrase_about

_MINUTES: Final = re.compile(r"minutes?\b|mins?\b", re.IGNORECASE)
_COUNTED: Final = re.compile(r"[ ](?:more |new |extra )?([a-z]{3,}s)\b")
_NO_THINGS: Final = words(
    """
    hours minutes seconds days weeks months years times percent dollars cents pounds ounces miles feet inches meters
    yards gallons liters grams kilograms degrees this less plus minus was has is does its always points
    """
)
_COSTS: Final = re.compile(r"\b(?:costs?|pays?|spends?|spent|price|bill|owes?)\b", re.IGNORECASE)
_GAINS: Final = re.compile(
    r"\b(?:sav\w+|earn\w*|profit|left|remain\w*|discount\w*|off|change|makes?|made|more|less|tip|fee|tax|won|budget|difference|increase\w*|hours?|hourly|overtime|wages?|salary|paid)\b",
    re.IGNORECASE,
)
_SERVED: Final = re.compile(
    r"\b(?:restaurant|dinner|lunch|meal|pizza|cafe|café|taxi|haircut|salon|waiter|waitress|bar)\b", re.IGNORECASE
)
_BOUGHT: Final = re.compile(r"\b(?:buys?|bought|orders?|ordered|store|shop|purchas\w+|online)\b", re.IGNORECASE)
_NEEDED: Final = re.compile(r"\b(?:needs?|needed|orders?|buys?|bought|requires?|prepares?|packs?)\b", re.IGNORECASE)
_FEES: Final = ("service charge", "handling fee")
_CLAUSES: Final = (
    ", and with {what} that makes {work} = {value}",
    ", and adding {what} gives {work} = {value}",
    ", which together with {what} comes to {work} = {value}",
)
_REASONS: Final = (
    "Nothing in the question calls for {name}: the value is {right}.",
    "{right} is right without {name}, of which the question says nothing here.",
    "The question does not speak of {name} here, so it stays at {right}.",
)
_NO_BEARING: Final = (
    "What is asked here has nothing to do with {name}: it stays at {right}.",
    "It is {right}; {name} should not be brought in.",
    "For this value {name} does not matter. Right is {right}.",
)


@dataclass(frozen=True, slots=True)
class Extra:
    """What is brought in."""

    what: str
    value: Fraction
    name: str
    is_given: bool = False
    """Whether the question speaks of it, of something else."""


def add_irrelevant(task: Task) -> Injected:
    """Goes on from a right result by one operation too many.

    Raises:
        Declined: nothing can be brought in that sounds as though it belonged there.
    """
    for target in targets(task):
        last_of_step = [c for c in task.solution.computations if c.step == target.step][-1]
        if last_of_step is not target:
            continue
        extras = _extras(task, target)
        for place in shuffled(task.random, extras):
            try:
                return _added(task, target, extras[place])
            except Declined:
                continue
    raise Declined("nothing can be brought in that sounds as though it belonged there")


def _extras(task: Task, target: Computation) -> list[Extra]:
    result = target.equation.result
    if result is None or result.is_percent or target.shown.denominator > 100:
        return []
    text, found = task.solution.text, _unused(task, target)
    start, end = task.solution.spans[target.step]
    step, behind = text[start:end], text[result.end : result.end + 40]
    counted = _COUNTED.match(behind)
    if result.currency == "$" and 10 <= target.shown <= 2000 and _COSTS.search(step) and not _GAINS.search(step):
        fee = Fraction(max(2, min(20, int(target.shown) // 20)))
        found.extend(Extra(f"a {name} of ${write_number(fee)}", fee, f"a {name}") for name in _fees(task.question_text))
    elif counted and counted[1] not in _NO_THINGS and _NEEDED.search(step) and 6 <= target.shown <= 1000:
        found.extend(Extra(f"{n} spare {counted[1]}", Fraction(n), f"spare {counted[1]}") for n in (2, 3))
    elif _MINUTES.match(behind.lstrip()) and 10 <= target.shown <= 500:
        found.extend(Extra(f"a break of {n} minutes", Fraction(n), "a break") for n in (5, 10))
    return [extra for extra in found if target.shown.denominator == 1 or extra.what.startswith("a ")]


def _fees(question: str) -> list[str]:
    """What might come on top of a price where such things are sold."""
    if _SERVED.search(question):
        return ["tip", *_FEES[:1]]
    return ["delivery fee", *_FEES] if _BOUGHT.search(question) else list(_FEES[:1])


def _unused(task: Task, target: Computation) -> list[Extra]:
    """Numbers of the question that the solution has no use for, of the same kind as the result."""
    used = {q.value for q in task.solution.quantities}
    result = target.equation.result
    is_money = result is not None and bool(result.currency)
    behind = task.solution.text[result.end : result.end + 30].lower() if result is not None else ""
    found = []
    for value, noun in task.quantities:
        phrase = phrase_about(task.question_text, value)
        is_same_kind = noun == "$" if is_money else len(noun) > 3 and noun in behind
        if value in used or value <= 1 or not is_same_kind or not phrase.lstrip("$")[:1].isdigit():
            continue
        if not Fraction(1, 10) <= value / target.shown <= 10:
            continue
        found.append(Extra(f"the {phrase}", value, f"the {phrase}", is_given=True))
    return found


def _added(task: Task, target: Computation, extra: Extra) -> Injected:
    solution, result = task.solution, target.equation.result
    new = target.shown + extra.value
    if result is None or not is_sensible(new, target.shown, result) or new == task.answer:
        raise Declined("the changed value would make no sense for what is counted")
    start, end = solution.spans[target.step]
    is_last = target.step + 1 == len(solution.spans)
    step = solution.text[start : min(end, task.answer_start)].strip() if is_last else solution.text[start:end].strip()
    tail = _ends_in_result(step, solution.text[result.start : result.end])
    carrier = begin(task, target)
    if target.shown in carrier.known and not is_last:
        raise Declined("the value to be changed stands for other things too")
    behind = min(end, task.answer_start)
    carrier.changed[target.shown] = new
    finish_carrying(task, carrier, behind, behind, {extra.value})
    check_text(task, carrier, behind, None)
    old = f"{result.currency}{solution.text[result.start : result.end]}"
    digits = write_number(new, solution.text[result.start : result.end], is_money=bool(result.currency))
    if digits is None or tail is None:
        raise Declined("the step does not end in its result")
    clause = pick(
        task.random,
        _CLAUSES,
        what=extra.what,
        work=f"{old} + {result.currency}{write_number(extra.value)}",
        value=f"{result.currency}{digits}{tail}",
    )
    altered = step.rstrip(". ") + clause + "."
    rest = apply_edits(solution.text, carrier.edits, behind, len(solution.text)).strip()
    wordings = _NO_BEARING if extra.is_given else _REASONS
    reason = pick(task.random, wordings, name=extra.name, right=write_number(target.shown) or "")
    if is_last:
        return Injected(target.step + 1, f"{altered}\n{rest}", "", reason)
    return Injected(target.step + 1, altered, rest, reason)


def _ends_in_result(step: str, digits: str) -> str | None:
    """The words between the result and the end of the step, up to three; null where more stands there."""
    place = step.rfind(digits)
    behind = step[place + len(digits) :].rstrip(". ")
    words: Sequence[str] = behind.split()
    is_plain = place >= 0 and len(words) <= 3 and re.fullmatch(r"(?: [a-z]+)*", behind) is not None
    return behind if is_plain else None
