"""The tagged reply forms in which the rules answer, the same as language models are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


class Declined(Exception):
    """The rules cannot do this one; `str()` is the reason, one sentence for people."""


def tagged(**parts: str) -> str:
    """``<name>text</name>`` for each part, in the order given, one below the other."""
    return "\n".join(f"<{name}>{text}</{name}>" for name, text in parts.items())


def pick(random: Random, wordings: Sequence[str], **words: str) -> str:
    """One of our own wordings with ``{name}`` slots filled; the words may hold braces, and are never read again."""
    return fill(wordings[int(random.random() * len(wordings))], **words)


def fill(wording: str, **words: str) -> str:
    """`wording` with each ``{name}`` replaced, in one pass."""
    pieces = []
    for piece in wording.split("{"):
        name, brace, tail = piece.partition("}")
        pieces.append(words[name] + tail if brace and name in words else piece)
    return "".join(pieces)


def shuffled(random: Random, things: Sequence[object]) -> list[int]:
    """The indices of `things` in a random order."""
    order = list(range(len(things)))
    random.shuffle(order)
    return order


def capitalised(text: str) -> str:
    """`text` with its first letter in upper case, the others untouched."""
    return text[:1].upper() + text[1:]
