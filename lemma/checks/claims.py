"""What the correction claims: it names what was wrong, does not claim it again, and computes nothing false.

Each is decided conservatively: what cannot be read passes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Equation, Truth, read_equations
from lemma.checks.guarantees import before_wrong_step, wrong_step
from lemma.checks.words import SIGNS, content_stems, values_of
from lemma.endings import strip_answer
from lemma.errors import Rejected
from lemma.records import Trajectory
from lemma.steps import split_steps

MIN_SHARED: Final = 0.6
"""Share of the wrong sentence's content words that says: the same quantity."""
MIN_SHARED_TRUE: Final = 0.8
"""The same where the wrong step computes truly, but the wrong thing."""
MIN_CLAIM_WORDS: Final = 2
"""Shared words without which two sentences are never about the same quantity."""

_OPERATION: Final = re.compile(
    r"\b(?:add|subtract|multipl|divi|sum|differen|product|quotient|ratio|percent|half|halv|twice|doubl|tripl|thrice"
    r"|third|quarter|square|cube|root|power|minus|plus|unit|convert|round|count|negative|positive|sign|total"
    r"|remain|left|fewer|older|younger|average|mean|perimeter|area|volume|twelve|eleven"
    r"|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|zero)",
    re.IGNORECASE,
)
_DOUBT: Final = re.compile(
    r"\b(?:not?|never|nor|cannot|isn['’]?t|wasn['’]?t|aren['’]?t|can['’]t|don['’]t|doesn['’]t|didn['’]t|won['’]t"
    r"|wouldn['’]t|shouldn['’]t|wrong(?:ly)?|false|incorrect(?:ly)?|mistaken?(?:ly)?|error|slip|instead|rather"
    r"|but|however|would|earlier|before|wrote|said|claimed|had|got|took|if|whereas|although|contradict\w*|impossible)\b"
    r"|[?≠]|\\neq?\b",
    re.IGNORECASE,
)


def names_the_error(trajectory: Trajectory) -> None:
    """The reflection speaks of the matter: a number, an operation, or a word of the problem or of what was done.

    Raises:
        Rejected: `vague_reflection`.
    """
    reflection = trajectory.reflection
    if any(character.isdigit() for character in reflection) or SIGNS.search(reflection):
        return
    if _OPERATION.search(reflection):
        return
    mistake = trajectory.mistake
    known = content_stems(
        "\n".join((mistake.problem.question, trajectory.prefix, mistake.explanation, trajectory.continuation))
    )
    if not content_stems(reflection) & known:
        raise Rejected("vague_reflection", reflection.strip()[:200])


def _is_doubted(sentence: str) -> bool:
    """Whether a sentence is denied, asked or quoted as what was written before."""
    return _DOUBT.search(sentence) is not None


def _signature(equation: Equation) -> tuple[object, ...] | None:
    """Which numbers are said to give which: the same for every spelling of an equation."""
    if equation.result is None:
        return None
    operators = tuple(sorted(operator.symbol for operator in equation.operators))
    return (tuple(sorted(number.value for number in equation.operands)), operators, equation.right.value)


def claims_no_error(trajectory: Trajectory) -> None:
    """The continuation makes the wrong claim in no other spelling: not the false equation, not the same false result.

    A true equation is wrong only in its place, and a number only as the result of its quantity: there most of the
    sentence's words must be the wrong sentence's too.

    Raises:
        Rejected: `claim_repeated`.
    """
    step = wrong_step(trajectory.mistake)
    step = strip_answer(step) or step
    equations = [equation for equation in read_equations(step) if equation.is_computation]
    false = {_signature(equation) for equation in equations if equation.truth is Truth.FALSE}
    last = _telling_result(trajectory, step, equations)
    if not false and last is None:
        return
    is_false = bool(false) or not equations
    for sentence in split_steps(trajectory.continuation):
        is_same = bool(false) and any(_signature(one) in false for one in read_equations(sentence))
        if not is_same and last is not None and values_of(sentence).last == last:
            stems = content_stems(step)
            wanted = max(MIN_CLAIM_WORDS, (MIN_SHARED if is_false else MIN_SHARED_TRUE) * len(stems))
            is_same = len(content_stems(sentence) & stems) >= wanted
        if is_same and not _is_doubted(sentence):
            raise Rejected("claim_repeated", sentence.strip()[:200])


def _telling_result(trajectory: Trajectory, step: str, equations: Sequence[Equation]) -> Fraction | None:
    """The number that the wrong step ends in, if nothing right has it."""
    last = values_of(step).last
    problem = trajectory.mistake.problem
    before = before_wrong_step(trajectory.mistake)
    if last is None or abs(last) in (0, 1):
        return None
    if any(abs(last) in values_of(text) for text in (problem.question, problem.reference_solution, before)):
        return None
    if equations and equations[-1].result is not None and equations[-1].result.value != abs(last):
        return None
    return last


def computes_nothing_false(trajectory: Trajectory) -> None:
    """No new false equation stands in reflection and continuation, but one that is doubted or quoted.

    What the reference solution says, and in the reflection what stood in the prefix, is not new.

    Raises:
        Rejected: `false_equation`.
    """
    reference = trajectory.mistake.problem.reference_solution
    for part, known in (
        (trajectory.reflection, (reference, trajectory.prefix)),
        (trajectory.continuation, (reference,)),
    ):
        for sentence in split_steps(part):
            for equation in read_equations(sentence):
                if equation.truth is not Truth.FALSE or _stands_in(equation, known):
                    continue
                if _is_doubted(sentence):
                    is_quoted = "=" not in sentence.partition(",")[2]
                    if is_quoted or _is_doubted_there(sentence, equation):
                        continue
                raise Rejected("false_equation", sentence[equation.start : equation.end][:200])


def _stands_in(equation: Equation, texts: Sequence[str]) -> bool:
    """Whether one of some texts has the equation, in whatever spelling."""
    signature = _signature(equation)
    return any(signature == _signature(one) for text in texts for one in read_equations(text))


def _is_doubted_there(sentence: str, equation: Equation) -> bool:
    """Whether the doubt is about this equation: it stands in no clause of its own that mends the other."""
    clause_start = max(sentence.rfind(mark, 0, equation.start) for mark in (", but ", "; ", " but ", ": "))
    clause = sentence[max(clause_start, 0) :].removeprefix(",").strip().removeprefix("but").lstrip()
    return clause_start < 0 or _DOUBT.search(clause) is not None
