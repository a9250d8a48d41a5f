from __future__ import annotations

from lemma.answers.formulas.expression import read_expression
from lemma.answers.formulas.tree import INFINITY, difference, divided, is_infinite, negative, number, symbols, with_sign


def test_trees_are_built_from_trees() -> None:
    x = ("sym", "x")
    assert negative(number(3)) == number(-3)
    assert negative(x) == ("mul", number(-1), x)
    assert divided(x, number(2)) == read_expression(r"\frac{x}{2}")
    assert difference(x, number(2)) == ("add", x, ("mul", number(-1), number(2)))


def test_infinity_may_have_a_factor_but_no_company() -> None:
    assert [is_infinite(read_expression(text)) for text in (r"\infty", r"-\infty", r"2\infty")] == [True] * 3
    assert not is_infinite(read_expression(r"x\infty"))
    assert not is_infinite(("add", INFINITY, number(1)))


def test_symbols_are_told_wherever_they_stand() -> None:
    assert symbols(read_expression(r"\sin(2x) + \pi y^n")) == {"x", "y", "n"}


def test_a_sign_choice_is_made_for_the_whole_tree() -> None:
    both = read_expression(r"1 \pm \sin(2 \mp x)")
    one, two, x = number(1), number(2), ("sym", "x")
    minus_x = ("mul", number(-1), x)
    sine, other_sine = ("fn", "sin", ("add", two, minus_x)), ("fn", "sin", ("add", two, x))
    assert with_sign(both, 1) == ("add", one, sine)
    assert with_sign(both, -1) == ("add", one, ("mul", number(-1), other_sine))
