"""Nothing in a text steers a terminal."""

from __future__ import annotations

import unicodedata

import pytest

from lemma.terminal import flat, safe
from tests.audit.test_screen import TERMINAL_ATTACKS
from tests.exports.builders import HOSTILE


@pytest.mark.parametrize("text", [*HOSTILE, *TERMINAL_ATTACKS])
def test_no_character_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = safe(text)
    assert [one for one in shown if unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs") and one not in "\n\t"] == []
    assert not set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(shown)
    assert "\n" not in flat(text)


def test_a_character_is_replaced_by_one_so_that_places_in_the_text_hold() -> None:
    assert safe("a\x1bb\u202ec") == "a�b�c"


def test_line_breaks_of_other_systems_become_ours() -> None:
    assert safe("one\r\ntwo\rthree") == "one\ntwo�three"
