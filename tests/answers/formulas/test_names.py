from __future__ import annotations

import pytest

from lemma.answers.formulas.names import (
    ALIASES,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    GREEK_VARIANTS,
    TRIGONOMETRIC,
    longest_name,
)


def test_a_name_is_of_one_kind() -> None:
    assert not FUNCTIONS & GREEK
    assert not FUNCTIONS & CONSTANTS.keys()
    assert not GREEK & CONSTANTS.keys()
    assert TRIGONOMETRIC < FUNCTIONS
    assert set(ALIASES) | set(ALIASES.values()) <= FUNCTIONS
    assert set(GREEK_VARIANTS.values()) <= GREEK


@pytest.mark.parametrize(
    ("word", "name"),
    [("pir", "pi"), ("sinx", "sin"), ("arctanx", "arctan"), ("pirate", None), ("minx", None), ("xy", None)],
)
def test_the_name_that_a_word_begins_with(word: str, name: str | None) -> None:
    assert longest_name(word) == name
