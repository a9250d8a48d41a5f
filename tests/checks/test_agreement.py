from __future__ import annotations

import pytest

from lemma.checks import agrees_with_reference
from lemma.checks.agreement import says_carelessly

REFERENCE = (
    "He smashes 64 * 1/4 = 16 cars of the students.\nThat makes 16 * 4 = 64 windows.\n"
    "With the 48 windows of the teachers it is 64 + 48 = 112 windows."
)


@pytest.mark.parametrize(
    "text",
    [
        REFERENCE,
        "A quarter is 64 / 4 = 16 cars, with 4 * 16 = 64 windows. So 48 + 64 = 112 windows are gone.",
        "There are 16.0 cars, 16 x 4 = 64 and 64 + 48 = 112.",
        "It is 112, I think.",
    ],
)
def test_the_same_computations_in_other_words_agree(text: str) -> None:
    assert agrees_with_reference(text, REFERENCE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (REFERENCE.replace("= 64 windows", "= 60 windows"), "an equation is false"),
        (REFERENCE.replace("16 cars", "16 windows"), "a value is said of another thing"),
        ("First 64 + 48 = 112.\nSo it is 112 windows.", "a result of the reference is missing"),
        (f"{REFERENCE}\nAnd 112 / 2 = 56 are left.", "a result stands nowhere in the reference"),
    ],
)
def test_what_computes_otherwise_does_not_agree(text: str, why: str) -> None:
    assert not agrees_with_reference(text, REFERENCE), why


def test_where_nothing_can_be_compared_only_the_equations_count() -> None:
    assert agrees_with_reference("By symmetry the sum is 5 + (-1) = 4.", "The roots are $a$ and $b$.")
    assert not agrees_with_reference("By symmetry the sum is 5 + 1 = 4.", "The roots are $a$ and $b$.")


@pytest.mark.parametrize(
    "text",
    [
        "So 1/2 off of 1 pound is $3/2 = $1.50+$3.00=$4.50",
        "They have 30 pounds left because 30 - 27 = 3",
        "If Alex charges $12 per day, then in $14 days she would charge $12*14 = $168",
    ],
)
def test_what_is_false_as_it_is_written_is_careless(text: str) -> None:
    assert says_carelessly(text)
    assert not agrees_with_reference(text, text)


@pytest.mark.parametrize(
    "text",
    [
        "So that is $1.50 + $3.00 = $4.50, and 2 * 3 = 4 + 2 = 6.",
        "They have 3 pounds left because 30 - 27 = 3, a third is 10/3 = 3.33",
        "20% of 50 is 0.2 * 50 = 10, for $14 in 3 days",
    ],
)
def test_what_holds_as_it_is_written_is_not_careless(text: str) -> None:
    assert not says_carelessly(text)
