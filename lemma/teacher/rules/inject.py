"""Injects one plausible error into a correct solution and carries it through to a wrong answer.

Every candidate alteration is tried in a seeded order; the first one that survives all checks is taken: results stay
sensible, every later number is explained, the edited text read afresh holds together, and the answer is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Final

from lemma.arithmetic import Number, Operator, Truth, parse_number, read_equations
from lemma.stages.base import InjectUnit
from lemma.teacher.rules import slips
from lemma.teacher.rules.carry import CONSTANTS, Carrier, apply_edits
from lemma.teacher.rules.forms import Declined, pick, tagged
from lemma.teacher.rules.reading import Computation, Solution, read_quantities, read_solution, write_number
from lemma.teacher.rules.reword import lowered
from lemma.teacher.rules.wording import sentence_about

MAX_TRIES: Final = 40
MAX_RATIO: Final = 15  # a result further off than this would strike anybody as absurd


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


def inject(unit: InjectUnit, form: str, random: Random) -> str:
    """The reply to an injection unit.

    Raises:
        Declined: no alteration of this type can be carried through this solution with certainty.
    """
    task = _read_task(unit, form, random)
    make = _MAKERS.get(unit.error_type)
    if make is None:
        raise Declined(f"the rules cannot write a {unit.error_type.replace('_', ' ')}")
    injected = make(task)
    step, rest = injected.text, injected.rest
    if not rest and injected.step < len(task.solution.spans):
        # the step that took the place of a removed one ends the solution: its answer line is what follows
        step, _, rest = step.rpartition("\n")
    return tagged(altered_step=str(injected.step), step=step, rest=rest, explanation=injected.explanation)


def _read_task(unit: InjectUnit, form: str, random: Random) -> Task:
    text = unit.gold.text
    before, _, behind = form.partition("{answer}")
    answer_start = text.rfind(before) if before else -1
    if answer_start < 0 or not text.endswith(behind):
        raise Declined("the solution does not end in the answer form")
    written = text[answer_start + len(before) : len(text) - len(behind)].strip().strip("$%")
    answer = parse_number(written) if written.replace(",", "").replace(".", "", 1).isdigit() else None
    if answer is None:
        raise Declined("the answer is not a plain number")
    solution = read_solution(text)
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


# ------------------------------------------------------------------------------------------ carrying out


def _explained(task: Task, before: int) -> frozenset[Fraction]:
    """Every value that may stand unchanged behind offset `before`."""
    values = set(CONSTANTS)
    for value in task.question:
        values.add(value)
        if 0 < value <= 100:
            values.update((value / 100, 1 - value / 100, 1 + value / 100, 100 - value, 100 + value))
        if 0 < value < 1:
            values.update((1 - value, 1 + value, Fraction(value.numerator), Fraction(value.denominator)))
            values.add(Fraction(value.denominator - value.numerator))
    values.update(q.value for q in task.solution.quantities if q.start < before)
    return frozenset(values)


def _begin(task: Task, target: Computation) -> Carrier:
    step_start = task.solution.spans[target.step][0]
    earlier = {q.value for q in task.solution.quantities if q.start < step_start}
    known = frozenset(task.question | earlier | set(target.operand_values))
    return Carrier(task.solution, known, task.answer_start)


def _carry_out(task: Task, alteration: Alteration) -> Injected:
    """Makes the alteration and everything that follows from it.

    Raises:
        Declined: it cannot be carried through.
    """
    target = alteration.target
    equation = target.equation
    carrier = _begin(task, target)
    step_start = task.solution.spans[target.step][0]
    explained = set(_explained(task, step_start)) | set(target.operand_values)
    if alteration.new_result is not None:
        new = alteration.new_result
    else:
        new = _altered_value(task, alteration, carrier, step_start)
        explained.add(alteration.new_operand)
    carrier.change(target, new)
    _finish(task, carrier, equation.end, step_start, explained)
    text = _checked_text(task, carrier, target, is_slip=alteration.new_result is not None)
    end = task.solution.spans[target.step][1]
    step = apply_edits(task.solution.text, carrier.edits, step_start, end).strip()
    rest = apply_edits(task.solution.text, carrier.edits, end, len(task.solution.text)).strip()
    return Injected(target.step + 1, step, rest, _explain(task, alteration, new, text))


def _altered_value(task: Task, alteration: Alteration, carrier: Carrier, step_start: int) -> Fraction:
    """Writes the altered operand or operator, and returns what the work then gives, as shown."""
    target = alteration.target
    expression = target.equation.work
    values = list(target.operand_values)
    program = list(expression.program)
    if alteration.operand >= 0:
        number = expression.numbers[alteration.operand]
        values[alteration.operand] = alteration.new_operand
        carrier.write(number, alteration.new_operand)
        _reword_mentions(task, carrier, number, alteration.new_operand, step_start)
    exact = expression.evaluate(values)
    if alteration.operator >= 0:
        symbols = [i for i, step in enumerate(program) if isinstance(step, str) and step in "+-*/"]
        if len(symbols) != 1:
            raise Declined("more than one operation stands in the equation")
        program[symbols[0]] = alteration.new_symbol
        exact = type(expression)(
            expression.start, expression.end, expression.numbers, (), tuple(program), None
        ).evaluate(values)
        operator = expression.operators[alteration.operator]
        carrier.edits[operator.start, operator.end] = alteration.new_symbol
    if exact is None:
        raise Declined("the altered equation cannot be computed")
    new = exact * target.scale
    ratio = new / target.shown if target.shown else Fraction(0)
    if not Fraction(1, MAX_RATIO) <= ratio <= MAX_RATIO:
        raise Declined("the wrong value would be absurd")
    if new == target.shown or new == task.answer:
        raise Declined("the alteration changes nothing")
    return new


def _reword_mentions(task: Task, carrier: Carrier, number: Number, new: Fraction, step_start: int) -> None:
    """The misread quantity stands in the words before the equation too: ``Since Carla made 50 batches, …``."""
    for quantity in task.solution.quantities:
        if step_start <= quantity.start < task_end(carrier, number) and quantity.value == number.value:
            if quantity.start == number.start:
                continue
            digits = write_number(new, task.solution.text[quantity.start : quantity.end])
            if quantity.is_word or digits is None:
                raise Declined("the quantity is also written in words")
            carrier.edits[quantity.start, quantity.end] = digits


def task_end(carrier: Carrier, number: Number) -> int:
    """Start of the equation that `number` stands in: mentions before it are of the same quantity."""
    for equation in carrier.solution.equations:
        if equation.start <= number.start < equation.end:
            return equation.start
    return number.start


def _finish(task: Task, carrier: Carrier, behind: int, step_start: int, explained: set[Fraction]) -> None:
    """Carries on from offset `behind`, settles the prose, and makes sure that the answer changed."""
    later = [
        c for c in task.solution.computations if c.equation.start >= behind - 1 and c.equation.right.start >= behind
    ]
    carrier.carry(later)
    explained.update(c.shown for c in later if c.shown not in carrier.changed)
    carrier.settle_prose(step_start, frozenset(explained))
    if carrier.changed.get(task.answer, task.answer) == task.answer:
        raise Declined("the alteration does not reach the answer")


def _checked_text(task: Task, carrier: Carrier, target: Computation, *, is_slip: bool) -> str:
    """The edited text, read afresh: the target is as meant, and every later equation holds."""
    text = apply_edits(task.solution.text, carrier.edits, 0, len(task.solution.text))
    equations = read_equations(text)
    if len(equations) != len(task.solution.equations):
        raise Declined("the altered text reads differently")
    for old, new in zip(task.solution.equations, equations, strict=True):
        wanted = Truth.FALSE if is_slip and old.start == target.equation.start else old.truth
        if new.truth is not wanted:
            raise Declined("the altered text does not hold together")
    return text


def _first_that_works(task: Task, alterations: Iterator[Alteration]) -> Injected:
    reason = "no computation of the solution lends itself to this error"
    for tried, alteration in enumerate(alterations):
        if tried >= MAX_TRIES:
            break
        try:
            return _carry_out(task, alteration)
        except Declined as declined:
            reason = str(declined)
    raise Declined(reason)


def _targets(task: Task) -> list[Computation]:
    """The computations that may be altered, in a seeded order: plain ones whose value is exact."""
    found = [
        c
        for c in task.solution.computations
        if c.is_exact and c.equation.end <= task.answer_start and 2 <= len(c.equation.operands) <= 6
    ]
    task.random.shuffle(found)
    return found


# ------------------------------------------------------------------------------------------ the four kinds


def _calculation(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in _targets(task):
            for wrong in slips.wrong_results(target, task.random)[:6]:
                yield Alteration(target, new_result=wrong)

    return _first_that_works(task, alterations())


_SWAPS: Final = {"+": "-*", "-": "+", "*": "+/", "/": "*-"}


def _operator(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in _targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not _is_visible(operators[0]):
                continue
            symbols = list(_SWAPS.get(operators[0].symbol, ""))
            if task.random.random() < 0.3:
                symbols.reverse()
            for symbol in symbols:
                if slips.is_plausible_swap(target, symbol):
                    yield Alteration(target, operator=0, new_symbol=symbol)

    return _first_that_works(task, alterations())


def _is_visible(operator: Operator) -> bool:
    return 0 < operator.end - operator.start <= 1 or (operator.symbol in "*/" and operator.end - operator.start <= 6)


def _context_value(task: Task) -> Injected:
    def alterations() -> Iterator[Alteration]:
        for target in _targets(task):
            places = [i for i, n in enumerate(target.equation.operands) if n.value in task.question]
            task.random.shuffle(places)
            for place in places:
                number = target.equation.operands[place]
                others = _other_quantities(task, number)
                for value in others[:4]:
                    yield Alteration(target, operand=place, new_operand=value)

    return _first_that_works(task, alterations())


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
        for target in _targets(task):
            earlier = [c for c in task.solution.computations if c.equation.end <= target.equation.start]
            results = {c.shown for c in earlier}
            for place, number in enumerate(target.equation.operands):
                if number.value not in results or number.value in task.question:
                    continue
                for value in _stale_values(task, earlier, number.value, target):
                    yield Alteration(target, operand=place, new_operand=value)

    return _first_that_works(task, alterations())


def _stale_values(task: Task, earlier: list[Computation], value: Fraction, target: Computation) -> list[Fraction]:
    """What could be taken for the earlier result `value`: other results first, then what it was made from."""
    others = [c.shown for c in earlier if c.shown != value]
    task.random.shuffle(others)
    source = next(c for c in reversed(earlier) if c.shown == value)
    parts = [v for v in source.operand_values if v != value and v > 1]
    used = set(target.operand_values)
    return [v for v in dict.fromkeys(others + parts) if v not in used and v > 1][:5]


# ------------------------------------------------------------------------------------------ a step left out


def _missing_step(task: Task) -> Injected:
    by_step: dict[int, list[Computation]] = {}
    for computation in task.solution.computations:
        by_step.setdefault(computation.step, []).append(computation)
    alone = [cs[0] for cs in by_step.values() if len(cs) == 1 and cs[0].is_exact]
    task.random.shuffle(alone)
    alone.sort(key=lambda c: c.step == len(task.solution.spans) - 1)  # to stop early is the easy way out: tried last
    reason = "no step of the solution can be left out"
    for removed in alone:
        for value in _predecessors(task, removed):
            try:
                return _leave_out(task, removed, value)
            except Declined as declined:
                reason = str(declined)
    raise Declined(reason)


def _predecessors(task: Task, removed: Computation) -> list[Fraction]:
    """What a solver who forgets the step goes on with: an earlier result before a number of the question."""
    earlier = [c.shown for c in task.solution.computations if c.equation.end <= removed.equation.start]
    operands = [n.value for n in removed.equation.operands if not n.is_percent and n.value > 1]
    results = [v for v in operands if v in earlier]
    return list(dict.fromkeys(results or sorted(operands, reverse=True)[:1]))


def _leave_out(task: Task, removed: Computation, value: Fraction) -> Injected:
    solution = task.solution
    start, end = solution.spans[removed.step]
    result = removed.equation.result
    if value in (removed.shown, task.answer) or result is None:
        raise Declined("leaving the step out changes nothing")
    if removed.step + 1 == len(solution.spans):
        return _stop_early(task, removed, value)
    carrier = _begin(task, removed)
    carrier.rename(removed.shown, value, end)
    if value.denominator != 1 and removed.shown.denominator == 1:
        raise Declined("the value to go on with is no whole number")
    following = [c for c in solution.computations if c.step == removed.step + 1]
    if not any(removed.shown in c.operand_values for c in following):
        raise Declined("the next step does not need the step before it")
    explained = set(_explained(task, start)) | {value}
    _finish(task, carrier, end, end, explained)
    _check_rest(task, carrier, end)
    next_end = solution.spans[removed.step + 1][1]
    step = apply_edits(solution.text, carrier.edits, end, next_end).strip()
    rest = apply_edits(solution.text, carrier.edits, next_end, len(solution.text)).strip()
    return Injected(removed.step + 1, step, rest, _explain_missing(task, removed, value))


def _check_rest(task: Task, carrier: Carrier, end: int) -> None:
    """What follows the removed step, edited and read afresh, holds."""
    text = apply_edits(task.solution.text, carrier.edits, end, len(task.solution.text))
    old = [e.truth for e in task.solution.equations if e.start >= end]
    if [e.truth for e in read_equations(text)] != old:
        raise Declined("the altered text does not hold together")


def _stop_early(task: Task, removed: Computation, value: Fraction) -> Injected:
    """The last step is forgotten: the value before it is given as the answer."""
    earlier = [c for c in task.solution.computations if c.step < removed.step]
    source = next((c for c in reversed(earlier) if c.shown == value), None)
    if source is None or removed.shown != task.answer or value == task.answer:
        raise Declined("no earlier result could be taken for the answer")
    number = source.equation.result
    digits = write_number(value)
    if number is None or digits is None:
        raise Declined("the earlier result cannot be written as an answer")
    shown = f"{number.currency}{task.solution.text[number.start : number.end]}{'%' if number.is_percent else ''}"
    unit = _unit_behind(task.solution.text, number)
    sentence = pick(
        task.random,
        ("So the result is {value}.", "So that makes {value} in the end.", "Therefore, the answer comes to {value}.",
         "That gives {value} as the result.", "So we get {value}."),
        value=f"{shown} {unit}".strip(),
    )  # fmt: skip
    line = task.solution.text[task.answer_start :].strip()
    written = task.solution.quantities[-1]
    tail = task.solution.text[task.answer_start : written.start] + digits + task.solution.text[written.end :]
    if written.value != task.answer or written.start < task.answer_start or not line:
        raise Declined("the answer line cannot be read")
    return Injected(removed.step + 1, f"{sentence}\n{tail.strip()}", "", _explain_missing(task, removed, value))


def _unit_behind(text: str, number: Number) -> str:
    """The one word behind a result, where it is a noun to repeat: ``24 clips``."""
    words = text[number.end + number.is_percent : number.end + 40].split(" ")
    if len(words) < 2 or words[0]:
        return ""
    word = words[1].rstrip(".,;:!\n")
    is_noun = word.isalpha() and word.islower() and word.endswith("s") and len(word) > 3
    return word if is_noun and word not in ("this", "less", "plus", "minus", "times", "across", "was", "has") else ""


# ------------------------------------------------------------------------------------------ explanations


def _written(task: Task, computation: Computation) -> str:
    work = computation.equation.work
    return task.solution.text[work.start : work.end].strip()


def _explain(task: Task, alteration: Alteration, new: Fraction, text: str) -> str:
    target = alteration.target
    work = _written(task, target)
    right, wrong = write_number(target.shown) or "", write_number(new) or ""
    if alteration.new_result is not None:
        return f"{work} is {right}, not {wrong}: the computation is carried out wrongly."
    if alteration.reason:
        return f"{alteration.reason}: right is {work} = {right}, and not {wrong}."
    if alteration.operator >= 0:
        names = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided"}
        old = target.equation.operators[0].symbol
        return (
            f"The numbers are {names[alteration.new_symbol]} where they have to be {names[old]}: "
            f"right is {work} = {right}."
        )
    number = target.equation.operands[alteration.operand]
    old_digits, new_digits = write_number(number.value) or "", write_number(alteration.new_operand) or ""
    return f"{new_digits} is used where {old_digits} belongs: right is {work} = {right}."


def _explain_missing(task: Task, removed: Computation, value: Fraction) -> str:
    right = write_number(removed.shown) or ""
    digits = write_number(value) or ""
    return f"The step {_written(task, removed)} = {right} is left out, and {digits} is used in its place."


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
        for target in _targets(task):
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
        return _first_that_works(task, alterations())
    except Declined:
        last = task.solution.computations[-1]
        if last.step + 1 != len(task.solution.spans) or last.shown != task.answer:
            raise
    asked = _asked(task.question_text)
    for value in _predecessors(task, last):
        try:
            stopped = _stop_early(task, last, value)
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
        for target in _targets(task):
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

    return _first_that_works(task, alterations())


_MAKERS: Final[dict[str, Callable[[Task], Injected]]] = {
    "calculation_error": _calculation,
    "operator_error": _operator,
    "referencing_context_value_error": _context_value,
    "referencing_previous_step_value_error": _previous_value,
    "missing_step": _missing_step,
    "question_misinterpretation": _misreading,
    "unit_conversion_error": _unit_conversion,
}
INJECTED_TYPES: Final = tuple(_MAKERS)
"""The error types that the rules can write."""
