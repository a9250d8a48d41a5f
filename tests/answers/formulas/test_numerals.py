from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.formulas.numerals import take_literal, take_number
from lemma.answers.formulas.scanner import Scanner, UnreadableError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", "12"),
        (".5", "1/2"),
        ("5.", "5"),
        ("1.5e3", "1500"),
        ("2E-2", "1/50"),
        (r"0.\overline{3}", "1/3"),
        ("0.1(6)", "1/6"),
        ("0.333...", "1/3"),
        (r"2\frac{1}{3}", "7/3"),
        (r"2\frac13", "7/3"),
        ("2 1/3", "7/3"),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, value: str) -> None:
    scanner = Scanner(text)
    assert take_literal(scanner) == ("num", Fraction(value))
    assert scanner.position == len(text)


@pytest.mark.parametrize("text", ["x", "", "1" * 1_001, r"2\frac{5}{3}"])
def test_what_is_no_number_or_may_be_two_things_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        take_literal(Scanner(text))


def test_an_exponent_stops_where_a_product_begins() -> None:
    scanner = Scanner("2e3x")
    assert take_number(scanner) == ("num", Fraction(2))
    assert scanner.position == 1
