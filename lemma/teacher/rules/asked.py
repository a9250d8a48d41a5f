"""Answers another question than the one that is asked: the total for the difference, what is used for what is left.

The last step gives way to a sentence that says what has been worked out in its place, so that one sees how the question
was read.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from lemma.teacher.rules.fits import words_of_step
from lemma.teacher.rules.forms import Declined, pick, words
from lemma.teacher.rules.reading import Computation, Quantity, read_quantities, write_number
from lemma.teacher.rules.skip import end_with, unit_behind
from lemma.teacher.rules.task import Injected, Task

_ASKS_DIFFERENCE: Final = re.compile(
    r"\bhow (?:much|many|far)\b[^?]{0,20}\b(?:more|less|fewer|farther|further|longer|taller|older|heavier)\b[^?]{0,80}"
    r"\b(?:than|compared to) (?:his|her|their|the|[A-Z])|\bdifference\b",
)
_HAS_AIM: Final = re.compile(
    r"\b(?:expect\w*|needs?|needed|still|left|remain\w*|goal|must|have to|has to|should|budget\w*|afford|plan\w*|"
    r"require\w*|original\w*|before|last|previous\w*|usual\w*|instead|percent\w*|would|could|if)\b|%",
    re.IGNORECASE,
)
_ASKS_REST: Final = re.compile(r"\b(?:left|remain\w*|change|unsold|unused)\b", re.IGNORECASE)
_ASKS_MORE: Final = re.compile(
    r"\bhow (?:many|much) (?:more|additional)\b[^?]*\b(?:needs?|must|have to|has to|should)\b", re.I
)
_PARTS: Final = re.compile(r"\b(?:discount|tip|tax|interest|raise|increase|fee)\b", re.IGNORECASE)
_ASKS_EACH: Final = re.compile(
    r"\b(?:does|did|will|would|can|should|do|has|have|is|was|were|for|of|must|to)\s+each\b", re.IGNORECASE
)
_PERIOD: Final = re.compile(r" (?:more )?(days|weeks|months|years|hours|nights|minutes)\b", re.IGNORECASE)
_CALENDAR: Final = (
    (7, re.compile(r"\bweek\b", re.I), "day"),
    (52, re.compile(r"\byear\b", re.I), "week"),
    (12, re.compile(r"\byear\b", re.I), "month"),
    (365, re.compile(r"\byear\b", re.I), "day"),
    (4, re.compile(r"\bmonth\b", re.I), "week"),
    (30, re.compile(r"\bmonth\b", re.I), "day"),
)
_SENTENCE_END: Final = re.compile(r"(?:(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bSt)\.|[!?]) +(?=[A-Z])|\n")
_ASKS_TOTAL: Final = re.compile(r"\b(?:altogether|combined|together|both|they|the (?:two|three|four))\b", re.I)
_COUNTS: Final = re.compile(r"how many ", re.IGNORECASE)
_NAME: Final = re.compile(r"\b[A-Z][a-z]{2,}\b(?!['’])")
_NO_NAMES: Final = words(
    "The She They His Her Their Its Then Now Next Thus There After Each First This That Since Altogether Together When"
)
_TIMES: Final = words("hours minutes seconds days weeks months years times dollars cents inches feet miles")
_USED: Final = (
    (re.compile(r"\b(?:spend\w*|spent|buy\w*|bought|pays?|paid|costs?|purchas\w+|bills?)\b", re.I), "$", "spent"),
    (re.compile(r"\b(?:eat|eats|ate|eaten|eating)\b", re.I), "", "eaten"),
    (re.compile(r"\b(?:sells?|sold|selling)\b", re.I), "", "sold"),
    (re.compile(r"\b(?:gives?|gave|giving|given|donat\w+|shar\w+)\b", re.I), "", "given away"),
    (re.compile(r"\b(?:reads?|reading)\b", re.I), "", "read"),
    (re.compile(r"\b(?:loses?|lost|losing)\b", re.I), "", "lost"),
    (re.compile(r"\b(?:breaks?|broke|broken)\b", re.I), "", "broken"),
    (re.compile(r"\b(?:throws?|threw|thrown)\b", re.I), "", "thrown away"),
    (re.compile(r"\b(?:drinks?|drank|drunk)\b", re.I), "", "drunk"),
    (re.compile(r"\b(?:drives?|drove|driven|walk\w*|travel\w*|hik\w+|runs?|ran|rid\w+|rode)\b", re.I), "", "covered"),
    (re.compile(r"\b(?:plant\w*)\b", re.I), "", "planted"),
    (re.compile(r"\b(?:uses?|used|using)\b", re.I), "", "used"),
)
_SAID: Final = (
    "The question asks {what}, which is {value}.",
    "What is asked is {what}, so it is {value}.",
    "We are asked {what}: that is {value}.",
    "So, as the question is {what}, we get {value}.",
)
_TOTALS: Final = (
    "Together, that makes {work} = {value}.",
    "Altogether, that is {work} = {value}.",
    "In total that comes to {work} = {value}.",
    "So the total is {work} = {value}.",
)


def answer_another(task: Task) -> Injected:
    """Ends in another thing than what is asked.

    Raises:
        Declined: what is asked cannot be taken for something else.
    """
    last = task.solution.computations[-1]
    is_end = last.step + 1 == len(task.solution.spans) and last.shown == task.answer
    here = [c for c in task.solution.computations if c.step == last.step]
    if not is_end or len(here) != 1 or len(last.equation.operators) != 1 or len(last.operand_values) != 2:
        raise Declined("the last step computes more than one thing")
    symbol, (a, b) = last.symbols[0], last.operand_values
    sentence = last_sentence(task.question_text)
    asked = sentence[max(0, sentence.lower().rfind("how ")) :]
    quoted = f"Something else is worked out than what is asked{f' (“{sentence}”)' if 0 < len(sentence) <= 160 else ''}"
    if symbol == "-" and _ASKS_DIFFERENCE.search(asked) and not _HAS_AIM.search(asked):
        return end_with(task, last, _total(task, last, a + b), a + b, quoted)
    what, value = _amount_on_the_way(task, last, asked)
    if not what and symbol == "/" and _is_found(task, last, a):
        what, value = _of_all(task, last, asked), a
    elif not what and symbol == "*":
        what, value = _of_one(task, last, asked)
    elif not what and symbol == "+":
        what, value = _of_somebody(task, last, asked)
    if not what:
        raise Declined("what is asked cannot be taken for something else")
    said = pick(task.random, _SAID, what=what, value=_shown(task, last, value))
    return end_with(task, last, said, value, quoted)


def _is_found(task: Task, last: Computation, value: Fraction) -> bool:
    """Whether the solution has found the value in a step before."""
    return any(c.shown == value and c.step < last.step for c in task.solution.computations)


def _amount_on_the_way(task: Task, last: Computation, asked: str) -> tuple[str, Fraction]:
    """``how much is spent in all``, where it is asked what is left: what else the question speaks of; perhaps empty."""
    a, b = last.operand_values
    is_many = "how many" in asked.lower() or not (last.equation.result and last.equation.result.currency)
    much, are = ("how many", "are") if is_many else ("how much", "is")
    if last.symbols == ("-",) and _ASKS_MORE.search(asked) and a > b and _is_found(task, last, a):
        return f"{much} {are} needed", a
    for noun in _PARTS.findall(task.question_text):
        if last.symbols[0] in "+-" and _is_found(task, last, b) and _is_of(task, b, noun):
            return f"how much the {noun.lower()} is", b
    if last.symbols != ("-",) or not _ASKS_REST.search(asked):
        return "", Fraction(0)
    if _is_found(task, last, b) and a in task.question:
        participle = _participle(task, last)
        return (f"{much} {are} {participle} in all", b) if participle else ("", b)
    source = next((c for c in task.solution.computations if c.shown == a and c.step < last.step), None)
    if source is not None and set(source.symbols) <= {"+", "*"} and b in task.question and "each" not in asked:
        return f"{much} there {are} in all", a
    return "", Fraction(0)


def _is_of(task: Task, value: Fraction, noun: str) -> bool:
    """Whether the step that finds a value calls it by the noun."""
    found = next((c for c in task.solution.computations if c.shown == value), None)
    if found is None:
        return False
    named = {one.lower() for one in _PARTS.findall(words_of_step(task.solution, found.step))}
    return named == {noun.lower()}


def _participle(task: Task, last: Computation) -> str:
    """How the question says that things went off: ``eaten``, ``spent``; else empty."""
    is_money = bool(last.equation.result and last.equation.result.currency)
    fitting = (
        word for pattern, kind, word in _USED if (kind == "$") == is_money and pattern.search(task.question_text)
    )
    return next(fitting, "")


def _of_one(task: Task, last: Computation, asked: str) -> tuple[str, Fraction]:
    """``how much that makes in one week``, where it is asked for 8 weeks; empty where no such time is asked for."""
    for count, value in (last.operand_values, last.operand_values[::-1]):
        quantity = next((q for q in read_quantities(asked) if q.value == count), None)
        period = _period(asked, quantity) or _known_period(task, asked, count)
        if period and _is_found(task, last, value) and value != count:
            return f"how {'many' if 'how many' in asked.lower() else 'much'} that makes in one {period}", value
    return "", Fraction(0)


def _of_all(task: Task, last: Computation, asked: str) -> str:
    """What is shared out or filled in, as a whole: ``how many pages there are in all``; perhaps empty."""
    if _ASKS_EACH.search(asked):
        return f"how {'many' if 'how many' in asked.lower() else 'much'} that makes for all of them together"
    noun = _shown(task, last, last.operand_values[0]).partition(" ")[2]
    is_other = noun and noun not in asked and noun in task.question_text and noun not in _TIMES
    return f"how many {noun} there are in all" if is_other and _COUNTS.match(asked) else ""


def _of_somebody(task: Task, last: Computation, asked: str) -> tuple[str, Fraction]:
    """``how many that makes for Tom alone``, where it is asked for several together; perhaps empty."""
    if not _ASKS_TOTAL.search(asked):
        return "", Fraction(0)
    for value in last.operand_values[::-1]:
        sources = [c for c in task.solution.computations if c.shown == value and c.step < last.step]
        if len(sources) != 1 or value in task.question:
            continue
        said = set(_NAME.findall(task.solution.step_text(sources[0].step))) - _NO_NAMES
        if len(said) == 1 and said <= set(_NAME.findall(task.question_text)):
            return f"how {'many' if 'how many' in asked.lower() else 'much'} that makes for {said.pop()} alone", value
    return "", Fraction(0)


def _known_period(task: Task, asked: str, count: Fraction) -> str:
    """The part of a week or year that `count` of make it, where it is asked for the whole and the number not given."""
    found = next((part for number, whole, part in _CALENDAR if count == number and whole.search(asked)), "")
    return "" if count in task.question else found


def _period(asked: str, quantity: Quantity | None) -> str:
    match = _PERIOD.match(asked, quantity.end) if quantity is not None and quantity.value > 1 else None
    return match[1].lower()[:-1] if match else ""


def _shown(task: Task, last: Computation, value: Fraction) -> str:
    """An earlier result as it is written, with the noun behind it."""
    found = next((c for c in reversed(task.solution.computations) if c.shown == value and c.step < last.step), None)
    number = found.equation.result if found is not None else None
    if number is None or number.is_percent:
        raise Declined("the value cannot be written in a sentence of its own")
    text = task.solution.text
    digits, currency = text[number.start : number.end], last.equation.result.currency if last.equation.result else ""
    return f"{number.currency or currency}{digits} {unit_behind(text, number)}".strip()


def _total(task: Task, last: Computation, value: Fraction) -> str:
    """A last sentence of our own, with the numbers as they were written."""
    text, result = task.solution.text, last.equation.result
    numbers = last.equation.operands
    digits = write_number(value, is_money=bool(result and result.currency))
    if any(n.is_percent for n in numbers) or digits is None or result is None or result.is_percent:
        raise Declined("the numbers cannot be written in a sentence of its own")
    work = " + ".join(f"{n.currency}{text[n.start : n.end]}" for n in numbers)
    return pick(task.random, _TOTALS, work=work, value=f"{result.currency}{digits}")


def last_sentence(question: str) -> str:
    """The question's own last sentence."""
    return _SENTENCE_END.split(question.strip())[-1].strip()
