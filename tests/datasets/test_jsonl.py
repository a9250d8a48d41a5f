from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.config import DatasetSpec
from lemma.datasets import ReadProblem, SetAside, read_problems

ROW = {"question": "How many?", "solution": "Two and two are four.", "answer": "4"}


def read(folder: Path, *rows: dict[str, Any], **more: Any) -> list[ReadProblem | SetAside]:
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_problems([DatasetSpec(dataset="jsonl", path=str(path), **more)]))


def only(read: list[ReadProblem | SetAside]) -> ReadProblem:
    assert len(read) == 1
    assert isinstance(read[0], ReadProblem), read[0]
    return read[0]


def reason(read: list[ReadProblem | SetAside]) -> tuple[str, str]:
    """Reason and detail of the second row, a good one having come first."""
    aside = read[1]
    assert isinstance(aside, SetAside), aside
    assert aside.line == 2
    return aside.reason, aside.detail


def test_fields_have_usual_names(tmp_path: Path) -> None:
    problem = only(read(tmp_path, ROW)).problem
    assert (problem.question, problem.reference_solution, problem.answer) == tuple(ROW.values())
    assert problem.dataset == "my"
    assert problem.meta == {"row": 1}


def test_the_map_names_fields_and_dots_step_inside(tmp_path: Path) -> None:
    row = {"prompt": " Q ", "info": {"cot": "so \\boxed{7}", "level": 3}, "a.b": [1]}
    fields = {"question": "prompt", "reference_solution": "info.cot", "level": "info.level", "x": "a.b", "y": "no"}
    problem = only(read(tmp_path, row, fields=fields)).problem
    assert (problem.question, problem.reference_solution, problem.answer) == ("Q", "so \\boxed{7}", "7")
    assert problem.meta == {"row": 1, "level": 3, "x": [1]}


def test_a_field_mapped_to_the_solution_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    row = {"question": "Q", "answer": "It is <<1+1=2>>2.\n#### 2"}
    problem = only(read(tmp_path, row, fields={"reference_solution": "answer"})).problem
    assert problem.answer == "2"
    assert problem.meta["calculator_marks"] == [[6, "1+1=2"]]


def test_one_field_may_be_mapped_twice(tmp_path: Path) -> None:
    fields = {"reference_solution": "answer", "answer": "answer"}
    problem = only(read(tmp_path, {"question": "Q", "answer": "145"}, fields=fields)).problem
    assert (problem.reference_solution, problem.answer) == ("145", "145")


@pytest.mark.parametrize(
    ("value", "answer"),
    [(4, "4"), (4.0, "4"), (0.1, "0.1"), (-3, "-3"), (10**30, str(10**30)), (1e300, "1e+300"), (" 4 ", "4")],
)
def test_a_number_is_an_answer_too(tmp_path: Path, value: Any, answer: str) -> None:
    assert only(read(tmp_path, ROW | {"answer": value})).problem.answer == answer


def test_the_same_problem_has_one_id_whether_its_answer_was_a_field_or_not(tmp_path: Path) -> None:
    solution = "so it is\n#### 1,234"
    one = only(read(tmp_path, {"question": "Q", "solution": solution, "answer": "1,234"}))
    other = only(read(tmp_path, {"question": "Q", "solution": solution}))
    assert one.problem.id == other.problem.id
    assert one.problem.answer == "1234"


def test_a_given_id_makes_the_id_with_the_dataset(tmp_path: Path) -> None:
    one = only(read(tmp_path, ROW | {"id": 5}))
    other = only(read(tmp_path, ROW | {"id": "5", "question": "Another?"}))
    assert one.problem.id == other.problem.id
    assert only(read(tmp_path, ROW | {"id": 5, "dataset": "x"})).problem.id != one.problem.id
    assert only(read(tmp_path, ROW | {"id": " "})).problem.id == only(read(tmp_path, ROW)).problem.id


def test_the_label_is_the_rows_own_then_the_name_then_the_files(tmp_path: Path) -> None:
    assert only(read(tmp_path, ROW, name="n")).problem.dataset == "n"
    assert only(read(tmp_path, ROW | {"dataset": "own"}, name="n")).problem.dataset == "own"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"question": None}, ("missing_field", "no field `question` or `problem`")),
        ({"question": ["x"]}, ("missing_field", "`question` is a list, a text is needed")),
        ({"question": 5}, ("missing_field", "`question` is a number, a text is needed")),
        ({"question": " \n"}, ("empty_question", "")),
        ({"solution": None}, ("missing_field", "no field `reference_solution` or `solution`")),
        ({"solution": " "}, ("missing_field", "the reference solution is empty")),
        ({"answer": True}, ("missing_field", "`answer` is true or false, a text or a number is needed")),
        ({"answer": {"x": 1}}, ("missing_field", "`answer` is an object, a text or a number is needed")),
        ({"id": ["x"]}, ("missing_field", "`id` is a list, a text or a number is needed")),
        ({"dataset": 7}, ("missing_field", "`dataset` is no text")),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert reason(read(tmp_path, ROW, {**ROW, "answer": "5", **change})) == expected


def test_an_answer_that_is_nowhere_is_empty(tmp_path: Path) -> None:
    assert reason(read(tmp_path, ROW, ROW | {"answer": ""}))[0] == "empty_answer"
    assert reason(read(tmp_path, ROW, ROW | {"answer": None}))[0] == "empty_answer"


def test_templates_and_escapes_in_texts_are_kept_verbatim(tmp_path: Path) -> None:
    hostile = "{braces} {0} {{ jinja }} {% raw %} %s %(x)s $HOME `rm` <|im_end|> \\n \x00 \u2028 é 😀 {{{"
    problem = only(read(tmp_path, {"question": hostile, "solution": hostile, "answer": hostile})).problem
    assert problem.question == problem.reference_solution == problem.answer == hostile


def test_an_infinite_number_is_set_aside_as_answer_and_is_text_in_meta(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    good = '{"question":"Q","solution":"S","answer":"4","m":1e999}'
    path.write_text(f'{good}\n{{"question":"Q","solution":"S","answer":1e999}}\n', encoding="utf-8")
    one, other = read_problems([DatasetSpec(dataset="jsonl", path=str(path), fields={"m": "m"})])
    assert isinstance(one, ReadProblem)
    assert one.problem.meta["m"] == "inf"
    assert isinstance(other, SetAside)
    assert other.reason == "missing_field"
