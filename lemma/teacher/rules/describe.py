"""Says what is wrong at a step that was found to be the first wrong one: its type, a quote, the reason.

A reason is given only where the two computations show it; otherwise the explanation says what is needed and no more.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Equation
from lemma.checks.nouns import units_of_value
from lemma.endings import strip_answer
from lemma.teacher.rules import wording
from lemma.teacher.rules.fits import names_operation, words_of_step
from lemma.teacher.rules.forms import Declined, pick
from lemma.teacher.rules.kinds import Setting, confused_formula, type_of, without
from lemma.teacher.rules.meaning import MIN_SHARED, is_said_alike
from lemma.teacher.rules.paths import Paths
from lemma.teacher.rules.reading import Computation, Solution, write_number


@dataclass(frozen=True, slots=True)
class Error:
    """The first error: step index from 0, its type, and words about it."""

    step: int
    error_type: str
    quote: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Case:
    """A wrong sample, read beside its reference."""

    sample: Solution
    reference: Solution
    paths: Paths
    question: str
    answer: Fraction | None
    """The sample's."""
    wanted: Fraction | None
    """The problem's."""


MIN_SHARED_FIGURE: Final = 0.75
"""Share of a wrong step's words that the right one must have, for one figure to be merely taken for another."""

_STATES: Final = {
    "+": re.compile(r"\b(?:add\w*|plus|sum|total\w*|altogether|together|combin\w+|more)\b", re.IGNORECASE),
    "-": re.compile(r"\b(?:subtract\w*|minus|left|remain\w*|less|fewer|differ\w+|lost|loses?|off)\b", re.IGNORECASE),
    "*": re.compile(r"\b(?:multipl\w+|times|twice|doubl\w+|tripl\w+)\b", re.IGNORECASE),
    "/": re.compile(r"\b(?:divid\w+|split\w*|shar\w+|half|halv\w+|thirds?|quarters?|equally|average)\b", re.IGNORECASE),
}
"""Operation -> words that call for it and for no other."""
_FALSE: Final = (
    "{work} is {right}, not {wrong}.",
    "The computation is wrong: {work} gives {right} and not {wrong}.",
    "{work} does not make {wrong}; it makes {right}.",
    "Worked out again, {work} comes to {right}; {wrong} is not its value.",
)
_NEEDED: Final = (
    "{work} leads to something else than what is asked; what is needed here is {right_work} = {right}.",
    "What the problem needs at this point is {right_work} = {right}, not {work}.",
    "The problem does not lead to {work}. The next thing to work out is {right_work} = {right}.",
)
_OPERATOR: Final = (
    "The numbers are {did} where they have to be {done}: {right_work} = {right}, not {work}.",
    "The operation is the wrong one: {right_work} = {right} is needed and not {work}.",
    "With these numbers {right_work} = {right} is to be worked out; {work} is another operation.",
)
_OPERAND: Final = (
    "{bad} stands where {good}{origin} belongs: right is {right_work} = {right}.",
    "The value {bad} is not the one that is needed here. With {good}{origin} it is {right_work} = {right}.",
    "Instead of {bad}, {good}{origin} has to be used, which gives {right_work} = {right}.",
)
_CONVERSION: Final = (
    "The factor between the units is {good}, not {bad}: {right_work} = {right}.",
    "Units are converted by {bad} where the factor is {good}; right is {right_work} = {right}.",
)
_COUNTING: Final = (
    "There are {good} of them to count, not {bad}: {right_work} = {right}.",
    "The count is {good}; with {bad} one is counted wrongly. Right is {right_work} = {right}.",
)
_ADDING: Final = (
    "{extra} has no bearing on what is asked; right is {right_work} = {right}.",
    "Nothing in the problem calls for {extra} here. What is needed is {right_work} = {right}.",
)
_FORMULA: Final = (
    "{work} is a formula for something else ({formula}). Right is {right_work} = {right}.",
    "Two formulas are mixed up, {formula}: what is needed is {right_work} = {right}, not {work}.",
)
_MISSING: Final = (
    "The step {right_work} = {right} is missing, so {wrong} is not yet what is needed.",
    "{right_work} = {right} has been left out, and {wrong} is used as though it had been done.",
    "Before this, {right_work} = {right} has to be worked out; {wrong} goes on without it.",
)


def quote(solution: Solution, step: int, equation: Equation | None = None) -> str:
    """Words of the step: the equation, or its first line."""
    if equation is not None:
        start = max(equation.start, solution.spans[step][0])  # what is worked out over several steps ends in this one
        return solution.text[start : equation.end].strip()
    text = strip_answer(solution.step_text(step)) or solution.step_text(step)
    return text.splitlines()[0][:200].strip()


def false_equation(solution: Solution, equation: Equation, random: Random) -> Error:
    """A link of a chain whose two sides are not equal.

    Raises:
        Declined: one of them has no short decimal form.
    """
    left, right = equation.work.value, equation.right.value
    if left is None or right is None:
        raise Declined("the false equation cannot be computed in plain words")
    is_percent = bool(equation.right.numbers) and equation.right.is_lone and equation.right.numbers[0].is_percent
    value = write_number(left * 100 if is_percent else left) or f"about {float(left):.4g}"
    explanation = pick(
        random,
        _FALSE,
        work=wording.work_text(solution.text, equation.work),
        right=value + ("%" if is_percent else ""),
        wrong=wording.work_text(solution.text, equation.right),
    )
    step = solution.step_index(equation.right.start)
    return Error(step, "calculation_error", quote(solution, step, equation), explanation)


def missing(case: Case, step: int, computation: Computation, right: Computation, random: Random) -> Error:
    """What is written is right, and something needed has been passed over."""
    explanation = pick(
        random,
        _MISSING,
        right_work=wording.work_text(case.reference.text, right.equation.work),
        right=write_number(right.shown) or "",
        wrong=write_number(computation.shown) or "",
    )
    return Error(step, "missing_step", quote(case.sample, step, _at(computation, step)), explanation)


def departure(
    case: Case,
    computation: Computation,
    right: Computation,
    step: int,
    random: Random,
    is_sure: bool,
    has_own_words: bool = True,
) -> Error:
    """A true equation that computes what the problem does not ask for.

    Args:
        case: what was read.
        computation: the wrong one.
        right: what is right in its place.
        step: index of the first wrong step; the one in which the wrong computation stands, or one before it.
        random: chooses the words.
        is_sure: whether `right` is known to stand in the same place, and is not merely the next thing to do.
        has_own_words: whether the step's words are the writer's, and not the reference's.

    Raises:
        Declined: the step may be true by itself, beside the path of the reference.
    """
    if has_own_words and _may_be_true(case, computation, right):
        raise Declined("what the first departing step adds up may well be true, though the reference does not")
    earlier = {c.shown for c in case.sample.computations if c.equation.end <= computation.equation.start}
    said = case.sample.step_text(computation.step)
    words = f"{said}\n{case.reference.step_text(right.step)}"
    setting = Setting(case.paths, earlier, words, said if has_own_words else "")
    kind = type_of(setting, computation, right)
    if has_own_words and not _is_shown(case, kind, computation, right):
        kind = "question_misinterpretation"
    if kind == "missing_step":
        lacking = without(right.operand_values, computation.operand_values)
        done = earlier | {computation.shown}
        skipped = next((c for c in case.paths.computations if c.shown in lacking and c.shown not in done), None)
        if skipped is not None:
            return missing(case, step, computation, skipped, random)
    explanation = _reason(case, computation, right, kind, words, random, is_sure)
    return Error(step, kind, quote(case.sample, step, _at(computation, step)), explanation)


def _may_be_true(case: Case, computation: Computation, right: Computation) -> bool:
    """Whether a sum or difference of right values is not known to be wrong.

    ``3 + 4 = 7 hours in total`` is true wherever three and four hours are; only as the answer, or in words of a step
    that has other numbers, it says something false.
    """
    if computation.shown == case.answer or not computation.is_true or not set(computation.symbols) <= {"+", "-"}:
        return False
    before = {c.shown for c in case.sample.computations if c.equation.start < computation.equation.start and c.is_true}
    if any(value not in case.paths.said | before for value in computation.operand_values):
        return False
    things = [units_of_value(case.question, value) for value in computation.operand_values]
    if len(things) == 2 and all(things) and things[0].isdisjoint(things[1]):
        return False  # feet and inches
    is_part = set(right.symbols) == {"+"} and not without(computation.operand_values, right.operand_values)
    return is_part or not is_said_alike(case.sample, computation, case.reference, right, case.question)


def _is_shown(case: Case, kind: str, wrong: Computation, right: Computation) -> bool:
    """Whether two computations in other words show more than a misreading: else that is what it is called.

    One number can be said to stand in another's place only in a step that is about the same thing; something can be
    said to be missing only of a sum that lacks a term, or where it was to be made of the number that stands there.
    """
    if kind == "question_misinterpretation":
        return True
    extra = without(wrong.operand_values, right.operand_values)
    lacking = without(right.operand_values, wrong.operand_values)
    found = {c.shown for c in case.sample.computations if c.equation.end <= wrong.equation.start}
    if kind == "adding_irrelevant_information":  # all that is right is there, and more
        return right.shown in wrong.operand_values or (
            not lacking and set(right.symbols) <= set(wrong.symbols) <= {"+"}
        )
    if kind == "missing_step" and not extra:
        return {*wrong.symbols, *right.symbols} == {"+"}
    if kind == "operator_error":
        return _is_relation_stated(case, wrong, right)
    is_figure = kind == "referencing_context_value_error"
    is_said = lacking and not case.paths.said.isdisjoint((lacking[0], lacking[0] * 100))
    if is_figure and is_said and _is_from_nowhere(case, extra[0], found) and right.symbols == wrong.symbols:
        return True  # a figure that nobody said, in the place of one that the question says
    min_shared = MIN_SHARED_FIGURE if is_figure else MIN_SHARED
    if not is_said_alike(case.sample, wrong, case.reference, right, case.question, min_shared):
        return False
    if kind == "missing_step":
        made = next((c for c in case.paths.computations if c.shown == lacking[0]), None)
        return made is not None and extra[0] in made.operand_values and extra[0] in found
    return not is_figure or not case.paths.said.isdisjoint((extra[0], extra[0] * 100))


def _is_from_nowhere(case: Case, value: Fraction, found: Set[Fraction]) -> bool:
    return value not in found and value not in case.paths.allowed and value * 100 not in case.paths.said


def _is_relation_stated(case: Case, wrong: Computation, right: Computation) -> bool:
    """Whether a step's own words call for the right operation and not for the one that it has."""
    if len(wrong.symbols) != 1 or len(right.symbols) != 1:
        return False
    said = words_of_step(case.sample, wrong.step)
    is_stated = _STATES[right.symbols[0]].search(said) if right.symbols[0] in _STATES else None
    return is_stated is not None and not names_operation(said, wrong.symbols[0])


def _at(computation: Computation, step: int) -> Equation | None:
    return computation.equation if computation.step == step else None


def _reason(
    case: Case, wrong: Computation, right: Computation, kind: str, text: str, random: Random, is_sure: bool
) -> str:
    extra = without(wrong.operand_values, right.operand_values)
    lacking = without(right.operand_values, wrong.operand_values)
    words = {
        "work": wording.work_text(case.sample.text, wrong.equation.work),
        "right_work": wording.work_text(case.reference.text, right.equation.work),
        "right": write_number(right.shown) or "",
    }
    if kind == "operator_error" and len(wrong.symbols) == len(right.symbols) == 1:
        did, done = wording.DONE[wrong.symbols[0]], wording.DONE[right.symbols[0]]
        return pick(random, _OPERATOR, **words, did=did, done=done)
    if kind == "formula_confusion":
        return pick(random, _FORMULA, **words, formula=confused_formula(text, wrong, right))
    if kind == "adding_irrelevant_information":
        return pick(random, _ADDING, **words, extra=" and ".join(write_number(v) or "a value" for v in extra[:2]))
    if is_sure and len(extra) == len(lacking) == 1:
        said = {"unit_conversion_error": _CONVERSION, "counting_error": _COUNTING}.get(kind, _OPERAND)
        bad, good = write_number(extra[0]) or "this", write_number(lacking[0]) or "another value"
        return pick(random, said, **words, bad=bad, good=good, origin=_origin(case, lacking[0]))
    return pick(random, _NEEDED, **words)


def _origin(case: Case, good: Fraction) -> str:
    """Where a value comes from, in brackets."""
    phrase = wording.phrase_about(case.question, good)
    if phrase:
        return f" (the question says {phrase})" if " " in phrase else ""
    source = next((c for c in case.paths.computations if c.shown == good), None)
    if source is None:
        return ""
    return f" (from {wording.work_text(case.reference.text, source.equation.work)})"
