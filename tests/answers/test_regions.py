from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.quotients import Quotient, rational
from lemma.answers.formulas.expression import read_expression
from lemma.answers.reading import read
from lemma.answers.regions import REAL_LINE, all_but, approximate, intersect, merged, region_of, same_region, solve
from lemma.answers.values import Interval, Region


def form(text: str) -> Quotient:
    return normal_form(read_expression(text))


def interval(low: int, high: int, has_low: bool = False, has_high: bool = False) -> Interval:
    return Interval(rational(low), rational(high), has_low, has_high)


def test_only_real_constants_have_a_place() -> None:
    assert approximate(form(r"\sqrt2")) == pytest.approx(2**0.5)
    assert approximate(form("x")) is None
    assert approximate(form("i")) is None


def test_linear_inequalities_are_solved_and_turned_with_the_sign() -> None:
    half = rational(Fraction(1, 2))
    assert solve(form("1"), form("2x"), True) == [Interval(half, None, False, False)]
    assert solve(form("-2x"), form("-1"), False) == [Interval(half, None, True, False)]
    assert solve(form("x"), form("1"), None) == all_but(rational(1))
    assert solve(form("x^2"), form("1"), True) is None
    assert solve(form("x"), form("y"), True) is None


def test_intervals_meet_and_join() -> None:
    assert intersect([interval(0, 2, True)], [interval(1, 3, True, True)]) == [interval(1, 2, True)]
    assert intersect([interval(0, 1)], [interval(1, 2)]) == []
    assert merged([interval(1, 2, True), interval(0, 1)]) == Region((interval(0, 2),))
    assert merged([interval(1, 2), interval(0, 1)]) == Region((interval(0, 1), interval(1, 2)))


def test_regions_are_the_same_by_their_ends() -> None:
    one = Region((interval(0, 1, True),))
    assert same_region(one, Region((interval(0, 1, True),))) is True
    assert same_region(one, Region((interval(0, 1),))) is False
    assert same_region(one, Region((REAL_LINE,))) is False


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("[0, 1)", True),
        (r"(-\infty, 1)", True),
        (r"\{1, 2\}", True),
        (r"(\infty, 1)", False),
        ("(x, 1)", False),
        ("5", False),
    ],
)
def test_pairs_in_brackets_and_sets_of_points_may_be_regions(text: str, is_one: bool) -> None:
    value = read(text)
    assert value is not None
    assert (region_of(value) is not None) is is_one
