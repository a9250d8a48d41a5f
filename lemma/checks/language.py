"""Whether the correction can be read, and in the language of the question.

No model of languages is asked: scripts and the commonest small words decide, and what they do not decide passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from lemma.errors import Rejected

MIN_ODD_WORDS: Final = 4
MIN_ODD_SHARE: Final = 0.12
MAX_WORD_CHARS: Final = 60
MIN_FOREIGN_LETTERS: Final = 8
"""So many letters of a script that the question has none of: more than a name or a symbol."""
MIN_SMALL_WORDS: Final = 4
CLEARLY: Final = 3
"""One language's small words outnumber the other's so many times."""

_LETTERS: Final = re.compile(r"[^\W\d_]+")
_LATIN: Final = re.compile(r"[a-zA-Z]+")
_LATEX: Final = re.compile(r"\\[a-zA-Z]+|https?://\S+|`[^`\n]*`")
_BROKEN: Final = re.compile(
    r"\ufffd|[\x00-\x08\x0e-\x1f\x7f]|Ã[\x80-\xbf©¨¶¼¤Ÿ]|â€|Â[\x80-\xbf£°·]|ï¿½|[\ue000-\uf8ff]"
)
_LONG_WORD: Final = re.compile(rf"[a-zA-Z]{{{MAX_WORD_CHARS + 1}}}")
_NO_VOWEL: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}", re.IGNORECASE)
_CASE_SALAD: Final = re.compile(r"[a-z][A-Z][a-z]+[A-Z]|[a-z][A-Z]{1,3}[a-z][A-Z]")
_SIGN_RUN: Final = re.compile(r"[^\w\s.\-_=*#~|+&\\{}()\[\]$]{8,}")
_SCRIPTS: Final = {
    "Cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
    "Greek": re.compile(r"[\u0370-\u03ff]{3,}"),  # single letters are symbols
    "Han or kana": re.compile(r"[\u3040-\u30ff\u3400-\u9fff]"),
    "Hangul": re.compile(r"[\uac00-\ud7af]"),
}
_SMALL: Final = {
    name: frozenset(words.split())
    for name, words in {
        "English": "the of and to is that it for was with are this have from they what which there so each she how",
        "German": "der die das und ist nicht ein eine wir sie für mit auf dem den von sich auch wird sind also hat pro",
        "French": "le la les des et est une dans pour que qui pas nous sur avec donc il elle ce cette sont du au par",
        "Spanish": "el la los las y es una de que en por para con del se su no lo como entonces son cada hay pero",
        "Italian": "il la gli di che è una per con non del della sono quindi ha ogni si lo nel dei ma questo sono ci",
        "Portuguese": "o os as de que é uma por para com não do da em são então cada tem mas isso se no na dos das ele",
        "Dutch": "de het een en van is niet dat wij ze voor met op zijn dus heeft elke ook maar wordt aan er per hij",
    }.items()
}
_LANGUAGES: Final = {
    word: tuple(name for name, others in _SMALL.items() if word in others)
    for words in _SMALL.values()
    for word in words
}
"""Small word -> the languages that have it."""


def is_readable(text: str, question: str) -> None:
    """Words, not noise: no broken encoding, no endless words, few words that nobody could say.

    Raises:
        Rejected: `gibberish`.
    """
    if (broken := _BROKEN.search(text)) is not None and broken[0] not in question:
        raise Rejected("gibberish", ascii(text[max(0, broken.start() - 20) : broken.end() + 20]))
    if (signs := _SIGN_RUN.search(text)) is not None and signs[0] not in question:
        raise Rejected("gibberish", ascii(signs[0][:80]))
    plain = _LATEX.sub(" ", text)
    if not (_LONG_WORD.search(plain) or _NO_VOWEL.search(plain) or _CASE_SALAD.search(plain)):
        return
    words = _LATIN.findall(plain)
    if (longest := max(words, key=len, default="")) and len(longest) > MAX_WORD_CHARS and longest not in question:
        raise Rejected("gibberish", longest[:80])
    odd = [word for word in words if _NO_VOWEL.search(word) or _CASE_SALAD.search(word)]
    if len(odd) >= max(MIN_ODD_WORDS, MIN_ODD_SHARE * len(words)):
        raise Rejected("gibberish", " ".join(odd[:6])[:200])


@lru_cache(maxsize=512)
def _hits(text: str) -> Mapping[str, int]:
    """Language -> how many of its small words stand there."""
    hits = dict.fromkeys(_SMALL, 0)
    for word in _LETTERS.findall(_LATEX.sub(" ", text)):
        for name in _LANGUAGES.get(word.lower(), ()):
            hits[name] += 1
    return hits


def speaks_its_language(text: str, question: str) -> None:
    """The language is the question's: no passage in a script that it has not, no other language's small words.

    Raises:
        Rejected: `other_language`.
    """
    for name, letters in () if text.isascii() else _SCRIPTS.items():
        if sum(map(len, letters.findall(text))) >= MIN_FOREIGN_LETTERS and letters.search(question) is None:
            raise Rejected("other_language", f"{name} letters")
    own = _hits(question)
    home = max(own, key=lambda name: own[name])
    if own[home] < MIN_SMALL_WORDS or sorted(own.values())[-2] * 2 > own[home]:
        return
    here = _hits(text)
    away = max(here, key=lambda name: here[name])
    if away != home and here[away] >= max(MIN_SMALL_WORDS, CLEARLY * here[home]):
        raise Rejected("other_language", f"{away}, not {home}")
