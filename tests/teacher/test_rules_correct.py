from __future__ import annotations

import re

import pytest

from lemma.checks import check_trajectory
from lemma.endings import strip_answer
from lemma.records import Trajectory
from lemma.stages.base import CorrectUnit
from lemma.steps import step_spans
from lemma.teacher.rules import INJECTED_TYPES, RulesTeacher
from tests.teacher.rules_cases import (
    FORM,
    LENA_PROBLEM,
    MADE_BY,
    MARK,
    correct_unit,
    inject_unit,
    part,
    problem,
    request,
    rows,
)

TEACHER = RulesTeacher(FORM)
FIRST, SECOND, THIRD = LENA_PROBLEM.reference_solution.split("\n")
CASES = [
    (f"{FIRST}\n300 - 40 = 250 are left.\nEach gets 250 / 5 = 50.\nThe answer is: 50", 2, "calculation_error", "260"),
    (f"{FIRST}\n300 + 40 = 340 are left.\nEach gets 340 / 4 = 85.\nThe answer is: 85", 2, "operator_error", "260"),
    ("4 * 25 = 100 pens.\n60 / 4 = 15.\nThe answer is: 15", 1, "referencing_context_value_error", "300"),
    (f"{FIRST}\n{SECOND}\n300 / 4 = 75.\nThe answer is: 75", 3, "referencing_previous_step_value_error", "65"),
    (f"{FIRST}\n{SECOND}\nThe answer is: 260", 2, "missing_step", "65"),
]


@pytest.mark.parametrize(("solution", "step", "error_type", "right"), CASES)
@pytest.mark.parametrize("number", range(12))
def test_a_reflection_names_the_right_value_and_the_rest_follows(
    solution: str, step: int, error_type: str, right: str, number: int
) -> None:
    unit = correct_unit(LENA_PROBLEM, solution, step, error_type, number=number)
    reply = TEACHER.answer_now(request(unit)).text
    reflection, continuation = part(reply, "reflection"), part(reply, "continuation")
    assert right in reflection
    assert continuation.endswith("260 / 4 = 65 pens.\nThe answer is: 65")
    if step > 1:
        assert FIRST not in continuation


@pytest.mark.parametrize("number", range(6))
def test_fresh_restart_tells_the_solution_in_other_words(number: int) -> None:
    solution, step, error_type, _ = CASES[0]
    unit = correct_unit(LENA_PROBLEM, solution, step, error_type, "fresh_restart", number=number)
    continuation = part(TEACHER.answer_now(request(unit)).text, "continuation")
    assert continuation.endswith("\nThe answer is: 65")
    for digits in ("12 * 25", "300 - 40", "260 / 4"):
        assert digits in continuation
    assert LENA_PROBLEM.reference_solution not in continuation


def test_a_verbatim_gold_asks_for_the_reflection_only() -> None:
    solution, step, error_type, _ = CASES[0]
    unit = correct_unit(LENA_PROBLEM, solution, step, error_type, "fresh_restart", is_verbatim=True)
    assert "<continuation>" not in TEACHER.answer_now(request(unit)).text


def trajectory_of(unit: CorrectUnit, reflection: str, continuation: str) -> Trajectory:
    prefix = unit.mistake.prefix
    return Trajectory(
        id="t",
        mistake=unit.mistake,
        strategy=unit.strategy,
        prefix=prefix,
        reflection="\n" + reflection,
        continuation="\n" + continuation,
        text=f"{prefix}\n{reflection}\n{continuation}",
        answer=unit.problem.answer,
        is_smoothed=False,
        made_by=MADE_BY,
    )


def test_every_injected_mistake_is_corrected_and_passes_all_checks() -> None:
    num_units = num_kept = 0
    for number, row in enumerate(rows("gsm8k_train.jsonl")):
        solution, _, answer = row["answer"].rpartition("####")
        of = problem(row["question"], MARK.sub("", solution).strip(), answer.strip().replace(",", ""))
        for error_type in INJECTED_TYPES:
            unit = inject_unit(of, error_type, number)
            reply = TEACHER.answer_now(request(unit)).text
            if "<declined>" in reply:
                continue
            step = int(part(reply, "altered_step"))
            start = step_spans(unit.gold.text)[step - 1][0]
            altered = unit.gold.text[:start] + strip_answer(part(reply, "step"))
            for strategy in ("fix_continue", "fresh_restart"):
                num_units += 1
                asked = correct_unit(of, altered, len(step_spans(altered)), error_type, strategy, number=number)
                text = TEACHER.answer_now(request(asked)).text
                if "<declined>" in text:
                    continue
                trajectory = trajectory_of(asked, part(text, "reflection"), part(text, "continuation"))
                check_trajectory(trajectory, 12_000)
                assert not re.search(r"\{|\}|  ", trajectory.reflection), trajectory.reflection
                num_kept += 1
    assert num_units > 480
    assert num_kept >= 0.98 * num_units
