"""Brings in a number of the question that has no bearing on what is worked out, as one does who uses all of them.

The step is kept as it is and goes on by one more operation, which is carried through; its arithmetic is right. Only
what the question really says is brought in, and only what the correct solution has no use for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from lemma.teacher.rules.alter import begin, check_text, finish_carrying, targets
from lemma.teacher.rules.asked import last_sentence
from lemma.teacher.rules.carry import apply_edits, is_sensible
from lemma.teacher.rules.forms import Declined, pick, shuffled, words
from lemma.teacher.rules.reading import Computation, read_quantities, write_number
from lemma.teacher.rules.task import Injected, Task
from lemma.teacher.rules.wording import phrase_about

_TIMED: Final = words(
    """
    days weeks months years hours nights weekends people persons friends students children kids men women boys girls
    brothers sisters siblings cousins members players workers employees classmates families games trips rounds loads
    """
)
"""What a total is taken for that of one of."""
_ALL_OF: Final = re.compile(r"\b(?:the|these|those|in|for|over|during|all) \Z", re.IGNORECASE)
_WHOLE: Final = re.compile(r"\b(?:total|altogether|in all|over|during|combined|together)\b", re.IGNORECASE)
_CLAUSES: Final = (
    ", and with {what} that makes {work} = {value}",
    ", and adding {what} gives {work} = {value}",
    ", which together with {what} comes to {work} = {value}",
)
_NO_BEARING: Final = (
    "What is asked here has nothing to do with {name}: it stays at {right}.",
    "It is {right}; {name} should not be brought in.",
    "For this value {name} should play no part. Right is {right}.",
)


_TIMES: Final = (
    ", and for the {what} that makes {work} = {value}",
    ", which for the {what} comes to {work} = {value}",
)
_ALREADY: Final = (
    "{right} is the whole already; the {name} have no bearing on it any more.",
    "The {name} do not matter here: it stays at {right}.",
    "What is asked is {right}, and the {name} should not be brought in again.",
)


@dataclass(frozen=True, slots=True)
class Extra:
    """What is brought in."""

    what: str
    value: Fraction
    symbol: str = "+"


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
    if not set(target.symbols) <= {"+", "*"}:
        return []  # to what is left nobody adds anything
    return _unused(task, target) + _counts(task, target)


def _counts(task: Task, target: Computation) -> list[Extra]:
    """How many days, people and the like the question speaks of, where the last result is that of all of them."""
    if target.shown != task.answer or target.step + 1 != len(task.solution.spans):
        return []
    asked = last_sentence(task.question_text)
    if not set(target.symbols) <= {"+", "*"} or not _WHOLE.search(asked):
        return []
    # who adds one term for each of three nights knows that it is all of them
    num_terms = len(target.operand_values) if set(target.symbols) == {"+"} else 0
    used = {q.value for q in task.solution.quantities}
    near = {q.value for q in read_quantities(asked) if _ALL_OF.search(asked[: q.start])}
    found = [
        (v, noun) for v, noun in task.quantities if v in near - used - {num_terms} and 2 <= v <= 12 and noun in _TIMED
    ]
    return [Extra(f"{write_number(value)} {noun}", value, "*") for value, noun in found]


def _unused(task: Task, target: Computation) -> list[Extra]:
    """Numbers of the question that the solution has no use for, of the same kind as the result."""
    used = {q.value for q in task.solution.quantities}
    result = target.equation.result
    is_money = result is not None and bool(result.currency)
    behind = task.solution.text[result.end : result.end + 30].lower() if result is not None else ""
    found = []
    for value, noun in task.quantities:
        phrase = phrase_about(task.question_text, value)
        # the noun that a number is read with may be another's: "after 20 minutes, 30 more racers"
        is_same_kind = noun == "$" if is_money else len(noun) > 3 and noun in behind and noun in phrase.lower()
        if value in used or value <= 1 or not is_same_kind or not phrase.lstrip("$")[:1].isdigit():
            continue
        if not target.shown <= value * 10 <= target.shown * 100:
            continue
        found.append(Extra(f"the {phrase}", value))
    return found if len(found) == 1 else []  # of several there is no telling which belongs


def _added(task: Task, target: Computation, extra: Extra) -> Injected:
    solution, result = task.solution, target.equation.result
    new = target.shown * extra.value if extra.symbol == "*" else target.shown + extra.value
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
    is_times = extra.symbol == "*"
    added = write_number(extra.value) if is_times else f"{result.currency}{write_number(extra.value)}"
    clause = pick(
        task.random,
        _TIMES if is_times else _CLAUSES,
        what=extra.what,
        work=f"{old} {extra.symbol} {added}",
        value=f"{result.currency}{digits}{tail}",
    )
    altered = step.rstrip(". ") + clause + "."
    rest = apply_edits(solution.text, carrier.edits, behind, len(solution.text)).strip()
    wordings = _ALREADY if is_times else _NO_BEARING
    reason = pick(task.random, wordings, name=extra.what, right=write_number(target.shown) or "")
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
