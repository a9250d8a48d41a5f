from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.polynomials import UndefinedError, UnsettledError
from lemma.answers.exact.quotients import (
    Quotient,
    add,
    equal,
    has_variables,
    multiply,
    opaque,
    rational,
    subtract,
    tidy,
)
from lemma.answers.formulas.expression import read_expression


def form(text: str) -> Quotient:
    return normal_form(read_expression(text))


def test_rational_numbers_are_added_and_multiplied_exactly() -> None:
    assert add(rational(Fraction(1, 3)), rational(Fraction(1, 6))).rational == Fraction(1, 2)
    assert multiply(rational(Fraction(2, 3)), rational(6)).rational == 4
    assert subtract(rational(2), rational(2)).rational == 0
    assert form("x").rational is None


def test_a_denominator_is_cleared_of_roots_and_common_atoms() -> None:
    assert form(r"\frac{1}{\sqrt2}") == form(r"\frac{\sqrt2}{2}")
    assert form(r"\frac{1}{i}") == form("-i")
    assert form(r"\frac{x^3}{x}") == form("x^2")
    with pytest.raises(UndefinedError):
        tidy(rational(1).top, {}, False)


def test_quotients_are_equal_after_cross_multiplication() -> None:
    assert equal(form(r"\frac{x^2-1}{x-1}"), form("x+1")) is True
    assert equal(form(r"\frac{1}{x+1}"), form(r"\frac{1}{x-1}")) is False


def test_different_opaque_atoms_say_nothing() -> None:
    assert equal(form(r"\sin(x+x)"), form(r"\sin(2x)")) is True
    assert equal(form(r"\sin(2x)"), form(r"2\sin x\cos x")) is None
    with pytest.raises(UnsettledError, match="name"):
        opaque("sin", [rational(2**5_000)])


def test_constants_have_no_variables() -> None:
    assert not has_variables(form(r"\frac{\sqrt3 \pi}{2e}"))
    assert all(has_variables(form(text)) for text in ("x", "2^x", r"\sin 1"))
