"""Injects one plausible error into a correct solution and carries it through to a wrong answer.

Every candidate alteration is tried in a seeded order; the first one that survives all checks is taken: results stay
sensible, every later number is explained, the edited text read afresh holds together, and the answer is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Number
from lemma.stages.base import InjectUnit
from lemma.teacher.rules import slips
from lemma.teacher.rules.add import add_irrelevant
from lemma.teacher.rules.alter import MAX_RATIO, first_that_works, targets
from lemma.teacher.rules.confuse import confuse_formula
from lemma.teacher.rules.fits import names_operation, words_around
from lemma.teacher.rules.forms import Declined, tagged
from lemma.teacher.rules.kinds import CONVERSIONS, converts
from lemma.teacher.rules.miscount import miscount
from lemma.teacher.rules.misread import is_visible, misread
from lemma.teacher.rules.reading import Computation, read_quantities, write_number
from lemma.teacher.rules.skip import leave_out_a_step
from lemma.teacher.rules.task import Alteration, Injected, Task, read_task
from lemma.teacher.rules.wording import only_phrase_about, phrase_about


def inject(unit: InjectUnit, form: str, random: Random) -> str:
    """The reply to an injection unit.

    Raises:
        Declined: no alteration of this type can be carried through this solution with certainty.
    """
    task = read_task(unit, form, random)
    make = _MAKERS.get(unit.error_type)
    if make is None:
        raise Declined(f"the rules cannot write a {unit.error_type.replace('_', ' ')}")
    injected = make(task)
    step, rest = injected.text, injected.rest
    if not rest and injected.step < len(task.solution.spans):
        # the step that took the place of a removed one ends the solution: its answer line is what follows
        step, _, rest = step.rpartition("\n")
    return tagged(altered_step=str(injected.step), step=step, rest=rest, explanation=injected.explanation)


def _calculation(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        # where digits have to be carried is where one goes wrong
        for target in sorted(targets(task), key=lambda target: not slips.is_demanding(target)):
            for wrong in slips.wrong_results(target, task.random)[:6]:
                yield Alteration(target, new_result=wrong)

    return first_that_works(task, alterations())


_SWAPS: Final = {"+": "-", "-": "+", "*": "+/", "/": "*-"}


def _operator(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not is_visible(operators[0]) or _has_rate(target):
                continue
            if names_operation(words_around(task, target), operators[0].symbol):
                continue
            if operators[0].symbol == "-" and not any(v in task.question for v in target.operand_values):
                continue  # a part taken from its whole
            symbols = list(_SWAPS.get(operators[0].symbol, ""))
            if task.random.random() < 0.3:
                symbols.reverse()
            for symbol in symbols:
                is_halved = operators[0].symbol == "/" and target.operand_values[1] == 2
                if slips.is_plausible_swap(target, symbol) and not (symbol == "-" and is_halved):
                    yield Alteration(target, operator=0, new_symbol=symbol)

    return first_that_works(task, alterations())


def _has_rate(target: Computation) -> bool:
    """``3 rides * 4 tickets/ride``: units that only go with one operation."""
    return any("/" in number.unit or "per " in number.unit for number in target.equation.operands)


def _context_value(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            earlier = {c.shown for c in task.solution.computations if c.equation.start < target.equation.start}
            places = [
                i
                for i, n in enumerate(target.equation.operands)
                if n.value not in earlier and _is_named(only_phrase_about(task.question_text, n.value))
            ]
            task.random.shuffle(places)
            for place in places:
                number = target.equation.operands[place]
                others = [v for v in _other_quantities(task, number) if v not in target.operand_values]
                for value in others[:4]:
                    yield Alteration(target, operand=place, new_operand=value)

    return first_that_works(task, alterations())


def _is_named(phrase: str) -> bool:
    """Whether the question says of what the number is."""
    return " " in phrase or phrase[:1] == "$" or phrase[-1:] == "%"


def _other_quantities(task: Task, number: Number) -> list[Fraction]:
    """Other numbers of the question that could be taken for `number`, the likeliest first."""
    value = number.value
    noun = next((noun for other, noun in task.quantities if other == value), "")
    candidates: dict[Fraction, tuple[bool, bool, float]] = {}
    for other, other_noun in task.quantities:
        if other == value or other <= 1 or (other.denominator != 1 and value.denominator == 1):
            continue
        ratio = max(other, value) / min(other, value) if value else Fraction(0)
        if not 0 < ratio <= (MAX_RATIO if other_noun == noun else MAX_RATIO / 2):
            continue
        digits = write_number(other) or "-"
        if re.search(rf"(?<![\d.]){re.escape(digits)}/\d|\d/{re.escape(digits)}(?!\d)", task.question_text):
            continue  # a part of a fraction
        if number.is_percent and not phrase_about(task.question_text, other).endswith("%"):
            continue
        candidates.setdefault(other, (other_noun != noun, ratio > 8, task.random.random()))
    return sorted(candidates, key=lambda other: candidates[other])


def _previous_value(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            earlier = [c for c in task.solution.computations if c.equation.end <= target.equation.start]
            results = {c.shown for c in earlier}
            for place, number in enumerate(target.equation.operands):
                if number.value not in results or number.value in task.question:
                    continue
                for value in _stale_values(task, earlier, number.value, target):
                    yield Alteration(target, operand=place, new_operand=value)

    return first_that_works(task, alterations())


def _stale_values(task: Task, earlier: list[Computation], value: Fraction, target: Computation) -> list[Fraction]:
    """What could be taken for the earlier result `value`: other results first, then what it was made from."""
    others = [c.shown for c in earlier if c.shown != value]
    task.random.shuffle(others)
    source = next(c for c in reversed(earlier) if c.shown == value)
    used_there = source.operand_values if len(source.operand_values) == 2 else ()
    parts = [v for v in used_there if v > 1 and max(v, value) <= min(v, value) * MAX_RATIO / 2]
    used = set(target.operand_values)
    return [v for v in dict.fromkeys(others + parts) if v not in {value, *used} and v > 1][:5]


# ------------------------------------------------------------------------------------------ units


def _is_fraction_part(text: str, number: Number) -> bool:
    """Whether a small number is half of a fraction written tight, in brackets or between spaces: ``(3/4)``."""
    is_bottom = text[number.start - 1 : number.start] == "/" and text[number.start - 2 : number.start - 1].isdigit()
    is_top = text[number.end : number.end + 1] == "/" and text[number.end + 1 : number.end + 2].isdigit()
    return number.value < 10 and (is_bottom or is_top)


_WELL_KNOWN: Final = frozenset(Fraction(n) for n in (7, 12, 24, 52, 60, 365))
_PERCENT: Final = re.compile(r"%|percent", re.IGNORECASE)
_MONTHS: Final = re.compile(r"\b(?:months?|years?|monthly|yearly)\b", re.IGNORECASE)


def _can_be_mistaken(task: Task, number: Number, step: str) -> bool:
    """Whether the factor is used once, for units, and not as a fact that everybody knows: ``12 months/year``."""
    value, is_rate = number.value, "/" in number.unit or "per " in number.unit
    uses = sum(c.operand_values.count(value) for c in task.solution.computations)
    if uses != 1 or (is_rate and value in _WELL_KNOWN):
        return False
    return not (value == 100 and _PERCENT.search(step)) and not (value == 12 and _MONTHS.search(step))


def _unit_conversion(task: Task) -> Injected:
    """A factor between units is wrong, or used in the wrong direction."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            start, end = task.solution.spans[target.step]
            if not set(target.symbols) <= {"*", "/"}:
                continue
            for place, number in enumerate(target.equation.operands):
                is_given = number.value in task.question or number.currency or number.is_percent
                is_said = any(q.value == number.value and q.start < start for q in task.solution.quantities)
                is_part = _is_fraction_part(task.solution.text, number)
                if is_given or is_said or is_part or target.operand_values.count(number.value) > 1:
                    continue
                if not converts(number.value, task.solution.text[start:end]):
                    continue
                if any(q.value == number.value for q in read_quantities(words_around(task, target))):
                    continue  # nobody states a wrong factor in so many words
                if not _can_be_mistaken(task, number, task.solution.text[start:end]):
                    continue
                good = write_number(number.value)
                for wrong in CONVERSIONS[int(number.value)][1]:
                    reason = f"The factor between the units is {good} and not {wrong}"
                    yield Alteration(target, operand=place, new_operand=Fraction(wrong), reason=reason)

    return first_that_works(task, alterations())


_MAKERS: Final[dict[str, Callable[[Task], Injected]]] = {
    "calculation_error": _calculation,
    "operator_error": _operator,
    "referencing_context_value_error": _context_value,
    "referencing_previous_step_value_error": _previous_value,
    "missing_step": leave_out_a_step,
    "question_misinterpretation": misread,
    "unit_conversion_error": _unit_conversion,
    "formula_confusion": confuse_formula,
    "counting_error": miscount,
    "adding_irrelevant_information": add_irrelevant,
}
INJECTED_TYPES: Final = tuple(_MAKERS)
"""The error types that the rules can write."""
