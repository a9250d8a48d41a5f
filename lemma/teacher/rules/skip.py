"""Leaves a step of a correct solution out, and goes on with the value from before it."""

from __future__ import annotations

from fractions import Fraction

from lemma.arithmetic import Number
from lemma.teacher.rules.alter import Injected, Task, begin, check_text, finish_carrying, written
from lemma.teacher.rules.carry import apply_edits
from lemma.teacher.rules.forms import Declined, pick
from lemma.teacher.rules.reading import Computation, write_number


def leave_out_a_step(task: Task) -> Injected:
    """Leaves out one step whose value the next one needs; to stop before the last step is tried last.

    Raises:
        Declined: no step can be left out.
    """
    by_step: dict[int, list[Computation]] = {}
    for computation in task.solution.computations:
        by_step.setdefault(computation.step, []).append(computation)
    alone = [cs[0] for cs in by_step.values() if len(cs) == 1 and cs[0].is_exact]
    task.random.shuffle(alone)
    alone.sort(key=lambda c: c.step == len(task.solution.spans) - 1)  # to stop early is the easy way out: tried last
    reason = "no step of the solution can be left out"
    for removed in alone:
        for value in predecessors(task, removed):
            try:
                return _leave_out(task, removed, value)
            except Declined as declined:
                reason = str(declined)
    raise Declined(reason)


def predecessors(task: Task, removed: Computation) -> list[Fraction]:
    """What a solver who forgets the step goes on with: an earlier result before a number of the question."""
    earlier = [c.shown for c in task.solution.computations if c.equation.end <= removed.equation.start]
    operands = [n.value for n in removed.equation.operands if not n.is_percent and n.value > 1]
    results = [v for v in operands if v in earlier]
    return list(dict.fromkeys(results or sorted(operands, reverse=True)[:1]))


def _leave_out(task: Task, removed: Computation, value: Fraction) -> Injected:
    solution = task.solution
    end = solution.spans[removed.step][1]
    result = removed.equation.result
    if value in (removed.shown, task.answer) or result is None:
        raise Declined("leaving the step out changes nothing")
    if removed.step + 1 == len(solution.spans):
        return stop_early(task, removed, value)
    carrier = begin(task, removed)
    carrier.rename(removed.shown, value, end)
    if value.denominator != 1 and removed.shown.denominator == 1:
        raise Declined("the value to go on with is no whole number")
    following = [c for c in solution.computations if c.step == removed.step + 1]
    if not any(removed.shown in c.operand_values for c in following):
        raise Declined("the next step does not need the step before it")
    finish_carrying(task, carrier, end, end, {value})
    check_text(task, carrier, end, None)
    next_end = solution.spans[removed.step + 1][1]
    step = apply_edits(solution.text, carrier.edits, end, next_end).strip()
    rest = apply_edits(solution.text, carrier.edits, next_end, len(solution.text)).strip()
    return Injected(removed.step + 1, step, rest, _explain_missing(task, removed, value))


def stop_early(task: Task, removed: Computation, value: Fraction) -> Injected:
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


def _explain_missing(task: Task, removed: Computation, value: Fraction) -> str:
    right = write_number(removed.shown) or ""
    digits = write_number(value) or ""
    return f"The step {written(task, removed)} = {right} is left out, and {digits} is used in its place."
