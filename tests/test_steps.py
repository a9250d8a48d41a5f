from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.steps import locate_steps, map_steps, split_steps, step_at, step_spans


@pytest.mark.parametrize(
    "steps",
    [
        ["She sold 24 in May.\n", "In all, 48+24 = 72.\n#### 72"],
        ["a = 1\r\n", "b = 2\r\n\r\n", "c = 3\r\n"],
        ["Let's see. ", "He has 2.5 apples, i.e. more than 2. ", "So 3 is too many."],
        ["Mr. Smith pays Dr. Jones $3.50. ", "Mrs. Lee pays $4."],
        ["It is 5 p.m. on Monday, vs. 6 a.m. there. ", "Then it is night."],
        ["He buys pens, pencils, etc. for $5. ", "She buys 3 ft. of rope."],
        ["J. K. Smith walks to the point A. ", "Then he stops."],
        ["There are 5! = 120 ways. ", "Is that all? ", "No! ", "There are more."],
        ["We add 1 + 2 + ... + 10 = 55. ", "And so on ... ", "Then we stop."],
        ["It costs $5. ", "Then it costs $6. ", "So $11 in all."],
        ["Then $x = 0.5.$ ", "Next $y. Z$ holds."],
        ["So \\(x = 1. Y\\) is one. ", "And $$a. B$$so it ends. ", "Then $$a$$", "More."],
        ["We have\n\\[\n x = 1. \\\\\n Y = 2.\n\\]\n", "Thus it is 2."],
        ["Then\n\\begin{align*}\nx &= 1 \\\\\n&= 2.\n\\end{align*}\nwhere x is small. ", "So it is 2."],
        ["First\n\\[a = 1\\]\n", "\\[b = 2\\]\n", "Both hold."],
        ["Look:\n\n[asy]\ndraw(A--B);\nlabel(C. D);\n[/asy]\n\n", "So AB is 3."],
        ["Run\n```python\nx = 1. \n\nprint(x)\n```\n", "It prints 1."],
        ["The values:\n", "| a | b |\n|---|---|\n| 1 | 2 |\n", "So 3."],
        ["1. Add them: 3. ", "2. Double that: 6. ", "3. Done."],
        ["1. **Add.** It is 3.\n", "2. **Double:** It is 6.\n"],
        ["Step 1: 3.\n", "Step 2: 6.\n#### 6"],
        ["- one is 1\n", "- two is 2\n"],
        ["**Step 1: Find the cost.**\nIt is $3.\n", "### Step 2\n\nIt is $6.\n"],
        ["Half. ", "So 3 is left.\n\n---\n\n", "Then 4."],
        ["因此总数是5。", "所以答案是6。"],
        ["It is 3+4 = 7. The answer is: 7"],
        ["It is 7.\nThe answer is: 7\n#### 7\n"],
        ["The answer is: 7"],
        ["#### 7"],
        ["\n\n  It is 7."],
    ],
)
def test_texts_are_split_where_a_reader_would(steps: list[str]) -> None:
    assert split_steps("".join(steps)) == steps


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "...", "$", "\\[", "```", "🧮", "\x00", "\ud800", "((", "\\begin{align*}"]
)
def test_odd_texts_are_split_without_loss(text: str) -> None:
    assert "".join(split_steps(text)) == text


PIECES = st.sampled_from(
    [
        ". ",
        "! ",
        "\n",
        "\n\n",
        "$",
        "$$",
        "\\[",
        "\\]",
        "\\(",
        "\\)",
        "```",
        "`",
        "\\begin{align}",
        "\\end{align}",
        "1. ",
        "Mr. ",
        "Step 2: ",
        "#### 7",
        "The answer is: 7",
        "| a |",
        "- ",
        "**",
        "A",
        "so ",
        "3.5",
        "。",
        " ",
        "\r\n",
    ]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join))
def test_no_text_loses_a_character_and_no_step_is_empty(text: str) -> None:
    steps = split_steps(text)
    assert "".join(steps) == text
    assert all(steps)
    spans = step_spans(text)
    assert [text[start:end] for start, end in spans] == steps
    for number, (start, end) in enumerate(spans, 1):
        assert step_at(text, start + 1) == step_at(text, end) == number


def test_an_offset_belongs_to_the_step_of_the_character_before_it() -> None:
    text = "One is 1. Two is 2.\nThree."
    assert [step_at(text, offset) for offset in (1, 10, 11, 20, 21, 26, 99)] == [1, 1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(("text", "offset"), [("", 1), ("a", 0), ("a", -1)])
def test_an_offset_with_no_character_before_it_is_refused(text: str, offset: int) -> None:
    with pytest.raises(ValueError, match="no character"):
        step_at(text, offset)


@pytest.mark.parametrize(
    "piece",
    [
        "$",
        "$$",
        "\\[",
        "\\begin{a}",
        "`",
        "``` ",
        ". ",
        "\n",
        "A. ",
        "**",
        "$ ",
        "\\$",
        "$a\n\n",
        "e.g. ",
        "1. ",
        "|\n",
        "\n\\[",
        "\\] ",
        "#### 1\n",
        "The answer is 1. ",
        "Step 1. ",
        "[asy]",
        ".",
        " ",
        "$1",
        "$a$ ",
    ],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    assert "".join(split_steps(text)) == text
    assert time.process_time() - start < 2


TEXT = "It is 1. So it is 2.\n\n  Then it is 3,\nnot 4.\nThe answer is: 3"


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (["It is 1. So it is 2.", "Then it is 3,", "not 4.", "The answer is: 3"], [(1, 2), (3, 3), (4, 4), (4, 4)]),
        (
            ["It is 1. ", "So it is 2.\n\n", "Then it is 3, not 4.", "The answer is: 3"],
            [(1, 1), (2, 2), (3, 4), (4, 4)],
        ),
        (["  It is  1.\nSo it is 2. Then it is 3,", "", "not 4."], [(1, 3), (3, 3), (4, 4)]),
        ([TEXT], [(1, 4)]),
        (["So it is 2."], [(2, 2)]),
        ([], []),
        (["", "It is 1."], [(1, 1), (1, 1)]),
    ],
)
def test_another_segmentation_is_mapped_by_where_its_steps_stand(
    segments: list[str], expected: list[tuple[int, int]]
) -> None:
    assert map_steps(TEXT, segments) == expected


def test_equal_steps_are_found_one_behind_the_other() -> None:
    text = "So 2.\nSo 2.\nSo 2."
    assert locate_steps(text, ["So 2.", "So 2.", "So 2."]) == [(0, 5), (6, 11), (12, 17)]
    assert map_steps(text, ["So 2.", "So 2.", "So 2."]) == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("segments", [["It is 5."], ["So it is 2.", "It is 1."], [TEXT, "more"]])
def test_a_step_that_does_not_stand_there_in_its_turn_is_told(segments: list[str]) -> None:
    with pytest.raises(ValueError, match="does not stand"):
        locate_steps(TEXT, segments)


@given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_our_own_steps_are_mapped_onto_themselves(text: str) -> None:
    numbered = [(number, step) for number, step in enumerate(split_steps(text), 1) if step.strip()]
    mapped = map_steps(text, [step for _, step in numbered]) if text else []
    assert [first for first, _ in mapped] == [last for _, last in mapped]
