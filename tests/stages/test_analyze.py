from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lemma.pipeline import Options, Pipeline
from lemma.records import Mistake
from lemma.stages.analyze import AnalyzeStage, number_steps
from lemma.stages.base import AnalyzeUnit, Group, Reply, Request
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import example_config
from tests.stages.builders import PENCILS, PROMPTS, RIGHT, TAXONOMY, WRONG, config, reason, run, sample, tagged

FOUND = {
    "verdict": "wrong",
    "first_error_step": "2",
    "quote": "60 - 18 = 48 pencils",
    "error_type": "calculation_error",
    "explanation": "60 - 18 is 42.",
}


def stage_and_unit(text: str = WRONG, answer: str | None = "24", votes: int = 1) -> tuple[AnalyzeStage, AnalyzeUnit]:
    stage = AnalyzeStage(config(analyze={"votes": votes}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, samples=(sample(text, answer=answer),)))
    return stage, unit


def test_only_wrong_samples_are_asked_about() -> None:
    stage = AnalyzeStage(config(), PROMPTS, TAXONOMY)
    samples = (sample(WRONG), sample(RIGHT, is_correct=True, answer="21"), sample("?", is_correct=None, answer=None))
    assert [unit.sample for unit in stage.units(Group(PENCILS, samples=samples))] == [samples[0]]


def test_the_prompt_has_everything_and_what_is_constant_first() -> None:
    stage, unit = stage_and_unit()
    system, user = stage.request(unit, 0, 0, False).messages
    assert all(name in system["content"] for name in TAXONOMY)
    other = PENCILS.model_copy(update={"question": "What is 1 + 1?"})
    (second,) = stage.units(Group(other, samples=(sample("3", other, answer="3"),)))
    assert stage.request(second, 0, 0, False).messages[0] == system
    for part in (PENCILS.question, PENCILS.reference_solution, "[2] She keeps 60 - 18 = 48 pencils to sell."):
        assert part in user["content"]


def test_a_step_is_located_by_the_end_of_its_text() -> None:
    stage, unit = stage_and_unit()
    mistake = run(stage, unit, tagged(FOUND))
    assert isinstance(mistake, Mistake)
    assert mistake.prefix == "Nora has 5 * 12 = 60 pencils.\nShe keeps 60 - 18 = 48 pencils to sell."
    assert (mistake.first_error_step, mistake.error_type, mistake.origin) == (2, "calculation_error", "student")
    assert mistake.model == "student"
    assert mistake.made_by.model == "teacher"
    assert mistake.made_by.request_key == stage.request(unit, 0, 0, False).key


def change(**tags: str | None) -> str:
    return tagged({tag: text for tag, text in {**FOUND, **tags}.items() if text is not None})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty_reply"),
        ("<think>everything is in here</think>", "empty_reply"),
        ("The first wrong step is step 2, a calculation_error.", "missing_tag"),
        (change(quote=None), "missing_tag"),
        (change(explanation=""), "missing_tag"),
        (change() + "\n<first_error_step>3</first_error_step>", "repeated_tag"),
        (change(verdict="wrong, or is it correct?"), "unknown_verdict"),
        (change(first_error_step="second"), "step_not_a_number"),
        (change(first_error_step="2 or 3"), "step_not_a_number"),
        (change(first_error_step="2.5"), "step_not_a_number"),
        (change(first_error_step="0"), "step_out_of_range"),
        (change(first_error_step="4"), "step_out_of_range"),
        (change(first_error_step="3"), "quote_mismatch"),
        (change(quote="48"), "quote_mismatch"),
        (change(quote="Nora has 60 pens."), "quote_mismatch"),
        (change(error_type="no calculation_error"), "unknown_error_type"),
        (change(error_type="calculation_error, counting_error"), "unknown_error_type"),
        (change(error_type="arithmetic_error"), "unknown_error_type"),
        ("<declined>The picture is missing.</declined>", "teacher_declined"),
        (change() + "<declined>or rather not</declined>", "mixed_reply"),
        ("<analysis>All steps hold.</analysis>\n<verdict>correct</verdict>", "judged_correct"),
    ],
)
def test_what_is_not_said_plainly_is_refused_by_its_reason(text: str, expected: str) -> None:
    assert reason(*stage_and_unit(), text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"Sure, here it is:\n```xml\n{change()}\n```\nI hope that helps.",
        change().replace("\n", "\r\n"),
        change(first_error_step="Step **2**"),
        change(first_error_step="2."),
        change(first_error_step="[2]"),
        change(error_type="Calculation Error,"),
        change(error_type="`calculation-error`"),
        change(verdict=" **Wrong** "),
        change(quote='"she KEEPS 60-18 = 48…"'),
        change(quote="She keeps ... 48 pencils"),
        change(quote="[2] She keeps 60 - 18 = 48 pencils to sell."),
        change().replace("verdict", "VERDICT"),
        f"<think>First <verdict>correct</verdict>? No.</think>{change()}",
        f"<analysis>Is it <verdict>correct</verdict>? No.</analysis>{change()}",
        f"it said <verdict>correct</verdict> before thinking</think>{change()}",
        f"<analysis>never closed\n{change()}",
        change() + "\n" + change(),
        change().removesuffix("</explanation>"),
    ],
)
def test_what_models_wrap_around_a_reply_is_let_pass(text: str) -> None:
    stage, unit = stage_and_unit()
    mistake = run(stage, unit, text)
    assert isinstance(mistake, Mistake)
    assert (mistake.first_error_step, mistake.error_type) == (2, "calculation_error")


def test_more_than_half_of_the_votes_decide() -> None:
    stage, unit = stage_and_unit(votes=3)
    assert stage.draws(unit) == 3
    other = change(error_type="operator_error")
    mistake = run(stage, unit, other, change(), change(explanation="Later, in other words."))
    assert isinstance(mistake, Mistake)
    assert mistake.error_type == "calculation_error"
    assert mistake.made_by.request_key == stage.request(unit, 1, 0, False).key
    assert reason(stage, unit, other, change(), "<verdict>correct</verdict>") == "no_majority"
    assert reason(stage, unit, other, change()) == "no_majority"
    assert reason(stage, unit, "<verdict>correct</verdict>", change(), "<verdict>correct</verdict>") == "judged_correct"


def test_the_split_of_the_votes_is_told_and_unreadable_replies_are_no_votes() -> None:
    stage, unit = stage_and_unit(votes=3)
    other, correct = change(error_type="operator_error"), "<verdict>correct</verdict>"
    for texts, split in [
        ((change(), change(), change(explanation="In other words.")), "3-0"),
        ((other, change(), change()), "2-1"),
        ((change(), "What?", correct, "", change()), "2-1"),
        ((change(), change()), "2-0"),
        ((), "0-0"),
    ]:
        assert stage.split(unit, [Reply("k", text, "stop") for text in texts]) == split


def test_the_distribution_says_how_far_the_votes_agree(tmp_path: Path) -> None:
    def shifting(request: Request, before: int) -> Reply:
        """The third vote on every other sample names another type."""
        text = RulesTeacher().answer_now(request).text
        if request.draw == 2 and int(request.unit.id[-1], 16) % 2:
            text = re.sub(r"<error_type>\w+", "<error_type>nonsensical_output", text)
        return Reply(request.key, text, "stop")

    for votes in (1, 3):
        with Pipeline(
            tmp_path / str(votes),
            example_config(25, analyze={"votes": votes}, teacher={"backend": "openai", "model": "x"}),
            Options(quiet=True),
            teacher=lambda role: ScriptedTeacher(shifting),
        ) as pipeline:
            pipeline.work(["sample", "analyze"])
    one, three = (
        json.loads((tmp_path / votes / "analyze" / "distribution.json").read_text(encoding="utf-8"))
        for votes in ("1", "3")
    )
    assert {key: three[key] for key in one} == one
    assert "agreement" not in one
    splits = three["agreement"]["gsm8k"]["splits"]
    assert list(splits) == ["3-0", "2-1"]
    assert sum(splits.values()) == three["mistakes"]
    assert three["agreement"]["gsm8k"]["unanimous_share"] == round(splits["3-0"] / three["mistakes"], 6)


def test_the_votes_are_different_draws_of_the_same_request() -> None:
    stage, unit = stage_and_unit(votes=2)
    first, second = (stage.request(unit, draw, 0, False) for draw in range(2))
    assert first.messages == second.messages
    assert first.key != second.key


def test_a_mistake_whose_answer_is_right_or_missing_is_none() -> None:
    assert reason(*stage_and_unit(answer="21.0"), tagged(FOUND)) == "answer_equals_reference"
    assert reason(*stage_and_unit(answer=None), tagged(FOUND)) == "no_answer"


def test_a_raised_cap_doubles_the_tokens_and_asks_the_same() -> None:
    stage, unit = stage_and_unit()
    low, high = (stage.request(unit, 0, attempt, bool(attempt)) for attempt in range(2))
    assert (low.sampling["max_tokens"], high.sampling["max_tokens"]) == (2048, 4096)
    assert low.messages == high.messages


def test_an_endpoint_that_sets_its_own_temperature_is_sent_none() -> None:
    teacher = {"backend": "openai", "model": "teacher", "temperature": None}
    stage = AnalyzeStage(config(teacher=teacher), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, samples=(sample(WRONG),)))
    assert "temperature" not in stage.request(unit, 0, 0, False).sampling


def test_steps_are_numbered_from_1_in_brackets() -> None:
    assert number_steps("One. Two.\n#### 3") == "[1] One.\n[2] Two.\n#### 3"
