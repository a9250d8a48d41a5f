r"""How a solution states its final answer at its end, and how to put that into one form.

A *bare answer* says the result and nothing else: ``#### 72``, ``A: 72``, ``The answer is: 72``,
``The final answer is $\boxed{72}$.``, or a last line that is one number or one box. A sentence that still
reasons (``So she sold 48 + 24 = 72 clips.``) is no bare answer and is never taken away.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_BARE_CHARS: Final = 240  # a statement longer than this reasons; the bound also keeps matching cheap
MAX_BARE_WORDS: Final = 7
_CACHED_CHARS: Final = 20_000
_MAX_STRIPPED: Final = 4  # "The answer is 72.\n#### 72": several in a row are one ending

_LEAD = r"(?:(?:so|thus|therefore|hence|finally|then|and|in conclusion)\b,?[ \t]+)?"
_PHRASE = r"(?:the[ \t]+)?(?:final[ \t]+|correct[ \t]+)?answer(?:[ \t]+to[ \t]+the[ \t]+(?:problem|question))?"
_STATEMENT: Final = re.compile(
    rf"{_LEAD}{_PHRASE}[ \t]*[*_]{{0,2}}[ \t]*(?:is[ \t]*:?|[:=])[ \t]*[*_]{{0,2}}(?P<payload>.*)",
    re.IGNORECASE | re.DOTALL,
)
_STEP_LABEL: Final = re.compile(r"\AStep[ \t]{0,3}\d{1,3}[:.][ \t]*(?=####|the (?:final )?answer)", re.IGNORECASE)
_MARK: Final = re.compile(r"(?:####|A[ \t]*:)(?P<payload>.*)", re.DOTALL)
_HOPE: Final = re.compile(r"[ \t]*I hope it is correct\.?[ \t]*\Z", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+−]?[$€£]?[ \t]?[-+−]?\d[\d,]*(?:\.\d+)?(?:[ \t]?/[ \t]?\d+)?[ \t]?%?")
_UNKNOWN: Final = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[A-Z]{2}")
_SENTENCE_INSIDE: Final = re.compile(r"[.!?][ \t\n]+[A-Za-z]")
_LATEX_WORD: Final = re.compile(r"\\[A-Za-z]+")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_DECORATION: Final = " \t\r\n*_>#"
_STATEMENT_START: Final = re.compile(
    rf"(?:(?<=[.!?:;)\]$}}*])[ \t]+|(?<=\n)[ \t]*)(?=[*_]{{0,2}}{_LEAD}{_PHRASE}\b)", re.IGNORECASE
)


def _is_box(text: str) -> bool:
    r"""Whether `text` is one ``\boxed{…}``, perhaps inside math delimiters."""
    inner = text.strip(" \t\r\n.*_")
    for left, right in (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)")):
        if inner.startswith(left) and inner.endswith(right) and len(inner) > len(left) + len(right):
            inner = inner[len(left) : -len(right)].strip(" \t\r\n.")
            break
    if not inner.startswith(("\\boxed{", "\\fbox{")) or not inner.endswith("}"):
        return False
    depth = 0
    for place, char in enumerate(inner):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return place == len(inner) - 1
    return False


def _is_computation(text: str) -> bool:
    """Whether `text` works something out ("12 + 3 = 15"); an equation in unknowns ("x + 2y = 0") is a result."""
    sides = text.split("=")
    return len(sides) > 2 or (len(sides) == 2 and _UNKNOWN.search(_LATEX_WORD.sub(" ", sides[0])) is None)


def _is_payload(text: str) -> bool:
    """Whether what follows "the answer is" is a result and no further reasoning."""
    inner = text.strip(_DECORATION)
    if not inner or _is_box(inner):
        return bool(inner)
    if _SENTENCE_INSIDE.search(inner) or any(_is_computation(piece) for piece in inner.split(",")):
        return False
    return len(_WORD.findall(_LATEX_WORD.sub(" ", inner))) <= MAX_BARE_WORDS


def is_bare_answer(text: str) -> bool:
    """Whether `text` states a final answer and nothing else.

    Args:
        text: one line or sentence, surrounding whitespace and bold marks allowed.
    """
    return len(text) <= MAX_BARE_CHARS + 80 and _is_bare_answer(text)


@lru_cache(maxsize=4096)  # splitting, reading the answer and finishing a text all look at its last lines
def _is_bare_answer(text: str) -> bool:
    inner, num_hopes = _HOPE.subn("", text.strip())
    if not inner:
        return num_hopes > 0
    if len(inner) > MAX_BARE_CHARS:
        return False
    inner = _STEP_LABEL.sub("", inner)
    mark = _MARK.fullmatch(inner.lstrip("*_> \t"))
    if mark is not None:
        return _is_payload(mark["payload"])
    bare = inner.strip(_DECORATION)
    statement = _STATEMENT.fullmatch(bare)
    if statement is not None:
        return _is_payload(statement["payload"])
    return _is_box(bare) or _NUMBER.fullmatch(bare.rstrip(". \t").strip("$ ")) is not None


def _bare_answer_start(text: str) -> int | None:
    """Offset at which the bare answer that ends `text` begins, whitespace before it left out; or null."""
    end = len(text)
    low = max(0, end - MAX_BARE_CHARS - 80)
    line = text.rfind("\n", low) + 1
    if line == 0 and low > 0:
        line = low  # the last line is longer than any bare answer; a sentence inside may still be one
    elif is_bare_answer(text[line:]):
        return line
    for match in _STATEMENT_START.finditer(text, low):
        if is_bare_answer(text[match.end() :]):
            return match.end()
    # display math over three lines: \[, \boxed{72}, \]
    display = text.rfind("\\[", low)
    if display >= 0 and _is_box(text[display:]):
        return display
    return None


def strip_answer(text: str) -> str:
    r"""`text` without the bare answer statements, and the whitespace, at its end.

    Examples:
        >>> strip_answer("48 + 24 = 72\n#### 72")
        '48 + 24 = 72'
        >>> strip_answer("So she sold 48 + 24 = 72 clips.")
        'So she sold 48 + 24 = 72 clips.'
    """
    return _known_strip(text) if len(text) <= _CACHED_CHARS else _strip(text)


def _strip(text: str) -> str:
    kept = text.rstrip()
    for _ in range(_MAX_STRIPPED):
        start = _bare_answer_start(kept)
        if start is None:
            break
        kept = kept[:start].rstrip()
    return kept


_known_strip: Final = lru_cache(maxsize=1024)(_strip)


def finish(text: str, answer: str, form: str) -> str:
    """`text` with its ending replaced by one line that states `answer` in the configured form.

    Args:
        text: a solution, with or without a bare answer at its end.
        answer: the final answer; put in as it is, whatever it holds.
        form: the configured `answer_form`, with ``{answer}`` once.
    """
    line = form.replace("{answer}", answer)
    kept = strip_answer(text.rstrip().removesuffix(f"\n{line}"))
    return f"{kept}\n{line}" if kept else line
