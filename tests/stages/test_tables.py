"""Malformed and odd replies of each stage, from the tables ``replies_*.json``: read right, or refused for the reason.

A case is a reply as it stands (``reply``), or made of the table's ``parts`` with some changed (null leaves one out):
then it is sent in tags and in JSON. ``wrap`` puts words around it, ``then`` a second reply behind it. What is not
said to be refused (``reason``) is read as ``expected`` says, and kept.
"""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

import pytest

from lemma.config import Config
from lemma.errors import UnitError
from lemma.records import Sample
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group, Reply
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.sample import SampleStage
from lemma.stages.smooth import SmoothStage
from tests.stages.builders import (
    FIXTURES,
    PENCILS,
    PROMPTS,
    RIGHT,
    TAXONOMY,
    WRONG,
    asking,
    in_form,
    mistake,
    sample,
    trajectory,
)

NAMES = ("analyze", "inject", "fix_continue", "fresh_restart", "smooth_joint", "smooth_whole")
FORMS = ("tags", "json")


def stage_and_unit(name: str, reply_form: str) -> tuple[Any, Any]:
    def config(**more: Any) -> Config:
        return asking(reply_form, **more)

    stage: Any
    group = Group(PENCILS)
    if name == "sample":
        stage = SampleStage(config(sample={"num_samples": 1}), PROMPTS)
    elif name == "analyze":
        stage, group = AnalyzeStage(config(), PROMPTS, TAXONOMY), Group(PENCILS, samples=(sample(WRONG),))
    elif name == "inject":
        plan = {PENCILS.id: [Assignment(0, 1, "calculation_error")]}
        stage = InjectStage(config(), PROMPTS, TAXONOMY, plan)
    elif name.startswith("smooth"):
        stage = SmoothStage(config(smooth={"scope": name.removeprefix("smooth_")}), PROMPTS, TAXONOMY)
        group = Group(PENCILS, trajectories=(trajectory(),))
    else:
        stage = CorrectStage(config(correct={"strategies": [name]}), PROMPTS, TAXONOMY)
        right = sample(RIGHT, is_correct=True, answer="21")
        group = Group(PENCILS, samples=(right,), mistakes=(mistake(),))
    (unit,) = stage.units(group)
    return stage, unit


@cache
def table(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"replies_{name}.json").read_text(encoding="utf-8"))
    return loaded


def written(case: dict[str, Any], parts: dict[str, str | None], reply_form: str) -> str:
    """The reply as the teacher sends it."""
    if "reply" in case:
        return str(case["reply"])

    def one(changed: dict[str, str | None]) -> str:
        if reply_form == "tags":
            return in_form({name: text for name, text in changed.items() if text is not None}, reply_form)
        numbers = {"first_error_step", "altered_step"}
        return json.dumps(
            {k: int(v) if k in numbers and v and v.isascii() and v.isdecimal() else v for k, v in changed.items()}
        )

    text = one(parts | case.get("parts", {}))
    text = str(case.get("wrap", "<REPLY>")).replace("<REPLY>", text)
    if "then" in case:
        text += "\n" + one(case["then"])
    return text.replace("\n", "\r\n") if case.get("crlf") else text


def cases(name: str) -> list[Any]:
    return [
        pytest.param(name, case, reply_form, id=f"{name}-{reply_form}-{case['why']}")
        for case in table(name)["cases"]
        for reply_form in case.get("forms", FORMS)
    ]


EVERY = [case for name in NAMES for case in cases(name)]
REFUSED = [case for case in EVERY if "reason" in case.values[1]]
READ = [case for case in EVERY if "reason" not in case.values[1]]
SAMPLES = table("sample")["cases"]


def outcome(name: str, case: dict[str, Any], reply_form: str) -> tuple[Any, Any, Any]:
    """What the unit gives: (unit, parsed reply, record that passed its checks).

    Raises:
        UnitError: it gives none.
    """
    stage, unit = stage_and_unit(name, reply_form)
    request = stage.request(unit, 0, 0, False)
    text = case["reply"] if name == "sample" else written(case, table(name)["parts"], reply_form)
    reply = Reply(request.key, text, case.get("finish", "stop"))
    parsed = stage.parse(unit, reply)
    record = stage.make(unit, [(request, reply, parsed)])
    stage.check(unit, record)
    return unit, parsed, record


@pytest.mark.parametrize(("name", "case", "reply_form"), READ)
def test_an_odd_reply_is_read_right(name: str, case: dict[str, Any], reply_form: str) -> None:
    unit, parsed, _ = outcome(name, case, reply_form)
    found = dataclasses.asdict(parsed)
    expected = table(name)["expected"] | case.get("expected", {})
    if name == "fresh_restart":
        assert found["continuation"] == unit.gold.text
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(("name", "case", "reply_form"), REFUSED)
def test_a_malformed_reply_is_refused_for_the_right_reason(name: str, case: dict[str, Any], reply_form: str) -> None:
    with pytest.raises(UnitError) as caught:
        outcome(name, case, reply_form)
    expected = case["reason"]
    assert caught.value.reason == (expected[reply_form] if isinstance(expected, dict) else expected)


@pytest.mark.parametrize("case", [case for case in SAMPLES if "reason" not in case], ids=lambda case: case["why"])
def test_a_students_solution_is_taken_as_it_is_and_scored(case: dict[str, Any]) -> None:
    record = outcome("sample", case, "tags")[2]
    assert isinstance(record, Sample)
    assert {"text": record.text, "answer": record.answer, "is_correct": record.is_correct} == case["expected"]
    assert Sample.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("case", [case for case in SAMPLES if "reason" in case], ids=lambda case: case["why"])
def test_a_student_that_says_nothing_is_cut_or_goes_round_in_circles_gives_none(case: dict[str, Any]) -> None:
    with pytest.raises(UnitError) as caught:
        outcome("sample", case, "tags")
    assert caught.value.reason == case["reason"]


@pytest.mark.parametrize("name", [*NAMES, "sample"])
def test_every_table_has_sixty_replies_and_says_why_of_each(name: str) -> None:
    listed = table(name)["cases"]
    assert len(listed) >= 60
    assert len({case["why"] for case in listed}) == len(listed)
    refused = [case for case in listed if "reason" in case]
    assert len(refused) >= (8 if name == "sample" else 20)
    assert len(listed) - len(refused) >= 20
