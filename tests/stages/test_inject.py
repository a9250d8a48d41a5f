from __future__ import annotations

import pytest

from lemma.errors import ConfigError
from lemma.records import Mistake
from lemma.stages.base import Group, InjectUnit
from lemma.stages.inject import Assignment, InjectStage
from tests.stages.builders import PENCILS, PROMPTS, RIGHT, TAXONOMY, WRONG, config, reason, run, sample, tagged

GOLD = "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 42 of them.\nThat brings 42 * 0.5 = $21.\nThe answer is: 21"
ALTERED = {
    "altered_step": "2",
    "step": "She sells 60 - 18 = 48 of them.",
    "rest": "That brings 48 * 0.5 = $24.\nThe answer is: 24",
    "explanation": "60 - 18 is 42.",
}


def stage_and_unit(kind: str = "calculation_error") -> tuple[InjectStage, InjectUnit]:
    stage = InjectStage(config(), PROMPTS, TAXONOMY, {PENCILS.id: [Assignment(0, 1, kind)]})
    (unit,) = stage.units(Group(PENCILS))
    return stage, unit


def change(**tags: str | None) -> str:
    return tagged({tag: text for tag, text in {**ALTERED, **tags}.items() if text is not None})


def made(text: str) -> Mistake:
    record = run(*stage_and_unit(), text)
    assert isinstance(record, Mistake)
    return record


def test_the_steps_before_are_verbatim_and_the_label_is_exact() -> None:
    mistake = made(change())
    assert mistake.solution == (
        "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 48 of them.\n"
        "That brings 48 * 0.5 = $24.\nThe answer is: 24"
    )
    assert mistake.prefix == "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 48 of them."
    assert (mistake.first_error_step, mistake.error_type, mistake.answer) == (2, "calculation_error", "24")
    assert (mistake.origin, mistake.model) == ("injected", "teacher")


def test_the_last_step_may_be_altered_and_nothing_follow() -> None:
    last = change(altered_step="3", step="That brings 42 * 0.5 = $24.\nThe answer is: 24", rest="")
    mistake = made(last)
    assert mistake.prefix == mistake.solution
    assert made(change(altered_step="3", step="That brings 42 * 0.5 = $24.\nThe answer is: 24", rest=None)) == mistake


def test_copied_step_numbers_are_taken_off() -> None:
    copied = change(
        step="[2] She sells 60 - 18 = 48 of them.", rest="[3] That brings 48 * 0.5 = $24.\nThe answer is: 24"
    )
    assert made(copied).solution == made(change()).solution


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty_reply"),
        ("Here is the altered solution: 24", "missing_tag"),
        (change(rest=""), "missing_tag"),
        (change(rest=None), "missing_tag"),
        (change(explanation=None), "missing_tag"),
        (change(altered_step="two"), "step_not_a_number"),
        (change(altered_step="9"), "step_out_of_range"),
        (change() + "<step>another</step>", "repeated_tag"),
        ("<declined>Nothing is counted here.</declined>", "teacher_declined"),
        (change(step="She sells  60 - 18 = 42 of them."), "unchanged_step"),
        (change(step="She mistakenly sells 60 - 18 = 48 of them."), "announced_error"),
        (change(rest="That brings 48 * 0.5 = $24, which is wrong.\nThe answer is: 24"), "announced_error"),
        (change(rest="That brings 48 * 0.5, an intentional error, $24.\nThe answer is: 24"), "announced_error"),
        (change(rest="That brings 48 * 0.5 - 3 = $21.\nThe answer is: 21.00"), "answer_equals_reference"),
        (change(rest="That is what she earns."), "no_answer"),
        (change(rest="That brings 48 * 0.5 = $24.\n<explanation>\nThe answer is: 24"), "section_tags"),
        (change(rest="It is half of 48, so " * 900 + "$24.\nThe answer is: 24"), "too_long"),
        (change(rest="It is half of 48, so " * 60 + "$24.\nThe answer is: 24"), "loop"),
    ],
)
def test_what_is_no_good_mistake_is_rejected_by_its_reason(text: str, expected: str) -> None:
    assert reason(*stage_and_unit(), text) == expected


def test_a_question_may_itself_speak_of_an_error() -> None:
    problem = PENCILS.model_copy(update={"question": PENCILS.question + " She mistakenly adds a pencil."})
    stage = InjectStage(config(), PROMPTS, TAXONOMY, {problem.id: [Assignment(0, 1, "calculation_error")]})
    (unit,) = stage.units(Group(problem))
    run(stage, unit, change(step="She mistakenly sells 60 - 18 = 48 of them."))


def test_a_correct_sample_is_preferred_and_a_wrong_one_never_used() -> None:
    plan = {PENCILS.id: [Assignment(0, 1, "calculation_error")]}
    stage = InjectStage(config(), PROMPTS, TAXONOMY, plan)
    wrong, right = sample(WRONG), sample(RIGHT, is_correct=True, answer="21")
    bare = sample("A: 21", is_correct=True, answer="21")
    (unit,) = stage.units(Group(PENCILS, samples=(wrong, bare, right)))
    assert (unit.gold.source, unit.gold.id) == ("student", right.id)
    assert unit.gold.text == RIGHT.replace("A: 21", "The answer is: 21")
    (unit,) = stage.units(Group(PENCILS, samples=(wrong, bare)))
    assert (unit.gold.source, unit.gold.text) == ("reference", GOLD)


def test_slots_use_different_solutions_and_every_round_is_a_fresh_draw() -> None:
    rights = [sample(f"Way {number}. {RIGHT}", is_correct=True, answer="21") for number in range(3)]
    asked = [Assignment(slot, round_, "counting_error") for slot in range(3) for round_ in (1, 2)]
    stage = InjectStage(config(), PROMPTS, TAXONOMY, {PENCILS.id: asked})
    units = list(stage.units(Group(PENCILS, samples=tuple(rights))))
    assert len({unit.gold.id for unit in units}) == 3
    assert len({stage.request(unit, 0, 0, False).key for unit in units}) == len({unit.id for unit in units}) == 6


def test_a_type_that_cannot_be_injected_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="nonsensical_output"):
        stage_and_unit("nonsensical_output")


def test_a_problem_without_assignments_has_no_units() -> None:
    assert list(InjectStage(config(), PROMPTS, TAXONOMY, {}).units(Group(PENCILS))) == []


def test_every_type_that_can_be_injected_has_a_prompt_of_its_own() -> None:
    hashes = set()
    for name, kind in TAXONOMY.items():
        if kind.injectable:
            stage, unit = stage_and_unit(name)
            request = stage.request(unit, 0, 0, False)
            assert kind.definition in request.messages[1]["content"]
            hashes.add(request.prompt_hash)
    assert len(hashes) == len(TAXONOMY) - 1
