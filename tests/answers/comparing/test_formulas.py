from __future__ import annotations

import pytest

from lemma.answers.comparing.formulas import Formulas
from lemma.answers.formulas.expression import read_expression
from tests.answers.comparing.scripted import ScriptedSandbox


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("x(x+1)", "x^2+x", True),
        ("x", "y", False),
        (r"\infty", r"2\infty", True),
        (r"\infty", r"-\infty", False),
        (r"\infty", "5", False),
        (r"\frac10", "5", False),
        (r"\frac10", r"\frac20", None),
    ],
)
def test_what_exact_arithmetic_settles_is_asked_of_no_worker(left: str, right: str, result: bool | None) -> None:
    def find_sandbox() -> ScriptedSandbox:
        raise AssertionError

    formulas = Formulas(find_sandbox)
    assert formulas.same(read_expression(left), read_expression(right)) is result
    assert not formulas.has_asked


@pytest.mark.parametrize("reply", [True, False, None])
def test_what_it_leaves_open_is_asked_of_a_worker(reply: bool | None) -> None:
    sandbox = ScriptedSandbox(reply)
    formulas = Formulas(lambda: sandbox)
    assert formulas.same(read_expression(r"\sin 1"), read_expression("1/2")) is reply
    assert formulas.has_asked
    half = ["mul", ["num", "0x1", "0x1"], ["pow", ["num", "0x2", "0x1"], ["num", "-0x1", "0x1"]]]
    assert sandbox.requests == [[["fn", "sin", ["num", "0x1", "0x1"]], half, "value"]]
