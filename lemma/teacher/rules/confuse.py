"""Puts a neighbouring formula in the place of the right one, where the text says which quantity is meant.

Perimeter for area and area for perimeter, percent of for percent off, a speed multiplied for divided. Where the words
do not decide what the formula is for, nothing is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from lemma.teacher.rules import slips
from lemma.teacher.rules.alter import first_that_works, targets
from lemma.teacher.rules.misread import is_visible
from lemma.teacher.rules.reading import Computation, write_number
from lemma.teacher.rules.task import Alteration, Injected, Task

_AREA: Final = re.compile(r"\b(?:area|square (?:feet|foot|meters?|metres?|inch(?:es)?|yards?|miles?|cm)|sq)\b", re.I)
_PERIMETER: Final = re.compile(r"\b(?:perimeter|fenc\w+|around|border|all (?:four )?sides)\b", re.I)
_SPEED: Final = re.compile(r"\b(?:speed|mph|miles per hour|miles an hour|km/h|kph|kilometers per hour|m/s)\b", re.I)
_SAYS_HOW: Final = re.compile(r"\b(?:multipl\w+|times|add\w*|sum)\b", re.I)
_TIME: Final = re.compile(r"\b(?:hours?|minutes?|seconds?)\b", re.I)
_DISTANCE: Final = re.compile(r"\b(?:miles?|km|kilometers?|meters?|feet)\b", re.I)
_CHANGED: Final = re.compile(
    r"\b(?:off|discount\w*|reduc\w+|decreas\w+|less|increas\w+|more|rais\w+|drop\w*|lost|loses?|gain\w*)\b", re.I
)


def confuse_formula(task: Task) -> Injected:
    """Uses the neighbour of a formula, and carries its value through.

    Raises:
        Declined: no step rests on a formula that the text names.
    """

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            start, end = task.solution.spans[target.step]
            step = task.solution.text[start:end]
            yield from _shapes(task, target, step)
            yield from _percents(task, target)
            yield from _speeds(task, target, step)

    return first_that_works(task, alterations())


def _shapes(task: Task, target: Computation, step: str) -> Iterator[Alteration]:
    if _SAYS_HOW.search(step):
        return
    values, texts = target.operand_values, _written(task, target)
    others = (c for c in task.solution.computations if c is not target and c.symbols == ("*",))
    if any(set(c.operand_values) <= task.question and _are_sides(task, c) for c in others):
        return  # who finds another area knows how
    is_area = _AREA.search(step) is not None or (_AREA.search(task.question_text) and not _PERIMETER.search(step))
    if target.symbols == ("*",) and is_area and min(values) > 1 and _are_sides(task, target):
        a, b = texts
        work = task.random.choice((f"2 * ({a} + {b})", f"{a} + {b} + {a} + {b}"))
        value = 2 * (values[0] + values[1])
        if value in task.question:
            return
        yield Alteration(target, new_work=work, new_value=value, reason="This is the perimeter and not the area")
    sides = _sides_of_perimeter(target)
    if sides and _PERIMETER.search(step + task.question_text):
        a, b = (texts[values.index(side)] for side in sides)
        value = sides[0] * sides[1]
        yield Alteration(
            target, new_work=f"{a} * {b}", new_value=value, reason="This is the area and not the perimeter"
        )


def _are_sides(task: Task, target: Computation) -> bool:
    """Whether both factors are lengths, by their units or by the words of the question around them."""
    if target.operand_values[0] == target.operand_values[1] and not any(n.unit for n in target.equation.operands):
        return False  # of two equal numbers one does not tell which is which
    length = re.compile(r"\b(?:feet|foot|ft|meters?|metres?|m|inch(?:es)?|in|yards?|miles?|cm|km|long|wide)\b", re.I)
    units = [n.unit for n in target.equation.operands]
    if all(units):
        return all(length.search(unit) for unit in units) and not any("/" in unit or "per" in unit for unit in units)
    nouns = {value: noun for value, noun in task.quantities}
    return all(length.fullmatch(nouns.get(value, "")) for value in target.operand_values)


def _sides_of_perimeter(target: Computation) -> tuple[Fraction, Fraction] | None:
    """Length and width, if the work adds each of them twice."""
    values = target.operand_values
    if set(target.symbols) == {"+"} and len(values) == 4:
        a, b = min(values), max(values)
        return (a, b) if sorted(values) == [a, a, b, b] and a != b else None
    if sorted(target.symbols) == ["*", "*", "+"] and values.count(Fraction(2)) == 2 and len(values) == 4:
        a, b = (v for v in values if v != 2) if values.count(Fraction(2)) == 2 else values[:2]
        return a, b
    return None


def _percents(task: Task, target: Computation) -> Iterator[Alteration]:
    """``80 * 0.85`` for 15 % off becomes ``80 * 0.15``, and ``80 * 1.15`` for 15 % more does too."""
    others = [v for c in task.solution.computations if c is not target for v in (*c.operand_values, c.shown)]
    if any(1 < v < 2 for v in others):
        return  # who has worked out that it is 1.2 times as much knows what "20% more" is
    if target.symbols != ("*",) or not _CHANGED.search(task.question_text):
        return
    for place, value in enumerate(target.operand_values):
        for sign, name in ((-1, "off"), (1, "more")):
            percent = abs(value - 1) * 100
            if (value - 1) * sign <= 0 or percent not in task.question or not 0 < percent < 100:
                continue
            if re.search(rf"\b{write_number(percent)} ?(?:%|percent)", task.question_text) is None:
                continue
            said = write_number(percent)
            yield Alteration(
                target,
                operand=place,
                new_operand=percent / 100,
                reason=f"{said}% of a value is not the value with {said}% {name}",
            )


def _speeds(task: Task, target: Computation, step: str) -> Iterator[Alteration]:
    is_about = _SPEED.search(step) and _TIME.search(task.question_text) and _DISTANCE.search(task.question_text)
    if not is_about or len(target.symbols) != 1 or not is_visible(target.equation.operators[0]):
        return
    if not any(_TIME.match(n.unit) for n in target.equation.operands) or _SAYS_HOW.search(step):
        return
    symbol = {"*": "/", "/": "*"}.get(target.symbols[0], "")
    if symbol and slips.is_plausible_swap(target, symbol):
        right = "multiplied by" if symbol == "/" else "divided by"
        reason = f"For this one quantity has to be {right} the other, by distance = speed * time"
        yield Alteration(target, operator=0, new_symbol=symbol, reason=reason)


def _written(task: Task, target: Computation) -> list[str]:
    text = task.solution.text
    return [f"{n.currency}{text[n.start : n.end]}" for n in target.equation.operands]
