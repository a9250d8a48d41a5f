from __future__ import annotations

import pytest

from lemma.answers.reading import read
from lemma.answers.values import Equation, Inequalities, Region, Unread


@pytest.mark.parametrize(
    ("text", "head", "value"),
    [
        ("x = 5", "x", "5"),
        ("5 = x", "x", "5"),
        ("f(x) = 2x", "y", "2x"),
        (r"\angle ABC = 5", "angleABC", "5"),
        ("(x, y) = (1, 2)", "(x,y)", "(1, 2)"),
        ("x = 2 + 3 = 5", "x", "5"),
    ],
)
def test_an_equation_gives_a_value_to_its_head(text: str, head: str, value: str) -> None:
    equation = read(text)
    assert isinstance(equation, Equation)
    assert equation.head == head
    assert equation.value == read(value)


def test_an_equation_of_two_formulas_has_no_head() -> None:
    equation = read("x^2 + y^2 = 1")
    assert isinstance(equation, Equation)
    assert equation.head is None
    assert equation.value is None


def test_a_sum_that_is_worked_out_is_its_last_value() -> None:
    assert read("2 + 3 = 5") == read("5")
    assert read("= 5") == read("5")


def test_a_membership_is_what_it_is_in() -> None:
    assert read(r"x \in [0, 1]") == read("[0, 1]")


def test_linear_inequalities_of_one_unknown_are_intervals() -> None:
    assert isinstance(read("1 < 2x + 3 < 5"), Region)
    assert read("5 > 2x + 3 > 1") == read("1 < 2x + 3 < 5")
    assert read(r"x < \infty") != read("x < 1")


@pytest.mark.parametrize("text", ["x^2 < 4", "x < y", "x + y > 1"])
def test_other_inequalities_keep_their_links(text: str) -> None:
    assert isinstance(read(text), Inequalities)


@pytest.mark.parametrize("text", ["x <", "0 < x = 5", r"\text{word word} < 5"])
def test_a_relation_whose_sides_cannot_be_read_is_unread(text: str) -> None:
    assert isinstance(read(text), Unread)
