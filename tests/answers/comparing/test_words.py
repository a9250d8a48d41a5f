from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("Monday", "monday", True),
        ("Monday", "Tuesday", False),
        ("red apples", "apple", None),
        ("AB", "BA", None),
        ("no solution", r"\emptyset", None),
        ("no solution", "5", False),
        ("Room number seven 7b", "8", False),
    ],
)
def test_a_text_within_another_is_undecided(left: str, right: str, result: bool | None) -> None:
    assert same(left, right) is result
