from __future__ import annotations

from fractions import Fraction

import pytest

from lemma.answers.reading import read
from lemma.answers.reading.numerals import read_based, read_clock, read_ratio, read_written_number
from lemma.answers.values import Approximate, Based, Clock, Scalar


@pytest.mark.parametrize(
    ("text", "seconds", "half"),
    [
        ("4:30 p.m.", 59_400, "pm"),
        (r"4:30\text{ AM}", 16_200, "am"),
        ("16:30", 59_400, None),
        ("1:02:03", 3_723, None),
        ("12 am", 0, "am"),
        ("noon", 43_200, "pm"),
        ("midnight", 0, "am"),
    ],
)
def test_a_time_of_day_is_read_in_seconds(text: str, seconds: int, half: str | None) -> None:
    assert read_clock(text) == Clock(seconds, half)


@pytest.mark.parametrize("text", ["25:00", "1:60", "13 pm", "4", "3:2:1"])
def test_what_no_clock_shows_is_no_time(text: str) -> None:
    assert read_clock(text) is None


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("twenty-one", "21", None), ("two thirds", "2/3", None), ("five apples", "5", "apples")],
)
def test_a_number_in_words_is_a_number(text: str, value: str, unit: str | None) -> None:
    scalar = read_written_number(text)
    assert scalar is not None
    assert (scalar.rational, scalar.unit.name if scalar.unit else None) == (Fraction(value), unit)


def test_a_number_word_in_a_sentence_is_none() -> None:
    assert read_written_number("one of them") is None
    percent = read_written_number("five percent")
    assert percent is not None
    assert percent.is_percent


@pytest.mark.parametrize("text", ["204_5", "204_{5}", r"204_{\text{five}}", "0204_5"])
def test_a_numeral_has_its_base_behind_it(text: str) -> None:
    assert read_based(text) == Based("204", 5)


@pytest.mark.parametrize("text", ["204_1", "204_{40}", "x_1", "204"])
def test_what_has_no_base_is_no_numeral(text: str) -> None:
    assert read_based(text) is None


def test_parts_joined_by_colons_are_a_ratio() -> None:
    ratio = read_ratio("3:2:1")
    assert ratio is not None
    assert [part.rational for part in ratio.parts] == [3, 2, 1]
    assert read_ratio("3 to 2") == read_ratio("3:2")
    assert read_ratio("3") is None


def test_a_value_keeps_what_it_is_nearly_equal_to() -> None:
    near = read(r"\pi \approx 3.14")
    assert isinstance(near, Approximate)
    assert near.near == read("3.14")
    assert read(r"x \approx 3.14") == read("3.14")
    assert isinstance(read(r"\approx 3"), Scalar)
