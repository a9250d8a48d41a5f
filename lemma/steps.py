r"""Splits a solution into its steps, without loss: ``"".join(split_steps(text)) == text``.

A step is a line, or a sentence where a line holds several. Never split: a decimal, an abbreviation, a list
number from its item, inline or display LaTeX, a code block, a table. Display mathematics stays with the words
that lead to it, a heading with what it heads, a bare final answer with the step before it.

Everything is one pass of a scanner over the text, so time is linear in its length, whatever it holds.

Example::

    >>> split_steps("She sold 48/2 = 24 in May. In all, 48+24 = 72.\n#### 72")
    ['She sold 48/2 = 24 in May. ', 'In all, 48+24 = 72.\n#### 72']
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from lemma.endings import is_bare_answer

_EVENT: Final = re.compile(
    r"(?P<fence>```|~~~)|(?P<asy>\[asy\])|(?P<tick>`)|(?P<dollars>\$\$)|(?P<dollar>\$)"
    r"|(?P<escape>\\[\\$`])|(?P<open>\\[\[(])|\\begin\{(?P<env>[A-Za-z]{1,20}\*?)\}"
    r"|(?P<newline>\n)|(?P<stop>[.!?]+|[。！？]+)"
)
_EVENT_START: Final = re.compile(r"[`~\[$\\\n.!?。！？]")
"""Every character that an event begins with: looking for one of a set is many times quicker than for alternatives."""
_END_ENV: Final = re.compile(r"\\end\{([A-Za-z]{1,20}\*?)\}")
_CLOSERS: Final = "\"'”’)]*_"
_LABEL: Final = re.compile(
    r"[\s*_#>(-]{0,12}(?:(?:step|case|part|method|option)[ \t]{1,3})?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})",
    re.IGNORECASE,
)
_ALNUM: Final = re.compile(r"[^\W_]")
_LAST_WORD: Final = re.compile(r"[A-Za-z][A-Za-z.]*\Z")
_NEXT_WORD: Final = re.compile(r"[A-Za-z']+")
_LOWER_WORD: Final = re.compile(r"[a-z]{2,}|[a-z](?=[ ,])|[,.;:]")
_HEADING: Final = re.compile(
    r"#{1,6}[ \t].*|(?:\d{1,3}[.)][ \t]{0,3})?\*\*[^*=\n]{1,160}\*\*:?"
    r"|(?:\*\*)?(?:step|case|part)[ \t]{1,3}(?:\d{1,3}|[A-Z])[.:]?(?:\*\*)?[.:]?|\d{1,3}[.)]|[-*•]",
    re.IGNORECASE,
)
_MAX_HEADING_CHARS: Final = 200
_MAX_INLINE_CHARS: Final = 1500
_CACHED_CHARS: Final = 20_000
"""Longer texts are rare, and a thousand of them would be much memory."""
_DISPLAY_ENVS: Final = re.compile(
    r"(?:align|aligned|equation|gather|gathered|eqnarray|multline|flalign|alignat|array|cases|tabular|displaymath)\*?"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never the end of a sentence, whatever follows.
_ABBREVIATIONS: Final = _words(
    """
    mr mrs ms dr st prof sr jr vs e.g i.e eg ie approx no nos fig figs eq eqs eqn sec cf resp w.r.t viz
    vol ch thm prop def lem cor
    """
)
# The end of a sentence only where a common first word follows ("5 p.m. Then"), not a name ("5 p.m. Monday").
_SOFT_ABBREVIATIONS: Final = _words(
    """
    etc a.m p.m u.s u.k ft in lb lbs oz hr hrs min sec gal yd mi cm mm km kg sq dept inc ltd co est
    """
)
_STARTERS: Final = _words(
    """
    a after all also an and as assume at because but by calculate compute consider each every finally
    first for from given has hence he her his how however i if in is it its later let multiply next no
    note now on one our out over second she similarly simplifying since so solving subtract substituting
    summing that the their then there therefore these they third this those thus to together total two
    using we what when where which while with without you your wait
    """
)


class _Regions:
    """Finds where protected regions end, each search made once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._exhausted: set[str] = set()
        self._environment_ends: dict[str, list[int]] | None = None

    def close(self, token: str, start: int) -> int | None:
        """End of the first `token` at or behind `start`; remembers that there is none."""
        if token in self._exhausted:
            return None
        place = self._text.find(token, start)
        if place < 0:
            self._exhausted.add(token)
            return None
        return place + len(token)

    def close_environment(self, name: str, start: int) -> int | None:
        r"""End of the first ``\end{name}`` behind `start`."""
        if self._environment_ends is None:
            self._environment_ends = {}
            for match in _END_ENV.finditer(self._text):
                self._environment_ends.setdefault(match[1], []).append(match.end())
        ends = self._environment_ends.get(name, [])
        place = bisect_left(ends, start)
        return ends[place] if place < len(ends) else None

    def close_dollar(self, start: int) -> int | None:
        """End of the inline formula whose opening dollar sign ends at `start`; null for money.

        A formula neither begins nor ends with a space, no digit follows it, and it holds no blank line: so
        ``$5 and $6`` and ``$2*$3=$6`` are money.
        """
        text = self._text
        if start >= len(text) or text[start] in " \t\n$":
            return None
        place = start
        while True:
            close = text.find("$", place, start + _MAX_INLINE_CHARS)
            if close < 0:
                return None
            if text[close - 1] != "\\":
                break
            place = close + 1
        if text[close - 1] in " \t\n" or text[close + 1 : close + 2].isdigit() or "\n\n" in text[start:close]:
            return None
        return close + 1


class _Scanner:
    """Collects the offsets at which steps may end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cuts: list[int] = []
        """Starts of segments, but for the first."""
        self.blocks: set[int] = set()
        """Starts of display mathematics, tables' and code blocks: they stay with the words before them."""
        self.block_ends: set[int] = set()
        self._regions = _Regions(text)
        self._start = 0

    def run(self) -> None:
        text, place = self.text, 0
        while (start := _EVENT_START.search(text, place)) is not None:
            event = _EVENT.match(text, start.start())
            if event is None:
                place = start.end()
                continue
            kind, end = event.lastgroup, event.end()
            if kind == "newline":
                place = self._skip_blank(end)
                self._cut(place)
            elif kind == "stop":
                place = self._after_stop(event.start(), end)
            elif kind == "escape":
                place = end
            else:
                place = self._protect(event, kind)

    def _cut(self, place: int) -> None:
        if self._start < place < len(self.text):
            self.cuts.append(place)
            self._start = place

    def _skip_blank(self, place: int) -> int:
        text = self.text
        while place < len(text) and text[place].isspace():
            place += 1
        return place

    def _protect(self, event: re.Match[str], kind: str | None) -> int:
        """Steps over a formula or code, and returns where to go on."""
        start, end = event.span()
        regions = self._regions
        close: int | None
        is_block = True
        if kind == "env":
            close = regions.close_environment(event["env"], end)
            is_block = _DISPLAY_ENVS.fullmatch(event["env"]) is not None
        elif kind == "dollar":
            close, is_block = regions.close_dollar(end), False
        elif kind == "tick":
            close, is_block = regions.close("`", end), False
            if close is not None and "\n" in self.text[end : min(close, end + _MAX_INLINE_CHARS)]:
                close = None
        elif kind == "asy":
            close = regions.close("[/asy]", end)
        elif kind == "open":
            is_inline = event[0] == "\\("
            close, is_block = regions.close("\\)" if is_inline else "\\]", end), not is_inline
        else:
            close = regions.close(event[0], end)
        if close is None:
            return end
        if is_block:
            self.blocks.add(start)
            self.block_ends.add(close)
            return self._after_block(close)
        if self.text[close - 2] == "." and kind == "dollar":  # "$x = 5.$ Then": the stop is inside
            return self._after_stop(close - 2, close, is_inside=True)
        return close

    def _after_block(self, close: int) -> int:
        """A new step begins behind display mathematics, unless the sentence goes on."""
        text = self.text
        place = close
        while place < len(text) and text[place] in ".,;":
            place += 1
        place = self._skip_blank(place)
        if place < len(text) and not _LOWER_WORD.match(text, place):
            self._cut(place)
        return place

    def _after_stop(self, start: int, end: int, *, is_inside: bool = False) -> int:
        """Cuts behind a full stop, exclamation or question mark if it ends a sentence."""
        text = self.text
        if text[start] in "。！？":
            self._cut(self._skip_blank(end))
            return end
        place = end
        while place < len(text) and place < end + 4 and text[place] in _CLOSERS:
            place += 1
        following = place
        while following < len(text) and text[following] in " \t":
            following += 1
        if following == place or following >= len(text) or text[following] == "\n":
            return end
        first = text[following]
        if (
            first.islower()
            or first in ",;:=+/<>%^&|)]}-–"
            or (first == "*" and text[following + 1 : following + 2] == " ")
        ):
            return end
        if is_inside or not self._is_no_end(start, end, following):
            self._cut(following)
            return following
        return end

    def _is_no_end(self, start: int, end: int, following: int) -> bool:
        """Whether the stop belongs to an abbreviation, a list number, an ellipsis or a factorial."""
        text = self.text
        first = text[following]
        if end - start > 1:
            return not first.isalpha()
        if text[start] == "!":
            return first.isdigit()
        if text[start] == "?":
            return False
        if start - self._start <= 24 and _LABEL.fullmatch(text, self._start, start):
            return True
        word_match = _LAST_WORD.search(text, max(self._start, start - 12), start)
        if word_match is None:
            return False
        word = word_match[0].lower()
        if word in _ABBREVIATIONS:
            return not (word in ("no", "sec") and not first.isdigit())
        next_match = _NEXT_WORD.match(text, following)
        is_name = next_match is not None and next_match[0].lower() not in _STARTERS
        if word in _SOFT_ABBREVIATIONS:
            before = text[max(0, word_match.start() - 2) : word_match.start()]
            return is_name and (word not in ("in", "co", "est") or before[:1].isdigit())
        # "Samuel L. Jackson", but "at the point A. Then"
        if len(word) == 1 and word_match[0].isupper() and is_name:
            before_words = text[max(self._start, word_match.start() - 20) : word_match.start()].split()
            return bool(before_words) and before_words[-1][:1].isupper()
        return False


def _is_table_row(segment: str) -> bool:
    return segment.startswith("|") and segment.rstrip().endswith("|") and len(segment.rstrip()) > 1


def _is_heading(segment: str) -> bool:
    stripped = segment.strip()
    return len(stripped) <= _MAX_HEADING_CHARS and _HEADING.fullmatch(stripped) is not None


def _has_content(segment: str) -> bool:
    return _ALNUM.search(segment) is not None


def _find_starts(text: str) -> tuple[int, ...]:
    """Offsets at which the steps of a text that is not empty start."""
    scanner = _Scanner(text)
    scanner.run()
    starts = [0]
    is_pending = False  # what stands before has no content of its own yet, or is a heading
    bounds = [0, *scanner.cuts, len(text)]
    previous = ""
    for left, right in pairwise(bounds):
        segment = text[left:right]
        joins = left > 0 and (
            is_pending
            or (left in scanner.blocks and _ends_open(scanner, text, left))
            or not _has_content(segment)
            or (_is_table_row(segment) and _is_table_row(previous))
        )
        if left > 0 and not joins:
            starts.append(left)
        if _has_content(segment) or not joins:
            is_pending = _is_heading(segment) or not _has_content(segment)
        previous = segment
    while len(starts) > 1 and is_bare_answer(text[starts[-1] :]):
        starts.pop()
    return tuple(starts)


@lru_cache(maxsize=4096)  # more than calls in flight: a text is split when asked, and when its reply is read
def _known_starts(text: str) -> tuple[int, ...]:
    return _find_starts(text)


def _starts(text: str) -> tuple[int, ...]:
    """Where the steps start; asking, reading, making and checking want the same again, of texts of the usual length."""
    return _known_starts(text) if len(text) <= _CACHED_CHARS else _find_starts(text)


def _ends_open(scanner: _Scanner, text: str, place: int) -> bool:
    """Whether the text before a block is words that lead to it, not another block."""
    end = place
    while end > 0 and text[end - 1].isspace():
        end -= 1
    while end > 0 and text[end - 1] in ".,;":
        if end in scanner.block_ends:
            return False
        end -= 1
    return end not in scanner.block_ends


def step_spans(text: str) -> list[tuple[int, int]]:
    """Offsets [start, end) of the steps, in order, without gaps; empty for an empty text."""
    if not text:
        return []
    starts = _starts(text)
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def split_steps(text: str) -> list[str]:
    """The steps of `text`; joined they are `text` again.

    Whitespace and line breaks between two steps belong to the end of the first.
    """
    return [text[start:end] for start, end in step_spans(text)]


def step_at(text: str, offset: int) -> int:
    """Number, from 1, of the step that holds the last character before `offset`.

    Args:
        text: a solution, not empty.
        offset: in characters, at least 1; beyond the end it means the last step.

    Raises:
        ValueError: the text is empty or the offset below 1.
    """
    if not text or offset < 1:
        raise ValueError(f"no character stands before offset {offset} of a text of {len(text)} characters")
    return bisect_left(_starts(text), min(offset, len(text)))


def locate_steps(text: str, segments: Sequence[str]) -> list[tuple[int, int]]:
    """Where the steps of another segmentation stand in `text`: offsets [start, end) without the space around them.

    Space inside is not looked at, so that steps joined by blank lines or cut at line breaks are found alike; an empty
    one stands where the one before it ends.

    Args:
        text: the solution.
        segments: its steps as somebody else split them, in order.

    Raises:
        ValueError: a step does not stand in the text behind the one before it.
    """
    offsets = [place for place, char in enumerate(text) if not char.isspace()]
    bare = "".join(text[place] for place in offsets)
    spans: list[tuple[int, int]] = []
    place = 0
    for number, segment in enumerate(segments, 1):
        wanted = "".join(segment.split())
        found = bare.find(wanted, place)
        if found < 0:
            raise ValueError(f"step {number} does not stand in the text behind the one before it: {segment[:80]!r}")
        place = found + len(wanted)
        end = offsets[place - 1] + 1 if place else 0
        spans.append((offsets[found], end) if wanted else (end, end))
    return spans


def map_steps(text: str, segments: Sequence[str]) -> list[tuple[int, int]]:
    r"""For each step of another segmentation the first and the last of our steps, from 1, that it shares text with.

    Example:
        >>> map_steps("It is 1. So 2.\nSo 3.", ["It is 1. So 2.", "So 3."])
        [(1, 2), (3, 3)]

    Raises:
        ValueError: the text is empty, or a step does not stand in it (see `locate_steps`).
    """
    return [
        (step_at(text, min(start, max(end - 1, 0)) + 1), step_at(text, max(end, 1)))
        for start, end in locate_steps(text, segments)
    ]
