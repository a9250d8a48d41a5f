from __future__ import annotations

import pytest

from tests.answers.comparing.scripted import same


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("(1, 2)", "(2, 1)", False),
        ("(1, 2)", "(1, 2, 3)", False),
        ("(1, 2)", "[1, 2]", False),
        ("(1, 2, 3)", "[1, 2, 3]", True),
        ("1, 2", "2, 1", True),
        ("1, 2, 2", "1, 1, 2", False),
        ("x = 1, y = 2", "1, 2", True),
        ("x = 1, y = 2", "2, 1", False),
        ("x = 1, y = 2", "1, 2, 3", False),
        ("x = 1, x = 2", "2, 1", True),
        ("(x, y) = (1, 2)", "x = 1, y = 2", True),
        (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", "(1, 2)", True),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)", True),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "(1, 2)", False),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "((1, 2), (3, 4))", True),
        (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", False),
    ],
)
def test_order_counts_in_tuples_and_not_in_lists(left: str, right: str, result: bool | None) -> None:
    assert same(left, right) is result


def test_one_undecided_member_leaves_the_whole_undecided_unless_another_differs() -> None:
    assert same(r"(1, \sin 1)", r"(1, \sin 2)") is None
    assert same(r"(1, \sin 1)", r"(2, \sin 2)") is False
    assert same(r"1, \sin 1", r"\sin 2, 1") is None
