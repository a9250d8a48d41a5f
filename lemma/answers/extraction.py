r"""Find the final answer that a solution states.

The last marker of any kind wins, whatever stood before it, and a last marker that holds nothing (cut short,
never closed) means that the text has no answer: nothing is guessed from the numbers around.

Example: ``The answer is 5. Wait, $\boxed{\frac{1}{2}}$`` states ``\frac{1}{2}``.
"""

from __future__ import annotations

import re

_MAX_CHARS = 1_000_000
_HEADED_WORDS = 12

_MARKER = re.compile(
    r"""
      (?=[\\af]|^)  # what each of these begins with, so that few places are tried
      (?:
      (?P<box>\\(?:boxed|fbox)(?![A-Za-z])[ \t]*)
    | ^[ \t>*]*\#\#\#\#(?!\#)(?=(?P<hashes>[^\n]*))
    | ^[ \t>*]*A:(?=(?P<line>[^\n]*))
    | \b(?P<phrase>answer)\b
      (?:[ \t]+(?:to|for|of|in|here|then|now)\b[^.\n:=?]{0,80}?|[ \t]*,[^,.\n:=?]{1,60},|[ \t]*\([^()\n]{1,40}\))?
      [ \t]*(?:\*\*|__)?[ \t]*
      (?::|=|\b(?:is|are|was|would[ ]be|must[ ]be|should[ ]be|will[ ]be|becomes|equals)\b)
    | (?:\bfinal[ ]|^[ \t\#>*_]*)(?P<heading>answer)\b[ \t]*(?:\*\*|__)?[ \t]*(?=\n|\Z)
      )
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
# A markdown heading of the fourth level is no GSM8K answer line.
_HEADING = re.compile(
    r"(?i)\s*\**\s*(?:steps?|parts?|cases?|methods?|solutions?|final|answer|explanations?|conclusion|verif\w*|checks?|proof|notes?|"
    r"summary|given|problem|question|analysis|approach|understand\w*|calculat\w*|find\w*|comput\w*|determin\w*|identify\w*|"
    r"set\w*|solv\w*|simplif\w*|let|we|the)\b"
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_FILLER = re.compile(
    r"(?:[\s:=,]|\*\*|__|\\(?=\s)|(?:therefore|thus|hence|then|now|simply|indeed|just|exactly|clearly|equal to|"
    r"given by|as follows|"
    r"approximately|about|also|still|actually|is)\b)*",
    re.IGNORECASE,
)
# "I hope the answer is correct" is about an answer, and states none.
_REMARK = re.compile(
    r"(?i)(?:in|un)?(?:correct|right|wrong|known|what|ready|here|below|above|expected|needed|clear|obvious|true|false|reasonable|consistent|valid|not|found|certain)\b(?!\s*\()"
)
_CLAUSE = re.compile(
    r"(?:,\s*(?:which|so|but|because|since|as|giving|making|and so|where)\b|\s+(?:because|since|which)\b|\s*<\|)",
    re.IGNORECASE,
)
_PROSE = re.compile(r"(?:The|There|It|So|Thus|Therefore|We|This|That|Hence|Her|His|Their|Each|She|He|They)\b")
_COPULA = re.compile(r".*\b(?:is|are|equals|was|be)\s+(?=\S)", re.DOTALL)
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|St|No|vs|sq|ft|cu|in|approx|e\.g|i\.e|[ap]\.m|[AP]\.M|[A-Z])$")
_OPENERS = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]"}


def extract_answer(text: str) -> str | None:
    r"""Return the answer that ``text`` states last, without its wrappers, or None.

    Markers are ``\boxed``, ``\fbox``, ``the answer is``, ``final answer``, ``Answer:``, ``####`` and a line
    that begins with ``A:``. Time is linear in the length of the text; of a text over a million characters only
    the end is read. Raises nothing.
    """
    text = text[-_MAX_CHARS:].replace("\r\n", "\n")
    markers = list(_MARKER.finditer(text))
    for index in range(len(markers) - 1, -1, -1):
        marker = markers[index]
        if marker.group("box") is not None:
            return _boxed(text, marker.end())
        box = next((m for m in reversed(markers[max(0, index - 8) : index]) if m.group("box") is not None), None)
        if box is not None and _closing(text, box.end()) > marker.start():
            continue  # words inside of a box are the box's
        kind = (
            "hashes" if marker.group("hashes") is not None else "line" if marker.group("line") is not None else "phrase"
        )
        if kind == "hashes":
            content = marker.group("hashes")
            if content.strip() and (_HEADING.match(content) or len(content.split()) > 6):
                continue
            return _unwrapped(content)
        if kind == "line":
            return _unwrapped(_sentence(marker.group("line").strip() + "\n"))
        start = _FILLER.match(text, marker.end())
        rest = text[start.end() if start else marker.end() :]
        if _REMARK.match(rest):
            continue
        if marker.group("heading") is not None and len(rest.split("\n", 1)[0].split()) > _HEADED_WORDS:
            continue  # a heading over an explanation
        return _stated(rest)
    return None


def _boxed(text: str, start: int) -> str | None:
    """Read a box's content from ``start``, its opening brace or bare token."""
    if start >= len(text):
        return None
    if text[start] != "{":
        token = re.compile(r"[^\s$,;{}]+").match(text, start)
        return _unwrapped(token.group()) if token else None
    end = _closing(text, start)
    return text[start + 1 : end].strip() or None if end >= 0 else None


def _closing(text: str, start: int) -> int:
    """Where the brace that opens at ``start`` is closed; -1 if it never is, or none opens there."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return brace.start()
        if depth == 0:
            break
    return -1


def _stated(rest: str) -> str | None:
    """Read an answer phrase's content: the sentence, or line, that follows it."""
    sentence = _sentence(rest)
    if sentence is None:
        return None
    if _PROSE.match(sentence):
        told = _COPULA.match(sentence)
        if told:
            sentence = sentence[told.end() :]
    return _unwrapped(sentence)


def _sentence(rest: str) -> str | None:
    """Cut ``rest`` at its first sentence's or line's end; None where a formula in it is never closed."""
    position = 0
    while position < len(rest):
        opener = next((mark for mark in _OPENERS if rest.startswith(mark, position)), None)
        if opener and not (position and rest[position - 1] == "\\"):
            inner = position + len(opener)
            if (
                opener == "$"
                and re.match(r"\s?\d[\d,.]*(?![\d,.^_\\$])", rest[inner:])
                and not _closes_on_line(rest, inner)
            ):
                position = inner  # a price
                continue
            closing = rest.find(_OPENERS[opener], inner)
            while closing > 0 and rest[closing - 1] == "\\" and opener == "$":
                closing = rest.find("$", closing + 1)
            if closing < 0:
                return None
            position = closing + len(opener)
            continue
        letter = rest[position]
        if letter == "\n":
            break
        if letter in ".;?!" and _ends_sentence(rest, position):
            keep = letter == "." and re.search(r"(?i)[ap]\.m$", rest[:position]) is not None
            return _clause(rest[: position + keep])
        if letter in ",( " or letter == "<":
            clause = _CLAUSE.match(rest, position)
            if clause:
                return rest[:position]
        position += 1
    return _clause(rest[:position])


def _closes_on_line(rest: str, inner: int) -> bool:
    """Whether a lone dollar sign is a formula's: a second one closes it right after a number, or around TeX."""
    line = rest[inner:].split("\n", 1)[0]
    head, found, _ = line.partition("$")
    return bool(found) and (re.fullmatch(r"\s?[\d,.]+\s?", head.strip()) is not None or "\\" in head or "^" in head)


def _ends_sentence(rest: str, position: int) -> bool:
    following = rest[position + 1 : position + 2]
    if following and not following.isspace() and following not in "*_\"'`)<":
        return False
    if rest[position] == ".":
        after = rest[position + 1 :].lstrip(" \t")
        if _ABBREVIATION.search(rest[:position]):
            final = re.search(r"(?i)[ap]\.m$", rest[:position]) or re.search(r"\b[A-Z]$", rest[:position])
            return bool(final) and (not after or after[0] == "\n" or after[0].isupper())
        return True
    return True


def _clause(sentence: str) -> str | None:
    braces = sentence.replace("\\{", "").replace("\\}", "")
    if braces.count("{") != braces.count("}"):
        return None
    return sentence


def _unwrapped(content: str | None) -> str | None:
    """Strip bold marks, dollar signs, quotes and a trailing full stop from an answer; None for an empty one."""
    if content is None:
        return None
    previous = None
    while content != previous:
        previous = content
        content = content.strip().strip("*").rstrip("!;").strip()
        content = content.removeprefix("__").removesuffix("__").strip("`").strip()
        if content.endswith(".") and not re.search(r"(?i)\b[ap]\.m\.$", content):
            content = content.rstrip(". ")
        for opener, closer in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            inner = content[len(opener) : -len(closer)]
            whole = content.startswith(opener) and content.endswith(closer) and len(content) > len(opener) + len(closer)
            if whole and opener not in inner.replace("\\$", ""):
                content = inner
                break
        if content in ("$", "$$", "\\(", "\\["):
            content = ""
    braces = content.replace("\\{", "").replace("\\}", "")
    if braces.count("{") != braces.count("}"):
        return None
    return content or None
