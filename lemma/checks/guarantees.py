"""The first guarantees: the answer, the prefix, the ending, tags, leaks, length, loops.

Pure functions of the text, linear in it.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from lemma.answers import Verdict, compare, extract_answer
from lemma.endings import strip_answer
from lemma.errors import Rejected
from lemma.records import Mistake, Trajectory
from lemma.steps import split_steps, step_spans

MIN_REFLECTION_WORDS: Final = 4
MIN_REPEATED_CHARS: Final = 16
"""Letters, digits and signs, spaces aside; shorter passages repeat by nature (``So she has``)."""
MIN_STEP_CHARS: Final = 10
LOOP_SENTENCES: Final = 8
"""A sentence that stands there so often is a loop (five times happen where cases are gone through) …"""
LOOP_MIN_CHARS: Final = 30
"""… if it has so many characters."""
LOOP_TIMES: Final = 5
"""A passage that stands there so often in a row is a loop …"""
LOOP_MIN_TOKENS: Final = 80
"""… or the passages together so many words and signs: nested roots and continued fractions have fewer."""
_LOOP_WINDOW: Final = 6
MAX_RUN_CHARS: Final = 300
"""The same character so often in a row is a loop (rules and rulers of tables are shorter)."""

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_TOKEN: Final = re.compile(r"\w+|[^\w\s]+")
_RUN: Final = re.compile(rf"(\S)\1{{{MAX_RUN_CHARS - 1}}}")
_BARE_DROPS: Final = re.compile(r"[\s*_$`\\]+")
_NUMBER: Final = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_MAX_SIFTED_CHARS: Final = 4000
_SHARE_OF_STEP: Final = 0.5

_TAG_NAMES: Final = (
    "reflection|continuation|new_start|prefix|step|rest|analysis|verdict|explanation|declined|quote|altered_step"
    "|first_error_step|error_type|think|thinking|solution|correction"
)
_TAGS: Final = re.compile(
    rf"</?[ ]?(?:{_TAG_NAMES})[ ]?>"
    r"|^[ \t#*_]{0,8}(?:reflection|continuation|prefix|instruction|response|explanation of the error|wrong step"
    r"|corrected solution|correction|new solution|fresh start|self-correction)[ \t*_]{0,4}:"
    r"|^#{1,6} (?:reflection|continuation|instruction|response|correction)\b"
    r"|^\[\d{1,3}\] ",
    re.IGNORECASE | re.MULTILINE,
)

# looking ahead for a letter spares trying every alternative at the end of every word
_LEAKS: Final = re.compile(
    r"\b(?=[a-z])(?:"
    r"ground[- ]truth"
    r"|(?:reference|gold(?:en)?|model|official|provided|supplied|expected|known|intended) (?:solution|answer)s?"
    r"|(?:solution|answer) (?:key|sheet)"
    r"|given (?:correct )?(?:solution|answer)(?! set)"
    r"|correct (?:reference|solution (?:states|says|shows|given|provided))"
    r"|(?:according to|matches|agrees with|consistent with) the (?:correct|true|right) (?:solution|answer)"
    r"|(?:previous|earlier|prior|initial|first|original|last|failed|wrong|incorrect) attempts?"
    r"|(?:previous|earlier|prior|erroneous|flawed|incorrect|wrong) (?:solution|response)s?"
    r"|the (?:student|teacher|model|solver|assistant)(?:'s|’s)? (?:solution|answer|work|mistake|error|step|made|wrote)"
    r"|(?:your|their) (?:solution|mistake|error|attempt|reasoning|calculation|previous step|first step|last step)"
    r"|you(?:'ve|’ve| have)? (?:made|wrote|forgot|miscalculated|misread|mistakenly|incorrectly)"
    r"|as an ai|language model"
    r"|the (?:prompt|instructions?) (?:says?|asks?|states?|requires?|above)"
    r"|error type|(?:calculation|counting|operator|conversion)_error"
    r")\b",
    re.IGNORECASE,
)
_ANNOUNCED: Final = re.compile(
    r"\b(?=[a-z])(?:"
    r"deliberate(?:ly)?|intentional(?:ly)?|on purpose|erroneous(?:ly)?|incorrect(?:ly)?|mistaken(?:ly)?|wrongly"
    r"|by mistake|(?:the|a|an|this|our) (?:mistake|error|slip)"
    r"|(?:wrong|false) (?:value|number|formula|step|operation|result|answer|factor|sign|unit|figure)"
    r"|(?:this|which|that|it) (?:is|was) (?:wrong|not (?:right|correct))"
    r"|instead of (?:the )?(?:correct|right)|rather than (?:the )?(?:correct|right)"
    r"|confus(?:e|es|ing) (?:the|it|this)"
    r")",
    re.IGNORECASE,
)


@lru_cache(maxsize=2048)
def bare(text: str) -> str:
    """`text` as compared: no spaces, case, Markdown or dollar signs."""
    return _BARE_DROPS.sub("", text).casefold()


def _stands_in(passage: str, text: str) -> bool:
    """Whether `passage` stands in `text`, no number of it being part of a longer one ("=20" is not in "=200")."""
    place = text.find(passage)
    while place >= 0:
        end = place + len(passage)
        if not text[max(0, place - 1) : place].isdigit() and not text[end : end + 2].lstrip(".,")[:1].isdigit():
            return True
        place = text.find(passage, end)
    return False


def _first_new(pattern: re.Pattern[str], text: str, *allowed: str) -> str | None:
    """The first match whose words stand in none of the `allowed` texts (the question may speak of an error)."""
    lowered: list[str] | None = None
    for match in pattern.finditer(text):
        if lowered is None:
            lowered = [other.lower() for other in allowed]
        if not any(match[0].lower() in other for other in lowered):
            return match[0]
    return None


def _is_equal(answer: str, reference: str) -> bool:
    """Decided, not guessed; raises `undecided_answer` otherwise."""
    verdict = compare(answer, reference)
    if verdict is Verdict.UNDECIDED:
        raise Rejected("undecided_answer", f"{answer!r} and {reference!r}")
    return verdict is Verdict.EQUAL


def reaches_answer(text: str, reference: str) -> str:
    """The final answer of `text`, which equals the reference.

    Raises:
        Rejected: `no_answer`, `undecided_answer`, `wrong_answer`.
    """
    answer = extract_answer(text)
    if answer is None:
        raise Rejected("no_answer", text[-120:])
    if not _is_equal(answer, reference):
        raise Rejected("wrong_answer", f"{answer!r}, not {reference!r}")
    return answer


def misses_answer(answer: str | None, reference: str) -> str:
    """The answer of a mistake, which differs from the reference.

    Raises:
        Rejected: `no_answer`, `undecided_answer`, `answer_equals_reference`.
    """
    if answer is None:
        raise Rejected("no_answer")
    if _is_equal(answer, reference):
        raise Rejected("answer_equals_reference", f"{answer!r} is {reference!r}")
    return answer


def announces_no_error(altered: str, question: str, original: str) -> None:
    """An injected mistake goes unannounced; words that the question or the original has are its own affair.

    Raises:
        Rejected: `announced_error`.
    """
    if (words := _first_new(_ANNOUNCED, altered, question, original)) is not None:
        raise Rejected("announced_error", words)


def wrong_step(mistake: Mistake) -> str:
    """The text of the first wrong step, up to the prefix's end."""
    for start, end in step_spans(mistake.solution):
        if end >= mistake.prefix_end:
            return mistake.solution[start : mistake.prefix_end]
    return mistake.prefix


def before_wrong_step(mistake: Mistake) -> str:
    """The prefix without its first wrong step: what holds."""
    return mistake.prefix.removesuffix(wrong_step(mistake))


def keeps_prefix(trajectory: Trajectory) -> None:
    """The text begins with the mistake's own words through the first wrong step, character for character.

    Raises:
        Rejected: `prefix_changed`.
    """
    own = trajectory.mistake.prefix
    if trajectory.prefix != own or not trajectory.text.startswith(own):
        raise Rejected("prefix_changed", trajectory.prefix[:200])


def error_still_stands(prefix: str, mistake: Mistake) -> None:
    """A prefix in new words still makes the wrong claim: its result, and half of its numbers and words.

    Raises:
        Rejected: `error_removed`.
    """
    step = strip_answer(wrong_step(mistake)) or wrong_step(mistake)
    here = set(_NUMBER.findall(prefix.replace(",", "")))
    numbers = _NUMBER.findall(step.replace(",", ""))
    if numbers and numbers[-1] not in here:
        raise Rejected("error_removed", f"{numbers[-1]} is gone")
    claimed = {*numbers, *(word.lower() for word in _WORD.findall(step))}
    kept = claimed & {*here, *(word.lower() for word in _WORD.findall(prefix))}
    if len(kept) < _SHARE_OF_STEP * len(claimed):
        raise Rejected("error_removed", f"{len(kept)} of {len(claimed)} words and numbers of the wrong step are left")


def has_reflection(reflection: str) -> None:
    """Words, not only signs, stand between error and correction.

    Raises:
        Rejected: `no_reflection`.
    """
    if len(_WORD.findall(reflection)) < MIN_REFLECTION_WORDS:
        raise Rejected("no_reflection", reflection[:120])


def repeats_no_prefix(trajectory: Trajectory) -> None:
    """Neither reflection nor continuation begins with the text before it over again.

    Raises:
        Rejected: `prefix_repeated`.
    """
    prefix = bare(trajectory.prefix)
    for part in (trajectory.reflection, trajectory.continuation):
        other = bare(part[: 2 * len(trajectory.prefix) + 200])
        shared = 0
        for left, right in zip(prefix, other, strict=False):
            if left != right:
                break
            shared += 1
        while 0 < shared < len(other) and other[shared].isdigit() and other[shared - 1].isdigit():
            shared -= 1  # "= 200" mends "= 20" and does not repeat it
        if shared < MIN_REPEATED_CHARS:
            continue
        steps = split_steps(trajectory.prefix)
        first = bare(steps[0]).rstrip(".,;:!") if steps else ""
        if shared >= min(len(first), 200):
            raise Rejected("prefix_repeated", part[:120])


def repeats_no_error(trajectory: Trajectory) -> None:
    """The wrong step does not stand again in the continuation.

    Raises:
        Rejected: `error_repeated`.
    """
    step = wrong_step(trajectory.mistake)
    own = bare(strip_answer(step) or step).rstrip(".,;:!")
    if len(own) >= MIN_STEP_CHARS and _stands_in(own, bare(trajectory.continuation)):
        raise Rejected("error_repeated", step[:200])


def has_no_tags(text: str, *allowed: str) -> None:
    """No tags, labels or headings of the prompts, unless they stand in the `allowed` texts.

    Raises:
        Rejected: `section_tags`.
    """
    if (tag := _first_new(_TAGS, text, *allowed)) is not None:
        raise Rejected("section_tags", tag)


def leaks_no_reference(text: str, *allowed: str) -> None:
    """Speaks as one who solves: of no reference, previous attempt or student, unless the `allowed` texts do.

    Raises:
        Rejected: `leaked_reference`.
    """
    if (words := _first_new(_LEAKS, text, *allowed)) is not None:
        raise Rejected("leaked_reference", words)


def is_short_enough(text: str, max_chars: int) -> None:
    """Within the length limit.

    Raises:
        Rejected: `too_long`.
    """
    if len(text) > max_chars:
        raise Rejected("too_long", f"{len(text)} characters")


def has_no_loop(text: str) -> None:
    """Doesn't repeat itself: no sentence eight times, no passage five times in a row, no endless run of one character.

    Raises:
        Rejected: `loop`.
    """
    run = _RUN.search(text) if _may_run(text) else None
    if run is not None:
        raise Rejected("loop", run[1] * 3 + "…")
    steps = split_steps(text) if _may_hold(bare(text), LOOP_MIN_CHARS, LOOP_SENTENCES) else []
    sentences = Counter(map(bare, steps)) if len(steps) >= LOOP_SENTENCES else {}
    for sentence, times in sentences.items():
        if times >= LOOP_SENTENCES and len(sentence) >= LOOP_MIN_CHARS:
            raise Rejected("loop", f"{times} times {sentence[:200]}")
    if not _may_hold("".join(text.split()), LOOP_MIN_TOKENS, 2):
        return
    tokens = _TOKEN.findall(text)
    if len(tokens) < LOOP_MIN_TOKENS:
        return
    windows = list(zip(*(tokens[shift:] for shift in range(_LOOP_WINDOW)), strict=False))
    if len(windows) - len(set(windows)) < LOOP_MIN_TOKENS:  # so many in a row have to stand there again
        return
    seen: dict[tuple[str, ...], int] = {}
    period = length = 0  # how many tokens the text has been repeating what stood `period` tokens before
    for start, window in enumerate(windows):
        gap = start - seen[window] if window in seen else 0
        seen[window] = start
        length = length + 1 if gap and gap == period else 0
        period = gap
        if length >= max((LOOP_TIMES - 1) * period, LOOP_MIN_TOKENS):
            raise Rejected("loop", " ".join(tokens[start : start + period])[:200])


def _may_hold(text: str, num_chars: int, times: int) -> bool:
    """Whether a passage of so many characters may stand in a text without spaces so many times.

    Wherever it stands first it covers one of the blocks of half its length that the text is cut into, and that block
    stands there as often. Long texts, where looking for every block would take long, may always.
    """
    if len(text) > _MAX_SIFTED_CHARS:
        return True
    half = num_chars // 2
    for start in range(0, len(text) - half + 1, half):
        block, place = text[start : start + half], start
        for _ in range(times - 1):
            place = text.find(block, place + 1)
            if place < 0:
                break
        else:
            return True
    return False


def _may_run(text: str) -> bool:
    """Whether one character may stand `MAX_RUN_CHARS` times in a row: such a run covers a whole block of half that."""
    half = MAX_RUN_CHARS // 2
    return any(text[start] * half == text[start : start + half] for start in range(0, len(text), half))


def is_clean(text: str, question: str, max_chars: int) -> bool:
    """Whether a solution that we have may stand in a trajectory as it is."""
    try:
        is_short_enough(text, max_chars)
        has_no_tags(text, question)
        leaks_no_reference(text, question)
        has_no_loop(text)
    except Rejected:
        return False
    return True
