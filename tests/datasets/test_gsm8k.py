from __future__ import annotations

from pathlib import Path

from lemma.config import DatasetSpec
from lemma.datasets import ReadProblem, read_problems

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"


def read(**more: str) -> list[ReadProblem]:
    spec = DatasetSpec.model_validate({"dataset": "gsm8k", "path": str(FIXTURES / "gsm8k.jsonl"), **more})
    return [one for one in read_problems([spec]) if isinstance(one, ReadProblem)]


def test_a_row_is_cleaned_and_its_marks_are_kept() -> None:
    first = read()[0].problem
    assert first.dataset == "gsm8k"
    assert first.question.startswith("Natalia sold clips")
    assert first.reference_solution == (
        "Natalia sold 48/2 = 24 clips in May.\nNatalia sold 48+24 = 72 clips altogether in April and May.\n#### 72"
    )
    assert first.answer == "72"
    assert first.meta == {"row": 1, "calculator_marks": [[20, "48/2=24"], [58, "48+24=72"]]}


def test_thousands_commas_leave_the_answer_and_stay_in_the_solution() -> None:
    third = read()[2].problem
    assert third.reference_solution.endswith("#### 850,000")
    assert third.answer == "850000"


def test_the_configured_name_is_the_label_and_part_of_the_id() -> None:
    assert read(name="mine")[0].problem.dataset == "mine"
    assert read(name="mine")[0].problem.id != read()[0].problem.id


def test_ids_are_the_same_in_every_run() -> None:
    assert [one.problem.id for one in read()] == [one.problem.id for one in read()]
    assert read()[0].problem.id == "p-0441aeb4248fde8e7551"
