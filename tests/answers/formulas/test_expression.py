from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.formulas.expression import read_expression
from lemma.answers.formulas.scanner import UnreadableError


def test_a_fraction_is_a_product_with_an_inverse() -> None:
    two = ("num", Fraction(2))
    assert read_expression(r"\frac{x}{2}") == ("mul", ("sym", "x"), ("pow", two, ("num", Fraction(-1))))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (r"\frac12", r"\frac{1}{2}"),
        ("x/y", r"\frac{x}{y}"),
        ("2^3^2", "2^{3^2}"),
        (r"\sqrt x", r"\sqrt{x}"),
        (r"\usqrt 2", r"\sqrt{2}"),
        (r"\sin^2 x", r"(\sin x)^2"),
        (r"\sin^{-1} x", r"\arcsin x"),
        ("asin(x)", r"\arcsin(x)"),
        ("sinx", r"\sin x"),
        ("pir", r"\pi r"),
        (r"\varphi", r"\phi"),
        (r"\log_2 8", r"\log_{2} 8"),
        (r"\lg x", r"\log_{10} x"),
        ("C(5,2)", r"\binom{5}{2}"),
        (r"{5 \choose 2}", r"\binom{5}{2}"),
        (r"x \cdot y", r"x \times y"),
        ("x**2", "x^2"),
        (r"90^\circ", "90°"),
    ],
)
def test_two_spellings_are_one_tree(text: str, other: str) -> None:
    assert read_expression(text) == read_expression(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word",
        "2 3",
        "(1",
        "1)",
        "1 +",
        r"\frac{1}",
        r"\unknown{2}",
        "x!!",
        "a = b",
        r"\log_",
        r"\sqrt[x]{2}",
        "(" * 50 + "1" + ")" * 50,
    ],
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read_expression(text)


def test_a_formula_of_too_many_nodes_is_refused() -> None:
    assert len(read_expression("+".join(["x"] * 700))) == 701
    with pytest.raises(UnreadableError, match="too large"):
        read_expression("+".join(["x"] * 800))
