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

from lemma.arithmetic import Number, Operator
from lemma.stages.base import InjectUnit
from lemma.teacher.rules import slips
from lemma.teacher.rules.alter import Alteration, Injected, Task, first_that_works, read_task, targets
from lemma.teacher.rules.forms import Declined, tagged
from lemma.teacher.rules.reading import Computation
from lemma.teacher.rules.reword import lowered
from lemma.teacher.rules.skip import leave_out_a_step, predecessors, stop_early
from lemma.teacher.rules.wording import sentence_about


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
        for target in targets(task):
            for wrong in slips.wrong_results(target, task.random)[:6]:
                yield Alteration(target, new_result=wrong)

    return first_that_works(task, alterations())


_SWAPS: Final = {"+": "-*", "-": "+", "*": "+/", "/": "*-"}


def _operator(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not _is_visible(operators[0]):
                continue
            symbols = list(_SWAPS.get(operators[0].symbol, ""))
            if task.random.random() < 0.3:
                symbols.reverse()
            for symbol in symbols:
                if slips.is_plausible_swap(target, symbol):
                    yield Alteration(target, operator=0, new_symbol=symbol)

    return first_that_works(task, alterations())


def _is_visible(operator: Operator) -> bool:
    return 0 < operator.end - operator.start <= 1 or (operator.symbol in "*/" and operator.end - operator.start <= 6)


def _context_value(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            places = [i for i, n in enumerate(target.equation.operands) if n.value in task.question]
            task.random.shuffle(places)
            for place in places:
                number = target.equation.operands[place]
                others = _other_quantities(task, number)
                for value in others[:4]:
                    yield Alteration(target, operand=place, new_operand=value)

    return first_that_works(task, alterations())


def _other_quantities(task: Task, number: Number) -> list[Fraction]:
    """Other numbers of the question that could be taken for `number`, the likeliest first."""
    value = number.value
    noun = next((noun for other, noun in task.quantities if other == value), "")
    candidates: dict[Fraction, tuple[bool, bool, float]] = {}
    for other, other_noun in task.quantities:
        if other == value or other <= 1 or (other.denominator != 1 and value.denominator == 1):
            continue
        ratio = max(other, value) / min(other, value) if value else Fraction(0)
        if not 0 < ratio <= 50:
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
    parts = [v for v in source.operand_values if v != value and v > 1]
    used = set(target.operand_values)
    return [v for v in dict.fromkeys(others + parts) if v not in used and v > 1][:5]


# ------------------------------------------------------------------------------------------ misread words

_COMPARES: Final = re.compile(
    r"\b(?:more|less|fewer|older|younger|taller|shorter|longer|heavier|lighter|farther|further|cheaper|higher|lower)\b"
    r"[^.?!]{0,40}\bthan\b",
    re.IGNORECASE,
)
_MULTIPLIES: Final = re.compile(
    r"\b(?:times|twice|half|double|doubled|triple|third|quarter|per|each|every)\b", re.IGNORECASE
)


def _misreading(task: Task) -> Injected:
    """A relation of the question is read another way, or something else is computed than what is asked."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not _is_visible(operators[0]):
                continue
            for value in target.operand_values:
                sentence = sentence_about(task.question_text, value)
                words = _COMPARES if operators[0].symbol in "+-" else _MULTIPLIES
                if words.search(sentence) is None:
                    continue
                for symbol in _SWAPS.get(operators[0].symbol, ""):
                    if slips.is_plausible_swap(target, symbol):
                        reason = f"“{sentence}” is misread"
                        yield Alteration(target, operator=0, new_symbol=symbol, reason=reason)

    try:
        return first_that_works(task, alterations())
    except Declined:
        last = task.solution.computations[-1]
        if last.step + 1 != len(task.solution.spans) or last.shown != task.answer:
            raise
    asked = _asked(task.question_text)
    for value in predecessors(task, last):
        try:
            stopped = stop_early(task, last, value)
        except Declined:
            continue
        why = f"Something else is given than what is asked{asked}: {lowered(stopped.explanation)}"
        return Injected(stopped.step, stopped.text, stopped.rest, why)
    raise Declined("no phrase of the question can be misread with certainty")


def _asked(question: str) -> str:
    """The question's own last sentence, quoted."""
    start = max(question.rfind(". "), question.rfind("! "), question.rfind("\n"), -2) + 2
    sentence = question[start:].strip()
    return f" (“{sentence}”)" if 0 < len(sentence) <= 160 else ""


# ------------------------------------------------------------------------------------------ units

_WRONG_FACTORS: Final[dict[int, tuple[str, tuple[int, ...]]]] = {
    60: (r"hours?|minutes?|seconds?", (100, 30)),
    7: (r"weeks?", (5, 6)),
    12: (r"years?|feet|foot|inch|inches|dozens?", (10,)),
    24: (r"hours?", (12,)),
    52: (r"weeks?|years?", (50, 48)),
    365: (r"years?|days?", (360, 300)),
    1000: (r"kilo\w+|k[mg]|grams?|meters?|metres?|liters?|litres?|ml", (100,)),
    100: (r"cents?|percent|meters?|metres?|cm|centimeters?|dollars?", (10, 1000)),
    3600: (r"hours?|seconds?", (60, 360)),
    16: (r"ounces?|pounds?", (12, 10)),
    36: (r"yards?|inches", (12, 30)),
}
"""Factor -> the words in whose company it converts, and what it is taken for."""
_MEASURES: Final = {
    factor: re.compile(rf"\b(?:{units})\b|{'[%¢]' if factor == 100 else '(?!)'}", re.IGNORECASE)
    for factor, (units, _) in _WRONG_FACTORS.items()
}


def _unit_conversion(task: Task) -> Injected:
    """A factor between units is wrong, or used in the wrong direction."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            start, end = task.solution.spans[target.step]
            if not set(target.symbols) <= {"*", "/"}:
                continue
            for place, number in enumerate(target.equation.operands):
                factor = int(number.value) if number.value.denominator == 1 else 0
                is_given = number.value in task.question or number.currency or number.is_percent
                is_said = any(q.value == number.value and q.start < start for q in task.solution.quantities)
                if factor not in _MEASURES or is_given or is_said:
                    continue
                if not _MEASURES[factor].search(task.solution.text, start, end):
                    continue
                for wrong in _WRONG_FACTORS[factor][1]:
                    yield Alteration(target, operand=place, new_operand=Fraction(wrong))

    return first_that_works(task, alterations())


_MAKERS: Final[dict[str, Callable[[Task], Injected]]] = {
    "calculation_error": _calculation,
    "operator_error": _operator,
    "referencing_context_value_error": _context_value,
    "referencing_previous_step_value_error": _previous_value,
    "missing_step": leave_out_a_step,
    "question_misinterpretation": _misreading,
    "unit_conversion_error": _unit_conversion,
}
INJECTED_TYPES: Final = tuple(_MAKERS)
"""The error types that the rules can write."""
