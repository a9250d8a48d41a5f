"""Whatever a teacher replies, a unit gives a record or one of the known reasons, and in linear time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemma.errors import UnitError
from lemma.reasons import REASONS
from lemma.records import Problem, Record
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import GivenSample, Group, Stage
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.sample import SampleStage
from lemma.stages.smooth import SmoothStage
from tests.stages.builders import (
    PENCILS,
    PROMPTS,
    RIGHT,
    TAXONOMY,
    WRONG,
    asking,
    config,
    mistake,
    run,
    sample,
    trajectory,
)

PLAN = {PENCILS.id: [Assignment(0, 1, "calculation_error")]}
WHOLE = config(smooth={"scope": "whole"})
FIX = config(correct={"strategies": ["fix_continue"]})
FRESH = config(correct={"strategies": ["fresh_restart"]})
GROUP = Group(PENCILS, samples=(sample(WRONG),), mistakes=(mistake(),), trajectories=(trajectory(),))
STAGES: dict[str, Stage] = {
    "sample": SampleStage(config(sample={"num_samples": 1}), PROMPTS),
    "analyze": AnalyzeStage(config(), PROMPTS, TAXONOMY),
    "inject": InjectStage(config(), PROMPTS, TAXONOMY, PLAN),
    "fix_continue": CorrectStage(FIX, PROMPTS, TAXONOMY),
    "fresh_restart": CorrectStage(FRESH, PROMPTS, TAXONOMY),
    "smooth_joint": SmoothStage(config(), PROMPTS, TAXONOMY),
    "smooth_whole": SmoothStage(WHOLE, PROMPTS, TAXONOMY),
}
AS_JSON: dict[str, Stage] = {
    "analyze": AnalyzeStage(asking("json"), PROMPTS, TAXONOMY),
    "inject": InjectStage(asking("json"), PROMPTS, TAXONOMY, PLAN),
    "fix_continue": CorrectStage(asking("json", correct={"strategies": ["fix_continue"]}), PROMPTS, TAXONOMY),
    "fresh_restart": CorrectStage(asking("json", correct={"strategies": ["fresh_restart"]}), PROMPTS, TAXONOMY),
    "smooth_joint": SmoothStage(asking("json"), PROMPTS, TAXONOMY),
    "smooth_whole": SmoothStage(asking("json", smooth={"scope": "whole"}), PROMPTS, TAXONOMY),
}
TAGS = {
    "sample": [],
    "analyze": ["verdict", "first_error_step", "quote", "error_type", "explanation"],
    "inject": ["altered_step", "step", "rest", "explanation"],
    "fix_continue": ["reflection", "continuation"],
    "fresh_restart": ["reflection"],
    "smooth_joint": ["reflection", "continuation"],
    "smooth_whole": ["prefix", "reflection", "continuation"],
}
GOOD = [
    "wrong",
    "correct",
    "2",
    "3",
    "calculation_error",
    "60 - 18 = 48",
    "She keeps 60 - 18 = 48 pencils to sell.",
    WRONG,
]
ODD = [
    "The answer is: 21",
    "The answer is: 24",
    "So it is 42 and nothing else, I think.",
    "\ud800",
    "\x00",
    "{{x}}",
    "%s",
]
CONTENT = st.lists(st.sampled_from([*GOOD, *ODD, RIGHT, "<step>", "\n", "$", "```"]) | st.text(max_size=8), max_size=5)

JSON_PIECES = [
    "{",
    "}",
    '"',
    ",",
    ":",
    "\\",
    "null",
    "[",
    "]",
    '"verdict": "wrong"',
    '{"declined": ',
    "```",
    "\n",
    "</think>",
]


def outcome(stage: Stage, text: str, finish_reason: str = "stop") -> Record | str:
    (unit,) = stage.units(Group(PENCILS) if stage.name == "sample" else GROUP)
    try:
        return run(stage, unit, text, finish_reason=finish_reason)
    except UnitError as error:
        return error.reason


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reply_gives_a_record_or_a_known_reason(name: str, data: st.DataObject) -> None:
    parts = [data.draw(CONTENT.map("".join)) for _ in TAGS[name]]
    text = "\n".join(f"<{tag}>{part}</{tag}>" for tag, part in zip(TAGS[name], parts, strict=True))
    made = outcome(STAGES[name], data.draw(CONTENT.map("".join)) + text)
    if isinstance(made, str):
        assert made in REASONS
    else:
        assert type(made).model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("name", AS_JSON)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reply_in_json_gives_a_record_or_a_known_reason(name: str, data: st.DataObject) -> None:
    parts = {
        tag: data.draw(CONTENT.map("".join) | st.none() | st.integers() | st.lists(st.text())) for tag in TAGS[name]
    }
    text = json.dumps(parts, ensure_ascii=data.draw(st.booleans()))
    cut, pieces = data.draw(st.integers(0, len(text))), data.draw(st.lists(st.sampled_from(JSON_PIECES), max_size=4))
    made = outcome(AS_JSON[name], text[:cut] + "".join(pieces) + text[cut:])
    if isinstance(made, str):
        assert made in REASONS
    else:
        assert type(made).model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("name", AS_JSON)
@pytest.mark.parametrize(
    "piece",
    ['{"verdict":', '{"a":1,', '{"', '"', "\\", "{", '{"reflection":"', "\\u", '\\"', '{"step":"b"}', "[", "{ "],
)
def test_hostile_json_takes_linear_time(name: str, piece: str) -> None:
    start = time.process_time()
    for before in ("", '{"', '{"reflection": "'):
        outcome(AS_JSON[name], before + piece * (100_000 // len(piece)))
    assert time.process_time() - start < 3


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("piece", ["so 1 + 1 = 2. ", "$", "A: ", "\n", "<step>", "the previous ", "* 3 ", "\\[", "1"])
def test_a_hundred_kilobytes_take_linear_time(name: str, piece: str) -> None:
    long = piece * (100_000 // len(piece))
    start = time.process_time()
    for tag in TAGS[name] or [""]:
        parts = {other: "2" if other.endswith("step") else "wrong" for other in TAGS[name]} | {tag: long}
        outcome(STAGES[name], "\n".join(f"<{key}>{part}</{key}>" for key, part in parts.items()) if tag else long)
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\ud800", "$", "{{question}} {x} %s", "<reflection>", "=== user ===", "\\" * 500]
)
def test_hostile_problems_and_samples_are_rendered_as_they_are(text: str) -> None:
    problem = Problem(id="p-1", dataset="d", question=text, reference_solution=text, answer=text, meta={})
    stage = SampleStage(config(), PROMPTS)
    group = Group(problem, given=(GivenSample(text, "m"), GivenSample(f"{text} So.\n#### 5", "m")))
    for unit in stage.units(group):
        assert "\ud800" not in stage.make(unit, []).text
    asked: list[Any] = [*SampleStage(config(), PROMPTS).units(Group(problem))]
    for unit in asked:
        request = stage.request(unit, 0, 0, False)
        assert problem.question in request.messages[0]["content"]
        assert request.key
