from __future__ import annotations

import pytest

from lemma.answers.reading import read
from lemma.answers.values import Choice, Scalar, Words


@pytest.mark.parametrize("text", ["C", "(C)", r"\text{(C)}", "C.", "option C", "Answer: C"])
def test_a_letter_is_one_however_it_is_dressed(text: str) -> None:
    value = read(text)
    assert isinstance(value, Scalar)
    assert value.letter == "C"


def test_a_short_name_is_a_word_and_no_product() -> None:
    assert read("AB") == Words(("ab",))
    assert read("yes") == Words(("yes",))


def test_an_option_holds_what_stands_behind_its_letter() -> None:
    assert read("(C) 12") == read("C. 12") == Choice("c", read("12"))  # type: ignore[arg-type]


def test_a_letter_in_brackets_before_an_operand_is_a_factor() -> None:
    assert not isinstance(read("(A)(B)"), Choice)
