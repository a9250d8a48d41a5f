"""Each kind of mistake is planted where the text lets it be, and nowhere else."""

from __future__ import annotations

import re

import pytest

from lemma.records import Problem
from lemma.steps import split_steps
from lemma.teacher.rules import RulesTeacher
from tests.teacher.rules_cases import FORM, correct_unit, inject_unit, part, problem, request

TEACHER = RulesTeacher(FORM)
AREA = problem(
    "A garden is 8 feet wide and 15 feet long. Turf costs $3 a square foot. What does turf for the garden cost?",
    "The area of the garden is 8 * 15 = 120 square feet.\nThe turf costs 120 * 3 = $360.",
    "360",
)
FENCE = problem(
    "A garden is 8 feet wide and 15 feet long. A foot of fencing costs $3. What does a fence around it cost?",
    "The perimeter is 8 + 15 + 8 + 15 = 46 feet.\nThe fence costs 46 * 3 = $138.",
    "138",
)
AVERAGE = problem(
    "Ida had 70, 81, 89 and 60 points. What is her average?",
    "She had 70 + 81 + 89 + 60 = 300 points.\nHer average is 300/4 = 75 points.",
    "75",
)
RAISED = problem(
    "A ticket cost $40 last year and costs 15% more now. What do 6 tickets cost now?",
    "A ticket costs 40 * 1.15 = $46 now.\nSo 6 tickets cost 46 * 6 = $276.",
    "276",
)
DAYS = problem(
    "Ravi swims 21 lengths on Monday, Wednesday and Friday each. How many lengths does he swim in 8 weeks?",
    "He swims 3 days * 21 lengths = 63 lengths a week.\nIn 8 weeks that is 63 * 8 = 504 lengths.",
    "504",
)
COMPANY = problem(
    "Ava and her 3 brothers each pick 16 apples. How many apples do they pick?",
    "There are 3 + 1 = 4 children.\nTogether they pick 4 * 16 = 64 apples.",
    "64",
)
TERMS = problem(
    "Three triplets are 13 years old. What is twice the sum of their ages?",
    "Now they are 13 + 13 + 13 = 39 in all.\nTwice that is 39 * 2 = 78.",
    "78",
)
MEAL = problem(
    "Lou orders 4 pizzas at $12 each for dinner and pays with a $100 bill. What change does Lou get?",
    "The pizzas cost 4 * 12 = $48.\nLou gets 100 - 48 = $52 back.",
    "52",
)
OLDER = problem(
    "Tim is 9 years younger than Ann, who is 31. Zoe is half as old as Tim. How old is Zoe?",
    "Tim is 31 - 9 = 22.\nZoe is 22 / 2 = 11.",
    "11",
)
LEFT = problem(
    "Mia had 90 stickers and gave 35 away. How many stickers are left?",
    "She gave 30 + 5 = 35 away.\nMia has 90 - 35 = 55 stickers left.",
    "55",
)
CASES = [
    ("formula_confusion", AREA, r"2 \* \(8 \+ 15\) = 46|8 \+ 15 \+ 8 \+ 15 = 46"),
    ("formula_confusion", FENCE, r"8 \* 15 = 120 feet"),
    ("formula_confusion", AVERAGE, r"300/2 = 150"),
    ("formula_confusion", RAISED, r"40 \* 0\.15 = \$6"),
    ("counting_error", DAYS, r"(?:2|4) days \* 21 lengths = (?:42|84) lengths"),
    ("counting_error", COMPANY, r"3 \* 16 = 48"),
    ("counting_error", TERMS, r"13 \+ 13 = 26"),
    ("adding_irrelevant_information", MEAL, r"4 \* 12 = \$48, .*(?:tip|service charge).* \$48 \+ \$2 = \$50"),
    ("question_misinterpretation", OLDER, r"31 \+ 9 = 40|22 \* 2 = 44"),
    ("question_misinterpretation", LEFT, r"90 \+ 35 = 125"),
]


@pytest.mark.parametrize(("error_type", "of", "wanted"), CASES)
@pytest.mark.parametrize("number", range(4))
def test_a_mistake_is_planted_as_a_person_makes_it(error_type: str, of: Problem, wanted: str, number: int) -> None:
    reply = TEACHER.answer_now(request(inject_unit(of, error_type, number))).text
    step = part(reply, "step")
    assert re.search(wanted, step), step
    last = (part(reply, "rest") or step).splitlines()[-1]
    assert last.startswith("The answer is: ")
    assert last != f"The answer is: {of.answer}"
    assert part(reply, "explanation")


@pytest.mark.parametrize(("error_type", "of", "wanted"), CASES[:8])
def test_what_was_planted_is_noticed_by_name(error_type: str, of: Problem, wanted: str) -> None:
    reply = TEACHER.answer_now(request(inject_unit(of, error_type))).text
    number = int(part(reply, "altered_step"))
    before = "".join(split_steps(of.reference_solution)[: number - 1])
    solution = before + part(reply, "step").partition("\nThe answer")[0]
    unit = correct_unit(of, solution, len(split_steps(solution)), error_type)
    answered = TEACHER.answer_now(request(unit)).text
    reflection = part(answered, "reflection")
    right = re.search(r"= \$?(\d+)", split_steps(of.reference_solution)[number - 1])
    assert right is not None
    assert right[1] in reflection
    assert part(answered, "continuation").endswith(f"The answer is: {of.answer}")


@pytest.mark.parametrize(
    ("error_type", "question", "solution"),
    [
        ("formula_confusion", "5 shelves hold 12 books each. How many are that?", "They hold 5 * 12 = 60 books."),
        ("counting_error", "5 shelves hold 12 books each. How many are that?", "They hold 5 * 12 = 60 books."),
        ("unit_conversion_error", "He has 60 boxes of 12 pens. How many are that?", "He has 60 * 12 = 720 pens."),
        ("adding_irrelevant_information", "He earns $20 an hour for 9 hours. How much?", "He earns 20 * 9 = $180."),
        ("question_misinterpretation", "He has 60 boxes of 12 pens. How many is it?", "He has 60 * 12 = 720 pens."),
    ],
)
def test_where_the_text_does_not_decide_it_is_declined(error_type: str, question: str, solution: str) -> None:
    of = problem(question, solution, re.findall(r"\d+", solution)[-1])
    assert "<declined>" in TEACHER.answer_now(request(inject_unit(of, error_type))).text


def test_a_reading_the_wrong_way_round_keeps_no_word_that_says_the_right_one() -> None:
    words = re.compile(r"\b(?:more|less|fewer|older|younger|twice|half|total|left)\b")
    for number in range(12):
        reply = TEACHER.answer_now(request(inject_unit(OLDER, "question_misinterpretation", number))).text
        if "the wrong way round" in reply:
            assert not words.search(part(reply, "step"))


def test_another_number_of_the_question_is_named_only_if_it_stands_there_once() -> None:
    question = "Ann has 4 cats and 4 dogs. Each cat eats 3 tins. How many tins do the cats eat in 5 days?"
    of = problem(question, "The cats eat 4 * 3 = 12 tins a day.\nIn 5 days they eat 12 * 5 = 60 tins.", "60")
    for number in range(8):
        reply = TEACHER.answer_now(request(inject_unit(of, "referencing_context_value_error", number))).text
        assert not re.search(r"eat [^4] \* 3", part(reply, "step"))


def test_a_value_that_stands_at_a_lines_end_and_the_next_ones_beginning_is_carried_in_both() -> None:
    reference = "He gets 2 * 200 = 400 balloons: so\n400 balloons are 400 - 30 = 370 more."
    of = problem("He buys 2 bags of 200 balloons and has 30. How many more is it?", reference, "370")
    for number in range(12):
        reply = TEACHER.answer_now(request(inject_unit(of, "calculation_error", number))).text
        if part(reply, "altered_step") == "1":
            assert "400" not in part(reply, "rest")
