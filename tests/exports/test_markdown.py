from __future__ import annotations

import re

import pytest

from lemma.exports.markdown import fenced, percent, table, word
from tests.exports.builders import HOSTILE


@pytest.mark.parametrize("text", [*HOSTILE, "", "a" * 1000, "`", "|" * 100_000, "\x00"])
def test_a_name_stays_one_cell_of_one_line_without_markup(text: str) -> None:
    line = table(["name", "n"], [[word(text), 1]]).splitlines()
    assert len(line) == 3
    assert len(re.findall(r"(?<!\\)\|", line[2])) == 3
    assert not re.search(r"(?<!\\)[<\[*]", word(text))
    assert len(word(text)) < 300


def test_a_harmless_name_is_shown_as_code() -> None:
    assert word("gsm8k/train v1.0") == "`gsm8k/train v1.0`"


@pytest.mark.parametrize("text", [*HOSTILE, "`" * 10, ""])
def test_a_fence_is_longer_than_any_in_the_text(text: str) -> None:
    block = fenced(text)
    fence = block.partition("text\n")[0]
    assert block == f"{fence}text\n{text}\n{fence}"
    assert fence not in text


def test_a_share_of_nothing_is_a_dash() -> None:
    assert percent(1, 3) == "33.3 %"
    assert percent(0, 0) == "–"
