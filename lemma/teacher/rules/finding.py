"""What is wrong in a mistake's last kept step, and what a correct solution has in its place."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from lemma.arithmetic import Truth
from lemma.endings import strip_answer
from lemma.teacher.rules import wording
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.kinds import confused_formula, without
from lemma.teacher.rules.meaning import is_said_alike
from lemma.teacher.rules.reading import Computation, Solution, read_quantities, write_number
from lemma.teacher.rules.remaining import Done, done_before, gold_position, open_computations, ready_ones, same_in

_REFERENCING = ("referencing_context_value_error", "referencing_previous_step_value_error")
"""Types under which one number may be said to stand in another's place."""
_STOPPING = ("missing_step", "question_misinterpretation")
"""Types under which a value on the way may be given as the answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where the correct solution stands."""

    kind: str
    wrong: Computation | None
    """In the mistake's prefix; null where the wrong step computes nothing."""
    wrong_text: str
    """The wrong value as to be named."""
    right: Computation | None
    """In the correct solution; null where a false equation is merely recomputed."""
    right_value: Fraction
    done: Done = frozenset()
    """Computations of the correct solution that need not be made again."""


@dataclass(frozen=True, slots=True)
class Case:
    """A unit, read."""

    prefix: Solution
    gold: Solution
    question: str
    error_type: str
    solution_text: str
    random: Random
    wrong_step: int
    """Index of the step that holds the mistake."""


def find(case: Case) -> Finding:
    """The wrong claim in the last step of the prefix, and what is right in its place."""
    here = [c for c in case.prefix.computations if c.step == case.wrong_step]
    for computation in here:
        if computation.equation.truth is Truth.FALSE:
            return _false_equation(case, computation)
    gold_results = {c.shown for c in case.gold.computations}
    position = gold_position(case.prefix, case.gold, case.wrong_step)
    done = done_before(case.prefix, case.gold, case.wrong_step)
    departing = [c for c in here if c.shown not in gold_results]
    if not departing and case.error_type == "missing_step":
        # what the step computes is right: something is missing behind it
        done |= {found for c in here if (found := same_in(case.gold, c, set(done))) is not None}
        here = []
    candidates = open_computations(case.gold, done, position)
    if not here:
        return _claim_without_work(case, ready_ones(case.question, candidates, done)[0], done)
    wrong = (departing or here)[0]
    if case.error_type == "adding_irrelevant_information":
        added = _added(case, wrong)
        if added is not None:
            return added
    in_place = {c for c in candidates if _is_in_its_place(case, wrong, c, position)}
    right = _counterpart(wrong, candidates, in_place)
    kind = _kind(case, wrong, right) if right in in_place else "astray"
    if kind in ("operand", "missing"):
        skipped = _skipped(case, without(right.operand_values, wrong.operand_values), done)
        if skipped is not None:
            kind, right = "missing", skipped
    ready = ready_ones(case.question, candidates, done) if kind in ("astray", "departed") else [right]
    if right not in ready or kind == "astray":
        kind, right = "astray", _next(case, ready)
    if right in done:
        raise Declined("all that the correct solution computes has been computed before")
    if wrong.shown == right.shown or _is_same_work(wrong, right):
        raise Declined("the numbers of the wrong step are right, and what it says of them cannot be read")
    shown = shown_text(case.prefix.text, wrong)
    return Finding(kind, wrong, shown, right, right.shown, done)


def _is_in_its_place(case: Case, wrong: Computation, right: Computation, position: int | None) -> bool:
    """Whether the two computations are known to be about the same thing: so one can be said to stand for the other.

    Where the type says so, their numbers show it; else their words do, and a number that both have.
    """
    if position and right.step == position:
        return True
    shared = len(right.operand_values) - len(without(right.operand_values, wrong.operand_values))
    if case.error_type == "operator_error" and sorted(wrong.operand_values) == sorted(right.operand_values):
        return True
    if case.error_type in _REFERENCING and wrong.symbols == right.symbols and len(differing(wrong, right)) == 1:
        return True
    return shared > 0 and is_said_alike(case.prefix, wrong, case.gold, right, case.question)


def _next(case: Case, ready: list[Computation]) -> Computation:
    """What the correct solution works out next.

    Raises:
        Declined: the mistake seems to have said it before.
    """
    start = case.prefix.spans[case.wrong_step][0]
    said = {q.value for q in case.prefix.quantities if q.end <= start and not q.is_word}
    if ready[0].shown in said - {q.value for q in read_quantities(case.question)}:
        raise Declined("what comes next seems to have been worked out before the wrong step")
    return ready[0]


def _is_same_work(wrong: Computation, right: Computation) -> bool:
    return wrong.symbols == right.symbols and sorted(wrong.operand_values) == sorted(right.operand_values)


def _false_equation(case: Case, computation: Computation) -> Finding:
    exact = computation.equation.work.value
    if exact is None or "neg" in computation.equation.work.program:
        raise Declined("the false equation cannot be computed in plain words")
    right = exact * computation.scale
    if write_number(right) is None:
        raise Declined("the right value has no short decimal form")
    shown = shown_text(case.prefix.text, computation)
    done = done_before(case.prefix, case.gold, case.wrong_step)
    return Finding("calculation", computation, shown, None, right, done)


def _claim_without_work(case: Case, right: Computation, done: Done) -> Finding:
    start, end = case.prefix.spans[case.wrong_step]
    # the bare answer repeats the claim without its unit; the sentence before it says more
    said_end = start + len(strip_answer(case.prefix.text[start:end])) or end
    here = [q for q in case.prefix.quantities if q.start >= start]
    quantities = [q for q in here if q.start < said_end] or here
    if not quantities:
        raise Declined("the wrong step holds no number to speak about")
    last = quantities[-1]
    text = case.prefix.text
    start = last.start - (text[last.start - 1 : last.start] == "$")
    shown = text[start : last.end] + ("%" if text[last.end : last.end + 1] == "%" else "")
    results = {c.shown for c in case.gold.computations}
    kind = "stopped" if case.error_type in _STOPPING and last.value in results else "claimed"
    return Finding(kind, None, shown, right, right.shown, done)


def _counterpart(wrong: Computation, candidates: list[Computation], in_place: set[Computation]) -> Computation:
    """The computation of the correct solution that most resembles the wrong one; the first among equals.

    One that is about the same thing comes before one that merely has the same numbers.
    """
    operands = sorted(wrong.operand_values)

    def likeness(right: Computation) -> tuple[int, int]:
        others = list(right.operand_values)
        shared = 0
        for value in operands:
            if value in others:
                others.remove(value)
                shared += 1
        bonus = (wrong.symbols == right.symbols) + 3 * (right in in_place)
        return (2 * shared - len(others) + bonus, shared)

    best = max((c for place, c in enumerate(candidates) if place < 3 or c in in_place), key=likeness)
    return best if likeness(best)[1] else candidates[0]


def _skipped(case: Case, lacking: list[Fraction], done: Done) -> Computation | None:
    """The computation that gives an operand which is needed, if it has not been made yet."""
    found_values = {c.shown for c in done}
    for value in lacking:
        if value not in found_values and not wording.phrase_about(case.question, value):
            found = next((c for c in case.gold.computations if c.shown == value and c.is_true), None)
            if found is not None:
                return found
    return None


def _kind(case: Case, wrong: Computation, right: Computation) -> str:
    """How the two computations differ, which decides the words; a reason is only said where both show it."""
    if case.error_type == "formula_confusion" and formula_of(case, wrong, right):
        return "formula"
    same_operands = sorted(wrong.operand_values) == sorted(right.operand_values)
    if same_operands and len(wrong.symbols) == len(right.symbols) == 1 and wrong.symbols != right.symbols:
        return "operator"
    if wrong.symbols == right.symbols and len(differing(wrong, right)) == 1:
        return _operand_kind(case, wrong, right)
    if not without(wrong.operand_values, right.operand_values) and set(right.symbols) == {"+"} == set(wrong.symbols):
        return "partial"
    return "missing" if case.error_type == "missing_step" else "departed"


def _operand_kind(case: Case, wrong: Computation, right: Computation) -> str:
    """Where one operand differs: what can be said of the two values."""
    bad, good = differing(wrong, right)[0]
    if good == 100 and "/" in right.symbols:
        return "departed"  # of a percentage, whatever else there are 100 of
    named = {"unit_conversion_error": "converted", "counting_error": "counted"}.get(case.error_type)
    if named is not None:
        return named
    if case.error_type not in _REFERENCING:
        return "missing" if case.error_type == "missing_step" else "departed"
    said = {q.value for q in read_quantities(case.question)}
    is_found = any(c.step < case.wrong_step and c.shown == good for c in case.prefix.computations)
    if case.error_type == "referencing_previous_step_value_error":
        return "operand" if is_found else "departed"
    is_said = wording.only_phrase_about(case.question, good) and not is_found
    return "operand" if is_said and (bad in said or _is_miscopied(bad, good)) else "departed"


def _is_miscopied(bad: Fraction, good: Fraction) -> bool:
    """Whether one of two numbers may be a slip of the pen for the other: one digit other, or two swapped."""
    one, other = write_number(bad) or "", write_number(good) or ""
    if len(one) != len(other) or not one:
        return False
    return sum(a != b for a, b in zip(one, other, strict=True)) == 1 or sorted(one) == sorted(other)


def formula_of(case: Case, wrong: Computation, right: Computation) -> str:
    """Which formula stands for which, in words; empty where the texts do not tell."""
    step = case.prefix.step_text(case.wrong_step)
    return confused_formula(f"{case.question}\n{step}\n{case.gold.step_text(right.step)}", wrong, right)


def _added(case: Case, wrong: Computation) -> Finding | None:
    """What goes on from a right result by something that does not belong there."""
    kept = next((c for c in case.gold.computations if c.is_true and c.shown in wrong.operand_values[:1]), None)
    if kept is None or wrong.symbols != ("+",) or len(wrong.operand_values) != 2:
        return None
    if wrong.operand_values[1] in kept.operand_values:
        return None
    shown = shown_text(case.prefix.text, wrong)
    done = done_before(case.prefix, case.gold, case.wrong_step)
    return Finding("added", wrong, shown, kept, kept.shown, done)


def differing(wrong: Computation, right: Computation) -> list[tuple[Fraction, Fraction]]:
    """Pairs (wrong, right) of operands that differ, place by place; the order of a sum or product is free."""
    left, other = list(wrong.operand_values), list(right.operand_values)
    if len(left) != len(other):
        return [(Fraction(0), Fraction(0))] * 9
    if set(wrong.symbols) <= {"+"} or set(wrong.symbols) <= {"*"}:
        for value in list(left):
            if value in other:
                left.remove(value)
                other.remove(value)
        return list(zip(left, other, strict=True))
    return [(a, b) for a, b in zip(left, other, strict=True) if a != b]


def shown_text(text: str, computation: Computation) -> str:
    """A result as it is written, with its currency or percent sign."""
    number = computation.equation.result
    if number is None:
        return write_number(computation.shown) or ""
    return f"{number.currency}{text[number.start : number.end]}{'%' if number.is_percent else ''}"


def value_text(text: str, computation: Computation, value: Fraction) -> str:
    """`value` in the manner in which the computation's result is written."""
    number = computation.equation.result
    if number is None:
        return write_number(value) or ""
    digits = write_number(value, text[number.start : number.end], is_money=bool(number.currency)) or ""
    return f"{number.currency}{digits}{'%' if number.is_percent else ''}"
