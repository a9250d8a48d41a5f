"""What readers found false in the rules' rows: texts of GSM8K problems and of a small model's solutions of them."""

from __future__ import annotations

import pytest

from lemma.records import Problem
from lemma.stages.base import CorrectUnit
from lemma.teacher.rules import RulesTeacher
from tests.teacher.rules_cases import FORM, analyze_unit, correct_unit, part, problem, request

TEACHER = RulesTeacher(FORM)

COOLING = problem(
    "An air conditioner cools a room 2 degrees an hour on low and 3 degrees an hour on high. The room will warm "
    "up at 2 "
    "degrees an hour with no air conditioner running. The air conditioner ran on low for 3 hours, then it was "
    "turned up "
    "to high for 4 hours. Afterward, it was turned off for 2 hours. How many degrees lower than the starting "
    "temperature "
    "was the final temperature?",
    "The air conditioner ran for 3 hours on low, so the temperature dropped 2 * 3 = 6 degrees.\n"
    "It then ran for 4 hours on high, so the temperature dropped another 3 * 4 = 12 degrees.\n"
    "It was then turned off for 2 hours, so the temperature rose 2 * 2 = 4 degrees.\n"
    "Thus, the final temperature was 6 + 12 - 4 = 14 degrees lower than the starting temperature.",
    "14",
)
HOLIDAY = problem(
    "John decides to do several activities while out on vacation. He spends 6 hours boating and half that time "
    "swimming. "
    "He also watched 3 different shows which were 2 hours each. This was 30% of the time he spent. He spent 40% of his "
    "time sightseeing. How much time did he spend sightseeing?",
    "He spent 6/2=3 hours swimming\nHe spent 3*2=6 hours watching shows\nSo he spent 6+3+6=15 hours on these "
    "activities\nThat means he spent 15/.3=50 hours on activities\nSo he spent 50*.4=20 hours sightseeing",
    "20",
)
SLIDES = problem(
    "Mitchel went down the water slide 30 times. Anne went down the slide 30% less than Mitchel and Robert went down 4 "
    "times as much as Anne. How many times did Robert go down the water slide?",
    "Anne went down the slide 30% less than Mitchel so 30/100*30 = 9 times less\nMitchel went down 30 times and Anne "
    "went down 9 times less than him for a total of 30-9 = 21 times\nRobert went down the slide 4 times as much "
    "as Anne, "
    "who went down 21 times so Robert went down the slide 4*21 = 84 times",
    "84",
)
PADS = problem(
    "Miguel uses 2 pads of paper a week for his drawing. If there are 30 sheets of paper on a pad of paper, how many "
    "sheets of paper does he use every month?",
    "Miguel uses 30 x 2 = 60 sheets of paper every week.\nTherefore, he uses 60 x 4 = 240 sheets of paper every month.",
    "240",
)
DOUGHNUTS = problem(
    "Derrick has a bakery that makes 10 dozen doughnuts every day, selling at $2 per doughnut. How much money does "
    "Derrick make in June if he sells all the doughnuts?",
    "If Derrick makes 10 dozen in a day, the total number of doughnuts he makes is 10*12 = 120 doughnuts.\n"
    "Since each doughnut sells at $2, Derrick makes 120*$2 = $240 per day from selling his doughnuts.\n"
    "In June, with 30 days, Derrick makes $240*30 = $7200",
    "7200",
)
SHOES = problem(
    "Jessica makes $2,000.00 a month. She sets 25% of her paycheck aside to put towards fancy shoes. Each pair "
    "of shoes "
    "she buys costs $1,000.00. How many shoes can she buy in a year?",
    "She is paid $2,000.00 a month and she saves 25% for shoes so she saves 2000*.25 = $500.00\nShe saves $500.00 a "
    "month for 12 months so she saves 500*12 = $6,000.00\nShe can buy 6000/1000 = 6 pair of shoes per year",
    "6",
)
MARBLES = problem(
    "Carl has four times as many marbles as Sean and Sean has half as many marbles as Cal. If Sean has 56 marbles, how "
    "many marbles do Carl and Cal have combined?",
    "Carl has 56*4 = 224 marbles.\nCal has 56*2 = 112 marbles.\nCarl and Cal have 112+224 = 336 marbles combined.",
    "336",
)
COOKIES = problem(
    "Katarina has 5 less cookies than Max has. Max has 12 more cookies than the Cookie Monster, and Summer has 23 more "
    "cookies than Max. If Katarina has 68 cookies, how many cookies do they have in total?",
    "Max has a total of 68+5 = 73 cookies.\nThe Cookie Monster has 73-12 = 61 cookies.\nSummer has 73+23 = 96 "
    "cookies.\nIn total they have 68+73+61+96 = 298 cookies.",
    "298",
)
HOT_DOGS = problem(
    "A food caterer was told to prepare gourmet hot dogs for 36 guests. While most people would only eat one "
    "hotdog, he "
    "prepared enough for half of the guests to be able to have two hotdogs. However, 40 guests showed up, and everyone "
    "wanted a second hotdog. How many guests did not get a second hotdog?",
    "The food caterer prepared an additional 36/2 = 18 hot dogs.\nAltogether, he prepared 36 + 18 = 54 hotdogs.\n"
    "If 40 people wanted seconds, he would have needed 40 x 2 = 80 hot dogs.\n80 - 54 = 26 people did not get one.",
    "26",
)
BURRITOS = problem(
    "A shop makes 125 chimichangas on Tuesdays, 125 chimichangas on Wednesdays and twice as many on Friday. How many "
    "chimichangas do they make on those three days?",
    "On Friday they make 125*2 = 250 chimichangas.\nIn those three days 125+125+250 = 500 chimichangas are made.",
    "500",
)
PENS = problem(
    "A nurse buys 6 pens at $4 each and pays with $30. How much does she get back?",
    "The pens cost 6 * 4 = $24.\nShe gets 30 - 24 = $6 back.",
    "6",
)


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (COOLING, "The air conditioner ran for a total of 3+4=7 hours\nThus, the room warmed up by 7*2=14 "
                  "degrees.\nWithout it, it is 14-2=12 degrees.\nThe final temperature was 12-7=5 degrees "
                  "lower.\nA: 5"),
        (HOLIDAY, "He spent 6/2=3 hours swimming\nSo he spent 6+3=9 hours doing those two activities\nHe watched 3*2=6 "
                  "hours of shows\nSo those activities used 9+6=15 hours\nSo he spent 40/100*15=6 hours sightseeing\n"
                  "So he spent a total of 15+6=21 hours doing those things\nThe answer is: 21"),
    ],
    ids=["beside the path", "part of a sum"],
)  # fmt: skip
def test_what_is_true_though_the_reference_does_not_say_it_is_no_error(of: Problem, text: str) -> None:
    reply = TEACHER.answer_now(request(analyze_unit(of, text))).text
    assert "<declined>" in reply


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (SLIDES, "Anne went down the slide 30% less than Mitchel so that's 30/100*30 = 9 times\nRobert went "
                 "down 4 times "
                 "as much as Anne so that's 4*9 = 36 times\nThe answer is: 36"),
        (PADS, "Miguel uses 2 sheets of paper per week, so in one month he will use 30*2= 60 sheets of "
               "paper.\nIn a year, "
               "Miguel will use 60*12= 720 sheets of paper.\nThe answer is: 720"),
        (DOUGHNUTS, "In June, Derrick makes 10 x 12 = 120 dozen doughnuts.\nTherefore, in June, Derrick makes "
                    "120 x $2 = "
                    "$240.\nThe answer is: 240"),
        (COOKIES, "Max has 12 more cookies than the Cookie Monster, so the Cookie Monster has 12 cookies.\nSummer has "
                  "23 more cookies than Max, so Summer has 23 + 12 = 35 cookies\nIn total, they have 12 + 35 + 68 = "
                  "115 cookies\nThe answer is: 115"),
    ],
    ids=["less than", "a month for a week", "dozens", "no work"],
)  # fmt: skip
def test_a_right_number_in_false_words_leaves_the_first_error_open(of: Problem, text: str) -> None:
    reply = TEACHER.answer_now(request(analyze_unit(of, text))).text
    assert "<declined>" in reply


@pytest.mark.parametrize(
    ("of", "text", "error_type"),
    [
        (SHOES, "She saves 2500*.25=$625.00 every month\nShe can buy 625/1000 = 0.625 pairs\nThe answer is: 0.625",
         "referencing_context_value_error"),
        (MARBLES, "Since Sean has 56 marbles, Carl has 4 x 56 = 224 marbles.\nCal has 56/2 = 28 marbles.\nCal and Carl "
                  "have a total of 28 + 224 = 252 marbles.\nThe answer is: 252", "question_misinterpretation"),
        (SLIDES, "Anne went down the slide 30% less than Mitchel so 30/100*30 = 9 times less\nSo Anne went down "
                 "the slide "
                 "9 times less than 30 times for a total of 30 - 9 = 21 times\nRobert went down 4 times as much "
                 "as Anne "
                 "so 21 times / 4 = 5.25 times\nThe answer is: 5.25", "operator_error"),
    ],
    ids=["a figure of nowhere", "a relation reversed", "a relation stated"],
)  # fmt: skip
def test_a_type_is_what_the_step_itself_shows(of: Problem, text: str, error_type: str) -> None:
    reply = TEACHER.answer_now(request(analyze_unit(of, text))).text
    assert part(reply, "error_type") == error_type


def reflection_on(unit: CorrectUnit) -> str:
    """What the teacher says of the wrong step."""
    return part(TEACHER.answer_now(request(unit)).text, "reflection")


@pytest.mark.parametrize("number", range(8))
def test_a_reflection_mends_the_wrong_value_and_not_another(number: int) -> None:
    text = "The food caterer prepared an additional 40/2 = 20 hot dogs.\nAltogether, he prepared 36 + 20 = 56 hotdogs."
    unit = correct_unit(HOT_DOGS, text, 1, "referencing_context_value_error", number=number)
    reflection = reflection_on(unit)
    assert "36/2 = 18" in reflection or "36/2, which is 18" in reflection
    assert "80" not in reflection


@pytest.mark.parametrize("number", range(8))
def test_where_no_computation_stands_for_the_wrong_one_only_the_next_is_named(number: int) -> None:
    text = "The air conditioner ran for 3 hours. It used up 4 - 2 = 2 fans.\nThe answer is: 2"
    unit = correct_unit(COOLING, text, 1, "question_misinterpretation", number=number)
    reflection = reflection_on(unit)
    assert "2 * 3 = 6" in reflection
    assert "not 2" not in reflection


@pytest.mark.parametrize("number", range(8))
def test_a_part_of_a_sum_is_not_called_a_value_on_the_way(number: int) -> None:
    text = "They make 125*2 = 250 on Friday.\nThey make 125 + 250 = 375 on the three days.\nThe answer is: 375"
    unit = correct_unit(BURRITOS, text, 2, "missing_step", number=number)
    reflection = reflection_on(unit)
    assert "125 + 125 + 250 = 500" in reflection
    assert "in between" not in reflection


@pytest.mark.parametrize(
    "careless",
    [
        "The pens cost 6 * 4 = 24 + 0 + 6 = $30.",
        "30 dollars go because 6 * 4 = 24.",
        "So in $14 days she pays 6 * 4 = $24.",
    ],
)
def test_a_careless_reference_is_not_repeated(careless: str) -> None:
    of = problem(PENS.question, f"{careless}\nShe gets 30 - 24 = $6 back.", "6")
    unit = correct_unit(of, "The pens cost 6 * 4 = $26.\nThe answer is: 4", 1, "calculation_error", "fresh_restart")
    assert "<declined>" in TEACHER.answer_now(request(unit)).text
    plain = correct_unit(PENS, "The pens cost 6 * 4 = $26.\nThe answer is: 4", 1, "calculation_error", "fresh_restart")
    assert "<continuation>" in TEACHER.answer_now(request(plain)).text
