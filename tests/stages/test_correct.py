from __future__ import annotations

import pytest

from lemma.errors import ConfigError
from lemma.records import Mistake, Trajectory
from lemma.stages.base import CorrectUnit, Group
from lemma.stages.correct import CorrectStage
from tests.stages.builders import (
    PENCILS,
    PROMPTS,
    RIGHT,
    TAXONOMY,
    WRONG,
    config,
    mistake,
    reason,
    run,
    sample,
    tagged,
)

FIXED = {
    "reflection": "Hmm, 48 and 18 would make 66, more than she had. 60 - 18 leaves 42.",
    "continuation": "They bring 42 * 0.50 = $21.\nThe answer is: 21",
}
SAME_WAY = "Nora has 5 * 12 = 60 pencils.\nOf these 60 - 18 = 42 are left.\nThat is $21.\nThe answer is: 21"


def stage_and_unit(
    strategy: str = "fix_continue", of: Mistake | None = None, right: str | None = RIGHT
) -> tuple[CorrectStage, CorrectUnit]:
    stage = CorrectStage(config(correct={"strategies": [strategy]}), PROMPTS, TAXONOMY)
    samples = (sample(WRONG), *([sample(right, is_correct=True, answer="21")] if right else []))
    (unit,) = stage.units(Group(PENCILS, samples=samples, mistakes=(of or mistake(),)))
    return stage, unit


def change(**tags: str | None) -> str:
    return tagged({tag: text for tag, text in {**FIXED, **tags}.items() if text is not None})


def made(text: str, strategy: str = "fix_continue", of: Mistake | None = None) -> Trajectory:
    record = run(*stage_and_unit(strategy, of), text)
    assert isinstance(record, Trajectory)
    return record


def test_every_mistake_is_corrected_by_every_strategy() -> None:
    stage = CorrectStage(config(), PROMPTS, TAXONOMY)
    mistakes = (mistake(), mistake(through="60 pencils."))
    units = list(stage.units(Group(PENCILS, samples=(sample(WRONG),), mistakes=mistakes)))
    assert [(unit.parent, unit.label) for unit in units] == [
        (one.id, name) for one in mistakes for name in ("fix_continue", "fresh_restart")
    ]
    assert len({unit.id for unit in units}) == 4


def test_fix_and_continue_goes_on_from_the_students_own_text() -> None:
    trajectory = made(change())
    assert trajectory.text == (
        "Nora has 5 * 12 = 60 pencils.\nShe keeps 60 - 18 = 48 pencils to sell.\n"
        "Hmm, 48 and 18 would make 66, more than she had. 60 - 18 leaves 42.\n"
        "They bring 42 * 0.50 = $21.\nThe answer is: 21"
    )
    assert trajectory.reflection.startswith("\nHmm")
    assert trajectory.continuation.startswith("\nThey")
    assert not trajectory.is_smoothed


def test_fresh_and_restart_asks_for_a_reflection_only_and_takes_a_correct_sample_as_it_is() -> None:
    stage, unit = stage_and_unit("fresh_restart")
    assert unit.is_gold_verbatim
    assert unit.gold.source == "student"
    assert "If the new start is unsound, also give:" in stage.request(unit, 0, 0, False).messages[0]["content"]
    trajectory = made(change(continuation=None), "fresh_restart")
    assert trajectory.continuation == "\n" + RIGHT.replace("A: 21", "The answer is: 21")


def test_a_new_start_that_the_teacher_finds_unsound_gives_way_to_one_of_its_own() -> None:
    stage, unit = stage_and_unit("fresh_restart")
    own = "5 * 12 = 60, and 60 - 18 = 42 are left.\nThey bring 42 * 0.50 = $21.\nThe answer is: 21"
    trajectory = run(stage, unit, change(continuation=None, new_start=own))
    assert isinstance(trajectory, Trajectory)
    assert trajectory.continuation.strip() == own
    stood = run(stage, unit, change(continuation=None, new_start=""))
    assert isinstance(stood, Trajectory)
    assert stood.continuation.strip() == unit.gold.text


def test_the_reference_is_the_new_start_where_no_sample_is_correct() -> None:
    _, unit = stage_and_unit("fresh_restart", of=mistake(through="48 pencils to sell."), right=None)
    assert unit.gold.source == "reference"


def test_a_gold_that_begins_as_the_mistake_did_is_no_other_path() -> None:
    _, unit = stage_and_unit("fresh_restart", right=SAME_WAY)
    assert unit.gold.source == "reference"  # another path, though "5 * 12 = 60" stands in both
    assert unit.is_gold_verbatim
    injected = mistake(
        "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 48 of them.\nThat brings $24.\nThe answer is: 24",
        "48 of them.",
        origin="injected",
    )
    stage, unit = stage_and_unit("fresh_restart", of=injected, right=None)
    assert not unit.is_gold_verbatim
    assert "<continuation>" in str(stage.request(unit, 0, 0, False).messages)


def test_the_answer_line_is_put_into_the_configured_form() -> None:
    for ending in ("#### 21", "The final answer is $\\boxed{21}$.", "**Answer:** 21.00"):
        text = made(change(continuation=f"They bring 42 * 0.50 = $21.\n{ending}")).text
        assert text.endswith("\nThe answer is: 21")
        assert text.count("The answer is") == 1
        assert "####" not in text


def test_a_paragraph_goes_on_as_a_paragraph() -> None:
    one = mistake(WRONG.replace("\n", " ").replace("A: 24", ""), "48 pencils to sell.")
    trajectory = made(change(), of=one)
    assert trajectory.reflection.startswith(" Hmm")
    assert trajectory.continuation == " They bring 42 * 0.50 = $21.\nThe answer is: 21"


def test_a_fresh_start_in_a_paragraph_gets_a_line_of_its_own() -> None:
    one = mistake(WRONG.replace("\n", " ").replace("A: 24", ""), "48 pencils to sell.")
    trajectory = made(change(continuation=None), "fresh_restart", of=one)
    assert trajectory.reflection.startswith(" Hmm")
    assert trajectory.continuation.startswith("\nOne box")


def test_blank_lines_between_steps_are_kept_up() -> None:
    trajectory = made(change(), of=mistake(WRONG.replace("\n", "\n\n")))
    assert trajectory.reflection.startswith("\n\nHmm")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty_reply"),
        ("Hmm, that was wrong. The answer is: 21", "missing_tag"),
        (change(continuation=None), "missing_tag"),
        (change(continuation=""), "missing_tag"),
        (change(reflection=None), "missing_tag"),
        (change() + "<continuation>And again. The answer is: 21</continuation>", "repeated_tag"),
        ("<declined>The step is right.</declined>", "teacher_declined"),
        (change(reflection=""), "no_reflection"),
        (change(reflection="Hmm. 42!"), "no_reflection"),
        (change(continuation="They bring 42 * 0.50 = $20.\nThe answer is: 20"), "wrong_answer"),
        (change(continuation="They bring what they bring."), "no_answer"),
        (change(continuation=f"{WRONG[:29]}\nShe keeps 42 of these.\nThe answer is: 21"), "prefix_repeated"),
        (change(reflection=f"{WRONG[:70]} is wrong, it is 42."), "prefix_repeated"),
        (
            change(continuation="She keeps 60 - 18 = 48 pencils to sell. No, 42, for $21.\nThe answer is: 21"),
            "error_repeated",
        ),
        (change(continuation="<step>They bring $21.\nThe answer is: 21"), "section_tags"),
        (change(reflection="**Reflection:** 60 - 18 leaves 42, and not 48."), "section_tags"),
        (change(reflection="The reference solution says 42, so 48 cannot be right."), "leaked_reference"),
        (change(reflection="My previous attempt was wrong, 60 - 18 leaves 42."), "leaked_reference"),
        (change(continuation="This matches the ground truth, $21.\nThe answer is: 21"), "leaked_reference"),
        (change(continuation="As you made a mistake, it is $21.\nThe answer is: 21"), "leaked_reference"),
        (change(continuation="It is twenty-one then. " * 700 + "\nThe answer is: 21"), "too_long"),
        (change(continuation="It is half of forty-two then. " * 30 + "\nThe answer is: 21"), "loop"),
    ],
)
def test_what_falls_short_is_rejected_by_its_reason(text: str, expected: str) -> None:
    assert reason(*stage_and_unit(), text) == expected


def test_a_reply_that_was_cut_is_not_whole() -> None:
    assert reason(*stage_and_unit(), change(), finish_reason="length") == "cut_short"
    assert reason(*stage_and_unit(), change(), finish_reason="tool_calls") == "cut_short"


def test_an_undecided_answer_is_set_aside() -> None:
    problem = PENCILS.model_copy(update={"answer": "\\text{the set of all such } f"})
    stage = CorrectStage(config(correct={"strategies": ["fix_continue"]}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(problem, mistakes=(mistake(problem=problem),)))
    text = change(continuation="So all of them.\nThe answer is: every function $g$ with $g(x) = f(x) + c$")
    assert reason(stage, unit, text) in ("undecided_answer", "wrong_answer")


def test_the_manner_of_reflecting_varies() -> None:
    stage = CorrectStage(config(), PROMPTS, TAXONOMY)
    asked = set()
    for number in range(40):
        (unit, _) = stage.units(Group(PENCILS, mistakes=(mistake(id=f"m-{number}"),)))
        asked.add(str(stage.request(unit, 0, 0, False).messages).split("Suggested manner")[-1])
    assert len(asked) > 8


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'fix'.*fix_continue, fresh_restart"):
        CorrectStage(config(correct={"strategies": ["fix"]}), PROMPTS, TAXONOMY)


def test_the_fingerprint_follows_content_only() -> None:
    def of(**more: object) -> str:
        return CorrectStage(config(**more), PROMPTS, TAXONOMY).fingerprint

    teacher = {"backend": "openai", "model": "teacher"}
    assert of() == of(teacher={**teacher, "concurrency": 3, "base_url": "http://x", "timeout_s": 10})
    assert of() != of(teacher={**teacher, "max_tokens": 100})
    assert of() != of(seed=1)
    assert of() != of(answer_form="#### {answer}")
    assert of() == of(smooth={"scope": "whole"})
