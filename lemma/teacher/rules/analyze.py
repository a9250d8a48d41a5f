"""Finds the first error of a wrong solution: where it is, what kind, and what would be right.

Two ways of looking, the surer one first. *Alignment*: where the solution follows the reference's own wording, the
first step that says something else is the one. *Values*: the first equation that is false, or whose
value no correct path passes through (`paths`) although the answer depends on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Truth, parse_number
from lemma.endings import strip_answer
from lemma.stages.base import AnalyzeUnit
from lemma.teacher.rules import wording
from lemma.teacher.rules.align import aligned_step
from lemma.teacher.rules.carry import CONSTANTS
from lemma.teacher.rules.forms import Declined, pick, tagged
from lemma.teacher.rules.paths import CONVERSIONS, Paths, read_paths
from lemma.teacher.rules.reading import Computation, Solution, read_bounded, write_number

MAX_GAP: Final = 3
"""Steps in a row that compute nothing readable; behind more of them, the error may well stand among them."""


_ALGEBRA: Final = re.compile(
    r"\\(?:frac|dfrac|tfrac|sqrt|sum|prod|int|log|ln|sin|cos|tan|angle|triangle|overline|binom|begin|pi|theta|cdots"
    r"|ldots|le|ge|leq|geq|equiv|pmod|bmod|infty)\b|\$[^$\d]{0,3}[a-zA-Z]\b[^$]{0,40}[=+^<>]|[a-z]\^|\[asy\]"
)
"""What competition mathematics is written with. A departure from such a reference proves nothing: too much of what
leads there cannot be read (measured: one answer in three was right, against nine in ten on word problems)."""


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
    return parse_number(plain) if plain.replace(".", "", 1).isdigit() else None


def find_error(case: Case, random: Random) -> Error:
    """The first error of the sample.

    Raises:
        Declined: it cannot be told.
    """
    aligned = aligned_step(case.sample, case.reference)
    if aligned is not None:
        step, is_left_out = aligned
        error = _describe(case, step, random)
        is_named = error.error_type in ("calculation_error", "operator_error")
        return replace(error, error_type="missing_step") if is_left_out and not is_named else error
    return _by_values(case, random)


# ------------------------------------------------------------------------------------------ values


def _by_values(case: Case, random: Random) -> Error:
    computations = case.sample.computations
    if not computations:
        raise Declined("no computation can be read in the solution")
    if not case.paths.computations:
        raise Declined("no computation can be read in what it is compared with")
    detour: Computation | None = None  # a value that only a regrouping explains, and that leads to nothing right
    for computation in computations:
        if computation.equation.truth is Truth.FALSE:
            return _false(case, computation, random)
        if computation.shown in case.paths.results or _rejoins(case, computation):
            continue
        if _departs(case, computation):
            return _certain_departure(case, detour or computation, random)
        detour = detour or computation
    return _ends_early(case, random)


def _certain_departure(case: Case, computation: Computation, random: Random) -> Error:
    """The error at a departing computation, unless the steps before it say too much that cannot be read."""
    before = [c.step for c in case.sample.computations if c.equation.start < computation.equation.start]
    gap = computation.step - max(before, default=-1) - 1
    read = {c.equation.start for c in case.sample.computations}
    is_algebra = any(e.start < computation.equation.start and e.start not in read for e in case.sample.equations)
    if gap > MAX_GAP or (gap == MAX_GAP and is_algebra):
        raise Declined("the steps before the first departing value cannot be read")
    return _departure(case, computation, random)


def _rejoins(case: Case, computation: Computation) -> bool:
    """Whether what is made of the value later is a result of the reference: then this was another way to it."""
    made = {computation.shown}
    for later in case.sample.computations:
        if later.equation.start <= computation.equation.start or not later.is_true:
            continue
        if made.isdisjoint(later.operand_values):
            continue
        if later.shown in case.paths.results and later.shown not in case.paths.known:
            return True
        made.add(later.shown)
    return False


def _departs(case: Case, computation: Computation) -> bool:
    """Whether no correct path known here computes this value."""
    shown = abs(computation.shown)
    if shown in case.paths.derived or _is_conversion(case, computation):
        return False
    return not _near(case, computation)


def _is_conversion(case: Case, computation: Computation) -> bool:
    """``3 * 60 = 180``, ``100 - 20 = 80``, ``20 / 100 = 0.2``: a known value in another form."""
    values = computation.operand_values
    if len(values) != 2:
        return False
    known = case.paths.known | case.paths.results
    symbol = computation.symbols[0]
    if symbol in "*/":
        return any(v in CONVERSIONS and other in known for v, other in (values, values[::-1])) and not all(
            v in case.paths.known for v in values
        )
    return symbol in "+-" and values[0] in (1, 100) and values[1] in known and computation.shown in case.paths.allowed


def _near(case: Case, computation: Computation) -> set[Fraction]:
    """Allowed values that the written one rounds."""
    if computation.is_exact and computation.shown.denominator == 1:
        return set()
    shown = abs(computation.shown)
    return {shown} if any(abs(shown - value) <= value / 200 for value in case.paths.derived if value) else set()


def _ends_early(case: Case, random: Random) -> Error:
    """Every value can lie on a correct path, and yet the answer is wrong.

    Either one of them is no result of the reference, and nothing right comes of it; or the solution stops at a value on
    the way, or goes on behind the right one.
    """
    if case.answer is None or case.answer == case.wanted:
        raise Declined("every computation can be right, and where the answer comes from cannot be read")
    computations = case.sample.computations
    for place, computation in enumerate(computations):
        if computation.shown == case.wanted and place + 1 < len(computations):
            return _departure(case, computations[place + 1], random)
        if computation.shown not in case.paths.results and not _rejoins(case, computation):
            return _certain_departure(case, computation, random)
    last = computations[-1]
    if case.answer not in case.paths.allowed or last.shown != case.answer:
        raise Declined("every computation can be right, and where the answer comes from cannot be read")
    return _describe(case, last.step, random)


# ------------------------------------------------------------------------------------------ describing


def _describe(case: Case, step: int, random: Random) -> Error:
    """What is wrong at a step that is known to be the first wrong one."""
    here = [c for c in case.sample.computations if c.step == step]
    for computation in here:
        if computation.equation.truth is Truth.FALSE:
            return _false(case, computation, random)
    open_ones = _open_references(case, step)
    for computation in here:
        if computation.shown not in case.paths.results:
            return _departure(case, computation, random, step)
    quote = _quote(case.sample, step)
    if here and open_ones:
        return _missing(case, step, here[-1], open_ones[0], quote)
    raise Declined("the step that departs holds no computation that can be read")


def _open_references(case: Case, step: int) -> list[Computation]:
    done = {c.shown for c in case.sample.computations if c.step < step and c.is_true}
    return [c for c in case.paths.computations if c.shown not in done]


def _quote(solution: Solution, step: int, computation: Computation | None = None) -> str:
    if computation is not None:
        equation = computation.equation
        return solution.text[equation.start : equation.end].strip()
    text = strip_answer(solution.step_text(step)) or solution.step_text(step)
    return text.splitlines()[0][:200].strip()


def _false(case: Case, computation: Computation, random: Random) -> Error:
    equation = computation.equation
    exact = equation.work.value
    right = write_number(exact * computation.scale) if exact is not None else None
    work = wording.work_text(case.sample.text, equation.work)
    wrong = write_number(computation.shown) or ""
    explanation = pick(
        random,
        ("{work} is {right}, not {wrong}.", "The computation is wrong: {work} gives {right} and not {wrong}.",
         "{work} does not make {wrong}; it makes {right}."),
        work=work, right=right or "another value", wrong=wrong,
    )  # fmt: skip
    return Error(computation.step, "calculation_error", _quote(case.sample, computation.step, computation), explanation)


def _missing(case: Case, step: int, computation: Computation, right: Computation, quote: str) -> Error:
    work = wording.work_text(case.reference.text, right.equation.work)
    explanation = (
        f"The step {work} = {write_number(right.shown)} is missing, so {write_number(computation.shown)} "
        "is not yet what is needed."
    )
    return Error(step, "missing_step", quote, explanation)


def _departure(case: Case, computation: Computation, random: Random, step: int | None = None) -> Error:
    """A true equation that computes what the problem does not ask for."""
    open_ones = _open_references(case, computation.step) or list(case.paths.computations[-1:])
    right = _counterpart(computation, open_ones)
    error_type = _classify(case, computation, right)
    at = _first_mention(case, computation) if step is None else step
    skipped = next((c for c in open_ones if c.shown in right.operand_values), None)
    if error_type == "missing_step" and skipped is not None:
        quote = _quote(case.sample, at, computation if at == computation.step else None)
        return _missing(case, at, computation, skipped, quote)
    work = wording.work_text(case.sample.text, computation.equation.work)
    right_work = wording.work_text(case.reference.text, right.equation.work)
    explanation = pick(
        random,
        ("{work} is not what the problem describes here; it should be {right_work} = {right}.",
         "Instead of {work}, {right_work} = {right} is needed.",
         "The problem asks for {right_work} = {right} here, not for {work}."),
        work=work, right_work=right_work, right=write_number(right.shown) or "",
    )  # fmt: skip
    quote = _quote(case.sample, at, computation if at == computation.step else None)
    return Error(at, error_type, quote, explanation)


def _counterpart(wrong: Computation, candidates: list[Computation]) -> Computation:
    """The open computation of the reference that shares most operands; the first among equals."""

    def shared(right: Computation) -> int:
        others = list(right.operand_values)
        count = 0
        for value in wrong.operand_values:
            if value in others:
                others.remove(value)
                count += 1
        return 2 * count - len(others) + (sorted(wrong.symbols) == sorted(right.symbols))

    return max(candidates[:4], key=shared)


def _classify(case: Case, wrong: Computation, right: Computation) -> str:
    left, other = list(wrong.operand_values), list(right.operand_values)
    for value in list(left):
        if value in other:
            left.remove(value)
            other.remove(value)
    if not left and not other and wrong.symbols != right.symbols:
        return "operator_error"
    earlier = {c.shown for c in case.sample.computations if c.equation.end <= wrong.equation.start}
    if len(left) == len(other) == 1 and sorted(wrong.symbols) == sorted(right.symbols):
        return _operand_type(case, left[0], other[0], earlier)
    if left and not other and all(v not in case.paths.known and v not in earlier for v in left):
        return "adding_irrelevant_information"
    if not left and other:
        return "missing_step"
    return "question_misinterpretation"


def _operand_type(case: Case, bad: Fraction, good: Fraction, earlier: set[Fraction]) -> str:
    if good in CONVERSIONS and good not in case.paths.known and bad not in case.paths.known:
        return "unit_conversion_error"
    if good in case.paths.results and good not in case.paths.said and good not in earlier:
        return "missing_step"  # what is needed here has not been worked out
    if bad in case.paths.said or (good in case.paths.known and bad not in earlier):
        return "referencing_context_value_error"
    if bad in earlier or good in case.paths.results:
        return "referencing_previous_step_value_error"
    return "question_misinterpretation"


def _first_mention(case: Case, computation: Computation) -> int:
    """The step in which a number that comes from nowhere is first said, at the latest the computation's own."""
    results = {c.shown for c in case.sample.computations}
    for value in computation.operand_values:
        if value in case.paths.allowed or value in results or value in CONSTANTS:
            continue
        for quantity in case.sample.quantities:
            if quantity.value == value and not quantity.is_word:
                return min(computation.step, case.sample.step_index(quantity.start))
    return computation.step
