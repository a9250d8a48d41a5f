"""The words in which the rules notice a mistake: many, seeded, and always with the quantities at hand.

Every wording is ours; what comes from a problem is only ever put into a slot, and never read again as a wording.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from lemma.arithmetic import Expression, Number, Operator
from lemma.checks.words import content_stems
from lemma.teacher.rules.forms import words
from lemma.teacher.rules.reading import read_quantities, write_number

OPENERS: Final = (
    "Wait,",
    "Hold on,",
    "Hmm,",
    "Hang on,",
    "Wait a moment,",
    "Hmm, wait:",
    "No, wait:",
    "Let me pause here:",
    "Let me look at that again:",
    "Actually,",
    "Hold on a second,",
    "Just a moment:",
)
"""How a second thought begins; each goes on in the same sentence."""

CALCULATION: Final = (
    "{open} {work} isn't {wrong}. {why} So it has to be {right}.",
    "{open} {work} can't be {wrong}. {why} That makes it {right}.",
    "{open} is {work} really {wrong}? {why} No, it is {right}.",
    "{open} {wrong} doesn't look right for {work}. {why} The value is {right}.",
    "{open} I should recompute {work}. {why} It comes to {right}, not {wrong}.",
    "{open} I got {wrong} for {work}, but that is off. {why} It should be {right}.",
    "{open} let me check {work} = {wrong}. {why} So {work} is {right}.",
    "{open} that {wrong} bothers me. {why} {work} gives {right}.",
    "{open} I slipped in {work}. {why} The result is {right} and not {wrong}.",
)
OPERATOR: Final = (
    "{open} why did I {do_wrong} {a} and {b}? {reason}They have to be {done_right}: {right_work} = {right}.",
    "{open} it makes no sense to {do_wrong} {a} and {b} here. {reason}What is needed is {right_work} = {right}.",
    "{open} I {did_wrong} {a} and {b}, which gave {wrong}. {reason}But these have to be {done_right}, "
    "so it is {right_work} = {right}.",
    "{open} {wrong_work} is the wrong operation. {reason}{a} and {b} should be {done_right}, "
    "and {right_work} = {right}, not {wrong}.",
    "{open} does {wrong_work} = {wrong} fit what is asked? {reason}No: I have to {do_right} them, "
    "which gives {right_work} = {right}.",
)
CONTEXT: Final = (
    "{open} I used {bad} in {wrong_work}, but the problem says {phrase}. So it should be {right_work} = {right}, "
    "not {wrong}.",
    "{open} where did that {bad} come from? The question gives {phrase} for this. "
    "With {good} it is {right_work} = {right}.",
    "{open} {bad} is not the number that belongs here. It says {phrase}, so I need {right_work} = {right} "
    "rather than {wrong}.",
    "{open} I mixed up two numbers: here I have to take {good}, since the question says {phrase}, and not {bad}. "
    "That gives {right_work} = {right}.",
    "{open} looking back at the question, it says {phrase}. I took {bad} by accident, so {wrong} is off: "
    "{right_work} = {right}.",
)
MISCOPIED: Final = (
    "{open} I wrote {bad}, but the question says {phrase}. So it is {right_work} = {right}, not {wrong}.",
    "{open} {bad} isn't what stands in the question: it says {phrase}. With {good} it is {right_work} = {right}.",
    "{open} I copied that number wrongly. The question has {phrase}, not {bad}, which makes {right_work} = {right}.",
)
PREVIOUS: Final = (
    "{open} I put {bad} into {wrong_work}, but what I need here is {good}{origin}. So it is {right_work} = {right}.",
    "{open} {bad} is not the value to go on with. It has to be {good}{origin}, which gives {right_work} = {right}, "
    "not {wrong}.",
    "{open} that {bad} belongs somewhere else. The value for this step is {good}{origin}: {right_work} = {right}.",
    "{open} I picked up {bad} where {good} was needed{origin}. Redoing it: {right_work} = {right} instead of {wrong}.",
    "{open} let me check which number goes in here. It is {good}{origin}, not {bad}, and so {right_work} = {right}.",
)
MISSING: Final = (
    "{open} I jumped ahead to {wrong}. Before that I still need {right_work} = {right}.",
    "{open} something is missing before I can say {wrong}: I have not worked out {right_work} = {right} yet.",
    "{open} I left out a step on the way to {wrong}. First comes {right_work} = {right}.",
    "{open} {wrong} skips over part of the problem. I still have to take {right_work}, which is {right}.",
    "{open} I can't go straight to {wrong}. There is a step in between: {right_work} = {right}.",
)
STOPPED: Final = (
    "{open} {wrong} is not what is asked for yet. What is still to be done is {right_work} = {right}.",
    "{open} I stopped too early at {wrong}. The question asks for more: {right_work} = {right}.",
    "{open} {wrong} is only a value on the way. I still have to work out {right_work} = {right}.",
    "{open} am I done with {wrong}? Not quite: there is one more step, {right_work} = {right}.",
    "{open} {wrong} can't be the end of it. I forgot {right_work}, which gives {right}.",
)
DEPARTED: Final = (
    "{open} does {wrong_work} fit the problem? {reason}I don't think so: what I need is {right_work} = {right}.",
    "{open} I went off track with {wrong_work}. {reason}The step that is needed here is {right_work} = {right}.",
    "{open} {wrong} isn't the value that I need here. {reason}I should work out {right_work} = {right} instead.",
    "{open} that {wrong} doesn't lead to what is asked. {reason}What comes next is {right_work} = {right}.",
    "{open} the problem doesn't lead to {wrong_work}. {reason}What it takes here is {right_work} = {right}.",
)
ASTRAY: Final = (
    "{open} does {wrong_work} fit the problem? I don't think so. What comes next is {right_work} = {right}.",
    "{open} {wrong_work} isn't something that the problem calls for. The next thing to work out is "
    "{right_work} = {right}.",
    "{open} I don't see how {wrong} leads to what is asked. From what I know, I can next take {right_work} = {right}.",
    "{open} the problem doesn't lead to {wrong_work}. Going by what it says, the next step is {right_work} = {right}.",
)
PARTIAL: Final = (
    "{open} {wrong_work} leaves something out. With all that belongs to it, it is {right_work} = {right}.",
    "{open} {wrong} can't be all of it: something is missing in {wrong_work}. It has to be {right_work} = {right}.",
    "{open} did I add everything up? No, {wrong_work} is only a part of it. The whole is {right_work} = {right}.",
)
COMPUTED_PROPERLY: Final = (
    "{open} {wrong_work} = {wrong} is computed properly, but it isn't what the problem describes. {reason}"
    "What I need is {right_work} = {right}.",
)
MISREAD: Final = (
    "{open} I misread this part when I wrote {wrong_work}. {reason}What is needed is {right_work}, which is {right}.",
    "{open} let me read the question again. {reason}So what I need is {right_work} = {right}, not {wrong}.",
)
COUNTED: Final = (
    "{open} let me count again: there are {good}, not {bad}. So it is {right_work} = {right}.",
    "{open} {bad} is a miscount. It should be {good}, which makes {right_work} = {right} instead of {wrong}.",
    "{open} did I count right? No, that is {good} and not {bad}, so {right_work} = {right}.",
)
CONVERTED: Final = (
    "{open} that conversion is off: the factor has to be {good}, not {bad}. So it is {right_work} = {right}.",
    "{open} I converted with {bad}, but for these units it is {good}. That gives {right_work} = {right}, not {wrong}.",
    "{open} {bad} isn't the factor between these units. It is {good}, so {right_work} = {right}.",
)
FORMULA: Final = (
    "{open} I mixed up two formulas here, {formula}. What I need is {right_work} = {right}, not {wrong}.",
    "{open} {wrong_work} is the wrong formula: that is {formula}. It has to be {right_work} = {right}.",
    "{open} is {wrong_work} the formula for this? No, I used {formula}. The right one gives {right_work} = {right}.",
)
ADDED: Final = (
    "{open} why did I add {extra}? Nothing in the problem asks for that here. It stays at {right_work} = {right}.",
    "{open} the {extra} that I added has no place here. Without it, it is {right_work} = {right}, not {wrong}.",
    "{open} I brought in {extra} that doesn't belong to this. The value is just {right_work} = {right}.",
)
CLAIMED: Final = (
    "{open} {wrong} can't be right here. {reason}What the problem needs is {right_work} = {right}.",
    "{open} I was too quick with {wrong}. {reason}I should work out {right_work} = {right}.",
    "{open} where does {wrong} come from? {reason}I have to compute {right_work} = {right} here.",
)
REREADS: Final = (
    "The question says: “{sentence}” ",
    "It says “{sentence}” ",
    "Rereading the problem: “{sentence}” ",
    "The problem states: “{sentence}” ",
)
RESTARTS: Final = (
    "Let me start over.",
    "Let me go through it again from the beginning.",
    "I'll redo the whole thing from the start.",
    "Better to begin again from the top.",
    "Let me work it out afresh.",
    "Let me set that aside and solve it from the beginning.",
    "I'd rather start again and go step by step.",
    "Starting again from what the problem gives:",
)

DO: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "^": "raise"}
DONE: Final = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided", "^": "raised"}

_NOT_BRACKETS: Final = re.compile(r"[^()]+")
_WORDS_BEHIND: Final = re.compile(r"(?:[ -][A-Za-z'’]+){1,4}")
_STOP_WORDS: Final = words(
    """
    and but or to for from with that who which is was are were at in on if he she they it each every per as than when
    while then so has had have by a an the his her their more less after before into how because since
    """
)
_SENTENCE: Final = re.compile(
    r"[^.!?\n]+(?:(?:\.(?=\d)|(?<=Mr)\.|(?<=Mrs)\.|(?<=Ms)\.|(?<=Dr)\.|(?<=St)\.)[^.!?\n]*)*[.!?]?"
)
MAX_SENTENCE_CHARS: Final = 150
MIN_LEAD: Final = 2
"""Words that a step shares with one sentence more than with any other that says the same number."""


def work_text(text: str, work: Expression, values: tuple[Fraction, ...] | None = None) -> str:
    """The operation with its units left out: ``3 * 2``; with `values`, other numbers in its places."""
    pieces: list[str] = []
    at = work.start
    parts: list[Number | Operator] = [*work.numbers, *work.operators]
    parts.sort(key=lambda part: (part.start, part.end))
    index = 0
    for part in parts:
        pieces.append(_NOT_BRACKETS.sub("", text[at : part.start]))
        at = part.end
        if isinstance(part, Operator):
            written = text[part.start : part.end]
            sign = written if written in ("x", "×", "÷", "*", "/", "+", "-") else part.symbol
            is_tight = (
                sign == "/" and text[part.start - 1 : part.start].isdigit() and text[part.end : part.end + 1].isdigit()
            )
            pieces.append(sign if is_tight else f" {sign} ")
        else:
            digits = text[part.start : part.end]
            if values is not None and values[index] != part.value:
                digits = write_number(values[index], digits) or digits
            pieces.append(f"{part.currency}{digits}{'%' if part.is_percent else ''}")
            index += 1
    tail = _NOT_BRACKETS.sub("", text[at : work.end])
    whole = ("".join(pieces) + tail).replace("()", "")
    if whole.count("(") != whole.count(")"):
        whole = whole.replace("(", "").replace(")", "")
    return whole.strip()


@lru_cache(maxsize=2048)
def sentence_about(question: str, value: Fraction, step: str = "") -> str:
    """The question's sentence that holds `value` and shares most words with `step`.

    Empty if it is too long to quote, asks something, or has no word of a step that is given.
    """
    stems = content_stems(step)
    best, most, second = "", 0 if step else -1, -1
    for quantity in read_quantities(question):
        if quantity.value != value:
            continue
        for match in _SENTENCE.finditer(question):
            if match.start() <= quantity.start < match.end():
                sentence = match.group().strip()
                shared = len(stems & content_stems(sentence))
                if sentence != best and (best or shared <= most):
                    second = max(second, min(shared, most))
                if shared > most and not ("?" in sentence or len(sentence) > MAX_SENTENCE_CHARS or "<" in sentence):
                    best, most = sentence, shared
    return best if not step or most >= second + MIN_LEAD else ""


def only_phrase_about(question: str, value: Fraction) -> str:
    """As `phrase_about`, but empty where the question says the value of more than one thing."""
    if sum(quantity.value == value for quantity in read_quantities(question)) != 1:
        return ""
    return phrase_about(question, value)


@lru_cache(maxsize=2048)
def phrase_about(question: str, value: Fraction) -> str:
    """``45 batches of cupcakes``: the number as the question says it, with the words that belong to it."""
    for quantity in read_quantities(question):
        if quantity.value != value:
            continue
        start = quantity.start - (question[quantity.start - 1 : quantity.start] == "$")
        phrase = question[start : quantity.end]
        behind = _WORDS_BEHIND.match(question, quantity.end)
        if question[quantity.end : quantity.end + 1] == "%":
            return phrase + "%"
        if behind and phrase[:1] != "$":
            words = behind.group()
            kept = []
            for word in re.findall(r"[ -][A-Za-z'’]+", words):
                if word[1:].lower() in _STOP_WORDS and word[1:].lower() != "of":
                    break
                kept.append(word)
            while kept and kept[-1][1:].lower() == "of":
                kept.pop()
            phrase += "".join(kept[:3])
        return phrase.rstrip("'’ ")
    return ""
