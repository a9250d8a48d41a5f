from __future__ import annotations

import pytest

from lemma.answers.comparing.describing import describe
from lemma.answers.reading import read


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("", "nothing (empty, or over the limits)"),
        ("5 cm", "number 5 cm"),
        ("50%", "number 50 percent"),
        ("x+1", "formula add(x, 1)"),
        ("2^{5000}", "formula pow(2, 5000)"),
        ("1" * 400, "formula a number of 1327 bits"),
        ("the red house", "text red house"),
        ("x ++* y", "unread text 'x ++* y'"),
        ("1, 2", "list of 2: number 1; number 2"),
        (r"\{1, 2\}", "set of 2: number 1; number 2"),
        ("(1, 2)", "tuple of 2: number 1; number 2"),
        ("1 < x < 2", "region of 1 interval(s)"),
        ("x = 5", "x = number 5"),
        ("x^2 + y^2 = 1", "equation"),
        ("(C) 12", "option C: number 12"),
        ("204_5", "numeral 204 in base 5"),
        ("4:30 pm", "time 16:30:00"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "matrix of 2 row(s): number 1; number 2"),
    ],
)
def test_a_value_is_described_by_its_kind_and_what_it_holds(text: str, description: str) -> None:
    assert describe(read(text)) == description
