"""Leaves a step of a correct solution out, and goes on with the value from before it."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Number
from lemma.teacher.rules.alter import begin, check_text, finish_carrying, written
from lemma.teacher.rules.carry import apply_edits
from lemma.teacher.rules.fits import begins_anew, speaks_of_result
from lemma.teacher.rules.forms import Declined, pick
from lemma.teacher.rules.reading import Computation, write_number
from lemma.teacher.rules.task import Injected, Task

_LEFT_OUT: Final = (
    "The step {work} = {right} is left out, and {digits} is used in its place.",
    "Before this, {work} = {right} has to be worked out; the solution goes on with {digits}.",
    "{work} = {right} is skipped: {digits} is not yet the value that is needed.",
)
_PASSED_OVER: Final = (
    "{reason}: {work} = {right} is not worked out, and {digits} is taken instead.",
    "{reason}. Right would be {work} = {right}; the solution has {digits} in its place.",
)


def leave_out_a_step(task: Task) -> Injected:
    """Leaves out one step whose value the next one needs; to stop before the last step is tried last.

    Raises:
        Declined: no step can be left out.
    """
    by_step: dict[int, list[Computation]] = {}
    for computation in task.solution.computations:
        by_step.setdefault(computation.step, []).append(computation)
    alone = [cs[0] for cs in by_step.values() if len(cs) == 1 and cs[0].is_exact]
    alone = [c for c in alone if c.equation.start >= task.solution.spans[c.step][0]]
    task.random.shuffle(alone)
    alone.sort(key=lambda c: c.step == len(task.solution.spans) - 1)  # to stop early is the easy way out: tried last
    for removed in alone:
        for value in predecessors(task, removed):
            with suppress(Declined):
                return without_step(task, removed, value)
    raise Declined("no step of the solution can be left out")


def predecessors(task: Task, removed: Computation) -> list[Fraction]:
    """What a solver who forgets the step goes on with: the earlier result that it starts from, or a number given.

    Of a sum of two things of one rank neither stands for both; from a difference or a quotient it is the first number.
    """
    earlier = [c.shown for c in task.solution.computations if c.equation.end <= removed.equation.start]
    operands = [n.value for n in removed.equation.operands if not n.is_percent and n.value > 1]
    results = [v for v in operands if v in earlier]
    if len(operands) != 2 or len(removed.symbols) != 1:
        return results[:1] if len(results) == 1 else []
    if removed.symbols[0] in "-/":
        first = [v for v in operands[:1] if v in results or not results]
        results, operands = ([v for v in first if v in results], first)
    elif removed.symbols[0] == "+" and len(results) != 1:
        return []
    if removed.step + 1 == len(task.solution.spans):  # what stands last is what one stops at
        return [v for v in results if v == earlier[-1] and len(results) == 1]
    return list(dict.fromkeys(results or sorted(operands, reverse=True)[:1]))


def without_step(task: Task, removed: Computation, value: Fraction, reason: str = "") -> Injected:
    """Leaves `removed` out and goes on with `value`.

    Raises:
        Declined: the rest does not hold together then.
    """
    solution = task.solution
    end = solution.spans[removed.step][1]
    result = removed.equation.result
    if value in (removed.shown, task.answer) or result is None:
        raise Declined("leaving the step out changes nothing")
    if removed.step + 1 == len(solution.spans):
        return stop_early(task, removed, value, reason)
    carrier = begin(task, removed)
    carrier.rename(removed.shown, value, end)
    if value.denominator != 1 and removed.shown.denominator == 1:
        raise Declined("the value to go on with is no whole number")
    following = [c for c in solution.computations if c.step == removed.step + 1]
    if not any(removed.shown in c.operand_values for c in following):
        raise Declined("the next step does not need the step before it")
    later = [c for c in solution.computations if c.step > removed.step and removed.shown in c.operand_values]
    if any(value in c.operand_values for c in later):
        raise Declined("the value to go on with would be combined with itself")
    if any(speaks_of_result(task, removed, step) for step in range(removed.step + 1, len(solution.spans))):
        raise Declined("what follows speaks of the result that is left out")
    finish_carrying(task, carrier, end, end, {value})
    check_text(task, carrier, end, None)
    next_end = solution.spans[removed.step + 1][1]
    step = begins_anew(
        apply_edits(solution.text, carrier.edits, end, next_end),
        solution.step_text(removed.step),
        task.question_text,
        is_first=removed.step == 0,
    )
    if step is None:
        raise Declined("what follows refers to the step that is left out")
    rest = apply_edits(solution.text, carrier.edits, next_end, len(solution.text)).strip()
    return Injected(removed.step + 1, step.strip(), rest, _explain_missing(task, removed, value, reason))


def stop_early(task: Task, removed: Computation, value: Fraction, reason: str = "") -> Injected:
    """The last step is forgotten: the value before it is given as the answer."""
    earlier = [c for c in task.solution.computations if c.step < removed.step]
    source = next((c for c in reversed(earlier) if c.shown == value), None)
    if removed.equation.result is None or removed.equation.result.is_percent or removed.scale != 1:
        raise Declined("a percentage is not taken for what it is of")
    if source is None or removed.shown != task.answer or value == task.answer:
        raise Declined("no earlier result could be taken for the answer")
    number = source.equation.result
    if number is None:
        raise Declined("the earlier result cannot be written as an answer")
    shown = f"{number.currency}{task.solution.text[number.start : number.end]}{'%' if number.is_percent else ''}"
    unit = unit_behind(task.solution.text, number)
    sentence = pick(
        task.random,
        ("So the result is {value}.", "So that makes {value} in the end.", "Therefore, the answer comes to {value}.",
         "That gives {value} as the result.", "So we get {value}."),
        value=f"{shown} {unit}".strip(),
    )  # fmt: skip
    ended = end_with(task, removed, sentence, value)
    return Injected(ended.step, ended.text, "", _explain_missing(task, removed, value, reason))


def end_with(task: Task, removed: Computation, sentence: str, value: Fraction, reason: str = "") -> Injected:
    """`sentence` in the place of the last step, and the answer line with its value.

    Raises:
        Declined: the value is the right one, or no answer that can be written.
    """
    digits = write_number(value)
    line = task.solution.text[task.answer_start :].strip()
    written_answer = task.solution.quantities[-1]
    if digits is None or value == task.answer or value <= 0:
        raise Declined("the value cannot be written as an answer")
    if value.denominator != 1 and task.answer.denominator == 1:
        raise Declined("the value is no whole number")
    tail = task.solution.text[task.answer_start : written_answer.start] + digits
    tail += task.solution.text[written_answer.end :]
    if written_answer.value != task.answer or written_answer.start < task.answer_start or not line:
        raise Declined("the answer line cannot be read")
    why = f"{reason}: right is {written(task, removed)} = {write_number(removed.shown)}."
    return Injected(removed.step + 1, f"{sentence}\n{tail.strip()}", "", why)


def unit_behind(text: str, number: Number) -> str:
    """The one word behind a result, where it is a noun to repeat: ``24 clips``."""
    words = text[number.end + number.is_percent : number.end + 40].split(" ")
    if len(words) < 2 or words[0]:
        return ""
    word = words[1].rstrip(".,;:!\n")
    is_noun = word.isalpha() and word.islower() and word.endswith("s") and len(word) > 3 and not word.endswith("ss")
    return word if is_noun and word not in ("this", "less", "plus", "minus", "times", "across", "was", "has") else ""


def _explain_missing(task: Task, removed: Computation, value: Fraction, reason: str = "") -> str:
    wordings = _PASSED_OVER if reason else _LEFT_OUT
    right, digits = write_number(removed.shown) or "", write_number(value) or ""
    return pick(task.random, wordings, work=written(task, removed), right=right, digits=digits, reason=reason)
