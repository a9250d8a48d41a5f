from __future__ import annotations

import re

import pytest

from lemma.answers.formulas.scanner import MAX_NODES, Scanner, UnreadableError
from lemma.answers.formulas.tree import number


def test_marks_are_found_after_spaces_and_commands_only_whole() -> None:
    scanner = Scanner(r"  \times 2")
    assert scanner.at(r"\ti", r"\times") == r"\times"
    assert scanner.take("+", r"\times") == r"\times"
    assert scanner.peek() == "2"
    assert scanner.match(re.compile("[a-z]")) is None
    assert scanner.peek() == "2"
    assert scanner.match(re.compile(r"\d")) is not None
    assert scanner.peek() == ""
    with pytest.raises(UnreadableError, match="expected"):
        scanner.need(")")


def test_nodes_are_counted_up_to_the_limit() -> None:
    scanner = Scanner("")
    for _ in range(MAX_NODES):
        assert scanner.count(number(1)) == number(1)
    with pytest.raises(UnreadableError, match="too large"):
        scanner.count(number(1))
