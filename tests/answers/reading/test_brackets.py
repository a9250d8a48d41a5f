from __future__ import annotations

import pytest

from lemma.answers.reading.brackets import inside_of, spans_whole, split_top, unbraced, untexted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("(1, 2), [3]", ["(1, 2)", " [3]"]),
        (r"\{1, 2\}, 3", [r"\{1, 2\}", " 3"]),
        (r"\langle 1, 2 \rangle, 3", [r"\langle 1, 2 \rangle", " 3"]),
        ("1", ["1"]),
        ("", [""]),
        ("1), 2", ["1)", " 2"]),
    ],
)
def test_a_text_is_split_outside_of_all_brackets(text: str, parts: list[str]) -> None:
    assert split_top(text, ",") == parts


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("(1, 2)", "1, 2"),
        ("[0, 1)", "0, 1"),
        (r"\{3\}", "3"),
        (r"\langle 1 \rangle", " 1 "),
        ("(1)(2)", None),
        (r"\{1\}\{2\}", None),
        ("1", None),
        ("", None),
    ],
)
def test_brackets_are_taken_away_where_they_span_the_whole_text(text: str, inside: str | None) -> None:
    assert inside_of(text) == inside


def test_braces_around_a_single_value_say_nothing() -> None:
    assert unbraced("{{ x }}") == "x"
    assert unbraced("{1, 2}") == "{1, 2}"
    assert unbraced("{1}{2}") == "{1}{2}"
    assert [spans_whole(text) for text in ("{1}", "{1}{2}", "{1")] == [True, False, False]


def test_text_commands_leave_their_contents() -> None:
    assert untexted(r"5\text{ cm} \text {and}") == "5 cm and"
