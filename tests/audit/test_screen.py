from __future__ import annotations

import unicodedata

import pytest

from lemma.audit.screen import pieces, render
from lemma.terminal import safe
from tests.audit.builders import hostile_row, unstyled
from tests.exports.builders import HOSTILE, problem_of, trajectory_of

TERMINAL_ATTACKS = [
    "\x1b]0;title\x07 \x1b[2J \x1b[31mred \x1bP1;2q \x1b[6n",
    "\x9b31m C1 \x90dcs\x9c",
    "\rover what stood here\x08\x08\x7f",
    "right to left \u202e321\u202c \u2066x\u2069 \u200f\u061c",
    "line\u2028separators\u2029\x85\x0b\x0c",
]


@pytest.mark.parametrize("text", [*HOSTILE, *TERMINAL_ATTACKS])
def test_nothing_in_a_row_steers_the_terminal(text: str) -> None:
    screen = unstyled(render(hostile_row(1, text), text, 80))
    steering = [char for char in screen if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") and char != "\n"]
    assert steering == []
    assert not set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(screen)


def test_what_is_harmless_is_shown_as_it_is() -> None:
    text = "naïve ½ × 3 − 1 ≤ √2 中文 🧮 $\\frac{1}{2}$\tA\nB"
    assert safe(text) == text


def test_the_claimed_step_is_marked_and_nothing_else_is() -> None:
    row = trajectory_of(problem_of(1))
    assert "".join(pieces(row)) == row.mistake.solution
    lines = unstyled(render(row, "a definition", 80)).splitlines()
    assert [line for line in lines if line.startswith("▶")] == ["▶ That makes 99."]
    assert "  Let us add (try 0)." in lines
    assert "  calculation_error: a definition" in lines


def test_a_step_in_the_middle_of_a_paragraph_is_marked_alone() -> None:
    row = trajectory_of(problem_of(1))
    solution = "We add 1 and 2. That makes 99 pens. So 99 it is."
    end = solution.index(" So")
    mistake = row.mistake.model_copy(update={"solution": solution, "prefix_end": end})
    assert pieces(row.model_copy(update={"mistake": mistake})) == (
        "We add 1 and 2. ", "That makes 99 pens.", " So 99 it is.",
    )  # fmt: skip


def test_a_beginning_that_smoothing_rewrote_is_shown_beside_the_mistake() -> None:
    row = trajectory_of(problem_of(1))
    smoothed = row.model_copy(update={"prefix": "Adding makes 99."})
    assert "HOW THE ROW BEGINS\n  Adding makes 99.\n" in unstyled(render(smoothed, "", 80))
    assert "HOW THE ROW BEGINS" not in render(row, "", 80)


@pytest.mark.parametrize("columns", [1, 40, 80, 300])
def test_no_line_is_wider_than_the_terminal_or_than_reads_well(columns: int) -> None:
    row = trajectory_of(problem_of(1, "word " * 200 + "x" * 300 + " 5-3" * 100))
    widest = max(map(len, unstyled(render(row, "", columns)).splitlines()))
    assert widest <= max(55, min(columns, 100))  # a heading has 55 characters


def test_long_texts_are_laid_out_in_linear_time() -> None:
    row = trajectory_of(problem_of(1, "-" * 200_000 + " " * 200_000 + "a-" * 100_000))
    assert render(row, "", 80)
