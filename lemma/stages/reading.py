"""Reads what stands in replies: tolerant of what models wrap around them, strict about what they mean.

Let pass: thinking in ``<think>`` tags, words before and after, code fences, upper-case tags, CRLF, bold marks, "Step
3" for "3". Refused, each with its reason: a part that is missing, one that stands there twice with different
contents, a number that is not one number, a type that is none of those offered. Every function here raises
`ParseError` (or `Rejected`, where the teacher declined) and nothing else, and takes time linear in the reply.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from functools import lru_cache
from html import unescape
from typing import Final

from lemma.errors import ParseError, Rejected
from lemma.stages.base import Reply

FREE_TAGS: Final = frozenset({"analysis"})
"""Room to think: what stands inside is never read."""
MAX_EXPLANATION_CHARS: Final = 4000
"""Explanations go into later prompts, and are paid for there; a longer one rambles."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_THINK_START: Final = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THINK_END: Final = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_FENCE: Final = re.compile(r"\A[`~]{3,}[ \t]*\w*[ \t]*\n(.*?)\n?[ \t]*[`~]{3,}\Z", re.DOTALL)
_LABEL: Final = re.compile(r"^[ \t]*\[\d{1,4}\][ \t]*(?=\S)", re.MULTILINE)
_NUMBER: Final = re.compile(
    r"(?:the )?(?:(?:step|line|sentence|number|no|nr|#) ?)*([0-9]{1,9})(?:st|nd|rd|th)?(?: step)?"
)
_MARKUP: Final = re.compile(r"[\s*_`#.,:;()\[\]\"'“”‘’]+")
_QUOTE_DROPS: Final = re.compile(r"\\[\[\]()]|[\s*_$`#>\"'“”‘’]+|\\[,;! ]")
_ELLIPSIS: Final = re.compile(r"\[?(?:\.{3,}|…)\]?|\\l?dots")
_TYPE_DROPS: Final = " \t\r\n*_`\"'“”‘’.,;:()[]"
_MIN_QUOTE_CHARS: Final = 4
_VERDICTS: Final[Mapping[str, str]] = {
    "wrong": "wrong",
    "incorrect": "wrong",
    "correct": "correct",
    "right": "correct",
}


def encodable(text: str) -> str:
    """`text` without lone surrogates, which JSON may carry and UTF-8 cannot: each becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def require_whole(reply: Reply) -> str:
    r"""The reply's text with ``\n`` as line ends, if the teacher ended it.

    Raises:
        Rejected: `refused` or `cut_short`, as its finish_reason says.
        ParseError: `empty_reply`.
    """
    if reply.finish_reason in ("refused", "content_filter"):
        raise Rejected("refused", reply.detail)
    if reply.finish_reason != "stop":
        raise Rejected("cut_short", f"finish_reason is {reply.finish_reason!r}")
    if not reply.text.strip():
        raise ParseError("empty_reply")
    return encodable(reply.text.replace("\r\n", "\n").replace("\r", "\n"))


def drop_thinking(text: str) -> str:
    """`text` without thinking: what stands behind the last ``</think>``, up to a ``<think>`` that is never closed.

    Templates often put the opening tag into the prompt, so a closing one may stand alone.
    """
    start = 0
    for tag in _THINK_END.finditer(text):
        start = tag.end()
    opening = _THINK_START.search(text, start)
    return text[start : opening.start()] if opening else text[start:]


def clean(content: str) -> str:
    """Contents of a part without surrounding blank lines, a fence around it all, and copied step labels."""
    inner = content.strip()
    if inner[:3] in ("```", "~~~"):
        fenced = _FENCE.match(inner)
        if fenced is not None and "```" not in fenced[1] and "~~~" not in fenced[1]:
            inner = fenced[1].strip()
    if _LABEL.match(inner):
        inner = _LABEL.sub("", inner)
    return inner


@lru_cache(maxsize=64)
def _tag(names: frozenset[str]) -> re.Pattern[str]:
    known = "|".join(re.escape(name) for name in sorted({*names, *FREE_TAGS}, key=lambda name: (-len(name), name)))
    return re.compile(rf"<[ \t]{{0,3}}(/?)[ \t]{{0,3}}({known})[ \t]{{0,3}}>", re.IGNORECASE)


def scan_tags(text: str, names: Collection[str]) -> list[tuple[str, str]]:
    """Names and contents of the top-level tags, in order; what stands inside another tag is that tag's own text.

    Raises:
        ParseError: `missing_tag`: one is not closed.
    """
    tags = list(_tag(frozenset(names)).finditer(text))
    closes: dict[str, list[int]] = {}
    for index, tag in enumerate(tags):
        if tag[1]:
            closes.setdefault(tag[2].lower(), []).append(index)
    found: list[tuple[str, str]] = []
    index = 0
    while index < len(tags):
        tag, name = tags[index], tags[index][2].lower()
        index += 1
        if tag[1]:
            continue  # a closing tag that closes nothing
        own = closes.get(name, [])
        place = bisect_left(own, index)
        if place < len(own):
            end, index = tags[own[place]].start(), own[place] + 1
        elif index == len(tags):
            end = len(text)  # the last tag of a reply that the teacher ended: nothing is lost
        elif name in FREE_TAGS:
            continue
        else:
            raise ParseError("missing_tag", f"<{name}> is not closed")
        if name in names:
            content = text[tag.end() : end]
            found.append((name, content.strip() if name in FREE_TAGS else clean(content)))
    return found


def read_step(content: str, num_steps: int) -> int:
    """The number of a step, from 1, said as "3.", "Step 3", "step **3**" or "3rd".

    Raises:
        ParseError: `step_not_a_number` or `step_out_of_range`.
    """
    plain = _MARKUP.sub(" ", content[:200]).strip().lower()
    match = _NUMBER.fullmatch(plain)
    # "3.5" and "3, 4" are not one number; the marks that were taken out must not have joined or parted digits
    if match is None or len(content) > 200:
        raise ParseError("step_not_a_number", content[:200])
    number = int(match[1])
    if not 1 <= number <= num_steps:
        raise ParseError("step_out_of_range", f"step {number} of {num_steps}")
    return number


def read_verdict(content: str) -> str:
    """``wrong`` or ``correct``.

    Raises:
        ParseError: `unknown_verdict`.
    """
    word = _MARKUP.sub(" ", content[:200]).strip().lower()
    if word not in _VERDICTS or len(content) > 200:
        raise ParseError("unknown_verdict", content[:200])
    return _VERDICTS[word]


def read_error_type(content: str, known: Collection[str]) -> str:
    """A name out of `known`; a type that is merely mentioned ("no calculation_error") is none.

    Raises:
        ParseError: `unknown_error_type`.
    """
    name = re.sub(r"[\s_-]+", "_", content[:200].strip(_TYPE_DROPS).lower())
    if name not in known or len(content) > 200:
        raise ParseError("unknown_error_type", content[:200])
    return name


def _bare(text: str) -> str:
    """`text` as compared with a quote: no spaces, no case, no Markdown, no math delimiters."""
    return _QUOTE_DROPS.sub("", unescape(text)).casefold().replace("−", "-").replace("–", "-")


def check_quote(quote: str, step: str) -> None:
    """Whether the words quoted stand in the step, whitespace, case and markup aside; gaps marked "..." are allowed.

    Raises:
        ParseError: `quote_mismatch`.
    """
    haystack = _bare(step)
    stripped = _LABEL.sub("", quote.strip())
    parts = [part for part in (_bare(piece).rstrip(".") for piece in _ELLIPSIS.split(stripped)) if part]
    whole = _bare(stripped).rstrip(".")
    if whole and whole in haystack:
        parts = [whole]
    length = sum(map(len, parts))
    if length < min(_MIN_QUOTE_CHARS, len(haystack)) or not parts:
        raise ParseError("quote_mismatch", f"too short to tell: {quote[:200]!r}")
    place = 0
    for part in parts:
        place = haystack.find(part, place)
        if place < 0:
            raise ParseError("quote_mismatch", f"{quote[:200]!r} does not stand in {step[:200]!r}")
        place += len(part)
