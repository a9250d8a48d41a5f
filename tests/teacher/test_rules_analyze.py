from __future__ import annotations

import re

import pytest

from lemma.stages.reading import check_quote
from lemma.steps import split_steps
from lemma.teacher.rules import RulesTeacher
from tests.teacher.rules_cases import FORM, LENA_PROBLEM, MARK, analyze_unit, part, problem, request, rows

TEACHER = RulesTeacher(FORM)
FIRST, SECOND, THIRD = LENA_PROBLEM.reference_solution.split("\n")


def analyze(text: str) -> tuple[int, str, str]:
    reply = TEACHER.answer_now(request(analyze_unit(LENA_PROBLEM, text))).text
    step = int(part(reply, "first_error_step"))
    check_quote(part(reply, "quote"), split_steps(text)[step - 1])
    return step, part(reply, "error_type"), part(reply, "explanation")


CASES = {
    "calculation_error": (2, f"{FIRST}\nSo 300 - 40 = 250 pens are left.\nEach gets 250 / 5 = 50.\nThe answer is: 50"),
    "operator_error": (2, f"{FIRST}\nSo 300 + 40 = 340 pens are left.\nEach gets 340 / 4 = 85.\nThe answer is: 85"),
    "referencing_context_value_error": (
        1,
        "Lena packs 4 * 25 = 100 pens.\n100 - 40 = 60 are left.\nEach gets 60 / 4 = 15.\nThe answer is: 15",
    ),
    "referencing_previous_step_value_error": (
        3,
        f"{FIRST}\n{SECOND}\nEach school gets 300 / 4 = 75 pens.\nThe answer is: 75",
    ),
    "missing_step": (2, f"{FIRST}\nAfter the sale 300 - 40 = 260 are left.\nThe answer is: 260"),
}


@pytest.mark.parametrize("error_type", CASES)
def test_the_first_error_and_its_type_are_found(error_type: str) -> None:
    step, text = CASES[error_type]
    found = analyze(text)
    assert found[:2] == (step, error_type)
    assert found[2]


def test_another_way_to_a_right_value_is_no_error() -> None:
    text = (
        "Each school could get 12 / 4 = 3 boxes, that is 3 * 25 = 75 pens.\n"
        "The sale takes 40 / 4 = 10 of them, 75 - 10 = 66.\nThe answer is: 66"
    )
    assert analyze(text)[:2] == (2, "calculation_error")


def test_a_right_value_of_another_thing_is_no_right_step() -> None:
    text = f"{FIRST}\n300 - 40 = 260 boxes are left.\nEach gets 260 / 5 = 52 pens.\nThe answer is: 52"
    assert "<declined>" in TEACHER.answer_now(request(analyze_unit(LENA_PROBLEM, text))).text


def test_labelled_mistakes_are_found_within_a_step() -> None:
    num_found = num_near = num_exact = 0
    labelled = rows("mr_gsm8k.jsonl")
    for row in labelled:
        of = problem(row["question"], MARK.sub("", row["reference_solution"]).strip(), row["gt"])
        unit = analyze_unit(of, row["solution"])
        reply = TEACHER.answer_now(request(unit)).text
        if "<first_error_step>" not in reply:
            continue
        step = split_steps(row["solution"])[int(part(reply, "first_error_step")) - 1]
        quoted = row["solution"].index(part(reply, "quote"), row["solution"].index(step))
        numbers = re.findall(r"Step (\d+):", row["solution"][: quoted + len(part(reply, "quote"))])
        ours = int(numbers[-1])
        num_found += 1
        num_exact += ours == row["first_error_step"]
        num_near += abs(ours - row["first_error_step"]) <= 1
    assert num_found >= 0.3 * len(labelled)
    assert num_exact >= 0.7 * num_found
    assert num_near >= 0.8 * num_found
