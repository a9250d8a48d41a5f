from __future__ import annotations

import time

import pytest

from lemma.arithmetic import Truth, read_equations


def read(text: str) -> list[tuple[str, str, Truth]]:
    return [(text[e.work.start : e.work.end], text[e.right.start : e.right.end], e.truth) for e in read_equations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Total = 52 + 24\nTotal = 76", [("52 + 24", "76", Truth.TRUE)]),
        (r"\[ \text{Left} = 52 - 8 \] \[ \text{Left} = 44 \]", [("52 - 8", "44", Truth.TRUE)]),
        (r"So: \[ \text{Left} = 52 - 8 \]" + "\n" + r"\[ \text{Left} = 45 \]", [("52 - 8", "45", Truth.FALSE)]),
        ("Cost = 3 * 4\nCost = 3 + 9\nCost = 12", [("3 * 4", "3 + 9", Truth.TRUE), ("3 + 9", "12", Truth.TRUE)]),
    ],
)
def test_statements_in_a_row_about_one_thing_make_an_equation(
    text: str, expected: list[tuple[str, str, Truth]]
) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Apples = 3 + 4\nPears = 7",
        "Total = 3 + 4\nThen five more come, as the neighbour from across the road has told them all,\nTotal = 12",
        "x = 3 + 4\nx = 12",
        "x = 2y + 3\nx = 5",
        "Total = 3 +\nTotal = 7",
    ],
)
def test_another_thing_an_unknown_or_more_words_between_make_none(text: str) -> None:
    assert read(text) == []


def test_a_chain_of_its_own_is_read_once() -> None:
    assert read("Total = 3 + 4 = 7\nTotal = 7 + 1 = 8") == [("3 + 4", "7", Truth.TRUE), ("7 + 1", "8", Truth.TRUE)]


@pytest.mark.parametrize("piece", ["a = ", "a = 1\n", "Total = 3 + 4\nTotal = 7\n", "\n. : $", "\\[ b = 2 * 3 \\] "])
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = (piece * 60_000)[:60_000]
    start = time.process_time()
    read_equations(text)
    assert time.process_time() - start < 10
