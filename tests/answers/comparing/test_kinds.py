from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (r"\pi \approx 3.14", "3.14", True),
        (r"\pi \approx 3.14", r"\pi", True),
        (r"\pi \approx 3.14", "3", False),
        ("(C) 12", "C", True),
        ("(C) 12", "12", True),
        ("(C) 12", "(D) 12", False),
        ("x = 5", "5", True),
        ("x = 5", r"\{5\}", True),
        ("x = 5", "5, 6", False),
        ("x^2 + y^2 = 1", "1", False),
        ("x^2 + y^2 = 1", "x ++* y", None),
        ("0 < x < 1", "(0, 1)", True),
        ("0 < x < 1", "[0, 1]", False),
        (r"[0, 1] \cup \{2\}", "(0, 1)", False),
        (r"x \ne 1", "1", False),
        (r"\{1, 2\}", "(1, 2)", False),
        ("1, 2, 3", "(1, 2, 3)", True),
        ("1, 2, 3", "(1, 3, 2)", False),
        (r"\{5\}", "5", True),
        (r"\{5, 6\}", "5", False),
        (r"\frac10", r"\frac10", None),
        ("x ++* y", "x ++* z", None),
        ("(1, 2)", "4:30 pm", False),
    ],
)
def test_kinds_that_may_stand_for_each_other_are_compared(left: str, right: str, result: bool | None) -> None:
    assert same(left, right) is result
