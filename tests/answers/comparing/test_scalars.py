from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("5 cm", "5", True),
        ("5 cm", "5 m", False),
        ("5 cm", "50 mm", None),
        ("5 cm", "5 kg", False),
        ("5 pounds", "5 lb", True),
        ("5 apples", "5 red apples", True),
        ("5 apples", "5 pears", None),
        ("5 apples", "6 pears", False),
        ("50%", "1/2", True),
        ("50%", "50", True),
        ("50%", "5", False),
        ("50%", "50 cm", False),
        ("50%", "50 apples", None),
        (r"90^\circ", r"\frac{\pi}{2}", None),
        (r"90^\circ", "90", True),
        ("A", "a", True),
        ("A", "B", False),
    ],
)
def test_units_may_be_missing_and_must_not_differ(left: str, right: str, result: bool | None) -> None:
    assert same(left, right) is result
