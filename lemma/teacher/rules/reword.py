"""Tells a correct solution again in other words, computation by computation, in the same order."""

from __future__ import annotations

import re
from random import Random
from typing import Final

from lemma.teacher.rules import wording
from lemma.teacher.rules.forms import capitalised, pick, words
from lemma.teacher.rules.reading import Computation, Solution, read_quantities, write_number

_LEADS: Final = re.compile(
    r"\A(?:(?:so|then|thus|therefore|hence|next|now|finally|first|second|third|also|and|lastly|after that|consequently|"
    r"as a result|that means|this means(?: that)?|which means|it follows that),?[ ]+)+",
    re.IGNORECASE,
)
_COMMON_FIRST: Final = words(
    """
    a an the in on at after before if since there he she they it his her their its this that these those each every
    all for from with when by because as out to while both one two three four five six seven eight nine ten half twice
    we our together altogether during over per let presently currently originally compared initially adding
    subtracting multiplying dividing total
    """
)
_FIRST: Final = ("First, ", "To start, ", "To begin with, ", "")
_MIDDLE: Final = ("Next, ", "Then ", "Now, ", "After that, ", "From there, ", "Going on, ", "")
_LAST: Final = ("Finally, ", "So, ", "With that, ", "That leaves the last step: ", "In the end, ")
_JOINS: Final = (
    "{lead}{work} = {result}, so {claim}.",
    "{lead}{claim}, because {work} = {result}.",
    "{lead}I compute {work} = {result}. So {claim}.",
    "{lead}{work} comes to {result}, which means {claim}.",
    "{lead}{claim}: {work} = {result}.",
    "{lead}taking {work} gives {result}, so {claim}.",
)
_GIVEN: Final = (
    "What I know: {list}.",
    "The problem gives {list}.",
    "Here is what is given: {list}.",
    "The numbers to work with are {list}.",
)
MAX_GIVEN: Final = 6


def lowered(sentence: str) -> str:
    """A sentence as it goes on behind a lead: its first letter in lower case, unless it may be a name."""
    first = sentence.split(" ", 1)[0].rstrip(",").lower()
    return sentence[:1].lower() + sentence[1:] if first in _COMMON_FIRST else sentence


def reworded(gold: Solution, question: str, random: Random) -> str:
    """A complete solution in other words, without the answer line."""
    lines = []
    given = _given(question, random)
    if given:
        lines.append(given)
    by_step: dict[int, list[Computation]] = {}
    for computation in gold.computations:
        by_step.setdefault(computation.step, []).append(computation)
    last = max(by_step, default=-1)
    is_first = True
    for index in range(len(gold.spans)):
        text = gold.step_text(index)
        if not text:
            continue
        leads = _FIRST if is_first else _LAST if index == last else _MIDDLE
        here = by_step.get(index, [])
        lines.append(_retold(gold, text, index, here, pick(random, leads), random))
        is_first = is_first and not here
    return "\n".join(lines)


def _given(question: str, random: Random) -> str:
    phrases: list[str] = []
    for quantity in read_quantities(question):
        if quantity.is_cardinal and len(phrases) < MAX_GIVEN:
            phrase = wording.phrase_about(question, quantity.value)
            is_named = phrase[:1] == "$" or phrase[-1:] == "%" or " " in phrase
            is_plain = not quantity.is_word or len(phrase.split()) == 2
            if quantity.value != 1 and is_named and is_plain and phrase not in phrases:
                phrases.append(phrase)
    if len(phrases) < 2:
        return ""
    return pick(random, _GIVEN, list=f"{', '.join(phrases[:-1])} and {phrases[-1]}")


def _retold(gold: Solution, text: str, index: int, here: list[Computation], lead: str, random: Random) -> str:
    """One step in other words; a step that is not one plain claim keeps its own, behind another lead."""
    bare = _LEADS.sub("", text)
    plain = capitalised(lead + lowered(bare)) if bare and bare[:1].isalpha() else text
    plain = plain if plain[-1:] in ".!?:" else f"{plain}."
    if len(here) != 1:
        return plain
    computation = here[0]
    equation, result = computation.equation, computation.equation.result
    inside = [e for e in gold.equations if gold.step_index(e.start) == index]
    if result is None or len(inside) != 1 or equation.right.start < equation.work.start:
        return plain
    start, end = gold.spans[index]
    before, behind = gold.text[start : equation.work.start], gold.text[equation.right.start : end].strip()
    before = _LEADS.sub("", before.lstrip())
    if not _is_claim(before):
        return plain
    claim = lowered((before + behind).rstrip(". "))
    shown = f"{result.currency}{gold.text[result.start : result.end]}{'%' if result.is_percent else ''}"
    work = wording.work_text(gold.text, equation.work)
    if write_number(computation.shown) is None or not work:
        return plain
    return capitalised(pick(random, _JOINS, lead=lead, work=work, result=shown, claim=claim))


def _is_claim(before: str) -> bool:
    """Whether what stands before the equation goes on with its result alone: ``She made``, ``The cost is``."""
    stripped = before.rstrip(" $")
    if len(stripped.split()) < 2 or stripped[-1:] in ":,;.=(-":
        return False
    return not re.search(
        r"\b(?:because|since|means|and|first|find|calculate|multiply|divide|add|subtract|by|if)\b", stripped, re.I
    )
