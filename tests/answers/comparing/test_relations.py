from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("x = 5", "x = 5", True),
        ("x = 5", "x = 6", False),
        ("x = 5", "y = 5", False),
        ("y = 4 - 2x", "2x + y = 4", True),
        ("y = 4 - 2x", "2x + y = 5", False),
        ("x^2 + y^2 = 1", "2x^2 + 2y^2 = 2", True),
        ("x + y > 1", "1 - x < y", True),
        ("x + y > 1", r"x + y \ge 1", False),
        ("x + y > 1", "x + y < 1", False),
        (r"x \ne y", r"y \ne x", True),
        ("x < y < z", "z > y > x", True),
        ("x < y < z", "x < y", False),
    ],
)
def test_a_relation_is_the_same_however_it_is_turned(left: str, right: str, result: bool | None) -> None:
    assert same(left, right) is result


@pytest.mark.parametrize("reply", [True, False, None])
def test_equations_with_opaque_functions_are_left_to_a_worker(reply: bool | None) -> None:
    assert same(r"\sin(2x) + y^2 = 1", r"2\sin x\cos x + y^2 = 1", reply) is reply
