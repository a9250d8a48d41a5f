from __future__ import annotations

import gc
import time
from fractions import Fraction

import pytest

from lemma.arithmetic import Truth, parse_number, read_equations


def read(text: str) -> list[tuple[str, Truth]]:
    return [(text[e.start : e.end], e.truth) for e in read_equations(text)]


@pytest.mark.parametrize(
    "text",
    [
        "She sold 48/2 = 24 clips",
        "a total of 7 stickers/page * 6 pages= 42 stickers",
        "3 apples * $2/apple = $6",
        "100000(.20)=20000$ down payment",
        "(3)(4) = 12",
        "15 teeth / 30 teeth * 100% = 50%",
        "25% of 40 = 10 apples",
        "1/4 of the 40 = 10",
        "He has 2 1/2 * 4 = 10 cups",
        "28 / 1/5 = 140",
        "4x5=20",
        "21 x $6 = $126",
        "12 × 3 = 36 and 36 ÷ 4 = 9",
        "$1,250.50 + $0.50 = $1,251",
        "2^3 = 8",
        "50 – 20 = 30",
        "(5 boxes) * (3 apples per box) = 15",
        "42 = 6 * 7",
        r"\(24 \times \frac{3}{8} = 9\) hours",
        r"\[5 \text{ sapphires} \times 800 \text{ dollars/sapphire} = 4000 \text{ dollars}\]",
        r"\$25 \cdot 2 = \$50",
        "1. **Cost:** 2 subs * $7.50/sub = $15.00",
        "- 5 + 3 = 8",
        "It costs 60*$40=$<<60*40=2400>>2400 a month",
    ],
)
def test_true_equations_are_read_as_true(text: str) -> None:
    equations = read_equations(text)
    assert equations
    assert {e.truth for e in equations} == {Truth.TRUE}


@pytest.mark.parametrize(
    "text",
    [
        "48/2 = 34",
        "3 + 7 + 1 + 2 = 11",
        "4 boxes * 3 = 13 apples",
        "$100-$74=$27",
        "(150 + 130) / 2 = 130",
        "60*$40=$<<60*40=2500>>2500",
        "- 5 + 3 = 9",
    ],
)
def test_false_equations_are_told(text: str) -> None:
    assert Truth.FALSE in {e.truth for e in read_equations(text)}


@pytest.mark.parametrize(
    "text",
    [
        "5x/6 = 1200",
        "x/2 + 6 = 20",
        "3m + 5 = 20",
        "E + E - 5 = 37",
        "26 = 5 + 3x",
        "Number of apples + 5 = 20",
        "4/7 is equal to $24",
        "60 kWh would cost = $0.10 * 60",
        "180 minutes = 3 hours",
        "30 * 6 minutes = 3 hours",
        "4 * 75 cents = $3",
        "half of 48 + 2 = 26",
        "He arrives at 6:00+18 hours = 0",
        "3 cups and 1/4 cup + 1 cup = 5",
        "7 * (3 + = 5",
    ],
)
def test_what_cannot_be_judged_is_never_called_false(text: str) -> None:
    assert Truth.FALSE not in {e.truth for e in read_equations(text)}


@pytest.mark.parametrize("text", ["10 / 3 = 3.33", "2/3 * 5 = 3.3333333333333335", "14 / 6 = 2", "7.235 * 3 = 21.7"])
def test_rounded_results_are_told_from_false_ones(text: str) -> None:
    assert [truth for _, truth in read(text)] == [Truth.ROUNDED]


def test_chains_give_one_equation_a_link() -> None:
    assert read("(150 + 130 + 260) / 3 = 440 / 3 = 140 pounds") == [
        ("(150 + 130 + 260) / 3 = 440 / 3", Truth.FALSE),
        ("440 / 3 = 140", Truth.FALSE),
    ]
    assert [truth for _, truth in read("14 * 1/2 = 14 / 2 = 7")] == [Truth.TRUE, Truth.TRUE]
    # careless, but 5 * 3 is said to be 15
    assert [truth for _, truth in read("5*3 = 15+2 = 17")] == [Truth.TRUE, Truth.TRUE]


def test_offsets_point_at_digits_operators_and_results() -> None:
    text = "In May 3 trays * $1,200/tray = $3,600."
    (equation,) = read_equations(text)
    assert [text[n.start : n.end] for n in equation.operands] == ["3", "1,200"]
    assert [text[o.start : o.end] for o in equation.operators] == ["*"]
    result = equation.result
    assert result is not None
    assert text[result.start : result.end] == "3,600"
    assert (result.value, result.currency) == (Fraction(3600), "$")
    assert [n.unit for n in equation.operands] == ["trays", "/tray"]
    assert equation.work.evaluate([Fraction(2), Fraction(5)]) == 10


def test_a_mark_without_words_around_it_is_read_by_itself() -> None:
    text = "She has <<3+4=8>> left"
    (equation,) = read_equations(text)
    assert text[equation.start : equation.end] == "3+4=8"
    assert equation.truth is Truth.FALSE


def test_numbers_beyond_all_sense_are_not_computed() -> None:
    assert parse_number("9" * 40) is None
    assert read_equations("9^12^12^12 = 5 and 5/0 = 3") is not None
    assert all(e.truth is Truth.UNREADABLE for e in read_equations("5/0 = 3"))


@pytest.mark.parametrize(
    "unit",
    [
        "1+",
        "(",
        "1=",
        "((1)",
        "<<",
        "1/",
        "x ",
        "1 a ",
        "-",
        "\\frac{1}",
        "1,",
        "1.",
        "=",
        "2 1/2 ",
        "{",
        "**",
        "of 1% ",
        "% of 3",
    ],
)
def test_hostile_texts_cost_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size] + " = 5"
        gc.collect()
        gc.disable()  # what other tests left behind is not this text's cost
        start = time.process_time()  # of this process alone: the machine may be busy
        try:
            read_equations(text)
            return time.process_time() - start
        finally:
            gc.enable()

    assert seconds(40_000) < 30 * max(seconds(5_000), 0.005)  # eight times as long a text; 64 were quadratic
