from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lemma.report.mathematics import ATTRIBUTES, ELEMENTS, Node, read_mathematics


def elements(tree: Node) -> Iterator[tuple[str, dict[str, str]]]:
    yield tree[0], tree[1]
    for child in tree[2:]:
        if isinstance(child, list):
            yield from elements(child)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (r"so $\frac{1}{2}$ is left", r"$\frac{1}{2}$"),
        (r"so \(x^2\) is", r"\(x^2\)"),
        ("$$\nx = 1\n$$", "$$\nx = 1\n$$"),
        (r"\[ \sqrt{2} \]", r"\[ \sqrt{2} \]"),
        (r"\begin{align*} a &= b \\ c &= d \end{align*}", r"\begin{align*} a &= b \\ c &= d \end{align*}"),
        (r"costs $x$ dollars, or \$5", "$x$"),
        (r"$\$5 \times 3$", r"$\$5 \times 3$"),
    ],
)
def test_latex_is_found_and_made_mathml(text: str, source: str) -> None:
    (found,) = read_mathematics([text], 10).items()
    assert found[0] == source
    assert found[1][0] == "math"


@pytest.mark.parametrize(
    "text",
    [
        "it costs $5 and then $10 more",
        "from $5-$10 each, $3",
        "$ 5 and 6 $",
        "no mathematics",
        r"\frac{1}{2} outside of signs",
        r"$\frac{1}{$",
        r"$\unknowncommand{1}$",
        r"$\href{javascript:alert(1)}{x}$",
        "$" + "{" * 300 + "x" + "}" * 300,
        r"$\def\a{\a\a}\a$",
        "$" + r"\sqrt{" * 60 + "x" + "}" * 60 + "$",
    ],
)
def test_money_broken_and_forbidden_latex_stay_as_they_were_written(text: str) -> None:
    assert read_mathematics([text], 10) == {}


@pytest.mark.parametrize(
    "text",
    [
        r"$\text{<script>alert(1)</script>}$",
        r"$\color{red}{x} \begin{cases} 1 & x<0 \\ 2 & y \end{cases}$",
        "$a<img src=x onerror=alert(1)>b$",
        r"$\text{&lt;b&gt;}$",
    ],
)
def test_only_known_elements_and_attributes_come_through(text: str) -> None:
    for tree in read_mathematics([text], 10).values():
        for element, attributes in elements(tree):
            assert element in ELEMENTS
            assert set(attributes) <= ATTRIBUTES | {"class"}
            assert attributes.get("class", "left") in ("left", "right")
            assert "javascript" not in json.dumps(attributes)


def test_no_more_is_converted_than_asked_for_and_each_piece_once() -> None:
    texts = [f"${number}+x$ and ${number}+x$" for number in range(20)]
    assert len(read_mathematics(texts, 7)) == 7


def test_signs_that_open_and_never_close_are_looked_at_in_bounded_time() -> None:
    hostile = [r"\[" * 20_000, "$a" * 20_000, "$5" * 20_000, r"\begin{align}" * 3_000, "$$" + "\\" * 40_000]
    assert len(read_mathematics(hostile, 100)) <= 100
