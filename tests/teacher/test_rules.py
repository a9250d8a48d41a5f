from __future__ import annotations

import time

import pytest

from lemma.records import Trajectory
from lemma.stages.base import GivenSample, SampleUnit, SmoothUnit, Unit
from lemma.teacher.base import Program
from lemma.teacher.rules import INJECTED_TYPES, RulesTeacher
from tests.teacher.rules_cases import (
    FORM,
    LENA_PROBLEM,
    MADE_BY,
    analyze_unit,
    correct_unit,
    inject_unit,
    part,
    problem,
    request,
)

WRONG = LENA_PROBLEM.reference_solution.replace("300", "280").replace("260", "240").replace("65", "60") + "\n#### 60"


def answer(unit: Unit) -> str:
    reply = RulesTeacher(FORM).answer_now(request(unit))
    assert reply.finish_reason == "stop"
    assert reply.usage.output_tokens == 0
    return reply.text


def smooth_unit(number: int = 0) -> SmoothUnit:
    mistake = correct_unit(LENA_PROBLEM, WRONG, 1, "calculation_error").mistake
    reflection = "\nWait, 12 * 25 isn't 280. Four times 25 is 100. So it has to be 300."
    continuation = "\nSo Lena packs 12 * 25 = 300 pens.\nEach school gets 260 / 4 = 65 pens.\nThe answer is: 65"
    trajectory = Trajectory(
        id=f"t-{number}",
        mistake=mistake,
        strategy="fix_continue",
        prefix=mistake.prefix,
        reflection=reflection,
        continuation=continuation,
        text=mistake.prefix + reflection + continuation,
        answer="65",
        is_smoothed=False,
        made_by=MADE_BY,
    )
    return SmoothUnit(f"u-{number}", trajectory)


UNITS = [
    analyze_unit(LENA_PROBLEM, WRONG),
    inject_unit(LENA_PROBLEM, "calculation_error"),
    correct_unit(LENA_PROBLEM, WRONG, 1, "calculation_error"),
    correct_unit(LENA_PROBLEM, WRONG, 1, "calculation_error", "fresh_restart"),
    smooth_unit(),
]


def test_is_a_program_that_answers_at_once() -> None:
    assert isinstance(RulesTeacher(), Program)


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_request_always_gets_the_same_reply(unit: Unit) -> None:
    assert answer(unit) == answer(unit)
    assert "<declined>" not in answer(unit)


def test_other_units_get_other_words() -> None:
    replies = {answer(correct_unit(LENA_PROBLEM, WRONG, 1, "calculation_error", number=n)) for n in range(40)}
    assert len(replies) >= 20


def test_what_it_cannot_do_it_declines_in_one_sentence() -> None:
    units: list[Unit] = [
        SampleUnit("u-1", LENA_PROBLEM, 0, GivenSample("x", "m")),
        inject_unit(LENA_PROBLEM, "nonsensical_output"),
        inject_unit(problem("Why?", "Because.", "yes"), "calculation_error"),
        analyze_unit(LENA_PROBLEM, "I do not know.\nThe answer is: 3"),
        correct_unit(LENA_PROBLEM, WRONG, 1, "a_plugin_error"),
    ]
    for unit in units:
        reason = part(answer(unit), "declined")
        assert reason.endswith(".")
        assert "\n" not in reason


def test_smoothing_keeps_every_number_and_the_prefix() -> None:
    for number in range(30):
        unit = smooth_unit(number)
        reply = answer(unit)
        assert part(reply, "prefix") == unit.trajectory.prefix
        assert "12 * 25 isn't 280. Four times 25 is 100. So it has to be 300." in part(reply, "reflection")
        continuation = part(reply, "continuation")
        assert "12 * 25 = 300 pens.\nEach school gets 260 / 4 = 65 pens.\nThe answer is: 65" in continuation


@pytest.mark.parametrize(
    "unit_text",
    [
        "1+",
        "((1)",
        "{answer} = 5 ",
        "<reflection>",
        "1 = ",
        "2 + 2 = 4 ",
        "7 * 3 = 21, 21 - 2 = 19. ",
        "a third ",
        "\\frac{",
        "%s = 3\n",
    ],
)
@pytest.mark.parametrize("size", [25_000, 100_000])
def test_hostile_texts_are_survived_in_time(size: int, unit_text: str) -> None:
    text = (unit_text * size)[:size] + "\nShe has 3 + 4 = 8 left.\nThe answer is: 8"
    of = problem(text, text, "7")
    start = time.process_time()
    for unit in (analyze_unit(of, text), *(inject_unit(of, error_type) for error_type in INJECTED_TYPES)):
        assert answer(unit)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("words", ["{open} {why}", "{braces} {0} %s", "{{ jinja }}", "\\1 $& ", "</explanation>"])
def test_words_of_a_problem_are_never_read_as_a_template(words: str) -> None:
    question = f"Lena {words} packs 12 boxes with 25 pens each {words}. She sells 40 pens. Share among 4 schools."
    of = problem(question, LENA_PROBLEM.reference_solution.replace("Lena", f"Lena {words}"), "65")
    for error_type in ("calculation_error", "missing_step", "referencing_context_value_error"):
        reply = answer(inject_unit(of, error_type))
        assert "<altered_step>" in reply
    wrong = of.reference_solution.replace("12 * 25 = 300", "12 + 25 = 37") + "\nThe answer is: 1"
    for number in range(10):
        reply = answer(correct_unit(of, wrong, 1, "operator_error", number=number))
        assert part(reply, "continuation").startswith(f"Lena {words} packs 12 * 25 = 300")
