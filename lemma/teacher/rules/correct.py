"""Corrects a mistake: says what is off with the quantities at hand, then goes on by a correct solution.

The wrong computation is looked for in the mistake's last kept step and set against the correct solution: a false
equation is recomputed; a true one that leads astray is compared with the computation that should stand there.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Truth
from lemma.checks.agreement import says_carelessly
from lemma.endings import strip_answer
from lemma.stages.base import CorrectUnit
from lemma.teacher.rules import wording
from lemma.teacher.rules.carry import Carrier, apply_edits
from lemma.teacher.rules.finding import (
    Case,
    Finding,
    differing,
    find,
    formula_of,
    shown_text,
    value_text,
)
from lemma.teacher.rules.forms import Declined, capitalised, pick, tagged
from lemma.teacher.rules.meaning import is_believed
from lemma.teacher.rules.reading import Computation, Solution, read_bounded, read_quantities
from lemma.teacher.rules.reasons import why
from lemma.teacher.rules.remaining import gold_position, same_in
from lemma.teacher.rules.reword import reworded

UNDERSTOOD: Final = frozenset(
    (
        "calculation_error",
        "operator_error",
        "referencing_context_value_error",
        "referencing_previous_step_value_error",
        "missing_step",
        "question_misinterpretation",
        "counting_error",
        "unit_conversion_error",
        "formula_confusion",
        "concept_confusion",
        "adding_irrelevant_information",
        "nonsensical_output",
    )
)


def correct(unit: CorrectUnit, form: str, random: Random) -> str:
    """The reply to a correction unit.

    Raises:
        Declined: the mistake or the correct solution cannot be read well enough.
    """
    mistake = unit.mistake
    if mistake.error_type not in UNDERSTOOD:
        raise Declined(f"the rules do not know the error type {mistake.error_type[:60]}")
    prefix = read_bounded(mistake.prefix)
    gold = read_bounded(strip_answer(unit.gold.text))
    if not gold.spans or not prefix.spans:
        raise Declined("there is no solution to go by")
    reference = read_bounded(strip_answer(unit.problem.reference_solution))
    is_sound = unit.gold.source == "reference" or (
        not says_carelessly(gold.text) and is_believed(gold, reference, unit.problem.question)
    )
    if not is_sound:
        gold = reference
    case = Case(
        prefix, gold, unit.problem.question, mistake.error_type, mistake.solution, random, len(prefix.spans) - 1
    )
    finding = find(case)
    answer_line = form.replace("{answer}", unit.problem.answer)
    if unit.strategy == "fix_continue":
        steps = _corrected_steps(case, finding)
        text = _careful(_join(steps, "\n" if "\n" in mistake.solution.strip() else " "))
        return tagged(reflection=_reflection(case, finding), continuation=f"{text}\n{answer_line}")
    if unit.strategy != "fresh_restart":
        raise Declined(f"the rules do not know the strategy {unit.strategy[:60]}")
    reflection = f"{_reflection(case, finding)} {pick(random, wording.RESTARTS)}"
    _careful(gold.text)
    if unit.is_gold_verbatim and is_sound:
        return tagged(reflection=reflection)
    if unit.is_gold_verbatim:
        return tagged(reflection=reflection, new_start=f"{gold.text.strip()}\n{answer_line}")
    return tagged(reflection=reflection, continuation=f"{reworded(gold, case.question, random)}\n{answer_line}")


def _careful(text: str) -> str:
    """The text as it is.

    Raises:
        Declined: a statement of it is false as it is written.
    """
    if says_carelessly(text):
        raise Declined("what the correct solution says is false as it is written")
    return text


# ------------------------------------------------------------------------------------------ saying so


def _reflection(case: Case, finding: Finding) -> str:
    random = case.random
    opener = pick(random, wording.OPENERS)
    if finding.kind == "calculation" and finding.wrong is not None:
        wrong = finding.wrong
        text = case.prefix.text
        said = pick(
            random,
            wording.CALCULATION,
            open=opener,
            work=wording.work_text(text, wrong.equation.work),
            wrong=finding.wrong_text,
            right=value_text(text, wrong, finding.right_value),
            why=why(wrong.equation.work, finding.right_value, wrong.shown, random),
        )
        return capitalised(said.replace("  ", " "))
    if finding.right is None:
        raise Declined("there is nothing to set against the mistake")
    words = {
        "open": opener,
        "wrong": finding.wrong_text,
        "right": shown_text(case.gold.text, finding.right),
        "right_work": wording.work_text(case.gold.text, finding.right.equation.work),
        "reason": _reason(case, finding),
    }
    if finding.wrong is not None:
        words["wrong_work"] = wording.work_text(case.prefix.text, finding.wrong.equation.work)
    return capitalised(_SAYERS[finding.kind](case, finding, words).replace("  ", " "))


def _reason(case: Case, finding: Finding) -> str:
    """The sentence of the question that tells what to compute, quoted; perhaps empty.

    An operand that the wrong computation lacks tells most about what was overlooked.
    """
    right = finding.right.operand_values if finding.right is not None else ()
    had = finding.wrong.operand_values if finding.wrong is not None else ()
    step = case.gold.step_text(finding.right.step) if finding.right is not None else ""
    for value in sorted(right, key=lambda v: (v in had, -v)):
        sentence = wording.sentence_about(case.question, value, step)
        if sentence:
            return pick(case.random, wording.REREADS, sentence=sentence)
    return ""


def _say_operator(case: Case, finding: Finding, words: dict[str, str]) -> str:
    if finding.wrong is None or finding.right is None:
        raise Declined("there is no operation to compare")
    bad, good = finding.wrong.symbols[0], finding.right.symbols[0]
    a, b = finding.wrong.equation.operands
    text = case.prefix.text
    return pick(
        case.random,
        wording.OPERATOR,
        **words,
        a=f"{a.currency}{text[a.start : a.end]}",
        b=f"{b.currency}{text[b.start : b.end]}",
        do_wrong=wording.DO[bad],
        did_wrong=wording.DONE[bad],
        do_right=wording.DO[good],
        done_right=wording.DONE[good],
    )


def _say_operand(case: Case, finding: Finding, words: dict[str, str]) -> str:
    if finding.wrong is None or finding.right is None:
        raise Declined("there is no operand to compare")
    bad, good = differing(finding.wrong, finding.right)[0]
    bad_text = _operand_text(case.prefix.text, finding.wrong, bad)
    good_text = _operand_text(case.gold.text, finding.right, good)
    phrase = wording.only_phrase_about(case.question, good)
    if phrase and case.error_type == "referencing_context_value_error":
        is_said = any(quantity.value == bad for quantity in read_quantities(case.question))
        wordings = wording.CONTEXT if is_said else wording.MISCOPIED
        return pick(case.random, wordings, **words, bad=bad_text, good=good_text, phrase=phrase)
    source = next((c for c in case.prefix.computations if c.step < case.wrong_step and c.shown == good), None)
    origin = ""
    if source is not None:
        work = wording.work_text(case.prefix.text, source.equation.work)
        origin = pick(case.random, (", the result of {work}", ", which I found as {work}", ", from {work}"), work=work)
    return pick(case.random, wording.PREVIOUS, **words, bad=bad_text, good=good_text, origin=origin)


def _operand_text(text: str, computation: Computation, value: Fraction) -> str:
    """An operand as it is written in its computation, with its currency or percent sign."""
    number = next(n for n in computation.equation.operands if n.value == value)
    return f"{number.currency}{text[number.start : number.end]}{'%' if number.is_percent else ''}"


def _say_count(case: Case, finding: Finding, words: dict[str, str]) -> str:
    """A count, or a factor between units, in place of another."""
    if finding.wrong is None or finding.right is None:
        raise Declined("there is no operand to compare")
    bad, good = differing(finding.wrong, finding.right)[0]
    values = {
        "bad": _operand_text(case.prefix.text, finding.wrong, bad),
        "good": _operand_text(case.gold.text, finding.right, good),
    }
    wordings = wording.COUNTED if finding.kind == "counted" else wording.CONVERTED
    return pick(case.random, wordings, **words, **values)


def _say_formula(case: Case, finding: Finding, words: dict[str, str]) -> str:
    if finding.wrong is None or finding.right is None:
        raise Declined("there is no formula to compare")
    formula = formula_of(case, finding.wrong, finding.right)
    return pick(case.random, wording.FORMULA, **words, formula=formula)


def _say_added(case: Case, finding: Finding, words: dict[str, str]) -> str:
    if finding.wrong is None:
        raise Declined("there is nothing that was added")
    extra = _operand_text(case.prefix.text, finding.wrong, finding.wrong.operand_values[1])
    return pick(case.random, wording.ADDED, **words, extra=extra)


def _say_departed(case: Case, finding: Finding, words: dict[str, str]) -> str:
    wordings: tuple[str, ...] = wording.DEPARTED
    if case.error_type == "question_misinterpretation":
        wordings += wording.MISREAD
    if finding.wrong is not None and finding.wrong.is_exact:
        wordings += wording.COMPUTED_PROPERLY
    return pick(case.random, wordings, **words)


_SAYERS: Final = {
    "operator": _say_operator,
    "operand": _say_operand,
    "missing": lambda case, finding, words: pick(case.random, wording.MISSING, **words),
    "stopped": lambda case, finding, words: pick(case.random, wording.STOPPED, **words),
    "claimed": lambda case, finding, words: pick(case.random, wording.CLAIMED, **words),
    "departed": _say_departed,
    "astray": lambda case, finding, words: pick(case.random, wording.ASTRAY, **words),
    "partial": lambda case, finding, words: pick(case.random, wording.PARTIAL, **words),
    "counted": _say_count,
    "converted": _say_count,
    "formula": _say_formula,
    "added": _say_added,
}


# ------------------------------------------------------------------------------------------ going on


def _corrected_steps(case: Case, finding: Finding) -> list[str]:
    """The corrected step and the steps of the correct solution that are still to be taken."""
    done = set(finding.done)
    position = gold_position(case.prefix, case.gold, case.wrong_step)
    if position:  # the texts ran alike so far: the correct one goes on from here, to the letter
        while position + 1 < len(case.gold.spans) and _is_done(case.gold, position, done):
            position += 1
        return [case.gold.step_text(i) for i in range(position, len(case.gold.spans))]
    steps: list[str] = []
    if finding.kind == "calculation" and finding.wrong is not None and not _gold_step_serves(case, finding):
        steps.append(_repaired_step(case, finding.wrong, finding.right_value))
        found = same_in(case.gold, finding.wrong._replace(shown=finding.right_value), done)
        done |= {found} if found is not None else set()
    steps.extend(_remaining(case.gold, done))
    return steps


def _is_done(gold: Solution, step: int, done: set[Computation]) -> bool:
    """Whether a step computes something, and all of it is done."""
    made = {c for c in gold.computations if c.step == step}
    return bool(made) and made <= done


def _gold_step_serves(case: Case, finding: Finding) -> bool:
    """Whether the correct solution's own step computes what was got wrong, and comes next."""
    following = [c for c in case.gold.computations if c not in finding.done]
    if not following or finding.wrong is None:
        return False
    first = following[0]
    return first.shown == finding.right_value and sorted(first.operand_values) == sorted(finding.wrong.operand_values)


def _repaired_step(case: Case, wrong: Computation, right: Fraction) -> str:
    """The wrong step in its own words with the right value, later computations in it redone."""
    start, end = case.prefix.spans[case.wrong_step]
    result = wrong.equation.result
    carrier = Carrier(case.prefix, frozenset())
    try:
        if result is None:
            raise Declined("no result is written")
        carrier.write(result, right)
        carrier.changed[wrong.shown] = right
        later = [
            c for c in case.prefix.computations if c.step == case.wrong_step and c.equation.start > wrong.equation.start
        ]
        if any(c.equation.truth is Truth.FALSE for c in later):
            raise Declined("another equation of the step is false")
        carrier.carry(later)
        known = frozenset(q.value for q in case.prefix.quantities)
        carrier.settle_prose(wrong.equation.end, known)
        return strip_answer(apply_edits(case.prefix.text, carrier.edits, start, end))
    except Declined:
        work = wording.work_text(case.prefix.text, wrong.equation.work)
        return f"So {work} = {value_text(case.prefix.text, wrong, right)}."


def _remaining(gold: Solution, done: set[Computation]) -> list[str]:
    """The steps of the correct solution that are not done yet, in its order.

    A step is done if everything that it computes is done. Steps without a readable computation are left
    out only before the first open one, and only where they hold no unread equation.
    """
    by_step: dict[int, list[Computation]] = {}
    for computation in gold.computations:
        by_step.setdefault(computation.step, []).append(computation)
    unread = {gold.step_index(e.start) for e in gold.equations} - set(by_step)
    open_steps = [i for i, cs in by_step.items() if any(c not in done for c in cs)]
    first = min(open_steps, default=len(gold.spans) - 1)
    if unread or not by_step:
        first = 0
    kept = []
    for index in range(len(gold.spans)):
        is_done = index in by_step and index not in open_steps and index + 1 < len(gold.spans)
        if index >= first and not (is_done and not unread):
            kept.append(gold.step_text(index))
    return kept or [gold.step_text(len(gold.spans) - 1)]


def _join(steps: list[str], separator: str) -> str:
    if separator == "\n":
        return "\n".join(steps)
    return " ".join(step if step[-1:] in ".!?:)]" else f"{step}." for step in steps if step)
