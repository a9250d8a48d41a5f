r"""Reads one flat JSON object out of a reply: tolerant of how models write JSON, strict about what it says.

Let pass: words and fences around it, trailing commas, line breaks inside strings, a missing last brace, and LaTeX
with single backslashes (``"\frac12"``, which plain JSON reads as a form feed). Not let pass: lists and objects as
values. One pass with bounded tries, so time is linear in the reply.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_MAX_TRIES: Final = 40
"""Braces at which an object may begin; set notation and code before it have some too."""
_OPEN: Final = re.compile(r'\{(?=\s*["}])')
_GAP: Final = re.compile(r"[\s,]*")
_STRING: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_COLON: Final = re.compile(r"\s*:\s*")
_WORD: Final = re.compile(r"-?\d[\d.eE+-]*|true|false|null|None|True|False")
_WHOLE_FLOAT: Final = re.compile(r"(-?\d+)\.0+")
_DOUBLED: Final = re.compile(r"\\\\[A-Za-z(\[{]")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([A-Za-z]+)|(.))", re.DOTALL)
_PAIR: Final = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_PLAIN: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "/": "/"}
_COMMANDS: Final = re.compile(
    r"n(?:abla|eg?|eq|ewline|exists|geq|leq|mid|ot|otin|subseteq)"
    r"|t(?:anh?|au|binom|ext|extbf|extit|frac|herefore|heta|ilde|imes|o|op|riangle)"
    r"|r(?:angle|brace|ceil|floor|ho|ight|ightarrow|m)"
)
r"""Commands whose first letter with the backslash is an escape of JSON too; ``\b…``, ``\f…``, ``\u…`` need no list."""


def scan_json(text: str, names: Collection[str]) -> list[tuple[str, str | None]]:
    """The known keys of all flat objects in `text`, in order, with their values as text; null as None.

    Empty where there is no such object.
    """
    found: list[tuple[str, str | None]] = []
    place = tries = 0
    is_doubled = _DOUBLED.search(text) is not None
    while tries < _MAX_TRIES and (opening := _OPEN.search(text, place)) is not None:
        tries += 1
        pairs, end = _object(text, opening.end(), is_doubled)
        known = [(key, value) for key, value in pairs if key in names] if end else []
        found += known
        place = end if known else opening.end()
    return found


def _object(text: str, place: int, is_doubled: bool) -> tuple[list[tuple[str, str | None]], int]:
    """Keys and values of the object whose brace opens before `place`, and its end; end 0 where it is none."""
    pairs: list[tuple[str, str | None]] = []
    while True:
        gap = _GAP.match(text, place)
        place = gap.end() if gap else place
        if place == len(text):
            return pairs, place  # the teacher ended the reply: only the brace is missing
        if text[place] == "}":
            return pairs, place + 1
        if pairs and text.startswith("```", place):
            return pairs, place
        key = _STRING.match(text, place)
        colon = _COLON.match(text, key.end()) if key else None
        if key is None or colon is None:
            return pairs, 0
        value = _STRING.match(text, colon.end()) or _WORD.match(text, colon.end())
        if value is None:
            return pairs, 0
        place = value.end()
        name = _unescape(key[1], True).strip().lower()
        pairs.append((name, _unescape(value[1], is_doubled) if value.re is _STRING else _plain(value[0])))


def _plain(word: str) -> str | None:
    """A number, truth value or null as text."""
    if word in ("null", "None"):
        return None
    whole = _WHOLE_FLOAT.fullmatch(word)
    return whole[1] if whole else word.lower()


def _unescape(inner: str, is_doubled: bool) -> str:
    """The string between the quotes; backslashes that no JSON has, and those of raw LaTeX, stand for themselves.

    Args:
        inner: as written.
        is_doubled: the reply writes LaTeX with doubled backslashes, so single ones are escapes.
    """
    if "\\" not in inner:
        return inner

    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return chr(int(match[1], 16))
        if match[3] is not None:
            return _PLAIN.get(match[3], match[0])
        letters = match[2]
        is_command = letters[0] not in _PLAIN or (not is_doubled and _COMMANDS.fullmatch(letters) is not None)
        return match[0] if is_command else _PLAIN[letters[0]] + letters[1:]

    return _PAIR.sub(lambda pair: _join(pair[1], pair[2]), _ESCAPE.sub(one, inner))


def _join(high: str, low: str) -> str:
    return chr(0x10000 + ((ord(high) - 0xD800) << 10) + (ord(low) - 0xDC00))
