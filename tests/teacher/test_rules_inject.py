"""Every injection over the fixture's rows is recomputed by code that shares nothing with lemma's reader."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from lemma.steps import split_steps
from lemma.teacher.rules import INJECTED_TYPES, RulesTeacher
from tests.teacher.rules_cases import FORM, LENA_PROBLEM, MARK, inject_unit, part, problem, request, rows

NUMBER = r"\$?(\d[\d,]*(?:\.\d+)?|\.\d+)"
SIMPLE = re.compile(rf"(?<![\d.,)%/*+x-])(?<![*/+x-] ){NUMBER} ?([-+*/x]) ?{NUMBER} ?= ?{NUMBER}(?![\d%]|,\d| ?[*/+])")
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "x": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
TEACHER = RulesTeacher(FORM)


def value(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def claims(text: str) -> list[tuple[str, bool]]:
    """Simple equations of a text, and whether they hold to the written digits."""
    found = []
    for match in SIMPLE.finditer(text):
        exact = OPERATIONS[match[2]](value(match[1]), value(match[3]))
        places = len(match[4].partition(".")[2])
        found.append((match.group(), abs(exact - value(match[4])) < Fraction(1, 10**places)))
    return found


def injected() -> list[tuple[str, str, str, str]]:
    """(error type, gold text, answer, reply) of every row that can be injected."""
    found = []
    for number, row in enumerate(rows("gsm8k_train.jsonl")):
        solution, _, answer = row["answer"].rpartition("####")
        of = problem(row["question"], MARK.sub("", solution).strip(), answer.strip().replace(",", ""))
        for error_type in INJECTED_TYPES:
            unit = inject_unit(of, error_type, number)
            reply = TEACHER.answer_now(request(unit)).text
            if "<declined>" not in reply:
                found.append((error_type, unit.gold.text, of.answer, reply))
    return found


INJECTED = injected()


def test_most_rows_can_be_injected() -> None:
    num_rows = len(rows("gsm8k_train.jsonl"))
    shares = {kind: sum(found[0] == kind for found in INJECTED) / num_rows for kind in INJECTED_TYPES}
    assert shares["calculation_error"] > 0.6
    assert shares["operator_error"] > 0.35
    assert shares["referencing_context_value_error"] > 0.45
    assert shares["referencing_previous_step_value_error"] > 0.65
    assert shares["missing_step"] > 0.5


def test_the_altered_text_recomputes() -> None:
    """Only a slip leaves a false equation, in the altered step and nowhere else."""
    for error_type, gold, _, reply in INJECTED:
        step, rest = part(reply, "step"), part(reply, "rest")
        is_gold_true = all(holds for _, holds in claims(gold))
        if not is_gold_true:
            continue
        assert all(holds for _, holds in claims(rest)), reply
        if error_type != "calculation_error":
            assert all(holds for _, holds in claims(step)), reply
        elif claims(step):
            assert not all(holds for _, holds in claims(step)) or len(claims(step)) < step.count("="), reply


def test_the_answer_is_another_and_stands_at_the_end() -> None:
    for _, _, answer, reply in INJECTED:
        last_line = (part(reply, "step") + "\n" + part(reply, "rest")).strip().splitlines()[-1]
        assert last_line.startswith("The answer is: ")
        assert value(last_line.removeprefix("The answer is: ")) != value(answer)


def test_a_step_is_changed_and_exists() -> None:
    for error_type, gold, _, reply in INJECTED:
        steps = split_steps(gold)
        number = int(part(reply, "altered_step"))
        assert 1 <= number <= len(steps)
        assert part(reply, "step").strip() != steps[number - 1].strip(), error_type
        assert part(reply, "rest") or number == len(steps)


def test_results_stay_whole_and_above_zero_where_they_were() -> None:
    for _, gold, _, reply in INJECTED:
        if "." in gold.replace(". ", " ").replace(".\n", "\n") or "%" in gold:
            continue
        text = part(reply, "step") + "\n" + part(reply, "rest")
        for digits in re.findall(r"= \$?(-?\d[\d,]*(?:\.\d+)?)", text):
            assert value(digits) > 0
            assert value(digits).denominator == 1 or "$" in gold


@pytest.mark.parametrize("number", range(8))
def test_a_slip_is_carried_through_prose_and_answer(number: int) -> None:
    reference = (
        "She packs 12 * 25 = 300 pens.\nOf the 300 pens 300 - 40 = 260 are left.\n"
        "These 260 pens go to 4 schools, 260 / 4 = 65 each."
    )
    of = problem(LENA_PROBLEM.question, reference, "65")
    reply = TEACHER.answer_now(request(inject_unit(of, "calculation_error", number))).text
    step, rest = part(reply, "step"), part(reply, "rest")
    altered = int(part(reply, "altered_step"))
    if altered == 1:
        wrong = re.search(r"= (\d+) pens", step)
        assert wrong is not None
        assert wrong[1] != "300"
        assert "300" not in rest
        assert rest.startswith(f"Of the {wrong[1]} pens {wrong[1]} - 40 = {int(wrong[1]) - 40} are left.")
    if altered <= 2:
        assert "260" not in rest


def test_a_left_out_step_is_gone_and_its_value_replaced() -> None:
    unit = inject_unit(LENA_PROBLEM, "missing_step")
    reply = TEACHER.answer_now(request(unit)).text
    number = int(part(reply, "altered_step"))
    removed = split_steps(unit.gold.text)[number - 1]
    assert removed.strip() not in part(reply, "step") + part(reply, "rest")


def test_solutions_that_cannot_be_followed_are_declined() -> None:
    for reference, answer in (
        ("Let x be the number. 2x + 5 = 25, so x = 10.", "10"),
        ("It is 3 + 4 = 8.", "8"),
        ("She has 3 + 4 = 7 pens. A third of that and the 99 others make 41.", "41"),
    ):
        of = problem("What is it, 3 or 4 or 5?", reference, answer)
        assert "<declined>" in TEACHER.answer_now(request(inject_unit(of, "calculation_error"))).text
