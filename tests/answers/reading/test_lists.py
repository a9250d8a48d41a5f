from __future__ import annotations

import pytest

from lemma.answers.reading import read
from lemma.answers.values import Items, Ordered, Region, Unread, Value


def value(text: str) -> Value:
    found = read(text)
    assert found is not None
    return found


ONE, TWO = value("1"), value("2")


@pytest.mark.parametrize(
    "text", ["1, 2", "1 and 2", r"1 \text{ and } 2", "1 or 2", "1; 2", r"\begin{cases} 1 \\ 2 \end{cases}"]
)
def test_a_list_is_joined_by_commas_or_words(text: str) -> None:
    assert read(text) == Items((ONE, TWO))


def test_brackets_tell_a_set_from_a_tuple() -> None:
    assert read(r"\{1, 2\}") == Items((ONE, TWO), is_set=True)
    assert read("(1, 2)") == Ordered((ONE, TWO), "(", ")")
    assert read("[1, 2)") == Ordered((ONE, TWO), "[", ")")
    assert read(r"\langle 1, 2 \rangle") == Ordered((ONE, TWO), "(", ")")
    assert read("(1)") == ONE
    assert read("[1]") == Ordered((ONE,), "[", "]")


def test_a_comma_between_thousands_joins_no_list() -> None:
    assert read("1,234") == read("1234")
    assert read("1,234, 2") == Items((value("1234"), TWO))


def test_a_sign_choice_stands_for_two_values() -> None:
    both = read(r"1 \pm x")
    assert isinstance(both, Items)
    assert len(both.members) == 2
    assert read(r"(1, \pm 2)") == Items((value("(1, +2)"), value("(1, -2)")))


def test_a_name_before_a_list_names_the_list() -> None:
    assert read("n = 1, 2") == Items((ONE, TWO))


def test_conditions_are_united_by_or_and_met_by_and() -> None:
    assert read(r"x < 1 \text{ or } x > 2") == read(r"(-\infty, 1) \cup (2, \infty)")
    assert read(r"x > 1 \text{ and } x < 2") == read("1 < x < 2")
    assert isinstance(read(r"x \ne 1, x \ne 2"), Region)


def test_a_sentence_and_too_many_members_are_no_list() -> None:
    assert not isinstance(read("the first of them is a cat, the second of them is a dog"), Items)
    assert isinstance(read("(" + ",".join(["1"] * 201) + ")"), Unread)
