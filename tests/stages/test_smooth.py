from __future__ import annotations

import pytest

from lemma.errors import ConfigError
from lemma.records import Trajectory
from lemma.stages.base import Group, SmoothUnit
from lemma.stages.smooth import SmoothStage
from tests.stages.builders import PENCILS, PROMPTS, TAXONOMY, config, mistake, reason, run, tagged, trajectory

SMOOTH = {
    "reflection": "48 pencils and the 18 given away would be 66, but there are only 60; it must be 42.",
    "continuation": "Selling 42 pencils brings 42 * 0.50 = $21.\nThe answer is: 21",
}
PREFIX = "There are 5 * 12 = 60 pencils in all.\nOf these she keeps 60 - 18 = 48 pencils to sell."


def stage_and_unit(scope: str = "joint", strategy: str = "fix_continue") -> tuple[SmoothStage, SmoothUnit]:
    stage = SmoothStage(config(smooth={"scope": scope}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(PENCILS, trajectories=(trajectory(strategy=strategy),)))
    return stage, unit


def change(**tags: str | None) -> str:
    return tagged({tag: text for tag, text in {**SMOOTH, **tags}.items() if text is not None})


def test_the_joint_scope_leaves_the_prefix_alone() -> None:
    record = run(*stage_and_unit(), change())
    assert isinstance(record, Trajectory)
    assert record.text == (
        f"{mistake().prefix}\n{SMOOTH['reflection']}\nSelling 42 pencils brings 42 * 0.50 = $21.\nThe answer is: 21"
    )
    assert record.is_smoothed
    assert record.made_by.stage == "smooth"


def test_the_whole_scope_takes_a_new_prefix_that_still_errs() -> None:
    record = run(*stage_and_unit("whole"), change(prefix=PREFIX))
    assert isinstance(record, Trajectory)
    assert record.prefix == PREFIX
    assert record.text.startswith(PREFIX + "\n48 pencils")
    assert record.mistake == mistake()


@pytest.mark.parametrize(
    ("scope", "text", "expected"),
    [
        ("joint", "", "empty_reply"),
        ("joint", "Smooth it is. The answer is: 21", "missing_tag"),
        ("joint", change(reflection=None), "missing_tag"),
        ("joint", change() + "<reflection>twice</reflection>", "repeated_tag"),
        ("joint", "<declined>The continuation is wrong.</declined>", "teacher_declined"),
        ("joint", change(reflection=" "), "no_reflection"),
        ("joint", change(continuation="It is $22.\nThe answer is: 22"), "wrong_answer"),
        ("joint", change(continuation="It is so."), "no_answer"),
        (
            "joint",
            change(continuation="Nora has 5 * 12 = 60 pencils.\nIt is $21.\nThe answer is: 21"),
            "prefix_repeated",
        ),
        (
            "joint",
            change(continuation="She keeps 60 - 18 = 48 pencils to sell: $21.\nThe answer is: 21"),
            "error_repeated",
        ),
        ("joint", change(reflection="## Reflection\nIt must be 42 and not 48."), "section_tags"),
        ("joint", change(reflection="The correct solution shows that it must be 42."), "leaked_reference"),
        ("joint", change(continuation="So it is. " * 2000 + "\nThe answer is: 21"), "too_long"),
        ("joint", change(continuation="So it is half of that. " * 99 + "\nThe answer is: 21"), "loop"),
        ("whole", change(), "missing_tag"),
        ("whole", change(prefix="There are 60 pencils.\nShe keeps 60 - 18 = 42 pencils to sell."), "error_removed"),
        ("whole", change(prefix="There are 60 of them, and 48 is a number."), "error_removed"),
    ],
)
def test_what_falls_short_is_rejected_by_its_reason(scope: str, text: str, expected: str) -> None:
    assert reason(*stage_and_unit(scope), text) == expected


def test_a_fresh_start_may_begin_as_the_prefix_did() -> None:
    again = change(continuation="Nora has 5 * 12 = 60 pencils.\nWithout 18 it is 42, for $21.\nThe answer is: 21")
    run(*stage_and_unit(strategy="fresh_restart"), again)


def test_a_cut_reply_is_not_whole() -> None:
    assert reason(*stage_and_unit(), change(), finish_reason="length") == "cut_short"


def test_there_is_no_stage_where_smoothing_is_off() -> None:
    with pytest.raises(ConfigError, match="off"):
        SmoothStage(config(smooth={"scope": "off"}), PROMPTS, TAXONOMY)
