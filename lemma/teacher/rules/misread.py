"""Misreads the question: in a comparison, in ``each`` and ``a day``, in a condition, in what it asks for.

What is worked out then answers another question that the text invites, and is worked out rightly. The words of the step
must not say the right relation, or the mistake would be one of operation and not of reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

from lemma.arithmetic import Operator
from lemma.teacher.rules import slips
from lemma.teacher.rules.alter import first_that_works, targets
from lemma.teacher.rules.asked import answer_another
from lemma.teacher.rules.fits import words_around
from lemma.teacher.rules.forms import Declined, shuffled
from lemma.teacher.rules.reading import Computation, Quantity, read_quantities
from lemma.teacher.rules.skip import without_step
from lemma.teacher.rules.task import Alteration, Injected, Task
from lemma.teacher.rules.wording import sentence_about

_MORE: Final = (
    r"(?:more|less|fewer|older|younger|taller|shorter|longer|heavier|lighter|farther|further|cheaper|higher|lower|"
    r"faster|slower)"
)
_COMPARED: Final = re.compile(rf"[ -](?:[A-Za-z']+ ){{0,3}}?{_MORE}\b[^.?!,;\d]{{0,45}}\bthan\b", re.IGNORECASE)
_MULTIPLE: Final = re.compile(
    r" (?:\w+ ){0,2}?(?:twice|thrice|half|double|triple|\w+ times|an? \w+th|one-\w+|\d)", re.IGNORECASE
)
_TIMES: Final = re.compile(
    r"(?: (?:times|as)\b|(?<=half) |(?<=twice) )[^.?!,;\d]{0,40}\b(?:as|than|of)\b", re.IGNORECASE
)
_EACH_BEHIND: Final = re.compile(
    r"[^.?!,;\d]{0,40}?\b(?:each|apiece|a piece|per|every|daily|weekly|monthly|hourly|"
    r"an? (?:day|week|month|year|hour|minute|night|dozen|person|box|bag|pack|piece|pound|ticket))\b",
    re.IGNORECASE,
)
_EACH_BEFORE: Final = re.compile(r"\b(?:each|every)\b(?:(?! and )[^.?!,;\d]){0,40}\Z", re.IGNORECASE)
_TIMES_AS: Final = re.compile(r" times\b", re.IGNORECASE)
_RELATES: Final = re.compile(
    r"\b(?:more|less|fewer|older|younger|taller|shorter|longer|heavier|lighter|cheaper|higher|lower|than|plus|minus|"
    r"add\w*|subtract\w*|sum|total|altogether|together|combined|left|remain\w*|differ\w*|extra|another|"
    r"times|twice|half|halved|thirds?|quarters?|fourths?|fifths?|percent|double\w?|triple\w?|thrice|multipl\w+|divid\w+|each|every|per|split|share\w?)\b",
    re.IGNORECASE,
)
_SAYS_WORK: Final = re.compile(
    r"\b(?:each|every|per|apiece|times|twice|thrice|multipl\w+|add\w*|plus|minus|subtract\w*|more|less|fewer|than|because|"
    r"since|if|when|equals?|all|total\w*|altogether|together|combined|old\w+|young\w+|tall\w+|short\w+|long\w+|product|sum|"
    r"daily|an? (?:day|hour|minute|piece|night))\b",
    re.IGNORECASE,
)
_ROUND: Final = "the wrong way round"
_READINGS: Final = {
    "+": (("-", _ROUND),),
    "-": (("+", _ROUND),),
    "*": (("/", _ROUND), ("+", "as that many more")),
    "/": (("*", _ROUND),),
}
"""Operation -> what it becomes when the phrase behind it is misread, and how."""
_SAYS_SHARES: Final = re.compile(
    r"\b(?:divid\w+|split\w*|shar\w+|half|halv\w+|equal\w*|average|because|since|if|when|so that|third|quarter|means|"
    r"need\w*|takes?|times)\b",
    re.IGNORECASE,
)
_SAYS_ONE: Final = re.compile(
    r"\b(?:each|per|every|(?:one|an?) (?:day|week|month|year|hour|minute|pack|box|bag|\w+ (?:costs?|is|was)))\b",
    re.IGNORECASE,
)
_SUBJECT: Final = re.compile(r"[A-Za-z]{2,} [A-Za-z$]")
_BARE_BEHIND: Final = re.compile(r" ?[A-Za-z'’ -]*[.!]?\s*\Z")


def misread(task: Task) -> Injected:
    """Reads the question wrongly in one of several ways, in a seeded order.

    Raises:
        Declined: no phrase of the question can be misread with certainty.
    """
    ways: tuple[Callable[[Task], Injected], ...] = (_reversed, _taken_alone, answer_another, _passed_over)
    for way in shuffled(task.random, ways):
        try:
            return ways[way](task)
        except Declined:
            continue
    raise Declined("no phrase of the question can be misread with certainty")


def is_visible(operator: Operator) -> bool:
    """Whether an operator is a sign that can be written over."""
    return 0 < operator.end - operator.start <= 1 or (operator.symbol in "*/" and operator.end - operator.start <= 6)


# ------------------------------------------------------------------------------------------ a phrase


def _said_once(task: Task, value: Fraction) -> Quantity | None:
    """Where the question says a value, if it says it once."""
    found = [q for q in read_quantities(task.question_text) if q.value == value]
    return found[0] if len(found) == 1 else None


def _is_compared(task: Task, value: Fraction, symbol: str) -> bool:
    """``5 more than``, ``twice as many as``: whether the value says how two quantities compare."""
    quantity = _said_once(task, value)
    pattern = _COMPARED if symbol in "+-" else _TIMES
    return quantity is not None and pattern.match(task.question_text, quantity.end) is not None


def _is_used_once(task: Task, value: Fraction) -> bool:
    """Whether only one computation takes the value: what is read wrongly once is not read rightly next to it."""
    return sum(value in c.operand_values for c in task.solution.computations) == 1


def _reversed(task: Task) -> Injected:
    """Who has more than whom, or how many times as many, is read the wrong way round; or one for the other."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            operators = target.equation.operators
            if len(operators) != 1 or not is_visible(operators[0]) or _RELATES.search(words_around(task, target)):
                continue
            old = operators[0].symbol
            for value in target.operand_values:
                sentence = sentence_about(task.question_text, value)
                if not sentence or not _is_used_once(task, value):
                    continue
                for symbol, how in _READINGS.get(old, ()):
                    is_phrase = _is_compared(task, value, symbol if how == _ROUND else old)
                    if is_phrase and (how == _ROUND or value > 2) and slips.is_plausible_swap(target, symbol):
                        reason = f"“{sentence}” is read {how}"
                        yield Alteration(target, operator=0, new_symbol=symbol, reason=reason)

    return first_that_works(task, alterations())


def _taken_alone(task: Task) -> Injected:
    """``$4 each`` is taken for what all of them cost, ``5 more than`` for what there is."""

    def alterations() -> Iterator[Alteration]:
        for target in targets(task):
            if len(target.operand_values) != 2 or not _can_be_stated(task, target):
                continue
            for value in target.operand_values:
                sentence = sentence_about(task.question_text, value)
                is_open = sentence and value > 1 and _is_used_once(task, value)
                phrase = _misread_phrase(task, target, value) if is_open else ""
                if phrase:
                    reason = f"“{sentence}” is misread, as though {phrase}"
                    yield Alteration(target, new_value=value, is_stated=True, reason=reason)

    return first_that_works(task, alterations())


def _can_be_stated(task: Task, target: Computation) -> bool:
    """Whether the step is one plain statement of the result: a subject, the equation, and a few words."""
    solution, result = task.solution, target.equation.result
    start, end = solution.spans[target.step]
    if result is None or result.is_percent or any(n.is_percent for n in target.equation.operands):
        return False
    end = min(end, task.answer_start)
    if len([e for e in solution.equations if start <= e.start < end]) != 1:
        return False
    before, behind = solution.text[start : target.equation.start], solution.text[target.equation.end : end]
    told = {target.shown, *target.operand_values}
    if any(q.value in told for q in read_quantities(before + " " + behind)) or "=" in before + behind:
        return False
    is_plain = _SUBJECT.search(before) is not None and _BARE_BEHIND.match(behind) is not None
    says_work = _SAYS_SHARES if target.symbols == ("/",) else _SAYS_WORK
    return is_plain and not read_quantities(behind) and says_work.search(f"{before} {behind}") is None


def _misread_phrase(task: Task, target: Computation, value: Fraction) -> str:
    """For what a value of the question is taken; empty where its words invite to nothing."""
    quantity = _said_once(task, value)
    if quantity is None or not quantity.is_cardinal:
        return ""
    text, symbol = task.question_text, target.symbols[0]
    compared = _COMPARED.match(text, quantity.end)
    if symbol in "+-" and compared and not _MULTIPLE.match(text, compared.end()):
        return "it were the amount itself and not a difference"
    start = max((text.rfind(stop, 0, quantity.start) for stop in ".?!;"), default=-1) + 1
    if symbol == "/":
        return _shared_phrase(task, target, quantity)
    alike = (c for c in task.solution.computations if c is not target and "*" in c.symbols)
    if symbol != "*" or any(c.step < target.step or set(c.operand_values) <= task.question for c in alike):
        return ""  # who multiplies elsewhere knows what "each" means
    other = next((v for v in target.operand_values if v != value), value)
    factor = _said_once(task, other)
    if factor is not None and (not factor.is_cardinal or _TIMES_AS.match(text, factor.end)):
        return ""
    is_each = _EACH_BEHIND.match(text, quantity.end) or _EACH_BEFORE.search(text, start, quantity.start)
    return "it were said of all together and not of one" if is_each else ""


def _shared_phrase(task: Task, target: Computation, quantity: Quantity) -> str:
    """``3 packs cost $12``: what is said of several, together with their number, may be taken for that of one."""
    count = _said_once(task, target.operand_values[1])
    if quantity.value != target.operand_values[0] or count is None or not count.is_cardinal or count.value == 1:
        return ""
    between = task.question_text[min(quantity.end, count.end) : max(quantity.start, count.start)]
    is_near = not re.search(r"[.?!;\d]", between) and len(between) <= 60
    step = words_around(task, target)
    return "it were said of one and not of all together" if is_near and _SAYS_ONE.search(step) else ""


# ------------------------------------------------------------------------------------------ a condition


def _passed_over(task: Task) -> Injected:
    """A condition of the question is not taken notice of: its step is left out, and its number never used."""
    steps = [
        c for c in task.solution.computations if len([o for o in task.solution.computations if o.step == c.step]) == 1
    ]
    for place in shuffled(task.random, steps):
        removed = steps[place]
        earlier = {c.shown for c in task.solution.computations if c.equation.end <= removed.equation.start}
        results = [v for v in removed.operand_values if v in earlier]
        conditions = [v for v in removed.operand_values if v in task.question and v not in earlier]
        if len(results) != 1 or len(conditions) != 1 or not removed.is_exact:
            continue
        start, end = task.solution.spans[removed.step]
        others = (q for q in task.solution.quantities if not start <= q.start < end)
        if any(q.value == conditions[0] for q in others):
            continue  # it is used elsewhere, so it was read
        sentence = sentence_about(task.question_text, conditions[0])
        is_first = removed.operand_values[0] == results[0]
        if not is_first and not set(removed.symbols) <= {"+", "*"}:
            continue  # what is left out has to change the result that one goes on with
        if removed.step + 1 == len(task.solution.spans):
            continue  # the last step is left out rather than misread
        if any(results[0] in c.operand_values for c in task.solution.computations if c is not removed):
            continue
        if "*" in removed.symbols and any(
            "*" in c.symbols for c in task.solution.computations if c.step < removed.step
        ):
            continue  # what was understood of the one is understood of the other
        used = {v for c in task.solution.computations for v in c.operand_values}
        if not sentence or any(q.value in used - set(conditions) for q in read_quantities(sentence)):
            continue  # who takes other numbers from the sentence has read it
        try:
            return without_step(task, removed, results[0], f"“{sentence}” is passed over")
        except Declined:
            continue
    raise Declined("no condition of the question can be passed over")
