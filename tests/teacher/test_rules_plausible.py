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
SHELF = problem(
    "A shelf holds 40 books. Mia reads 6 books in June and 3 times as many in July. How many books does she read?",
    "In July she reads 6 * 3 = 18 books.\nIn all she reads 6 + 18 = 24 books.",
    "24",
)
CAKES = problem(
    "Rosa baked 4 trays of 14 cakes and sold all of them. How many cakes did she sell over the 2 weeks?",
    "In all she sold 4 * 14 = 56 cakes.",
    "56",
)
EACH = problem(
    "Sam buys 4 notebooks that cost $7 each and a pen for $2. What does Sam pay?",
    "The notebooks cost 4 * 7 = $28.\nSam pays 28 + 2 = $30.",
    "30",
)
SHARE = problem(
    "Ina pays $24 for 3 books. Her brother buys one such book and a pen for $2. What does he pay?",
    "Each book costs 24 / 3 = $8.\nHer brother pays 8 + 2 = $10.",
    "10",
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
    ("formula_confusion", RAISED, r"40 \* 0\.15 = \$6"),
    ("counting_error", DAYS, r"(?:2|4) days \* 21 lengths = (?:42|84) lengths"),
    ("counting_error", COMPANY, r"3 \* 16 = 48"),
    ("counting_error", TERMS, r"13 \+ 13 = 26"),
    ("adding_irrelevant_information", SHELF, r"the 40 books .*(?:18 \+ 40 = 58|24 \+ 40 = 64) books"),
    ("adding_irrelevant_information", CAKES, r"for the 2 weeks .*56 \* 2 = 112 cakes"),
    ("question_misinterpretation", OLDER, r"31 \+ 9 = 40|22 \* 2 = 44"),
    ("question_misinterpretation", LEFT, r"given away in all.* 35"),
    ("question_misinterpretation", EACH, r"The notebooks cost \$7\."),
    ("question_misinterpretation", SHARE, r"Each book costs \$24\."),
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


@pytest.mark.parametrize(("error_type", "of", "wanted"), CASES[:7])
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
        ("formula_confusion", "Ida had 7, 8 and 9 points. What is her average?", "It is (7 + 8 + 9) / 3 = 8 points."),
        ("calculation_error", "He buys 3 boxes of 30 pens. How many is it?", "He has 3 * 30 = 90 pens."),
        ("operator_error", "She has 14 and finds 6. How many is it?", "Adding them, she has 14 + 6 = 20 coins in all."),
        ("missing_step", "He has 5 pens, 6 caps and 7 bags. How many is it?", "He has 5 + 6 + 7 = 18 things."),
        (
            "unit_conversion_error",
            "How many hours are 120 minutes?",
            "An hour has 60 minutes, so it is 120 / 60 = 2 hours.",
        ),
        ("counting_error", "5 shelves hold 12 books each. How many are that?", "They hold 5 * 12 = 60 books."),
        ("unit_conversion_error", "He has 60 boxes of 12 pens. How many are that?", "He has 60 * 12 = 720 pens."),
        ("adding_irrelevant_information", "He earns $20 an hour for 9 hours. How much?", "He earns 20 * 9 = $180."),
        ("question_misinterpretation", "He has 60 boxes of 12 pens. How many is it?", "He has 60 * 12 = 720 pens."),
    ],
)
def test_where_the_text_does_not_decide_it_is_declined(error_type: str, question: str, solution: str) -> None:
    of = problem(question, solution, re.findall(r"\d+", solution)[-1])
    assert "<declined>" in TEACHER.answer_now(request(inject_unit(of, error_type))).text


@pytest.mark.parametrize("error_type", ["calculation_error", "operator_error", "missing_step"])
def test_no_mistake_is_planted_where_a_number_comes_from_nowhere(error_type: str) -> None:
    solution = "The train takes 240 / 48 = 5 hours.\nBoth ways it takes 5 * 2 = 10 hours."
    of = problem("A train goes 240 miles at 60 miles an hour and back. How long does it take?", solution, "10")
    reply = TEACHER.answer_now(request(inject_unit(of, error_type))).text
    assert "a number that nothing explains" in reply


def test_a_step_left_out_first_takes_its_connective_with_it() -> None:
    of = problem(
        "Hana has $300 and buys roses at $2 each. Jen gets a third of the roses. How many does Jen get?",
        "Hana buys 300 / 2 = 150 roses.\nSo, Jen gets 1/3 x 150 = 50 roses.",
        "50",
    )
    for number in range(6):
        reply = TEACHER.answer_now(request(inject_unit(of, "missing_step", number))).text
        assert part(reply, "step").startswith(
            ("Jen gets 1/3 x 300 = 100", "So the", "So we", "So that", "That", "There")
        )


def test_a_step_is_not_left_out_where_the_next_one_speaks_of_it() -> None:
    of = problem(
        "Lea has 60 coins, spends 12 and shares the rest among 4 friends. How many does each get?",
        "Lea keeps 60 - 12 = 48 coins.\nEach friend gets the remaining 48 / 4 = 12 coins.",
        "12",
    )
    for number in range(6):
        assert "60 / 4" not in TEACHER.answer_now(request(inject_unit(of, "missing_step", number))).text


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
