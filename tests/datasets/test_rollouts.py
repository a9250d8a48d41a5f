from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.config import DatasetSpec
from lemma.datasets import ReadProblem, SetAside, read_problems
from lemma.stages.base import GivenSample

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"
ROW = {"question": "Q", "answer": "so\n#### 4", "gt": "4"}


def read(path: Path, **more: Any) -> list[ReadProblem | SetAside]:
    return list(read_problems([DatasetSpec(dataset="rollouts", path=str(path), **more)]))


def read_row(folder: Path, row: dict[str, Any], **more: Any) -> ReadProblem | SetAside:
    path = folder / "outputs.jsonl"
    first = {"question": "first", "answer": "#### 1", "code": []}
    path.write_text(json.dumps(first) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    return read(path, **more)[1]


def test_samples_come_with_their_model_flag_and_cleaned_text() -> None:
    first, second = read(FIXTURES / "rollouts.jsonl")
    assert isinstance(first, ReadProblem)
    assert isinstance(second, ReadProblem)
    assert first.problem.dataset == "gsm8k"
    assert first.problem.answer == "18"
    assert first.problem.meta["idx"] == 0
    assert first.problem.meta["split"] == "test"
    assert first.problem.meta["calculator_marks"] == [[25, "16-3-4=9"], [63, "9*2=18"]]
    assert [given.model for given in first.given] == [
        "gpt3-6b-finetuning",
        "gpt3-6b-verification",
        "gpt3-175b-finetuning",
        "gpt3-175b-verification",
    ]
    assert [given.claimed_correct for given in first.given] == [False, False, False, True]
    assert first.given[0].text.endswith("so she makes 13 * 2 = $26\nA: 26")
    assert not any("<<" in given.text for given in first.given + second.given)


def test_the_harness_form_gives_the_same_problems_and_skips_placeholders() -> None:
    harness = [one for one in read(FIXTURES / "harness.jsonl", name="gsm8k") if isinstance(one, ReadProblem)]
    rollouts = [one for one in read(FIXTURES / "rollouts.jsonl") if isinstance(one, ReadProblem)]
    assert [one.problem.id for one in harness] == [one.problem.id for one in rollouts]
    for one, other in zip(harness, rollouts, strict=True):
        assert [given.text for given in one.given] == [given.text for given in other.given[:2]]
        assert [given.claimed_correct for given in one.given] == [given.claimed_correct for given in other.given[:2]]
        assert {given.model for given in one.given} == {"gsm8k"}


def test_a_rollout_of_a_gsm8k_problem_has_the_problems_own_id() -> None:
    rows = [json.loads(line) for line in (FIXTURES / "gsm8k_test.jsonl").read_text("utf-8").splitlines()]
    spec = DatasetSpec(dataset="gsm8k", path=str(FIXTURES / "gsm8k_test.jsonl"))
    problems = [one.problem.id for one in read_problems([spec]) if isinstance(one, ReadProblem)]
    rollouts = [one.problem.id for one in read(FIXTURES / "rollouts.jsonl") if isinstance(one, ReadProblem)]
    assert len(rows) == 2
    assert problems == rollouts


def test_the_model_is_the_samples_own_then_the_name_then_student(tmp_path: Path) -> None:
    row = ROW | {"samples": [{"text": " a\n"}, {"text": "b", "model": "m", "correct": 1}]}
    named = read_row(tmp_path, row, name="sft")
    assert isinstance(named, ReadProblem)
    assert named.given == (GivenSample("a", "sft", None), GivenSample("b", "m", True))
    unnamed = read_row(tmp_path, row)
    assert isinstance(unnamed, ReadProblem)
    assert [given.model for given in unnamed.given] == ["student", "m"]
    assert unnamed.problem.dataset == "outputs"


def test_a_solution_comes_before_an_answer_as_the_harness_has_both_for_math(tmp_path: Path) -> None:
    row = {"question": "Q", "solution": "so $\\boxed{4}$", "answer": "4", "gt": "4", "code": ["x"], "score": [True]}
    one = read_row(tmp_path, row)
    assert isinstance(one, ReadProblem)
    assert one.problem.reference_solution == "so $\\boxed{4}$"


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({}, "neither a list `samples` nor a list `code`"),
        ({"samples": "x"}, "neither a list"),
        ({"samples": ["x"]}, "sample 1 is no object"),
        ({"samples": [{"text": "x"}, {"code": "x"}]}, "sample 2 has no text"),
        ({"samples": [{"text": "x", "model": 5}]}, "sample 1: `model` is no text"),
        ({"samples": [{"text": "x", "correct": "yes"}]}, "sample 1: its flag is neither"),
        ({"code": ["a", "b"], "score": [True]}, "`score` is no list as long as `code`"),
        ({"code": ["a", None], "score": [True, False]}, "`code` 2 has no text"),
    ],
)
def test_a_row_whose_samples_cannot_be_read_is_set_aside(tmp_path: Path, more: dict[str, Any], detail: str) -> None:
    one = read_row(tmp_path, ROW | more)
    assert isinstance(one, SetAside)
    assert one.reason == "missing_field"
    assert detail in one.detail


def test_a_second_file_of_the_same_problems_is_set_aside_with_its_samples_told() -> None:
    spec = DatasetSpec(dataset="rollouts", path=str(FIXTURES / "rollouts.jsonl"))
    *_, last = read_problems([spec, spec])
    assert isinstance(last, SetAside)
    assert last.reason == "duplicate_id"
    assert last.detail.endswith("rollouts.jsonl line 2; 4 samples are set aside with it")
