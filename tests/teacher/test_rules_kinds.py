"""Each type of error is told from the others by what the wrong computation and the right one show."""

from __future__ import annotations

import re

import pytest

from lemma.records import Problem
from lemma.teacher.rules import RulesTeacher
from tests.teacher.rules_cases import FORM, analyze_unit, part, problem, request

TEACHER = RulesTeacher(FORM)
SHED = problem(
    "A shed is 6 feet wide and 8 feet long, and stands 15 feet from the house. Paint for a square foot costs $3. What "
    "does painting the floor cost, if a helper asks $20 an hour and works for 90 minutes?",
    "The area of the floor is 6 * 8 = 48 square feet.\nThe paint costs 48 * 3 = $144.\n"
    "The helper works 90 / 60 = 1.5 hours.\nThe helper gets 1.5 * 20 = $30.\nIn all it costs 144 + 30 = $174.",
    "174",
)
PRACTICE = problem(
    "Ravi swims on Monday, Wednesday and Friday, each time 12 lengths in the morning and 9 in the evening. "
    "How many lengths is that in 4 weeks?",
    "He swims 12 + 9 = 21 lengths a day.\nThat is 3 * 21 = 63 lengths a week.\nIn 4 weeks it is 63 * 4 = 252 lengths.",
    "252",
)
MARKS = problem(
    "Ida had 70, 81 and 89 points in three tests. What is her average?",
    "Together she had 70 + 81 + 89 = 240 points.\nThe average is 240 / 3 = 80 points.",
    "80",
)
CASES = [
    (SHED, 1, "6 + 8 + 6 + 8 = 28", "formula_confusion"),
    (SHED, 1, "2 * (6 + 8) = 28", "formula_confusion"),
    (SHED, 1, "6 * 8 = 46", "calculation_error"),
    (SHED, 1, "6 * 15 = 90", "referencing_context_value_error"),
    (SHED, 2, "48 + 3 = $51", "operator_error"),
    (SHED, 3, "90 / 100 = 0.9", "unit_conversion_error"),
    (SHED, 4, "48 * 20 = $960", "referencing_previous_step_value_error"),
    (SHED, 5, "144 + 30 + 15 = $189", "adding_irrelevant_information"),
    (PRACTICE, 2, "2 * 21 = 42", "counting_error"),
    (PRACTICE, 3, "21 * 4 = 84", "referencing_previous_step_value_error"),
]


def wrong_solution(of: Problem, step: int, work: str) -> str:
    """The reference with another work at a step, and what follows left out."""
    lines = of.reference_solution.split("\n")
    lines[step - 1] = re.sub(r"\$?\d[\d. ]* [-+*/] .* = \$?[\d.]+", lambda _: work, lines[step - 1])
    result = work.rpartition("= ")[2].lstrip("$")
    return "\n".join(lines[:step]) + f"\nThe answer is: {result}"


def analyze(of: Problem, text: str) -> tuple[int, str, str]:
    reply = TEACHER.answer_now(request(analyze_unit(of, text))).text
    return int(part(reply, "first_error_step")), part(reply, "error_type"), part(reply, "explanation")


@pytest.mark.parametrize(("of", "step", "work", "error_type"), CASES)
def test_a_wrong_computation_tells_its_type(of: Problem, step: int, work: str, error_type: str) -> None:
    text = wrong_solution(of, step, work)
    found, kind, explanation = analyze(of, text)
    assert (found, kind) == (step, error_type)
    assert work.partition(" = ")[0].replace("$", "") in explanation or kind != "calculation_error"


def test_a_sum_for_an_average_is_another_formula() -> None:
    text = "The average is 70 + 81 + 89 = 240 points.\nThe answer is: 240"
    assert analyze(MARKS, text)[1] in ("formula_confusion", "missing_step")


def test_a_right_answer_by_true_equations_is_called_correct() -> None:
    text = "Ida had 70 + 81 + 89 = 240 points in 3 tests.\nSo 240 / 3 = 80.\nThe answer is: 80"
    assert TEACHER.answer_now(request(analyze_unit(MARKS, text))).text == "<verdict>correct</verdict>"


def test_a_false_link_between_two_works_is_an_error_without_any_reference() -> None:
    of = problem("((2 + 3 * 4) - (5 * 6)) =", "-16", "-16")
    text = "Let A = (2 + 3 * 4) = (2 + 12) = 14.\nLet B = (5 * 6) = 25 + 10 = 35.\nThen A - B = 14 - 35 = -21."
    step, kind, explanation = analyze(of, text)
    assert (step, kind) == (2, "calculation_error")
    assert "30" in explanation


def test_a_changed_number_in_the_references_own_words_is_named() -> None:
    of = problem(
        "Asha walks every day but Sunday, 3 km each day. How far does she walk in 2 weeks?",
        "Asha walks on 6 days of the week.\nThat is 6 * 3 = 18 km a week.\nIn 2 weeks it is 18 * 2 = 36 km.",
        "36",
    )
    text = "Asha walks on 5 days of the week.\nThat is 5 * 3 = 15 km a week.\nIn 2 weeks it is 15 * 2 = 30 km.\n#### 30"
    step, kind, explanation = analyze(of, text)
    assert (step, kind) == (1, "counting_error")
    assert re.search(r"\b6\b.*\b5\b|\b5\b.*\b6\b", explanation)


def test_what_is_said_in_passing_may_be_wrong_itself() -> None:
    reference = PRACTICE.reference_solution.split("\n")
    text = (
        f"{reference[0]}\nIn the mornings alone he swims 12 * 3 = 36 lengths a week.\n"
        "That is 3 * 21 = 63 lengths a week.\nIn 4 weeks it is 63 + 4 = 67 lengths.\nThe answer is: 67"
    )
    assert "<declined>" in TEACHER.answer_now(request(analyze_unit(PRACTICE, text))).text


def test_a_value_on_the_way_given_as_the_answer_is_wrong_where_it_is_claimed() -> None:
    first, second, _ = PRACTICE.reference_solution.split("\n")
    text = f"{first}\n{second}\nSo in the end he swims 63 lengths.\nThe answer is: 63"
    step, kind, explanation = analyze(PRACTICE, text)
    assert (step, kind) == (3, "missing_step")
    assert "63 * 4 = 252" in explanation


def test_an_operation_that_the_writers_own_words_call_for_is_a_misreading() -> None:
    text = "Mia gave 35 away.\nIn total that makes 90 + 35 = 125 stickers.\nThe answer is: 125"
    of = problem("Mia had 90 stickers and gave 35 away. How many are left?", "Mia has 90 - 35 = 55 left.", "55")
    assert analyze(of, text)[1] == "question_misinterpretation"


def test_what_is_missing_is_named_only_where_all_before_follows_the_reference() -> None:
    mornings, evenings = "He swims 12 * 3 = 36 in the mornings.", "He swims 9 * 3 = 27 in the evenings."
    other = f"{mornings}\n{evenings}\nTogether that is 36 + 27 = 63 lengths.\nThe answer is: 63"
    assert "<declined>" in TEACHER.answer_now(request(analyze_unit(PRACTICE, other))).text
    first, second, _ = PRACTICE.reference_solution.split("\n")
    assert analyze(PRACTICE, f"{first}\n{second}\nThe answer is: 63")[:2] == (2, "missing_step")


def test_formulas_without_worked_arithmetic_beside_them_are_declined() -> None:
    of = problem("What is the tangent of the angle?", "It follows at once.", "2")
    text = "We have $\\frac{3}{4} = 2$ and so 3 + 4 = 8.\nThe answer is: 8"
    assert "<declined>" in TEACHER.answer_now(request(analyze_unit(of, text))).text
