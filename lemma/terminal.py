"""What may be sent to a terminal: problems and models' texts are hostile, and nothing in them may steer it."""

from __future__ import annotations

import re
from typing import Final

# control characters (C0, C1), line and paragraph separators, marks that turn the direction of writing, lone surrogates
_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe(text: str) -> str:
    """The text with every character that a terminal would obey shown as �; line breaks and tabs stay."""
    return _STEERING.sub("�", text.replace("\r\n", "\n"))


def flat(text: str) -> str:
    """The same on one line."""
    return " ".join(safe(text).split())
