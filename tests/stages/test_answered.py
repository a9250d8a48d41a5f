"""The rendered prompts, answered by hand: every stage reads such replies and keeps what they say."""

from __future__ import annotations

from typing import Any

import pytest

from lemma.errors import Rejected
from lemma.records import Mistake, Trajectory
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group, InjectUnit
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.smooth import SmoothStage
from lemma.steps import step_spans
from tests.stages.builders import PROMPTS, TAXONOMY, case_group, cases, config, run


def analyzed(case: dict[str, Any]) -> tuple[Group, Mistake]:
    group = case_group(case)
    stage = AnalyzeStage(config(), PROMPTS, TAXONOMY)
    (unit,) = stage.units(group)
    mistake = run(stage, unit, case["analyze"]["reply"])
    assert isinstance(mistake, Mistake)
    return group, mistake


def injected(case: dict[str, Any]) -> tuple[Group, InjectUnit, Mistake]:
    group = case_group(case)
    plan = {group.problem.id: [Assignment(0, 1, case["inject"]["error_type"])]}
    stage = InjectStage(config(), PROMPTS, TAXONOMY, plan)
    (unit,) = stage.units(group)
    mistake = run(stage, unit, case["inject"]["reply"])
    assert isinstance(mistake, Mistake)
    return group, unit, mistake


def corrected(case: dict[str, Any], strategy: str) -> Trajectory:
    if "analyze" in case:
        group, mistake = analyzed(case)
    else:
        group, _, mistake = injected(case)
    stage = CorrectStage(config(correct={"strategies": [strategy]}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(group.problem, samples=group.samples, mistakes=(mistake,)))
    trajectory = run(stage, unit, case["correct"][strategy])
    assert isinstance(trajectory, Trajectory)
    return trajectory


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases() if "analyze" in case])
def test_analysis_names_the_step_and_its_type(case: dict[str, Any]) -> None:
    _, mistake = analyzed(case)
    assert (mistake.first_error_step, mistake.error_type) == (
        case["analyze"]["first_error_step"],
        case["analyze"]["error_type"],
    )
    assert mistake.solution == case["samples"][0]["text"]
    assert mistake.prefix == mistake.prefix.rstrip()


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases() if "inject" in case])
def test_injection_keeps_what_stands_before_and_ends_wrong(case: dict[str, Any]) -> None:
    group, unit, mistake = injected(case)
    before = step_spans(unit.gold.text)[mistake.first_error_step - 1][0]
    assert mistake.solution[:before] == unit.gold.text[:before]
    assert mistake.origin == "injected"
    assert mistake.answer != group.problem.answer


STRATEGIES = [
    pytest.param(case, strategy, id=f"{case['name']}-{strategy}") for case in cases() for strategy in case["correct"]
]


@pytest.mark.parametrize(("case", "strategy"), STRATEGIES)
def test_corrections_are_kept_or_plainly_declined(case: dict[str, Any], strategy: str) -> None:
    if case["correct"][strategy].startswith("<declined>"):
        with pytest.raises(Rejected) as caught:
            corrected(case, strategy)
        assert caught.value.reason == "teacher_declined"
        return
    trajectory = corrected(case, strategy)
    assert trajectory.text.startswith(trajectory.mistake.prefix)
    assert trajectory.text.endswith(f"\nThe answer is: {case['problem']['answer']}")


SMOOTHED = [pytest.param(case, key, id=f"{case['name']}-{key}") for case in cases() for key in case["smooth"]]


@pytest.mark.parametrize(("case", "key"), SMOOTHED)
def test_smoothed_texts_are_kept(case: dict[str, Any], key: str) -> None:
    scope, strategy = key.split("/")
    trajectory = corrected(case, strategy)
    stage = SmoothStage(config(smooth={"scope": scope}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(trajectory.mistake.problem, trajectories=(trajectory,)))
    smoothed = run(stage, unit, case["smooth"][key])
    assert isinstance(smoothed, Trajectory)
    assert smoothed.is_smoothed
    assert (smoothed.prefix == trajectory.prefix) is (scope == "joint")
