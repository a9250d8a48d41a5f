from __future__ import annotations

import pytest

from lemma.answers.plain import MAX_CHARS
from lemma.answers.reading import canonical, read
from lemma.answers.values import Items, Unread, Words


@pytest.mark.parametrize("text", ["", "  ", "1" * (MAX_CHARS + 1) + "x", "(" * 41 + "1" + ")" * 41])
def test_what_is_empty_or_over_the_limits_is_not_read(text: str) -> None:
    assert read(text) is None


def test_what_no_form_knows_is_words_or_unread() -> None:
    assert read("The red house.") == Words(("red", "house"))
    assert isinstance(read("x ++* y"), Unread)


def test_parts_that_stand_too_deep_are_unread() -> None:
    assert read("(" * 12 + "1" + ")" * 12) == read("1")
    assert isinstance(read("((((((((((((((1, 2))))))))))))))"), Unread)


def test_a_list_in_one_text_command_is_a_list() -> None:
    assert isinstance(read(r"\text{A, B}"), Items)


def test_canonical_text_is_without_dress() -> None:
    assert canonical(r"$\text{ Red }\,{X}$") == canonical("red x") == "redx"
