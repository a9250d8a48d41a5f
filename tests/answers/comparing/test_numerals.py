from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("16:30", "4:30 pm", True),
        ("4:30", "4:30 pm", True),
        ("4:30 am", "4:30 pm", False),
        ("4:30", "4:31", False),
        ("2:10", "1:05", None),
        ("1:20", "1/20", None),
        ("1:20 pm", "1/20", False),
        ("3 pm", "3", True),
        ("15:00", "3", True),
        ("3 pm", "4", False),
        ("2:10", "2:10:30", False),
        ("3:2:1", "6:4:2", True),
        ("3:2:1", "3:2", False),
        ("3:2", "3/2", True),
        ("3:2:1", "3/2", False),
        ("204_5", "204_5", True),
        ("204_5", "204_6", False),
        ("204_5", "54", None),
        ("204_5", "55", False),
        ("54_{10}", "54", True),
    ],
)
def test_another_notation_is_another_answer_only_where_its_value_differs(
    left: str, right: str, result: bool | None
) -> None:
    assert same(left, right) is result
