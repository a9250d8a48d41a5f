from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.polynomials import UnsettledError
from lemma.answers.formulas.expression import read_expression


def test_a_sum_of_halves_is_the_whole() -> None:
    assert normal_form(read_expression("x/2 + x/2")) == normal_form(("sym", "x"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("|{-3}|", "3"),
        (r"\lfloor 7/2 \rfloor", "3"),
        (r"\lceil 7/2 \rceil", "4"),
        (r"\max(1, 5/2)", "5/2"),
        (r"\gcd(12, 18)", "6"),
        ("lcm(4, 6)", "12"),
        ("5!", "120"),
        (r"\binom{5}{2}", "10"),
    ],
)
def test_functions_of_rational_numbers_are_worked_out(text: str, value: str) -> None:
    assert normal_form(read_expression(text)).rational == Fraction(value)


def test_degrees_are_parts_of_pi() -> None:
    assert normal_form(read_expression(r"180^\circ")) == normal_form(read_expression(r"\pi"))


@pytest.mark.parametrize("text", [r"\infty", r"1 \pm 2", r"10^{9}! "])
def test_infinity_sign_choices_and_large_factorials_have_no_rational_form(text: str) -> None:
    tree = read_expression(text.strip())
    if "!" in text:
        assert normal_form(tree).is_opaque
    else:
        with pytest.raises(UnsettledError):
            normal_form(tree)
