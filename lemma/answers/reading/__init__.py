r"""Read an answer's text as a value: the entry point, which tries the forms of answers in order.

Each form stands in a module of this package; where it has parts, they are read by this entry point again, which is
handed in.

Example: ``x \in [0, 1) \cup \{3\}`` is read as a ``Region`` of two intervals, ``4:30 p.m.`` as a ``Clock``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lemma.answers.cleaning import clean, is_within_limits
from lemma.answers.reading.brackets import unbraced
from lemma.answers.reading.lists import read_bracketed, read_list
from lemma.answers.reading.matrices import read_matrix
from lemma.answers.reading.numerals import read_approximate, read_based, read_clock, read_ratio, read_written_number
from lemma.answers.reading.options import read_choice, read_letter
from lemma.answers.reading.parts import MAX_DEPTH, PartReader
from lemma.answers.reading.relations import read_relation
from lemma.answers.reading.scalars import read_plain_number, read_scalar
from lemma.answers.reading.sets import read_named_set, read_union
from lemma.answers.values import Unread, Value, Words

# A list of names or letters that stands in one text command, as \\text{A, B}.
_TEXT_LIST = re.compile(r"\\text\s*\{\s*([\w ]{1,30}(?:,\s*[\w ]{1,30})+)\}")


@lru_cache(maxsize=4096)
def read(text: str) -> Value | None:
    """Read an answer; None where it is empty or over the limits of the guard. Raises nothing."""
    plain = read_plain_number(text.strip())
    if plain is not None:
        return plain
    if not is_within_limits(text):
        return None
    cleaned = clean(text)
    if not cleaned or not is_within_limits(cleaned):
        return None
    try:
        return _value(cleaned, 0)
    except (RecursionError, OverflowError):
        return Unread(cleaned)


def canonical(text: str) -> str:
    """The cleaned text without what makes no difference, for comparing what cannot be read."""
    return re.sub(r"\\text\s*\{([^{}]*)\}|[\s{}]", lambda found: (found.group(1) or "").strip(), clean(text)).casefold()


def _value(text: str, depth: int) -> Value:
    """Read cleaned text, trying the kinds from the most particular to the most general."""
    text = unbraced(text.strip().rstrip(",;").strip())
    plain = read_plain_number(text)
    if plain is not None:
        return plain
    if depth > MAX_DEPTH or not text:
        return Unread(text)
    read_part = PartReader(_value, depth)
    listed = _TEXT_LIST.fullmatch(text)
    if listed:
        return read_part(listed.group(1))
    return (
        read_letter(text)
        or read_named_set(text, read_part)
        or read_clock(text)
        or read_written_number(text)
        or read_choice(text, read_part)
        or read_approximate(text, read_part)
        or read_list(text, read_part)
        or read_relation(text, read_part)
        or read_union(text, read_part)
        or read_matrix(text, read_part)
        or read_bracketed(text, read_part)
        or read_based(text)
        or read_ratio(text)
        or read_scalar(text)
        or _words(text)
    )


def _words(text: str) -> Words | Unread:
    bare = re.sub(r"\\(?:text|overline)\s*\{([^{}]*)\}", r"\1", text)
    bare = re.sub(r"^(?:the|an?)\s+", "", bare.strip(), flags=re.IGNORECASE)
    if re.search(r"[\\^_=<>≤≥≠∪∈+*/|]", bare) or not re.search(r"[A-Za-z]", bare):
        return Unread(text)
    found = re.findall(r"[a-z0-9']+", bare.casefold())
    return Words(tuple(found)) if found else Unread(text)
