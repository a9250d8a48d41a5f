from __future__ import annotations

import pytest

from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.polynomials import UndefinedError, UnsettledError
from lemma.answers.exact.quotients import Quotient, equal
from lemma.answers.formulas.expression import read_expression


def form(text: str) -> Quotient:
    return normal_form(read_expression(text))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (r"\sqrt{8}", r"2\sqrt2"),
        (r"\sqrt[3]{16}", r"2\sqrt[3]{2}"),
        (r"\sqrt{\frac{1}{2}}", r"\frac{\sqrt2}{2}"),
        (r"\sqrt{-4}", "2i"),
        (r"(-8)^{\frac13}", "-2"),
        ("2^{n+1}", r"2 \cdot 2^n"),
        ("4^n", "2^{2n}"),
        ("x^{n+2}", "x^2 x^n"),
        ("(x+1)^2", "x^2+2x+1"),
        ("(x+1)^{-1}", r"\frac{1}{x+1}"),
        ("0^{1/2}", "0"),
    ],
)
def test_powers_of_one_value_have_equal_forms(text: str, other: str) -> None:
    assert equal(form(text), form(other)) is True


@pytest.mark.parametrize("text", ["(x+1)^{100}", "10^{10^{6}}", r"\sqrt{i}", r"\sqrt{x^2}", r"\sqrt{2^{300}+1}"])
def test_powers_beyond_the_limits_or_with_two_values_are_unsettled(text: str) -> None:
    with pytest.raises(UnsettledError):
        form(text)


@pytest.mark.parametrize("text", ["0^{-1}", "0^{-1/2}", r"\frac{1}{2-2}"])
def test_zero_has_no_inverse(text: str) -> None:
    with pytest.raises(UndefinedError):
        form(text)
