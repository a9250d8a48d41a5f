"""A correct solution to be spoilt, as read; one way to go wrong in it; and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Final

from lemma.arithmetic import Truth, parse_number
from lemma.stages.base import InjectUnit
from lemma.teacher.rules.carry import CONSTANTS, forms_of
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.reading import Computation, Solution, read_bounded, read_quantities

_PERCENT: Final = re.compile(r"%|percent|discount", re.IGNORECASE)
_COMMON: Final = frozenset(Fraction(n) for n in (*range(13), "0.01", "0.05", "0.1", "0.25"))
"""What need not be said: small counts, and what coins are worth."""
_DIGITS: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked, as read."""

    solution: Solution
    question_text: str
    question: frozenset[Fraction]
    """Every value that the question mentions."""
    quantities: tuple[tuple[Fraction, str], ...]
    """The question's numerals with the words behind them."""
    answer: Fraction
    answer_start: int
    """Offset of the line in the answer form."""
    random: Random


@dataclass(frozen=True, slots=True)
class Alteration:
    """One way to go wrong at one computation."""

    target: Computation
    new_result: Fraction | None = None
    """A slip: the result that is written although it does not follow."""
    operand: int = -1
    new_operand: Fraction = Fraction(0)
    operator: int = -1
    new_symbol: str = ""
    new_work: str = ""
    """Other work in the place of the whole, in digits and signs; gives `new_value`."""
    new_value: Fraction = Fraction(0)
    is_stated: bool = False
    """Whether `new_value` is stated as it is, and nothing is worked out for it."""
    reason: str = ""
    """Why it is wrong, where more can be said than the computation shows."""


@dataclass(frozen=True, slots=True)
class Injected:
    """The altered step, what follows it, and why it is wrong."""

    step: int
    """Number of the altered step, from 1."""
    text: str
    rest: str
    explanation: str


def read_task(unit: InjectUnit, form: str, random: Random) -> Task:
    """Reads what is asked.

    Raises:
        Declined: the solution cannot be followed from its computations to its answer.
    """
    text = unit.gold.text
    before, _, behind = form.partition("{answer}")
    answer_start = text.rfind(before) if before else -1
    if answer_start < 0 or not text.endswith(behind):
        raise Declined("the solution does not end in the answer form")
    written = text[answer_start + len(before) : len(text) - len(behind)].strip().strip("$%")
    answer = parse_number(written) if written.replace(",", "").replace(".", "", 1).isdigit() else None
    if answer is None:
        raise Declined("the answer is not a plain number")
    solution = read_bounded(text)
    if not solution.computations:
        raise Declined("no computation can be read in the solution")
    if any(e.truth is Truth.FALSE for e in solution.equations):
        raise Declined("the solution holds an equation that is not true")
    if any(e.truth is Truth.UNREADABLE for e in solution.equations):
        raise Declined("the solution holds an equation that cannot be confirmed")
    if all(c.shown != answer for c in solution.computations):
        raise Declined("the answer is not the result of a computation that can be read")
    question, quantities = _read_question(unit.problem.question)
    stray = next(_unexplained(solution, unit.problem.question, question), None)
    if stray is not None:
        raise Declined("the solution itself works with a number that nothing explains")
    return Task(solution, unit.problem.question, question, quantities, answer, answer_start, random)


def _unexplained(solution: Solution, text: str, question: frozenset[Fraction]) -> Iterator[Fraction]:
    """Numbers that neither the question gives nor the solution has found: then it is wrong, or it is not understood.

    A sum of two numbers that are known may have been made in the head; so may the numbers up to twelve.
    """
    forms = set(forms_of(question)) | _COMMON
    if not _PERCENT.search(text):
        forms -= {100 + v for v in question} | {100 - v for v in question}
        forms |= question | CONSTANTS
    given = question | {value for value in map(parse_number, _DIGITS.findall(text)) if value is not None}  # "15th" too
    forms |= given
    found: set[Fraction] = set(given)
    links: set[int] = set()
    for equation in solution.equations:
        if equation.work.start not in links:
            yield from (n.value for n in equation.operands if not _is_known(n.value, forms, found))
        links.add(equation.right.start)  # "2 * 23 - 4 = 46 - 4 = 42": what stands behind a sign is found
        found.update(number.value for number in equation.right.numbers)
    yield from (q.value for q in solution.quantities if not q.is_word and not _is_known(q.value, forms, found))


def _is_known(value: Fraction, forms: set[Fraction], found: set[Fraction]) -> bool:
    if value in forms or value in found:
        return True
    return any(value - one in found for one in found if 0 < one < value)


@lru_cache(maxsize=2048)
def _read_question(text: str) -> tuple[frozenset[Fraction], tuple[tuple[Fraction, str], ...]]:
    found = read_quantities(text)
    numerals = []
    for quantity in found:
        if quantity.is_cardinal:
            behind = text[quantity.end : quantity.end + 40].lstrip(" -").split(" ")
            money = "$" if text[max(0, quantity.start - 1) : quantity.start] == "$" else ""
            numerals.append((quantity.value, money or behind[0].strip(".,;:!?").lower()))
    return frozenset(q.value for q in found), tuple(numerals)
