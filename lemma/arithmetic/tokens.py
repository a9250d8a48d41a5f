"""Cuts a text into the tokens of its arithmetic, in one pass; words between numbers stay together.

Token kinds: ``N`` number, ``W`` words, ``O`` operator, ``E`` equals, ``L`` and ``R`` brackets, ``C`` currency,
``P`` percent, ``F`` a LaTeX fraction, ``B`` a break that no expression crosses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple


class Token(NamedTuple):
    """A piece of text; `payload` is the operator's symbol, the bracket, or the words in lower case."""

    kind: str
    start: int
    end: int
    payload: str


class Tokens(NamedTuple):
    """The tokens of a text, and the spans of its calculator marks without their brackets."""

    tokens: tuple[Token, ...]
    marks: tuple[tuple[int, int], ...]


# Linear: every alternative begins differently or is bounded, and no repeated part can take what follows it.
_TOKEN: Final = re.compile(
    r"""
    (?P<words>[A-Za-z](?:[A-Za-z'’]|[ -](?=[A-Za-z]))*)
  | (?P<space>[ \t\r\u00a0\u202f]+|\.\.\.|…|\*\*(?!(?<=[\d)]\*\*)[\d(])|__|&(?==))
  | (?P<num>(?:\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?![\d,]\d)|\d+)(?:\.\d+)?|\.\d+)
  | (?P<mark><<[^<>\n]{0,300}>>)
  | (?P<equals>=+)
  | (?P<bullet>(?:(?<=\n)|\A)[-*+•–][ ])
  | (?P<power>\^|\*\*)
  | (?P<per>/[ ]?(?=[A-Za-z]))
  | (?P<hyphen>(?<=\d)-(?=[A-Za-z]))
  | (?P<one>[-−–+*/⁄×·∗÷()\[\]{}$£€¥₹%≈\n,.;:!?])
  | (?P<text>\\(?:text|mathrm|textbf|mbox)[ ]?\{[^{}\n]{0,80}\})
  | (?P<void>\\[,;:!\ ]|\\(?:left|right|quad|displaystyle|boxed|mathbf)(?![A-Za-z]))
  | (?P<frac>\\[dt]?frac)
  | (?P<latex>\\(?:approx|simeq|times|cdot|ast|div|\$|%))
  | (?P<end>.)
    """,
    re.VERBOSE,
)
_CHARACTERS: Final = {
    **dict.fromkeys(("*", "×", "·", "∗", "\\times", "\\cdot", "\\ast"), ("O", "*")),
    **dict.fromkeys(("/", "⁄", "÷", "\\div"), ("O", "/")),
    **dict.fromkeys("-−–", ("O", "-")),
    **dict.fromkeys(("^", "**"), ("O", "^")),
    **dict.fromkeys(("≈", "\\approx", "\\simeq"), ("E", "approx")),
    **dict.fromkeys(("\\$", "$"), ("C", "$")),
    **dict.fromkeys(("\\%", "%"), ("P", "")),
    **{c: ("L", c) for c in "([{"},
    **{c: ("R", c) for c in ")]}"},
    **{c: ("C", c) for c in "£€¥₹"},
    "+": ("O", "+"),
}
_BREAK: Final = ("B", "")
_TIMES_AHEAD: Final = re.compile(r"[ \t\u00a0]{0,2}[\d$(\\.]")
_ORDINAL: Final = re.compile(r"(?:st|nd|rd|th)s?(?![A-Za-z])", re.IGNORECASE)
_EQUALS: Final = re.compile(r"\bequals?\b", re.IGNORECASE)


@lru_cache(maxsize=1024)
def tokenise(text: str) -> Tokens:
    """The tokens of a text; kept for a moment, since several readers want them."""
    tokens: list[Token] = []
    marks: list[tuple[int, int]] = []
    skip_to = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "space" or kind == "void":
            continue
        start, end = match.span()
        if start < skip_to:
            if end <= skip_to:
                continue
            start = skip_to
        if kind == "words":
            _add_words(text, start, end, tokens)
        elif kind == "num":
            following = text[end : end + 1]
            suffix = _ORDINAL.match(text, end) if following in "sntrSNTR" and following else None
            if suffix is None:
                tokens.append(Token("N", start, end, ""))
            else:
                skip_to = suffix.end()
                is_denominator = bool(tokens) and tokens[-1].payload == "/" and tokens[-1].end == start
                kept = Token("N", start, end, "") if is_denominator else Token("W", start, skip_to, "ordinal")
                tokens.append(kept)
        elif kind == "one" or kind == "latex" or kind == "power":
            tokens.append(Token(*_placed(_CHARACTERS.get(match.group(), _BREAK), start, end)))
        elif kind == "equals":
            tokens.append(Token("E", start, end, "="))
        elif kind == "mark":
            marks.append((start + 2, end - 2))
        elif kind == "frac":
            tokens.append(Token("F", start, end, ""))
        elif kind == "text" or kind == "per" or kind == "hyphen":
            tokens.append(Token("W", start, end, kind))
        else:
            tokens.append(Token("B", start, end, ""))
    return Tokens(tuple(tokens), tuple(marks))


def _placed(character: tuple[str, str], start: int, end: int) -> tuple[str, int, int, str]:
    return character[0], start, end, character[1]


def _add_words(text: str, start: int, end: int, tokens: list[Token]) -> None:
    """Words, or what they may stand for: ``x`` between numbers multiplies, ``equals`` is a sign."""
    words = text[start:end].lower()
    if words[-1] == "x" and (end - start == 1 or words[-2] == " ") and tokens and _TIMES_AHEAD.match(text, end):
        if end - start > 2:
            tokens.append(Token("W", start, end - 2, words[:-2]))
        tokens.append(Token("O", end - 1, end, "*"))
        return
    sign = _EQUALS.search(words) if "equal" in words else None
    if sign is None:
        tokens.append(Token("W", start, end, words))
        return
    before, behind = words[: sign.start()].rstrip(), words[sign.end() :].lstrip()
    if before:
        tokens.append(Token("W", start, start + len(before), before))
    tokens.append(Token("E", start + sign.start(), start + sign.end(), sign.group()))
    if behind:
        tokens.append(Token("W", end - len(behind), end, behind))
