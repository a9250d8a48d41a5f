"""Whether two steps that compute the same number also say it of the same thing: ``24 windows`` is not ``24 cars``.

Words are compared as far as words can be: the noun behind the result, the names, the relation that is spoken of (a
total, a rest, a part for each), and how many of the words that carry a meaning the two have in common.
"""

from __future__ import annotations

import re
from typing import Final

from lemma.checks.nouns import are_of_another, units_of, units_of_value
from lemma.checks.words import content_stems
from lemma.teacher.rules.reading import Computation, Solution

MIN_SHARED: Final = 0.5
"""Share of a step's own words that the other step must have …"""
MAX_COUNTED: Final = 6
"""… of so many at most: the more is said, the more is said in other words."""

_WORD: Final = re.compile(r"[A-Za-z]+")
_NAME: Final = re.compile(r"(?<![.!?:\n] )(?<![“\"])(?<!^)(?<!\n)\b[A-Z][a-z]+")
_RELATIONS: Final = tuple(
    re.compile(rf"\b(?:{pattern})", re.IGNORECASE)
    for pattern in (
        r"total|altogether|together|combined|in all\b|sum\b|overall|all of (?:the|his|her|their)",
        r"left|remain|rest\b|still|unsold|unoccupied|empty",
        r"sav(?:e|ing)|discount|off\b|reduc|cheaper|decreas",
        r"each\b|every\b|per\b|apiece|a piece\b",
        r"average|mean\b",
        r"differen|more than|less than|fewer|older|younger|taller|shorter",
        r"earn|profit|income|revenue|made\b|makes\b",
        r"spen[dt]|cost|pa(?:id|ys?)\b|price|bill|charge",
        r"ga[vi]e|gives?\b|donat|sold|sell|lost|los[et]|eat|ate\b|us(?:e[sd]?|ing)\b|remov|took|takes? ",
        r"percent|%",
        r"year|annual",
        r"month",
        r"week",
        r"\bday|daily",
        r"hour",
        r"minute",
    )
)


_KIN: Final = re.compile(
    r"\b(?:sister|brother|mother|mom|father|dad|son|daughter|wife|husband|friend|cousin|uncle|aunt|grand\w+|parent|kid"
    r"|child|boy|girl|men|man|women|woman|teacher|student|pupil|colleague|neighbou?r|guest|customer|other|another|rest)",
    re.IGNORECASE,
)


_COMPARED: Final = re.compile(
    r"[^.,;:=\n]{0,25}?\b(?:more|less|fewer|older|younger|taller|shorter|longer|cheaper|faster|slower)\b", re.IGNORECASE
)
_MONTHS: Final = "month|January|February|April|June|July|August|September|October|November|December"
_PERIODS: Final = tuple(
    re.compile(rf"\b(?:{period})", re.IGNORECASE)
    for period in ("year|annual", _MONTHS, "week", "day|daily", "hour", "minute", "second(?:s|\\b)")
)


def _is_compared(solution: Solution, computation: Computation) -> bool:
    """Whether a result is said to be a difference: ``9 times less``, ``2 more notebooks than``."""
    result = computation.equation.result
    return result is not None and _COMPARED.match(solution.text, result.end) is not None


def _periods(text: str) -> frozenset[int]:
    return frozenset(place for place, pattern in enumerate(_PERIODS) if pattern.search(text))


def _relations(text: str) -> frozenset[int]:
    return frozenset(place for place, pattern in enumerate(_RELATIONS) if pattern.search(text))


def _last_name(solution: Solution, computation: Computation, names: frozenset[str]) -> str:
    """The name that stands last before an equation in its step: mostly the one whose number it is."""
    start = solution.spans[computation.step][0]
    said = [word for word in _WORD.findall(solution.text[start : computation.equation.start]) if word in names]
    return said[-1] if said else ""


def is_said_alike(
    mine: Solution,
    computation: Computation,
    theirs: Solution,
    other: Computation,
    question: str,
    min_shared: float = MIN_SHARED,
) -> bool:
    """Whether the steps of two computations speak of the same thing, as far as their words show.

    Args:
        mine: the solution that is looked at.
        computation: one of its.
        theirs: the solution that it is compared with.
        other: the computation in it.
        question: where names stand.
        min_shared: share of the content words of `mine`'s step that the other one must have.
    """
    here, there = mine.step_text(computation.step), theirs.step_text(other.step)
    units, others = units_of(mine.text, computation.equation), units_of_value(theirs.text, other.shown)
    if are_of_another(units, others):
        return False
    if _is_compared(mine, computation) != _is_compared(theirs, other):
        return False  # nine less is not nine
    if _periods(there) and _periods(here) - _periods(there):
        return False  # sixty a week are not sixty a month
    names = frozenset(_NAME.findall(question))
    mine_of, theirs_of = _last_name(mine, computation, names), _last_name(theirs, other, names)
    if mine_of and theirs_of and mine_of != theirs_of:
        return False
    if _people(here) != _people(there):
        return False
    my_relations, their_relations = _relations(here), _relations(there)
    if my_relations - their_relations and their_relations - my_relations:
        return False
    stems, known = content_stems(here), content_stems(there)
    return len(stems & known) >= min_shared * min(len(stems), MAX_COUNTED)


def _people(text: str) -> frozenset[str]:
    """Who is spoken of, names aside."""
    return frozenset(word.lower() for word in _KIN.findall(text))


def is_believed(gold: Solution, reference: Solution, question: str) -> bool:
    """Whether a correct sample says what the reference says; if not, its words are not to be repeated.

    Where the reference computes nothing that can be read, there is nothing to doubt it by.
    """
    if not any(c.is_true for c in reference.computations):
        return True
    return all(is_settled(gold, c, reference, question) for c in gold.computations)


def is_settled(mine: Solution, computation: Computation, theirs: Solution, question: str) -> bool:
    """Whether another solution, taken as right, computes the same from the same numbers, and says it of the same."""
    if not computation.is_true:
        return False
    numbers = set(computation.operand_values)
    return any(
        computation.shown == other.shown
        and not numbers.isdisjoint(other.operand_values)
        and is_said_alike(mine, computation, theirs, other, question)
        for other in theirs.computations
        if other.is_true
    )
