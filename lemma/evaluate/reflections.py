"""Where a solution reflects: it doubts what stands before, and takes it back or does it over.

The rule, over the steps of the text. A step **admits** an error where it says so in the solver's own voice ("I mixed
up …", "that is not right", "let me redo this", "Wait, …"). A step **checks** where it only looks back ("let me
verify", "Actually, …"). A step **rebuts** where it says of the number claimed just before that it does not hold, as
language models do that were asked for no stock phrases ("But 700 is the number of small coupons, not of big ones").

An admission is a reflection by itself, if anything follows it. A check or a rebuttal is one only where a claim
changes: the same quantity is said again with another value, or another final answer is given. So "Let me check: 3 * 4
= 12" at the end of a right solution is none. Words that stand in the question are the problem's, not the solver's.

How well this does on texts of known kind stands in docs/evaluation.md, and tests hold it there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from lemma.answers import Verdict, compare, extract_answer
from lemma.arithmetic import Truth, read_equations
from lemma.checks.words import content_stems, values_of
from lemma.records import Problem
from lemma.steps import step_spans

MAX_CHARS: Final = 40_000
"""Of a longer text only the beginning is looked at."""
LOOK_BACK: Final = 8
"""Steps before a check whose claims may be taken back."""
LOOK_AHEAD: Final = 3
"""Steps, from the check on, in which the other claim must stand."""
MAX_CHECKS: Final = 20
"""Of more than so many, only a claim that changes near by makes a reflection, not another final answer."""
JOINED: Final = 2
"""Marks so many steps apart belong to one reflection."""
MIN_SHARED: Final = 0.5
"""Share of the words that two claims about the same quantity have in common."""

Start = Literal["right", "wrong", "unknown"]

_WHO: Final = r"\b(?:i|we)(?:['’]ve| have| had)?(?: \w{2,12}ly| just| also)? "
_LET: Final = r"\blet(?:['’]s| me| us)(?: \w{2,9})? "
_FAULT: Final = r"(?:[\w-]{1,20} ){0,2}(?:mistakes?|errors?|slips?)\b"
_THIS: Final = (
    r"\b(?:that|this|it|which|something"
    r"|(?:that|this|the|my) (?:[\w-]{1,15} ){0,2}(?:step|line|result|value|number|claim|sum))\b"
)
_AGAIN: Final = r"(?:over|again|afresh|anew)\b"
_BEGINNING: Final = r"(?:\A|(?<=[.!?:]\s)|(?<=\n))[\s*_>(-]{0,6}"
"""Of a sentence or line, perhaps behind marks."""


def _one_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ADMITS: Final = _one_of(
    # the solver says what he did wrong
    _WHO + r"(?:made|see|notice|spot|found|find) (?:an?|some|the|my) " + _FAULT,
    _WHO
    + r"(?:misread|misinterpreted|misunderstood|miscalculated|miscounted|misjudged|misapplied|misplaced|mistook)\b",
    _WHO + r"(?:mixed up|confused|overlooked|forgot|slipped|left out|miscopied|was wrong|were wrong|was mistaken)\b",
    _WHO + r"(?:went|got|drifted|was|am) (?:wrong|off|astray|ahead of (?:myself|ourselves)|carried away)\b",
    _WHO + r"(?:got (?:that|this|it|the \w{1,15}) wrong|stopped (?:too early|short)|can['’]t (?:go|jump) straight)\b",
    _WHO
    + r"(?:counted|used|took|added|multiplied|divided|subtracted|wrote|had|put|read|treated|applied)\b[^.\n]{0,60}?"
    r"\b(?:wrong|wrongly|incorrect|incorrectly|by (?:mistake|accident)|but should|where i should|when i should)\b",
    _WHO + r"should (?:not )?(?:instead )?have "
    r"(?:been|used|taken|added|multiplied|divided|subtracted|counted|written|put)\b",
    _WHO + r"(?:need|have|ought) to (?:correct|fix|redo|rework|revise|take (?:that|this) back|go back)\b",
    # what was written is said not to hold
    _THIS + r" ?(?:(?:is|was|does|do|can|could|seems|looks)(?: not|n['’]t|not) |cannot |can['’]t )"
    r"(?:be |look |seem |sound )?(?:quite )?(?:right|correct|add up|make (?:any )?sense)\b",
    _THIS + r"(?:['’]s| is| was| must be| seems| looks) (?:wrong|incorrect|mistaken|an? (?:mistake|error|slip))\b",
    r"\b(?:that|this) (?:(?:looks|seems|sounds) (?:odd|strange|off)|is off|was off)\b",
    r"\b(?:it|that|this) makes no sense\b|\bthere(?:['’]s| is| was) an? " + _FAULT,
    r"\bmy (?:mistake|error|bad|slip)\b|\bscratch that\b|\bon second thought",
    r"\bnot (?:so |quite |entirely )?(?:sure|convinced) (?:about|of) (?:that|this)\b",
    r"\bactually,? [^.\n]{1,60}?"
    r"(?:can['’]t be|cannot be|isn['’]t (?:what|the)|is not (?:what|the)|(?:doesn['’]t|does not) (?:lead|give))\b",
    # it is done over
    _LET + r"(?:correct (?:that|this|it|the|my)|fix|redo|rethink|reconsider|recalculate|recompute|recount|revise)\b",
    _LET + r"(?:rework|pause|back up|undo|go back|look at (?:that|this|it) (?:again|once more))\b",
    _LET + r"(?:start|begin|try) " + _AGAIN,
    _LET + r"(?:take|do|set) (?:that|this|it) (?:back|again|over|aside)\b",
    r"\bi(?:['’]ll| will| should| must)(?: \w{2,9})? (?:redo|rework|recompute|recalculate|recount)\b",
    r"\bi(?:['’]ll| will| should| must)(?: \w{2,9})? start " + _AGAIN,
    r"\bstarting " + _AGAIN,
    # interjections: nobody who goes straight on says them
    _BEGINNING + r"(?:but |oh,? |no,? |ah,? )?"
    r"(?:wait|hold on|hang on|(?:just )?(?:a|one) (?:moment|second|minute)|hm+|oops|whoops)\b(?=[\s,.!?:…—–-])",
)
_CHECKS: Final = _one_of(
    _BEGINNING + r"(?:actually|no)\b(?=[,.!:…—–-])",
    _LET + r"(?:double[- ]?check|check|verify|re-?check|re-?read|re-?examine|make sure)\b",
    _LET + r"look (?:again|back|closer|more closely)\b",
    r"\b(?:looking|going|thinking) back\b|\bon (?:reflection|closer inspection)\b|\bre-?(?:reading|checking) the\b",
)

_REBUTS: Final = _one_of(
    r"\b(?:cannot|can['’]t|can hardly|could not|couldn['’]t|cannot mean|makes? no sense|must not|need not)\b",
    r"\b(?:would|is|are|was|were|has|have|does|do|did)(?:n['’]t| not| no)\b|\b(?:and|,) not\b",
    r"\bno (?:part|wonder|longer)\b",
    r"\bwould (?:be|mean|make|have|leave|cost|bring|take|hold|give|come)\b",
    r"\b(?:too|far) (?:few|many|much|little|small|big|large|high|low|short|more|less|above|below|fewer)\b",
    r"\b(?:wrong|wrongly|missing|left out|upside down|mixes|mixed up|a count of|the slip)\b",
    r"\b(?:is|are|was|were|counts?|covers?) (?:only|just|already|still|merely)\b|\b(?:only|just) (?:the|what|how)\b",
    r"\b(?:seems?|though|instead|nor|neither|again|once more|afresh)\b|\?",
)
"""What is said of a number that does not hold. Common words: they count only right behind the claim, and about it."""
_REBUT_HEAD: Final = 45
"""Characters of a step within which it speaks of the claim that it rebuts."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """One place where a solution reflects."""

    start: int
    """Offset of its first step in the text."""
    step: int
    """Number of that step, from 1."""
    phrase: str
    """The words that told it."""
    before: str | None
    """What was claimed last before it."""
    after: str | None
    """What is claimed instead; null where nothing else is claimed, or nothing was."""


@dataclass(frozen=True, slots=True)
class _Claim:
    stems: frozenset[str]
    operands: frozenset[Fraction]
    value: Fraction


def find_reflections(text: str, question: str = "") -> list[Reflection]:
    """The reflections of a solution, in order; marks close behind one another count as one.

    Time is linear in the text.

    Args:
        text: the solution.
        question: its question, whose words are no reflection.
    """
    text = text[:MAX_CHARS]
    spans = step_spans(text)
    starts = [start for start, _ in spans]
    claims = _Claims(text, spans)
    marks = sorted([*_marks(text, question.lower()), *_rebuttals(text, spans, claims)])
    found: list[Reflection] = []
    last_index = -2
    checks = 0
    for start, phrase, is_admitted in marks:
        index = bisect_right(starts, start) - 1
        if index <= last_index + JOINED and found:
            last_index = max(last_index, index)
            continue
        old, new = claims.change(index)
        if not is_admitted and new is None:
            checks += 1
            if checks > MAX_CHECKS:  # each looks through the whole text
                continue
            old, new = _other_answer(text, spans[index][0])
            if new is None:
                continue
        if not text[start + len(phrase) :].strip(" .,!:\n") or (index == 0 and not text[:start].strip()):
            continue  # nothing is done about it, or nothing stands before
        found.append(Reflection(spans[index][0], index + 1, " ".join(phrase.split()), old, new))
        last_index = index
    return found


def _marks(text: str, question: str) -> list[tuple[int, str, bool]]:
    """(offset, words, whether they admit an error) of everything that may begin a reflection, in order."""
    marks = []
    for pattern, is_admitted in ((_ADMITS, True), (_CHECKS, False)):
        for match in pattern.finditer(text):
            words = match[0].strip(" \n*_>(-")
            if words.lower() not in question:
                marks.append((match.end() - len(match[0].lstrip(" \n*_>(-")), words, is_admitted))
    # where both speak in one step the admission counts: it comes first among equals
    return sorted(marks, key=lambda mark: (mark[0], not mark[2]))


def _rebuttals(text: str, spans: Sequence[tuple[int, int]], claims: _Claims) -> Iterator[tuple[int, str, bool]]:
    """Steps that say of the number claimed just before that it does not hold."""
    for index in range(1, len(spans)):
        start, end = spans[index]
        step = text[start:end]
        rebuttal = _REBUTS.search(step)
        if rebuttal is None or not (before := claims.of(index - 1)):
            continue
        value = before[-1].value
        head = values_of(step[:_REBUT_HEAD])
        if abs(value) not in head or abs(value) in (0, 1):
            continue
        first = next((one for one in read_equations(step) if one.start < _REBUT_HEAD), None)
        if first is not None and any(number.value == value for number in first.operands):
            continue  # it goes on computing with it
        yield start, step[: rebuttal.end()][-60:], False


class _Claims:
    """What the steps of a text claim: a value each, with the words and numbers that it is about."""

    def __init__(self, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._spans = spans
        self._known: dict[int, list[_Claim]] = {}

    def of(self, index: int) -> list[_Claim]:
        """The claims of one step: its computations, or the number that it ends in."""
        if index not in self._known:
            self._known[index] = self._read(index)
        return self._known[index]

    def _read(self, index: int) -> list[_Claim]:
        step = self._text[self._spans[index][0] : self._spans[index][1]]
        stems = content_stems(step)
        claims = [
            _Claim(stems, frozenset(number.value for number in equation.operands), equation.right.value)
            for equation in read_equations(step)
            if equation.result is not None and equation.right.value is not None
        ]
        if not claims and (last := values_of(step).last) is not None:
            claims.append(_Claim(stems, frozenset(), last))
        return claims

    def change(self, index: int) -> tuple[str | None, str | None]:
        """What was claimed last before step `index`, and what is claimed of the same thing from there on."""
        before = [claim for one in range(max(0, index - LOOK_BACK), index) for claim in self.of(one)]
        if not before:
            return None, None
        for one in range(index, min(len(self._spans), index + LOOK_AHEAD)):
            for claim in self.of(one):
                for earlier in reversed(before):
                    if earlier.value != claim.value and _is_same_matter(earlier, claim):
                        return str(earlier.value), str(claim.value)
        return str(before[-1].value), None


def _is_same_matter(one: _Claim, other: _Claim) -> bool:
    """Whether two claims are about one quantity: computed from the same numbers, or told in the same words."""
    if one.operands and one.operands == other.operands:
        return True
    shared = one.stems & other.stems
    return len(shared) >= 2 and len(shared) >= MIN_SHARED * max(len(one.stems), len(other.stems))


def _other_answer(text: str, offset: int) -> tuple[str | None, str | None]:
    """The final answers stated before and after an offset, where they differ."""
    before, after = extract_answer(text[:offset]), extract_answer(text[offset:])
    if before is None or after is None or compare(before, after) is not Verdict.DIFFERENT:
        return None, None
    return before, after


def judge_start(text: str, reflection: Reflection, problem: Problem) -> Start:
    """Whether what stood before a reflection was right.

    A final answer stated before it is compared with the reference. Without one: a false equation in the two steps
    before makes it wrong; a value that the worked reference solution has too makes it right, one that it has not
    makes it wrong. Where there is no worked reference solution, it is unknown.
    """
    head = text[: reflection.start]
    stated = extract_answer(head)
    if stated is not None:
        verdict = compare(stated, problem.answer)
        return "unknown" if verdict is Verdict.UNDECIDED else "right" if verdict is Verdict.EQUAL else "wrong"
    spans = step_spans(head)
    near = head[spans[max(0, len(spans) - 2)][0] :] if spans else ""
    if any(equation.truth is Truth.FALSE for equation in read_equations(near)):
        return "wrong"
    reference = values_of(problem.reference_solution)
    if reflection.before is None or len(reference) < 2:
        return "unknown"
    return "right" if abs(Fraction(reflection.before)) in reference else "wrong"
