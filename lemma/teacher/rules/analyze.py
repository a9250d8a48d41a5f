"""Finds the first error of a wrong solution: where it is, what kind, and what would be right.

Two ways of looking, the surer one first. *Alignment*: where the solution follows the reference's own wording, the
first step that says something else is the one. *Values* (`departing`): the first equation that is false, or whose
value no correct path passes through although the answer depends on it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Truth, parse_number
from lemma.endings import strip_answer
from lemma.stages.base import AnalyzeUnit
from lemma.teacher.rules.align import Alignment, aligned_step
from lemma.teacher.rules.departing import by_values, open_references
from lemma.teacher.rules.describe import Case, Error, departure, false_equation, missing, quote
from lemma.teacher.rules.forms import Declined, pick, tagged
from lemma.teacher.rules.kinds import Setting, converts, type_of_operand, without
from lemma.teacher.rules.paths import read_paths
from lemma.teacher.rules.reading import Computation, read_bounded

_ALGEBRA: Final = re.compile(
    r"\\(?:frac|dfrac|tfrac|sqrt|sum|prod|int|log|ln|sin|cos|tan|angle|triangle|overline|binom|begin|pi|theta|cdots"
    r"|ldots|le|ge|leq|geq|equiv|pmod|bmod|infty)\b|\$[^$\d]{0,3}[a-zA-Z]\b[^$]{0,40}[=+^<>]|[a-z]\^|\[asy\]"
)
"""What competition mathematics is written with. A departure from such a reference proves nothing: too much of what
leads there cannot be read (measured: one answer in three was right, against nine in ten on word problems)."""


def analyze(unit: AnalyzeUnit, random: Random) -> str:
    """The reply to an analysis unit.

    Raises:
        Declined: the first error cannot be told with certainty.
    """
    problem = unit.problem
    if _ALGEBRA.search(problem.question) or _ALGEBRA.search(problem.reference_solution):
        raise Declined("the problem speaks in formulas, of which only plain arithmetic can be read")
    reference = strip_answer(problem.reference_solution)
    case = Case(
        read_bounded(unit.sample.text),
        read_bounded(reference),
        read_paths(problem.question, reference),
        problem.question,
        _plain_value(unit.sample.answer),
        _plain_value(problem.answer),
    )
    if not case.sample.spans:
        raise Declined("there is no text")
    is_sum = not any(character.isalpha() for character in problem.question)  # "((8 - 2) * 3) =": to be worked out
    if not case.paths.computations and not is_sum and (not reference or _ALGEBRA.search(unit.sample.text)):
        raise Declined("there is no worked arithmetic to compare the solution with")
    if case.answer is not None and case.answer == case.wanted and _holds(case):
        return tagged(verdict="correct")
    error = find_error(case, random)
    return tagged(
        verdict="wrong",
        first_error_step=str(error.step + 1),
        quote=error.quote,
        error_type=error.error_type,
        explanation=error.explanation,
    )


def _plain_value(answer: str | None) -> Fraction | None:
    plain = (answer or "").strip().strip("$%").replace(",", "")
    value = parse_number(plain.lstrip("-")) if plain.lstrip("-").replace(".", "", 1).isdigit() else None
    return -value if value is not None and plain.startswith("-") else value


def _holds(case: Case) -> bool:
    """Whether nothing in a solution that reaches the right answer is false."""
    return all(equation.truth is not Truth.FALSE for equation in case.sample.equations)


def find_error(case: Case, random: Random) -> Error:
    """The first error of the sample.

    Raises:
        Declined: it cannot be told.
    """
    alignment = aligned_step(case.sample, case.reference)
    if alignment is None:
        return by_values(case, random)
    error = _at_alignment(case, alignment, random)
    is_named = error.error_type in ("calculation_error", "operator_error")
    return replace(error, error_type="missing_step") if alignment.is_left_out and not is_named else error


# ---------------------------------------------------------------------------------- in the reference's own words


def _at_alignment(case: Case, alignment: Alignment, random: Random) -> Error:
    step = alignment.step
    here = [c for c in case.sample.computations if c.step == step]
    false = next(
        (e for e in case.sample.equations if e.truth is Truth.FALSE and case.sample.step_index(e.right.start) == step),
        None,
    )
    if false is not None:
        return false_equation(case.sample, false, random)
    theirs = [c for c in case.paths.computations if c.step == step]
    if alignment.is_left_out:
        return _left_out(case, step, here, random)
    pairs = list(zip(here, theirs, strict=False))
    differing = next((pair for pair in pairs if not _same(*pair)), None)
    if differing is not None and not alignment.changes and _is_part_of_sum(case, differing[0]):
        return by_values(case, random)
    if differing is not None:
        return departure(case, differing[0], differing[1], step, random, True, has_own_words=not alignment.changes)
    wrong = next((c for c in here[len(pairs) :] if c.shown not in case.paths.results), None)
    if wrong is not None and theirs:
        error = departure(case, wrong, theirs[-1], step, random, is_sure=False)
        is_going_on = pairs and theirs[-1].shown in wrong.operand_values  # the result was there, and was gone on from
        return replace(error, error_type="adding_irrelevant_information") if is_going_on else error
    if alignment.changes:
        return _changed_words(case, alignment, random)
    return by_values(case, random)


def _same(mine: Computation, theirs: Computation) -> bool:
    """Whether two computations work out the same from the same numbers, in whatever form: a quarter, .25, 25/100."""
    if not mine.is_true or mine.shown != theirs.shown:
        return False
    return not set(mine.operand_values).isdisjoint(theirs.operand_values)


def _is_part_of_sum(case: Case, mine: Computation) -> bool:
    """Whether a sum is only a part of one of the reference's, which comes to more: then it may be made whole later."""
    return set(mine.symbols) == {"+"} and any(
        set(c.symbols) == {"+"} and c.shown != mine.shown and not without(mine.operand_values, c.operand_values)
        for c in case.paths.computations
    )


def _left_out(case: Case, step: int, here: list[Computation], random: Random) -> Error:
    open_ones = open_references(case, step)
    if not here or not open_ones:
        raise Declined("the step that departs holds no computation that can be read")
    wrong = next((c for c in here if c.shown not in case.paths.results), here[-1])
    return missing(case, step, wrong, open_ones[0], random)


def _changed_words(case: Case, alignment: Alignment, random: Random) -> Error:
    """The error where single numbers differ from the reference's in words that are otherwise its own."""
    step = alignment.step
    bad, good, _ = alignment.changes[0]
    mine, theirs = _number(bad), _number(good)
    if mine is None or theirs is None or len({change[:2] for change in alignment.changes}) > 2:
        raise Declined("the step that departs holds no computation that can be read")
    text = case.reference.step_text(step)
    said = quote(case.sample, step)
    if converts(theirs, text) and theirs not in case.paths.said:
        kind = "unit_conversion_error"
    elif any(behind and (a, b) == (bad, good) for a, b, behind in alignment.changes):
        explanation = pick(random, ("It comes to {good}, not {bad}.", "Worked out, this is {good} and not {bad}."),
                           good=good, bad=bad)  # fmt: skip
        return Error(step, "calculation_error", said, explanation)
    else:
        earlier = {c.shown for c in case.sample.computations if c.step < step}
        kind = type_of_operand(Setting(case.paths, earlier, text), mine, theirs)
    wordings = ("{bad} stands where {good} belongs.", "It has to be {good} here, not {bad}.")
    return Error(step, kind, said, pick(random, wordings, good=good, bad=bad))


def _number(word: str) -> Fraction | None:
    return parse_number(word) if word[:1].isdigit() else None
