"""Words and values of a text, as the checks compare them."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from lemma.arithmetic import parse_number

STEM_CHARS: Final = 5
"""Words that share so many first letters count as one (``pencil``, ``pencils``)."""

SIGNS: Final = re.compile(r"[=+×÷*/^<>√π%$€£]|\\[a-zA-Z]")
_MINUS: Final = re.compile(r"(?:^|[\s=({,:])[-\u2212][$€£]?\Z")  # a sign, not a difference
_LETTERS: Final = re.compile(r"[^\W\d_]+")
NUMBER: Final = re.compile(r"(?<![\d.])\d+(?:,\d{3})*(?:\.\d+)?|(?<![\d.])\.\d+")
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7af]+")

_COMMON_WORDS: Final = """
about above across actually after again against all almost along already also although always among and another any
anything are aren around attempt away back bad because been before begin being below better between both but came can
cannot care careful carefully cause certain certainly change check checking clear clearly come comes consider correct
corrected correctly could couldn did didn does doesn doing done don double doubt down during each earlier either else
end ends enough entire error errors even ever every everything exactly fact far feel few final find fine first fix fixed
follow following for found from further gave get gets getting give given gives goes going gone good got had has hasn
have having hence her here hers him his hmm hold how however idea i if in incorrect indeed instead into is isn it its
itself just keep kind knew know known last later least let like line little long look looking looks lot made make makes
making many matter maybe mean means mend might mind misread missed mistake mistaken mistakes moment more most move much
must need needed needs never next no none nor not nothing notice noticed now number of off oh okay on once one only onto
oops or order other otherwise our out over overlooked own part pause perhaps place point possible precise precisely
previous probably problem proceed put quite rather read ready real realise realised realize realized really reason
reasoning reconsider redo result results revisit right said same saw say says second see seem seems seen set shall she
should shouldn show since slip small so solution solve some something somewhere sorry start started state step steps
still stop such sure take taken takes tell than that the their them then there therefore these they thing things think
thinking this those though thought through thus time to together too took toward tried true try trying turn under
understand until up upon us use used using usual very wait want was wasn way we well went were what whatever when where
whether which while who whole whose why will wish with within without won wonder work working works would wouldn write
wrong wrongly wrote yes yet you your
"""
_GENERIC: Final = frozenset(word[:STEM_CHARS] for word in _COMMON_WORDS.split())


class Values(frozenset[Fraction]):
    """The values written in a text."""

    last: Fraction | None = None
    """The one that stands last."""


# several checks, and the two strategies of one mistake, want them of the same texts
@lru_cache(maxsize=2048)
def values_of(text: str) -> Values:
    """The numbers that are written in digits, by value, without sign (``1,250.0`` is ``1250``); `last` has its sign."""
    values: list[Fraction] = []
    place = 0  # of the last one
    for match in NUMBER.finditer(text):
        digits = match[0] if match[0][0] != "." else "0" + match[0]
        if (value := parse_number(digits)) is not None:
            values.append(value)
            place = match.start()
    found = Values(values)
    if values:
        found.last = -values[-1] if _MINUS.search(text[max(0, place - 4) : place]) else values[-1]
    return found


@lru_cache(maxsize=2048)
def content_stems(text: str) -> frozenset[str]:
    """The beginnings of the words that carry a meaning of their own; of unspaced scripts, pairs of letters."""
    stems: set[str] = set()
    for word in _LETTERS.findall(text):
        for run in _UNSPACED.findall(word):
            stems.update(run[place : place + 2] for place in range(len(run) - 1))
        word = word.casefold()
        if len(word) >= 3 and word[:STEM_CHARS] not in _GENERIC:
            stems.add(word[:STEM_CHARS])
    return frozenset(stems)
