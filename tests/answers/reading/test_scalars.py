from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.reading.scalars import joined_thousands, read_plain_number, read_scalar, read_tree


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("$3.50", "7/2", "$"),
        ("-$1,234", "-1234", "$"),
        ("5€", "5", "€"),
        (r"5\text{ cm}", "5", "cm"),
        (r"5\text{ cm}^2", "5", "cm^2"),
        (r"5\text{ square centimeters}", "5", "cm^2"),
        (r"60\text{ miles}/\text{hour}", "60", "mi/h"),
        ("3 feet", "3", "ft"),
        ("12 apples", "12", "apples"),
        ("5 units", "5", None),
        (r"90^\circ", "90", "deg"),
        (r"20^\circ \text{C}", "20", "degC"),
        ("3rd", "3", None),
        ("2.5 million", "2500000", None),
        ("3 million dollars", "3000000", "$"),
        (r"3 \text{ million dollars}", "3000000", "$"),
    ],
)
def test_a_number_is_read_with_what_stands_around_it(text: str, value: str, unit: str | None) -> None:
    scalar = read_scalar(text)
    assert scalar is not None
    assert scalar.rational == Fraction(value)
    assert (scalar.unit.name if scalar.unit else None) == unit
    assert not scalar.is_percent


@pytest.mark.parametrize("text", ["50%", r"50\text{ percent}", "50 percent", r"50 \text{ percentage points}"])
def test_percent_is_no_unit(text: str) -> None:
    scalar = read_scalar(text)
    assert scalar is not None
    assert (scalar.rational, scalar.unit, scalar.is_percent) == (Fraction(50), None, True)


@pytest.mark.parametrize("text", [r"5\text{ if } x", "two words", "$", r"\text{no}", ""])
def test_what_is_no_formula_is_no_scalar(text: str) -> None:
    assert read_scalar(text) is None


def test_short_words_behind_a_number_are_symbols() -> None:
    scalar = read_scalar("2xy")
    assert scalar is not None
    assert scalar.tree == read_tree("2xy")


def test_thousands_are_joined_and_lists_are_not() -> None:
    assert joined_thousands("1,234,567 and 1,23 and 1,2345") == "1234567 and 1,23 and 1,2345"
    assert read_plain_number("1,234.") == read_plain_number("1234")
    assert read_plain_number("1,23") is None
