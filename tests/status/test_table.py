"""A status as people read it: whatever the width, and whatever the names."""

from __future__ import annotations

from typing import Any

import pytest

from lemma.status import status_table
from lemma.status.table import duration


def spent(replies: int) -> dict[str, Any]:
    return {
        "replies": replies,
        "input_tokens": 1_000_000,
        "cached_input_tokens": 0,
        "output_tokens": 234_567,
        "cost_usd": 1.5,
    }


def status(**more: Any) -> dict[str, Any]:
    stage = {
        "stage": "analyze",
        "parts": 10,
        "parts_done": 3,
        "units": 3000,
        "kept": 2500,
        "rejected": 500,
        "reasons": {"judged_correct": 300, "teacher_declined": 150, "a": 20, "b": 15, "c": 10, "d": 5},
        "expected": 10_000,
        "answered": 1000,
        "left": 6000,
        "units_per_s": 12.34,
        "eta_s": 486.2,
        "outdated": {"parts": 0, "units": 0, "kept": 0, "rejected": 0},
        "cost_usd": 3.0,
        "projected_usd": 7.5,
        "spent": {"kept": spent(10), "open": spent(5)},
        "models": {"m": {"kept": spent(10), "open": spent(5)}},
        "failed_calls": {"kinds": {}, "width_s": 60, "over_time": []},
    }
    tree = {
        "version": 1,
        "run": "RUN",
        "in_use_by": "process 5 on host",
        "problems": 10_000,
        "set_aside": {"broken_json": 2},
        "stages": [stage | more],
        "export": None,
        "tokens": 2_469_134,
        "cost_usd": 3.0,
        "batches": [],
        "estimate": {"stages": [{"stage": "analyze", "calls": 11_000, "total_usd": 8.0}]},
        "warnings": ["analyze: a warning that is rather long, so that it does not fit on a narrow line"],
        "injected": {},
        "audit": None,
    }
    return tree


def test_a_stage_is_one_line_with_all_that_is_known_of_it() -> None:
    head, titles, line, reasons, answered, *_ = status_table(status()).splitlines()
    assert head == "RUN: 10000 problems, set aside broken_json 2; in use by process 5 on host"
    assert titles.split()[:6] == ["stage", "parts", "units", "kept", "rejected", "left"]
    assert line.split()[:7] == ["analyze", "3/10", "3000", "2500", "500", "6000", "15"]
    assert line.endswith("2469k  $3.00 of about $7.50  11000 calls, $8.00  12.3/s, 8 min to go")
    assert reasons == "    rejected: judged_correct 300, teacher_declined 150, a 20, b 15, 15 for other reasons"
    assert answered == "    in parts that are not finished: 1000 units answered"


def test_failed_calls_and_batches_under_way_are_a_line_each() -> None:
    failed = {"kinds": {"throttled": 12, "timeout": 3}, "width_s": 60, "over_time": []}
    tree = status(failed_calls=failed)
    tree["batches"] = [{"stage": "analyze", "batches": 2, "requests": 80, "done": 7}]
    lines = status_table(tree, 200).splitlines()
    assert "    calls that gave no reply, and cost no attempt: 429 12, no answer in time 3" in lines
    assert (
        "analyze: 2 batches with 80 requests under way, 7 of them done when last looked at (`lemma batch status RUN`)"
        in lines
    )


def test_what_is_not_known_is_not_shown_as_0() -> None:
    line = status_table(status(left=None, expected=None, units_per_s=None, eta_s=None, projected_usd=None))
    assert " – " in line
    assert "to go" not in line
    assert "of about" not in line
    assert "speed" not in line


@pytest.mark.parametrize("columns", [1, 40, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = status_table(status(), columns).splitlines()
    assert max(map(len, lines)) <= max(columns, 44)  # words are not broken
    assert "judged_correct 300" in " ".join(" ".join(lines).split())


def test_nothing_in_it_steers_the_terminal() -> None:
    hostile = "m\x1b[2J\u202e\r"
    text = status_table(status(models={hostile: {"kept": spent(1)}, "n": {}}, reasons={"\x1b]0;x\x07": 1}))
    assert not {"\x1b", "\u202e", "\r", "\x07"} & set(text)
    assert "m�[2J��: 1 replies" in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (11_100, "3 h 05 min")]
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words
