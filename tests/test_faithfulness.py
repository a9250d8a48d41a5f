from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lemma import checks
from lemma.errors import Rejected
from lemma.records import Mistake, Problem, Trajectory
from tests.stages.builders import cases, mistake, trajectory
from tests.stages.test_answered import corrected

FIXTURES = Path(__file__).parent / "fixtures" / "checks"
MIN_BAD = 20
MAX_CHARS = 12_000


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines()]


BASES = {base["name"]: base for base in lines("bases.jsonl")}
BAD = lines("bad.jsonl")
REASONS = sorted({one["expected"] for one in BAD})


def mistake_of(base: dict[str, Any]) -> Mistake:
    wrong = base["before"] + base["wrong"]
    problem = Problem(
        id=f"p-{base['name']}",
        dataset="words",
        question=base["question"],
        reference_solution=base["reference"],
        answer=base["answer"],
    )
    return mistake(f"{wrong}\nThe answer is: 7", base["wrong"], problem=problem, answer="7", explanation="")


def made(base: dict[str, Any], strategy: str, **parts: Any) -> Trajectory:
    """A trajectory of a base; `parts` replace the good ones."""
    good = base["restart"] if strategy == "fresh_restart" else base["continuation"]
    one = trajectory(
        "\n" + parts.get("reflection", base["reflection"]),
        "\n" + parts.get("continuation", good),
        mistake_of(base),
        strategy,
        parts.get("prefix"),
    )
    return one.model_copy(update={"is_smoothed": parts.get("is_smoothed", False)})


def judged(one: dict[str, Any]) -> str | None:
    """The reason for which a bad trajectory is rejected."""
    base = BASES[one["base"]]
    parts = {key: value for key, value in one.items() if key not in ("base", "expected", "source", "is_whole")}
    is_whole = one.get("is_whole", False)
    try:
        bad = made(base, **parts)
        if "source" in one:
            source = made(base, one["strategy"], continuation=one["source"])
            checks.check_smoothed(bad, source, MAX_CHARS, is_prefix_free=is_whole)
        else:
            checks.check_trajectory(bad, MAX_CHARS, is_prefix_free=is_whole)
    except Rejected as error:
        return error.reason
    return None


@pytest.mark.parametrize("reason", REASONS)
def test_no_bad_trajectory_passes_its_check(reason: str) -> None:
    own = [one for one in BAD if one["expected"] == reason]
    assert len(own) >= MIN_BAD
    told = [(judged(one), one) for one in own]
    assert [one for found, one in told if found is None] == []
    assert Counter(found for found, _ in told) == {reason: len(own)}


@pytest.mark.parametrize("strategy", ["fix_continue", "fresh_restart"])
def test_the_good_ones_that_they_were_made_from_pass(strategy: str) -> None:
    for base in BASES.values():
        good = made(base, strategy)
        checks.check_trajectory(good, MAX_CHARS)
        checks.check_smoothed(good.model_copy(update={"is_smoothed": True}), good, MAX_CHARS)


@pytest.mark.parametrize("strategy", ["fix_continue", "fresh_restart"])
def test_what_was_answered_by_hand_passes(strategy: str) -> None:
    answered = [case for case in cases() if strategy in case.get("correct", {})]
    assert len(answered) >= 3
    for case in answered:
        if "<declined>" in case["correct"][strategy]:
            continue
        checks.check_trajectory(corrected(case, strategy), MAX_CHARS)
