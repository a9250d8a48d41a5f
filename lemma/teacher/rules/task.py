"""A correct solution to be spoilt, as read; one way to go wrong in it; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random

from lemma.arithmetic import Truth, parse_number
from lemma.stages.base import InjectUnit
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.reading import Computation, Solution, read_bounded, read_quantities


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
    if all(c.shown != answer for c in solution.computations):
        raise Declined("the answer is not the result of a computation that can be read")
    question, quantities = _read_question(unit.problem.question)
    return Task(solution, unit.problem.question, question, quantities, answer, answer_start, random)


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
