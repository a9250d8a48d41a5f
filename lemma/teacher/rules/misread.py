"""Misreads the question: a comparison the wrong way round, a condition passed over, another thing than what is asked.

The words of the step must not say the right relation, or the mistake would be one of operation and not of reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Operator
from lemma.teacher.rules import slips
from lemma.teacher.rules.alter import first_that_works, targets
from lemma.teacher.rules.forms import Declined, pick, shuffled
from lemma.teacher.rules.reading import Computation, write_number
from lemma.teacher.rules.skip import end_with, stop_early, without_step
from lemma.teacher.rules.task import Alteration, Injected, Task
from lemma.teacher.rules.wording import sentence_about

_COMPARES: Final = re.compile(
    r"\b(?:more|less|fewer|older|younger|taller|shorter|longer|heavier|lighter|farther|further|cheaper|higher|lower)\b"
    r"[^.?!]{0,40}\bthan\b",
    re.IGNORECASE,
)
_MULTIPLIES: Final = re.compile(
    r"\b(?:times|twice|half|double|triple|thrice|third|quarter)\b[^.?!]{0,40}\b(?:as|than|of)\b", re.IGNORECASE
)
_RELATES: Final = re.compile(
    r"\b(?:more|less|fewer|older|younger|taller|shorter|longer|heavier|lighter|cheaper|higher|lower|than|plus|minus|"
    r"add\w*|subtract\w*|sum|total|altogether|together|combined|left|remain\w*|differ\w*|extra|another|"
    r"times|twice|half|halved|thirds?|quarters?|fourths?|fifths?|percent|double\w?|triple\w?|thrice|multipl\w+|divid\w+|each|every|per|split|share\w?)\b",
    re.IGNORECASE,
)
_ASKS_REST: Final = re.compile(
    r"\b(?:more|less|fewer|difference|left|remain\w*|farther|further|longer|older|younger|taller|cheaper)\b",
    re.IGNORECASE,
)
_ASKS_TOTAL: Final = re.compile(r"\b(?:total|altogether|in all|combined|together)\b", re.IGNORECASE)
_ASKS_EACH: Final = re.compile(r"\b(?:each|per|every|average)\b", re.IGNORECASE)
_TOTALS: Final = (
    "Together, that makes {work} = {value}.",
    "Altogether, that is {work} = {value}.",
    "In total that comes to {work} = {value}.",
    "So the total is {work} = {value}.",
)
_DIFFERENCES: Final = (
    "The difference between them is {work} = {value}.",
    "So the difference is {work} = {value}.",
    "That is a difference of {work} = {value}.",
)


def misread(task: Task) -> Injected:
    """Reads the question wrongly in one of several ways, the likely ones in a seeded order.

    Raises:
        Declined: no phrase of the question can be misread with certainty.
    """
    ways: tuple[Callable[[Task], Injected], ...] = (_reversed, _passed_over, _another_thing)
    for way in shuffled(task.random, ways):
        try:
            return ways[way](task)
        except Declined:
            continue
    raise Declined("no phrase of the question can be misread with certainty")


def is_visible(operator: Operator) -> bool:
    """Whether an operator is a sign that can be written over."""
    return 0 < operator.end - operator.start <= 1 or (operator.symbol in "*/" and operator.end - operator.start <= 6)


def _reversed(task: Task) -> Injected:
    """Who has more than whom, or how many times as many, is read the wrong way round."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not is_visible(operators[0]) or _says_relation(task, target):
                continue
            symbol = {"+": "-", "-": "+", "*": "/", "/": "*"}.get(operators[0].symbol, "")
            words = _COMPARES if symbol in "+-" else _MULTIPLIES
            for value in target.operand_values:
                sentence = sentence_about(task.question_text, value)
                if words.search(sentence) and symbol and slips.is_plausible_swap(target, symbol):
                    reason = f"“{sentence}” is read the wrong way round"
                    yield Alteration(target, operator=0, new_symbol=symbol, reason=reason)

    return first_that_works(task, alterations())


def _says_relation(task: Task, target: Computation) -> bool:
    """Whether the step's own words, its equation aside, say how the numbers are related."""
    start, end = task.solution.spans[target.step]
    equation = target.equation
    text = task.solution.text
    return _RELATES.search(f"{text[start : equation.start]} {text[equation.end : end]}") is not None


def _passed_over(task: Task) -> Injected:
    """A condition of the question is not taken notice of: its step is left out, and its number never used."""
    steps = [
        c for c in task.solution.computations if len([o for o in task.solution.computations if o.step == c.step]) == 1
    ]
    for place in shuffled(task.random, steps):
        removed = steps[place]
        earlier = {c.shown for c in task.solution.computations if c.equation.end <= removed.equation.start}
        results = [v for v in removed.operand_values if v in earlier]
        conditions = [v for v in removed.operand_values if v in task.question and v not in earlier]
        if len(results) != 1 or len(conditions) != 1 or not removed.is_exact:
            continue
        start = task.solution.spans[removed.step][0]
        if any(q.value == conditions[0] and q.start < start for q in task.solution.quantities):
            continue  # it has been used before, so it was read
        sentence = sentence_about(task.question_text, conditions[0])
        is_first = removed.operand_values[0] == results[0]
        if not is_first and not set(removed.symbols) <= {"+", "*"}:
            continue  # what is left out has to change the result that one goes on with
        if not sentence or removed.step + 1 == len(task.solution.spans):
            continue
        try:
            return without_step(task, removed, results[0], f"“{sentence}” is passed over")
        except Declined:
            continue
    raise Declined("no condition of the question can be passed over")


def _another_thing(task: Task) -> Injected:
    """Something else is computed than what is asked: the total for the rest, the difference for the total."""
    last = task.solution.computations[-1]
    is_end = last.step + 1 == len(task.solution.spans) and last.shown == task.answer
    if not is_end or len(last.equation.operators) != 1 or len(last.operand_values) != 2:
        raise Declined("the last step computes more than one thing")
    symbol, (a, b) = last.symbols[0], last.operand_values
    sentence = _asked(task.question_text)
    asked = sentence[max(0, sentence.lower().rfind("how ")) :]
    quoted = f"Something else is worked out than what is asked{f' (“{sentence}”)' if 0 < len(sentence) <= 160 else ''}"
    if symbol == "-" and _ASKS_REST.search(asked):
        return end_with(task, last, _sentence(task, last, "+", _TOTALS, a + b), a + b, quoted)
    if symbol == "+" and _ASKS_TOTAL.search(asked) and a != b and max(a, b) <= 10 * min(a, b):
        return end_with(task, last, _sentence(task, last, "-", _DIFFERENCES, abs(a - b)), abs(a - b), quoted)
    if symbol == "/" and _ASKS_EACH.search(asked):
        return stop_early(task, last, a, quoted)
    raise Declined("what is asked cannot be taken for something else")


def _sentence(task: Task, last: Computation, symbol: str, wordings: tuple[str, ...], value: Fraction) -> str:
    """A last sentence of our own, with the numbers as they were written."""
    text, result = task.solution.text, last.equation.result
    numbers = sorted(last.equation.operands, key=lambda n: n.value, reverse=symbol == "-")
    if symbol == "+":
        numbers = list(last.equation.operands)
    digits = write_number(value, is_money=bool(result and result.currency))
    if any(n.is_percent for n in numbers) or digits is None or result is None or result.is_percent:
        raise Declined("the numbers cannot be written in a sentence of its own")
    work = f" {symbol} ".join(f"{n.currency}{text[n.start : n.end]}" for n in numbers)
    return pick(task.random, wordings, work=work, value=f"{result.currency}{digits}")


def _asked(question: str) -> str:
    """The question's own last sentence."""
    start = max(question.rfind(". "), question.rfind("! "), question.rfind("\n"), -2) + 2
    return question[start:].strip()
