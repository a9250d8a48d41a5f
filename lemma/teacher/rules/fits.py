"""Whether the words around an alteration agree with it.

A sentence that says "dividing both sides by 2" and multiplies contradicts itself, and nobody writes that by mistake:
where the words name the operation, the count or the step that is altered, it is left alone.
"""

from __future__ import annotations

import re
from typing import Final

from lemma.teacher.rules.reading import Computation, Solution
from lemma.teacher.rules.task import Task

_NAMES: Final[dict[str, re.Pattern[str]]] = {
    "+": re.compile(
        r"\b(?:add\w*|plus|sums?|summing|total\w*|altogether|together|combin\w+|increas\w+|more|gain\w*|extra|both|"
        r"and|with|all)\b",
        re.IGNORECASE,
    ),
    "-": re.compile(
        r"\b(?:subtract\w*|minus|left|remain\w*|less|fewer|differ\w+|reduc\w+|decreas\w+|discount\w*|"
        r"tak(?:e|es|ing) away|"
        r"rest|remov\w+|los\w+|lost|still|change|without|net|profit|young\w+|short\w+|only|not|un\w+|outside|other|others|"
        r"except|but|back|of (?:these|those|them|the))\b",
        re.IGNORECASE,
    ),
    "*": re.compile(
        r"\b(?:multipl\w+|times|twice|doubl\w+|tripl\w+|quadrupl\w+|thrice|product|squared?|area|percent)\b|%",
        re.IGNORECASE,
    ),
    "/": re.compile(
        r"\b(?:divid\w+|split\w*|shar\w+|half|halv\w+|thirds?|quarters?|fourths?|fifths?|equal\w*|average|per|each|percent"
        r"|ratio|fraction)\b|%",
        re.IGNORECASE,
    ),
}
_REFERS: Final = re.compile(r"(?:This|That|These|Those|It|Its|They|Their|Which|The (?:result|same|other|rest))\b")
_THAT_NUMBER: Final = re.compile(
    r"\b(?:that|this|these|those) (?:number|amount|total|sum|price|cost|time|distance|value|weight|many|much)\b",
    re.I,
)
_PRONOUN: Final = re.compile(r"(?:He|She|They|His|Her|Their|Each)\b")
_NAME: Final = re.compile(r"\b[A-Z][a-z]+\b")
_BEGINNING: Final = re.compile(r"(?:^|[.?!:] +)[A-Z]\w*", re.MULTILINE)
_HENCE: Final = re.compile(
    r"(?:So|Thus|Therefore|Hence|Then|Next|Now|And|But|Finally|Also|In (?:total|all)|Afterwards?|After that)\b,? *"
)
_MADE: Final[dict[str, re.Pattern[str]]] = {
    "-": re.compile(
        r"\b(?:remain\w*|left|leftover|rest|still|discount\w*|reduced|new|net|profit|change|other|after|difference|extra|"
        r"additional|more|now|minus|not|\w*n't|without|un\w+|already)\b",
        re.IGNORECASE,
    ),
    "+": re.compile(
        r"\b(?:total\w*|combined|together|altogether|sum|all|new|both|whole|everything|after|now|entire|parts?)\b",
        re.IGNORECASE,
    ),
    "*": re.compile(
        r"\b(?:total\w*|combined|together|altogether|all|whole|both|twice|doubled?|tripled?|entire|a (?:day|week|month|"
        r"year)|(?:per|each|every) (?:day|week|month|year)|daily|weekly|monthly|yearly)\b",
        re.IGNORECASE,
    ),
    "/": re.compile(
        r"\b(?:each|per|half|every|third|quarter|average|one|single|equal\w*|apiece|"
        r"a (?:day|week|month|year|piece))\b|/",
        re.IGNORECASE,
    ),
}


def words_around(task: Task, target: Computation) -> str:
    """The step's own words, its equations taken out."""
    return words_of_step(task.solution, target.step)


def words_of_step(solution: Solution, step: int) -> str:
    """A step's words, its equations taken out."""
    start, end = solution.spans[step]
    pieces, at = [], start
    for equation in solution.equations:
        if start <= equation.start and equation.end <= end and equation.start >= at:
            pieces.append(solution.text[at : equation.start])
            at = equation.end
    pieces.append(solution.text[at:end])
    return " ".join(pieces)


def names_operation(words: str, symbol: str) -> bool:
    """Whether the words say that numbers are to be combined in this way."""
    return symbol in _NAMES and _NAMES[symbol].search(words) is not None


def speaks_of_result(task: Task, removed: Computation, step: int) -> bool:
    """Whether a later step calls the result of `removed` what only its operation makes: ``the remaining 30``."""
    patterns = [_MADE[symbol] for symbol in set(removed.symbols) if symbol in _MADE]
    start, end = task.solution.spans[step]
    text = task.solution.text
    for quantity in task.solution.quantities:
        if quantity.value != removed.shown or not start <= quantity.start < end:
            continue
        before = " ".join(re.split(r"[.;:=]", text[start : quantity.start])[-1].split()[-2:])
        behind = re.split(r"[.,;:=+*]", text[quantity.end : min(end, quantity.end + 30)])[0]
        if any(pattern.search(f"{before} {behind}") for pattern in patterns):
            return True
    return False


def names(text: str) -> set[str]:
    """The names in a text: words in capitals that begin no sentence."""
    return set(_NAME.findall(_BEGINNING.sub(" ", text)))


def begins_anew(step: str, gone: str, question: str, *, is_first: bool) -> str | None:
    """A step without ``So`` at its head, to stand where `gone` stood; null where it refers to what is gone."""
    bare = _HENCE.sub("", step.lstrip(), count=1) if is_first else step.lstrip()
    head = _HENCE.sub("", bare, count=1)
    if (
        _REFERS.match(head)
        or _THAT_NUMBER.search(head)
        or (_PRONOUN.match(head[:1].upper() + head[1:]) and not names(question).isdisjoint(_NAME.findall(gone)))
    ):
        return None
    if is_first and bare != step.lstrip():
        bare = bare[:1].upper() + bare[1:]
    return bare
