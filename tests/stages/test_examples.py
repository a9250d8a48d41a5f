"""The worked examples inside the prompts are read by the parsers and pass the checks themselves."""

from __future__ import annotations

import re

import pytest

from lemma.prompts import WORD_PROBLEM
from lemma.records import Mistake, Trajectory
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import Assignment, InjectStage
from tests.stages.builders import PENCILS, PROMPTS, TAXONOMY, asking, mistake, run, sample

_LABELS = "Type|Problem|Correct answer|Steps|Text so far|New start|Answer line|Reply"
FORMS = pytest.mark.parametrize("form", ["tags", "json"])


def parts_of(text: str) -> dict[str, str]:
    """The parts of an example by their labels: ``Problem``, ``Steps``, ``Text so far``, ``Reply``, …"""
    pieces = re.split(rf"^({_LABELS}):[ \n]", text, flags=re.M)
    return {label: text.strip() for label, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def example(prompt: str) -> dict[str, str]:
    """A prompt's first example, as it stands in the file."""
    given, reply = PROMPTS.template(prompt).examples_for(WORD_PROBLEM)[0]
    return parts_of(f"{given}\nReply:\n{reply}")


def shown(system: str) -> str:
    """The reply of a rendered prompt's first example."""
    return parts_of(system.split("\nAn example\n")[1])["Reply"]


def steps_of(parts: dict[str, str]) -> str:
    return re.sub(r"^\[\d+\] ", "", parts["Steps"], flags=re.M)


@FORMS
def test_the_example_of_analyze_is_read(form: str) -> None:
    parts = example("analyze")
    assert parts["Problem"] == PENCILS.question
    stage = AnalyzeStage(asking(form), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, samples=(sample(steps_of(parts)),)))
    made = run(stage, unit, shown(stage.request(unit, 0, 0, False).messages[0]["content"]))
    assert isinstance(made, Mistake)
    assert (made.first_error_step, made.error_type) == (2, "calculation_error")


@FORMS
def test_the_example_of_inject_is_read(form: str) -> None:
    parts = example("inject")
    problem = PENCILS.model_copy(update={"reference_solution": steps_of(parts)})
    stage = InjectStage(asking(form), PROMPTS, TAXONOMY, {problem.id: [Assignment(0, 1, parts["Type"])]})
    (unit,) = stage.units(Group(problem))
    made = run(stage, unit, shown(stage.request(unit, 0, 0, False).messages[0]["content"]))
    assert isinstance(made, Mistake)
    assert (made.first_error_step, made.answer) == (2, "24")


def corrected(prompt: str, strategy: str, right: str | None, form: str) -> Trajectory:
    parts = example(prompt)
    text = parts["Text so far"]
    one = mistake(f"{text}\nThe answer is: 24", text)
    samples = [sample(right, is_correct=True, answer="21")] if right else []
    problem = (
        PENCILS if right else PENCILS.model_copy(update={"reference_solution": f"{text.splitlines()[0]}\nSo $21."})
    )
    stage = CorrectStage(asking(form, correct={"strategies": [strategy]}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(problem, samples=tuple(samples), mistakes=(one,)))
    system = stage.request(unit, 0, 0, False).messages[0]["content"]
    assert system.startswith(PROMPTS.template(prompt).sections[0][1][0])
    made = run(stage, unit, shown(stage.request(unit, 0, 0, False).messages[0]["content"]))
    assert isinstance(made, Trajectory)
    return made


@FORMS
def test_the_example_of_fix_continue_is_kept(form: str) -> None:
    assert corrected("fix_continue", "fix_continue", None, form).text.endswith("The answer is: 21")


@FORMS
def test_the_example_of_a_written_restart_is_kept(form: str) -> None:
    assert corrected("fresh_restart_write", "fresh_restart", None, form).text.endswith("The answer is: 21")


@FORMS
def test_the_example_of_a_connected_restart_is_kept(form: str) -> None:
    new_start = example("fresh_restart_connect")["New start"]
    made = corrected("fresh_restart_connect", "fresh_restart", new_start, form)
    assert made.continuation == f"\n{new_start}"
