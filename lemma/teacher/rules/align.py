"""Where a solution follows the reference's own wording: the first step that says something else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from lemma.endings import strip_answer
from lemma.teacher.rules.reading import Solution

MIN_LIKENESS: Final = 0.6
_MARK: Final = re.compile(r"<<[^<>\n]{0,300}>>")
_WORD: Final = re.compile(r"[A-Za-z]+|\d[\d,]*(?:\.\d+)?|[^\sA-Za-z\d]")
_EQUALS: Final = frozenset(("=", "equals"))
_LABEL: Final = re.compile(r"\A\s*(?:step\s*)?\d{1,2}\s*[:.)]\s+", re.IGNORECASE)


@lru_cache(maxsize=8192)
def _words(step: str) -> tuple[str, ...]:
    plain = _LABEL.sub("", _MARK.sub("", step)).replace("−", "-").replace("–", "-")
    return tuple(word.lower() for word in _WORD.findall(plain) if word not in ".,!")


def _masked(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word[:1].isalpha())


def _likeness(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Share of the words that two steps have in common, numbers and signs aside."""
    a, b = _masked(left), _masked(right)
    if not a or not b:
        return 1.0 if a == b else 0.0
    rest = list(b)
    shared = 0
    for word in a:
        if word in rest:
            rest.remove(word)
            shared += 1
    return 2 * shared / (len(a) + len(b))


def _begins_alike(sample: Solution, theirs: list[tuple[str, ...]]) -> bool:
    """Whether the first step is like the reference's first or second one: else nothing more need be read."""
    first = _words(strip_answer(sample.step_text(0)) if len(sample.spans) == 1 else sample.step_text(0))
    return any(first == other or _likeness(first, other) >= MIN_LIKENESS for other in theirs[:2])


class Alignment(NamedTuple):
    """The first step that departs from the reference's wording, of a sample that follows it."""

    step: int
    """Its index in both, from 0."""
    is_left_out: bool
    """Whether it rather is the reference's next one: then a step was left out."""
    changes: tuple[tuple[str, str, bool], ...]
    """(here, there, whether it is the number behind the last equals sign) of each word, number or sign that differs, if
    nothing else does; empty where the wording is another."""


def _changes(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[tuple[str, str, bool], ...]:
    if len(here) != len(there):
        return ()
    last = max((i for i, word in enumerate(there) if word in _EQUALS), default=len(there))
    return tuple(
        (mine, theirs, place == last + 1 + (there[last + 1 : last + 2] == ("$",)))
        for place, (mine, theirs) in enumerate(zip(here, there, strict=True))
        if mine != theirs
    )


def aligned_step(sample: Solution, reference: Solution) -> Alignment | None:
    """The first step that departs from the reference's wording, if the sample follows it; else null."""
    theirs = [_words(reference.step_text(i)) for i in range(len(reference.spans))]
    last = len(sample.spans) - 1
    if not theirs or last < 0 or not _begins_alike(sample, theirs):
        return None
    mine = [_words(sample.step_text(i)) for i in range(last)]
    mine.append(_words(strip_answer(sample.step_text(last))))
    if not all(mine):
        return None
    same = 0
    while same < min(len(mine), len(theirs)) and mine[same] == theirs[same]:
        same += 1
    if same == len(mine) or same == len(theirs):
        return None
    here, there = mine[same], theirs[same]
    likeness = _likeness(here, there)
    following = _likeness(here, theirs[same + 1]) if same + 1 < len(theirs) else 0.0
    tail = [_likeness(a, b) for a, b in zip(mine[same + 1 :], theirs[same + 1 :], strict=False)]
    is_follower = same > 0 or sum(likeness > 0.8 for likeness in tail) >= 1 or likeness > 0.9
    if not is_follower or max(likeness, following) < MIN_LIKENESS:
        return None
    if same + sum(other > 0.8 for other in tail) < 2 and likeness <= 0.9:
        return None  # one step that reads alike is no copy
    is_left_out = len(mine) < len(theirs) and following > likeness
    return Alignment(same, is_left_out, () if is_left_out else _changes(here, there))
