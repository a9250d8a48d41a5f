from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.exact.polynomials import (
    IMAGINARY,
    ONE,
    PI,
    Polynomial,
    UnsettledError,
    monomial_power,
    plus,
    proportional,
    times,
)

ROOT: Polynomial = {((("r", 2), Fraction(1, 2)),): Fraction(1)}
X: Polynomial = {((("s", "x"), 1),): Fraction(1)}


def test_a_coefficient_that_becomes_zero_leaves() -> None:
    assert plus(X, {key: -value for key, value in X.items()}) == {}
    assert plus(plus(X, ONE), ONE) == {**X, (): Fraction(2)}


def test_roots_and_the_imaginary_unit_multiply_into_numbers() -> None:
    imaginary: Polynomial = {((IMAGINARY, 1),): Fraction(1)}
    assert times(ROOT, ROOT) == {(): Fraction(2)}
    assert times(imaginary, imaginary) == {(): Fraction(-1)}
    assert monomial_power(ROOT, 5) == {((("r", 2), Fraction(1, 2)),): Fraction(4)}


def test_products_and_powers_that_are_too_large_are_unsettled() -> None:
    many: Polynomial = {((("s", f"x{index}"), 1),): Fraction(1) for index in range(64)}
    with pytest.raises(UnsettledError, match="too many terms"):
        times(many, many)
    with pytest.raises(UnsettledError, match="too large"):
        monomial_power({(): Fraction(10)}, 10**6)


def test_proportional_means_up_to_a_constant_which_may_be_a_root() -> None:
    line = plus(X, ONE)
    assert proportional(line, times(line, ROOT))
    assert proportional(line, times(line, {((PI, 1),): Fraction(3)}))
    assert not proportional(line, plus(line, ONE))
    assert not proportional(line, times(line, X))
    assert proportional({}, {})
