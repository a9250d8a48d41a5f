from __future__ import annotations

import pytest

from lemma.answers import Verdict, compare
from lemma.answers.reading import read
from lemma.answers.values import Matrix

_MATRIX = r"\begin{pmatrix} 1 & x \\ 3 & 4 \end{pmatrix}"


def test_a_matrix_has_rows_of_cells() -> None:
    matrix = read(_MATRIX)
    assert isinstance(matrix, Matrix)
    assert [[str(cell) for cell in row] for row in matrix.rows] == [
        [str(read("1")), str(read("x"))],
        [str(read("3")), str(read("4"))],
    ]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (rf"2 {_MATRIX}", r"\begin{bmatrix} 2 & 2x \\ 6 & 8 \end{bmatrix}"),
        (rf"-{_MATRIX}", r"\begin{pmatrix} -1 & -x \\ -3 & -4 \end{pmatrix}"),
        (rf"{_MATRIX} + {_MATRIX}", rf"2 \cdot {_MATRIX}"),
        (rf"{_MATRIX} - {_MATRIX}", r"\begin{pmatrix} 0 & 0 \\ 0 & 0 \end{pmatrix}"),
    ],
)
def test_sums_and_multiples_are_worked_out(text: str, other: str) -> None:
    assert compare(text, other) is Verdict.EQUAL


@pytest.mark.parametrize(
    "text", [rf"{_MATRIX} {_MATRIX}", rf"{_MATRIX} + \begin{{pmatrix}} 1 \end{{pmatrix}}", r"\begin{pmatrix} 1"]
)
def test_products_and_unequal_sizes_are_no_matrix(text: str) -> None:
    assert not isinstance(read(text), Matrix)
