"""The worked examples inside the prompts are read by the parsers and pass the checks themselves."""

from __future__ import annotations

import re

from lemma.records import Mistake, Trajectory
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import Assignment, InjectStage
from tests.stages.builders import PENCILS, PROMPTS, TAXONOMY, config, mistake, run, sample


def example(prompt: str) -> dict[str, str]:
    """The parts of a prompt's example by their labels: ``Problem``, ``Steps``, ``Text so far``, ``Reply``, …"""
    template = PROMPTS.template(prompt)
    system = template.sections[0][1][-1].split("\nAn example\n")[1]
    pieces = re.split(
        r"^(Type|Problem|Correct answer|Steps|Text so far|New start|Answer line|Reply):[ \n]", system, flags=re.M
    )
    return {label: text.strip() for label, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def steps_of(parts: dict[str, str]) -> str:
    return re.sub(r"^\[\d+\] ", "", parts["Steps"], flags=re.M)


def test_the_example_of_analyze_is_read() -> None:
    parts = example("analyze")
    assert parts["Problem"] == PENCILS.question
    stage = AnalyzeStage(config(), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, samples=(sample(steps_of(parts)),)))
    made = run(stage, unit, parts["Reply"])
    assert isinstance(made, Mistake)
    assert (made.first_error_step, made.error_type) == (2, "calculation_error")


def test_the_example_of_inject_is_read() -> None:
    parts = example("inject")
    problem = PENCILS.model_copy(update={"reference_solution": steps_of(parts)})
    stage = InjectStage(config(), PROMPTS, TAXONOMY, {problem.id: [Assignment(0, 1, parts["Type"])]})
    (unit,) = stage.units(Group(problem))
    made = run(stage, unit, parts["Reply"])
    assert isinstance(made, Mistake)
    assert (made.first_error_step, made.answer) == (2, "24")


def corrected(prompt: str, strategy: str, right: str | None) -> Trajectory:
    parts = example(prompt)
    text = parts["Text so far"]
    one = mistake(f"{text}\nThe answer is: 24", text)
    samples = [sample(right, is_correct=True, answer="21")] if right else []
    problem = (
        PENCILS if right else PENCILS.model_copy(update={"reference_solution": f"{text.splitlines()[0]}\nSo $21."})
    )
    stage = CorrectStage(config(correct={"strategies": [strategy]}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(problem, samples=tuple(samples), mistakes=(one,)))
    assert stage.request(unit, 0, 0, False).messages[0]["content"] == PROMPTS.template(prompt).sections[0][1][0]
    made = run(stage, unit, parts["Reply"])
    assert isinstance(made, Trajectory)
    return made


def test_the_example_of_fix_continue_is_kept() -> None:
    assert corrected("fix_continue", "fix_continue", None).text.endswith("The answer is: 21")


def test_the_example_of_a_written_restart_is_kept() -> None:
    assert corrected("fresh_restart_write", "fresh_restart", None).text.endswith("The answer is: 21")


def test_the_example_of_a_connected_restart_is_kept() -> None:
    new_start = example("fresh_restart_connect")["New start"]
    made = corrected("fresh_restart_connect", "fresh_restart", new_start)
    assert made.continuation == f"\n{new_start}"
