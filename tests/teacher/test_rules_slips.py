"""Wrong results are those that people arrive at, and what nobody gets wrong has none."""

from __future__ import annotations

from random import Random

import pytest

from lemma.teacher.rules.reading import Computation, read_solution
from lemma.teacher.rules.slips import wrong_results


def computation(text: str) -> Computation:
    return read_solution(f"It is {text} in all.").computations[0]


@pytest.mark.parametrize("text", ["3 * 30 = 90", "40 x 3 = 120", "12 * 10 = 120", "20 + 30 = 50", "80 / 2 = 40"])
def test_what_nobody_gets_wrong_has_no_slips(text: str) -> None:
    assert not wrong_results(computation(text), Random(0))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("48 + 37 = 85", 75),  # the carry is forgotten
        ("92 - 37 = 55", 65),  # the ten is not given back
        ("7 * 8 = 56", 48),  # the row of the table before
        ("24 * 7 = 168", 148),  # 28, and the 2 is not carried
        ("612 / 6 = 102", 12),  # the zero within is lost
        ("400 * 30 = 12000", 1200),  # one zero too few
        ("4.25 + 3.75 = 8.00", 7),
    ],
)
def test_a_slip_of_the_hand_is_among_the_results(text: str, wrong: int) -> None:
    assert wrong in wrong_results(computation(text), Random(0))


def test_no_slip_gives_a_sum_below_its_parts_or_a_rest_above_the_whole() -> None:
    assert all(value > 98 for value in wrong_results(computation("98 + 7 = 105"), Random(1)))
    assert all(value < 31 for value in wrong_results(computation("31 - 9 = 22"), Random(1)))
