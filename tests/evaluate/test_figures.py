from __future__ import annotations

from typing import Any

import pytest

from lemma.evaluate.figures import Tally, averages, is_majority_right
from lemma.evaluate.items import EvalItem
from lemma.evaluate.report import table


def item(answer: str | None, verdict: str = "wrong", problem: str = "p-1", **more: Any) -> EvalItem:
    fields: dict[str, Any] = {
        "set": "gsm8k",
        "problem": problem,
        "row": 1,
        "by": {},
        "model": "m",
        "mode": "sampled",
        "draw": 1,
        "verdict": verdict,
        "answer": answer,
        "reference": "72",
        "claimed": None,
        "reflections": 0,
        "start": None,
        "phrase": None,
        "before": None,
        "after": None,
        "question": "q",
        "text": "t",
        "detail": "",
    }
    return EvalItem(**(fields | more))


def right(answer: str = "72") -> EvalItem:
    return item(answer, "right")


@pytest.mark.parametrize(
    ("items", "is_right"),
    [
        ([right(), right("72.0"), item("3"), item("4")], True),
        ([right(), item("1/2"), item("0.5")], False),  # equal in value is the same answer
        ([right(), item("3")], True),  # the first of as many
        ([item("3"), right()], False),
        ([item(None, "no_answer"), item(None, "cut_short"), right()], True),  # no answer has no vote
        ([item(None, "cut_short"), item(None, "cut_short")], False),
        ([item("x", "undecided"), item("x", "undecided"), right()], False),
    ],
)
def test_the_majority_is_the_answer_given_most_often(items: list[EvalItem], is_right: bool) -> None:
    assert is_majority_right(items) is is_right


def test_all_but_right_counts_as_wrong() -> None:
    tally = Tally()
    verdicts = ["right", "wrong", "undecided", "no_answer", "cut_short", "refused", "empty_reply", "right"]
    items = [item(None, one, f"p-{place}", mode="greedy", draw=0) for place, one in enumerate(verdicts)]
    assert list(tally.watch(items)) == items
    (tree,) = tally.trees()
    assert (tree["greedy"]["right"], tree["greedy"]["replies"], tree["greedy"]["share"]) == (2, 8, 0.25)
    assert tree["samples"] is tree["majority"] is None


def test_an_average_stands_only_where_every_set_was_asked_so() -> None:
    one: dict[str, Any] = {"model": "m", "greedy": {"share": 0.5}, "samples": None, "majority": None}
    other = {**one, "greedy": {"share": 0.7}, "samples": {"share": 0.1}}
    assert averages([one, other]) == [{"model": "m", "sets": 2, "greedy": 0.6, "samples": None, "majority": None}]


def test_nothing_in_a_cell_breaks_the_table() -> None:
    made = table(["a", "b"], [["x|y\n| z", ""]])
    assert len(made.splitlines()) == 3
    assert made.splitlines()[2].replace("\\|", "").count("|") == 3
