"""Makes one alteration of a correct solution and everything that follows from it.

An `Alteration` of a `Task` is carried out only if the result holds together: values stay sensible, every later number
is explained, the edited text read afresh is as meant, and the answer is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Number, Truth, read_equations
from lemma.teacher.rules.carry import Carrier, apply_edits, forms_of
from lemma.teacher.rules.forms import Declined, pick
from lemma.teacher.rules.reading import Computation, write_number
from lemma.teacher.rules.task import Alteration, Injected, Task

MAX_TRIES: Final = 40
MAX_RATIO: Final = 15  # a result further off than this would strike anybody as absurd


def begin(task: Task, target: Computation) -> Carrier:
    """A carrier for an alteration at `target`: what stands for other things there is never replaced."""
    step_start = task.solution.spans[target.step][0]
    earlier = {q.value for q in task.solution.quantities if q.start < step_start}
    known = frozenset(task.question | earlier | set(target.operand_values))
    return Carrier(task.solution, known, task.answer_start)


def carry_out(task: Task, alteration: Alteration) -> Injected:
    """Makes the alteration and everything that follows from it.

    Raises:
        Declined: it cannot be carried through.
    """
    target = alteration.target
    equation = target.equation
    carrier = begin(task, target)
    step_start = task.solution.spans[target.step][0]
    explained = set(target.operand_values)
    if alteration.new_result is not None:
        new = alteration.new_result
    elif alteration.is_stated and equation.result is not None:
        new = _in_bounds(task, target, alteration.new_value)
        carrier.edits[equation.work.start, equation.result.start - len(equation.result.currency)] = ""
    elif alteration.new_work:
        new = _in_bounds(task, target, alteration.new_value)
        carrier.edits[equation.work.start, equation.work.end] = alteration.new_work
    else:
        new = _altered_value(task, alteration, carrier, step_start)
        explained.add(alteration.new_operand)
    carrier.change(target, new)
    finish_carrying(task, carrier, equation.end, step_start, explained)
    is_slip = alteration.new_result is not None
    check_text(task, carrier, step_start, target if is_slip else None, target if alteration.is_stated else None)
    end = task.solution.spans[target.step][1]
    step = apply_edits(task.solution.text, carrier.edits, step_start, end).strip()
    rest = apply_edits(task.solution.text, carrier.edits, end, len(task.solution.text)).strip()
    return Injected(target.step + 1, step, rest, explain(task, alteration, new))


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
    return _in_bounds(task, target, exact * target.scale)


def _in_bounds(task: Task, target: Computation, new: Fraction) -> Fraction:
    """`new`, if it may stand as a wrong value of the target.

    Raises:
        Declined: it would be absurd, or is the right one.
    """
    ratio = new / target.shown if target.shown else Fraction(0)
    if not Fraction(1, MAX_RATIO) <= ratio <= MAX_RATIO:
        raise Declined("the wrong value would be absurd")
    if new == target.shown or new == task.answer:
        raise Declined("the alteration changes nothing")
    return new


def _reword_mentions(task: Task, carrier: Carrier, number: Number, new: Fraction, step_start: int) -> None:
    """The misread quantity stands in the words before the equation too: ``Since Carla made 50 batches, …``."""
    step_end = task.solution.spans[task.solution.step_index(number.start)][1]
    for quantity in task.solution.quantities:
        if quantity.value != number.value or quantity.start == number.start:
            continue
        if number.end <= quantity.start < min(step_end, task.answer_start):
            raise Declined("the quantity is said again behind the equation")
        if step_start <= quantity.start < task_end(carrier, number):
            digits = write_number(new, task.solution.text[quantity.start : quantity.end])
            if quantity.is_word or digits is None:
                raise Declined("the quantity is also written in words")
            if any(
                c.step != task.solution.step_index(number.start)
                for c in task.solution.computations
                if number.value in c.operand_values
            ):
                raise Declined("the quantity is taken rightly elsewhere")
            carrier.edits[quantity.start, quantity.end] = digits


def task_end(carrier: Carrier, number: Number) -> int:
    """Start of the equation that `number` stands in: mentions before it are of the same quantity."""
    for equation in carrier.solution.equations:
        if equation.start <= number.start < equation.end:
            return equation.start
    return number.start


def finish_carrying(task: Task, carrier: Carrier, behind: int, step_start: int, extra: set[Fraction]) -> None:
    """Carries on from offset `behind`, settles the prose from `step_start` on, and sees that the answer changed.

    `extra` are the values that the alteration itself brings in.

    Raises:
        Declined: it cannot be carried through.
    """
    later = [
        c for c in task.solution.computations if c.equation.start >= behind - 1 and c.equation.right.start >= behind
    ]
    carrier.carry(later)
    if carrier.changed.get(task.answer, task.answer) == task.answer:
        raise Declined("the alteration does not reach the answer")
    explained = extra | forms_of(task.question)
    explained.update(q.value for q in task.solution.quantities if q.start < step_start)
    explained.update(c.shown for c in later if c.shown not in carrier.changed)
    carrier.settle_prose(step_start, explained)


def check_text(
    task: Task, carrier: Carrier, start: int, target: Computation | None, gone: Computation | None = None
) -> None:
    """Reads the edited text afresh from `start`: a slip is false, and every other equation is as it was.

    `target` is the computation that was got wrong, if its equation is to be false; `gone` is one that was taken out.

    Raises:
        Declined: something else reads differently.
    """
    text = apply_edits(task.solution.text, carrier.edits, start, len(task.solution.text))
    olds = [e for e in task.solution.equations if e.start >= start and (gone is None or e.start != gone.equation.start)]
    news = read_equations(text)
    if len(news) != len(olds):
        raise Declined("the altered text reads differently")
    for old, new in zip(olds, news, strict=True):
        is_slip = target is not None and old.start == target.equation.start
        if new.truth is not (Truth.FALSE if is_slip else old.truth):
            raise Declined("the altered text does not hold together")


def first_that_works(task: Task, alterations: Iterator[Alteration]) -> Injected:
    """Carries out the first alteration that can be.

    Raises:
        Declined: none can, with the last one's reason.
    """
    reason = "no computation of the solution lends itself to this error"
    for tried, alteration in enumerate(alterations):
        if tried >= MAX_TRIES:
            break
        try:
            return carry_out(task, alteration)
        except Declined as declined:
            reason = str(declined)
    raise Declined(reason)


def targets(task: Task) -> list[Computation]:
    """The computations that may be altered, in a seeded order: plain ones whose value is exact."""
    found = [
        c
        for c in task.solution.computations
        if c.is_exact
        and c.equation.end <= task.answer_start
        and 2 <= len(c.equation.operands) <= 6
        # what is worked out over several steps would have to be altered in all of them
        and c.equation.start >= task.solution.spans[c.step][0]
    ]
    task.random.shuffle(found)
    return found


def written(task: Task, computation: Computation) -> str:
    """The work as it stands in the text."""
    work = computation.equation.work
    return task.solution.text[work.start : work.end].strip()


_SLIPS: Final = (
    "{work} is {right}, not {wrong}: the computation is carried out wrongly.",
    "{work} does not come to {wrong}; worked out rightly it is {right}.",
    "The result is off: {work} gives {right} and not {wrong}.",
)
_REASONS: Final = (
    "{reason}: right is {work} = {right}, and not {wrong}.",
    "{reason}. It should be {work} = {right}; the step has {wrong}.",
)
_OPERATIONS: Final = (
    "The numbers are {did} where they have to be {done}: right is {work} = {right}.",
    "Here the numbers have to be {done}, and the step has them {did}: {work} = {right}, not {wrong}.",
)
_OPERANDS: Final = (
    "{bad} is used where {good} belongs: right is {work} = {right}.",
    "The step takes {bad}, and the value for it is {good}. So it should be {work} = {right}, not {wrong}.",
    "With {good}, which belongs here, it is {work} = {right}; the step has {bad} in its place.",
)


def explain(task: Task, alteration: Alteration, new: Fraction) -> str:
    """What was altered, and what would be right."""
    target = alteration.target
    words = {
        "work": written(task, target),
        "right": write_number(target.shown) or "",
        "wrong": write_number(new) or "",
    }
    if alteration.new_result is not None:
        return pick(task.random, _SLIPS, **words)
    if alteration.reason:
        return pick(task.random, _REASONS, **words, reason=alteration.reason)
    if alteration.operator >= 0:
        names = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided"}
        done = names[target.equation.operators[0].symbol]
        return pick(task.random, _OPERATIONS, **words, did=names[alteration.new_symbol], done=done)
    good = write_number(target.equation.operands[alteration.operand].value) or ""
    return pick(task.random, _OPERANDS, **words, good=good, bad=write_number(alteration.new_operand) or "")
