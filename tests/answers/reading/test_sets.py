from __future__ import annotations

import pytest

from lemma.answers.reading import read
from lemma.answers.regions import REAL_LINE
from lemma.answers.values import Items, Region, Unread


@pytest.mark.parametrize("text", [r"\mathbb{R}", "all real numbers", r"(-\infty, \infty) \cup \{0\}"])
def test_the_real_line_has_many_names(text: str) -> None:
    assert read(text) == Region((REAL_LINE,))


@pytest.mark.parametrize("text", [r"\emptyset", r"\{\}", "the empty set"])
def test_the_empty_set_has_no_members(text: str) -> None:
    assert read(text) == Items((), is_set=True)


@pytest.mark.parametrize(
    "text",
    [r"\mathbb{R} \setminus \{1\}", "all real numbers except 1", r"x \ne 1", r"(-\infty, 1) \cup (1, \infty)"],
)
def test_the_real_line_without_a_point_is_two_intervals(text: str) -> None:
    value = read(text)
    assert isinstance(value, Region)
    assert len(value.intervals) == 2


def test_a_described_set_is_what_its_condition_says() -> None:
    assert read(r"\{x \mid x > 1\}") == read("x > 1")
    assert isinstance(read(r"\{x : x\}"), Unread)


def test_a_union_joins_what_touches_and_holds_intervals_only() -> None:
    assert read(r"[0, 1) \cup \{1\}") == read(r"0 \le x \le 1")
    assert isinstance(read(r"[0, 1) \cup y"), Unread)
