"""The embedded teacher: no language model, no key, no network, no cost.

It reads the arithmetic of word-problem solutions exactly (`lemma.arithmetic`) and answers the same units in the same
tagged forms as a language model. What it cannot read it declines, plainly: precision before coverage. All variety
comes from the request's seed, so the same request always gets the same reply.
"""

from __future__ import annotations

from random import Random

from lemma.stages.base import AnalyzeUnit, CorrectUnit, InjectUnit, Reply, Request, SmoothUnit
from lemma.teacher.rules.analyze import analyze
from lemma.teacher.rules.correct import correct
from lemma.teacher.rules.forms import Declined, tagged
from lemma.teacher.rules.inject import INJECTED_TYPES, inject
from lemma.teacher.rules.smooth import smooth

__all__ = ["INJECTED_TYPES", "RulesTeacher"]

MAX_CHARS = 30_000  # a text longer than this is no solution of a word problem


class RulesTeacher:
    """Answers requests from their units alone.

    Args:
        answer_form: how a solution states its answer, with ``{answer}`` once.
    """

    name = "rules"
    is_pure = True

    def __init__(self, answer_form: str = "The answer is: {answer}") -> None:
        self.answer_form = answer_form

    def answer_now(self, request: Request) -> Reply:
        """Answers; a pure function of the request's unit and seed."""
        try:
            text = self._write(request)
        except Declined as declined:
            text = tagged(declined=_sentence(str(declined)))
        return Reply(key=request.key, text=text, finish_reason="stop", model=self.name)

    def _write(self, request: Request) -> str:
        unit, random = request.unit, Random(request.seed)
        if isinstance(unit, AnalyzeUnit):
            _refuse_long(unit.sample.text, unit.problem.question, unit.problem.reference_solution)
            return analyze(unit, random)
        if isinstance(unit, InjectUnit):
            _refuse_long(unit.gold.text, unit.problem.question)
            return inject(unit, self.answer_form, random)
        if isinstance(unit, CorrectUnit):
            _refuse_long(unit.gold.text, unit.mistake.solution, unit.problem.question)
            return correct(unit, self.answer_form, random)
        if isinstance(unit, SmoothUnit):
            return smooth(unit, random)
        raise Declined("the rules do not solve problems")


def _refuse_long(*texts: str) -> None:
    if any(len(text) > MAX_CHARS for text in texts):
        raise Declined("a text is too long to be a worked solution")


def _sentence(reason: str) -> str:
    """A reason as one sentence."""
    return f"{reason[:1].upper()}{reason[1:]}."
