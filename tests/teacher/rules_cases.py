"""Units for the rules teacher, made from plain values, and the reading of its replies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lemma.answers import extract_answer
from lemma.endings import finish
from lemma.records import MadeBy, Mistake, Problem, Sample
from lemma.stages.base import AnalyzeUnit, CorrectUnit, Gold, InjectUnit, Request, Unit
from lemma.steps import step_spans

FORM = "The answer is: {answer}"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "rules"
MADE_BY = MadeBy(stage="test", model="test", prompt_hash="", request_key="", config_hash="")
MARK = re.compile(r"<<[^<>\n]*>>")
MEI = "Mei has 48 beads. She gives half of them to Tom and buys 30 more at $2 a bead. How many beads has she now?"
MEI_REFERENCE = "Mei gives away 48 / 2 = 24 beads.\nShe keeps 48 - 24 = 24 beads.\nNow she has 24 + 30 = 54 beads."
LENA = "Lena packs 12 boxes with 25 pens each. She sells 40 pens and shares the rest among 4 schools."
LENA_REFERENCE = (
    "Lena packs 12 * 25 = 300 pens.\nAfter the sale 300 - 40 = 260 pens are left.\nEach school gets 260 / 4 = 65 pens."
)


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines()]


def problem(question: str, reference: str, answer: str) -> Problem:
    return Problem(id="p-1", dataset="t", question=question, reference_solution=reference, answer=answer)


LENA_PROBLEM = problem(LENA, LENA_REFERENCE, "65")


def analyze_unit(of: Problem, text: str) -> AnalyzeUnit:
    sample = Sample(
        id="s-1", problem=of, model="m", text=text, answer=extract_answer(text), is_correct=False, made_by=MADE_BY
    )
    return AnalyzeUnit("u-1", sample)


def inject_unit(of: Problem, error_type: str, number: int = 0) -> InjectUnit:
    gold = Gold(finish(of.reference_solution, of.answer, FORM), "reference", of.id)
    return InjectUnit(f"u-{number}", of, gold, error_type, 0, 1)


def correct_unit(
    of: Problem,
    solution: str,
    step: int,
    error_type: str,
    strategy: str = "fix_continue",
    *,
    number: int = 0,
    is_verbatim: bool = False,
) -> CorrectUnit:
    start, end = step_spans(solution)[step - 1]
    mistake = Mistake(
        id="m-1",
        problem=of,
        origin="student",
        model="m",
        solution=solution,
        answer="1",
        error_type=error_type,
        prefix_end=start + len(solution[start:end].rstrip()),
        first_error_step=step,
        explanation="",
        made_by=MADE_BY,
    )
    gold = Gold(finish(of.reference_solution, of.answer, FORM), "reference", of.id)
    return CorrectUnit(f"u-{number}", mistake, strategy, gold, is_verbatim)


def request(unit: Unit) -> Request:
    return Request(unit=unit, messages=(), model="rules", sampling={}, prompt_hash="")


def part(reply: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", reply, re.DOTALL)
    assert found is not None, f"no <{name}> in {reply!r}"
    return found[1]
