r"""Sets aside questions that stand in a test set, before they cost anything.

Two ways find them. The *exact* one compares whole questions after normalisation; the *overlap* sets aside what shares
at least half of its 13-grams with a test set (`lemma.datasets.overlap`): a question with a sentence more, or a copy
with another number at its end.

The package ships fingerprints, never the questions: sorted 8-byte BLAKE2b digests, of the normalised questions in
hexadecimal, one a line under a header that says what they are (``NAME.txt``), and of their 13-grams in binary
(``NAME.13grams``). `scripts/make_fingerprints.py` writes both.

Normalisation makes equal what differs in looks only: blanks, case, quotation marks, typographic signs, and
LaTeX's variants of one thing (``\dfrac`` and ``\frac``, dollar signs, ``\left``, ``\!``, ``\text``). It
keeps every digit, letter, operator and sign, for near-twins that differ in one sign are different problems.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Final, Literal, NamedTuple

from lemma.datasets.base import look_up
from lemma.datasets.lines import input_files, read_rows
from lemma.datasets.overlap import WIDTH, WORDING, GramSet, grams_of
from lemma.datasets.rows import SetAside
from lemma.errors import ConfigError, InputError
from lemma.records import content_hash

TEST_SETS: Final[tuple[str, ...]] = ("gsm8k-test", "math-test")
"""Test sets whose fingerprints are shipped."""

NORMALISATION = 1
"""Raised with every change of `normalise`; fingerprints of another number are refused."""

MIN_SHARE: Final = 0.5
"""Share of a question's 13-grams in one test set from which on it counts as taken from there.

Measured (`benchmarks/duplicates.py`): 196 of MATH's 7,500 training questions reach it, nearly all of them a test
question with other numbers or signs, and 2 of GSM8K's 7,473; a single shared 13-gram would take 743 and 4.
"""

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑", "-"),
        **dict.fromkeys("‘’ʼ′“”\"'`", None),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u00ad", None),
        "×": r"\times",
        "÷": r"\div",
        "≤": r"\le",
        "≥": r"\ge",
        "≠": r"\ne",
        "·": r"\cdot",
        "π": r"\pi",
        "°": r"^\circ",
        "√": r"\sqrt ",
        "²": "^2",
        "³": "^3",
        "…": "...",
    }
)

_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), r"\frac"),
    **dict.fromkeys(("dbinom", "tbinom"), r"\binom"),
    **dict.fromkeys(("ldots", "cdots", "dots"), "..."),
    "leq": r"\le",
    "geq": r"\ge",
    "neq": r"\ne",
    # sizes, spaces and fonts: nothing of the mathematics is in them
    **dict.fromkeys(("left", "right", "big", "bigl", "bigr", "bigg", "displaystyle", "textstyle"), ""),
    **dict.fromkeys(("quad", "qquad", "allowbreak", "nobreak", "hfill", "noindent"), ""),
    **dict.fromkeys(("rm", "bf", "it"), ""),
}

# a group of words keeps its words; the inside stops at any brace, so the time is linear
_WORDS = re.compile(r"\\(?:text|textrm|textbf|textit|mbox|mathrm|mathbf|emph)\s*\{([^{}]*)\}")
# one pass; every alternative begins differently, so the time is linear
_LATEX = re.compile(r"\\([a-z]+)|\\\\|\\[,!;: \n()\[\]$]|\{,\}|[$~\s]")
_ONE_CHARACTER_GROUP = re.compile(r"\{([^{}\\])\}")
_PLACES = {"{,}": ",", r"\\": r"\\"}


def normalise(question: str) -> str:
    """The question without what is only looks; linear in its length."""
    text = question.casefold().translate(_SIGNS)
    text = _WORDS.sub(r"\1", text)
    text = _LATEX.sub(_normal_form, text)
    text = _ONE_CHARACTER_GROUP.sub(r"\1", text)
    return text.rstrip(".?")  # but not `!`, which may be a factorial


def _normal_form(found: re.Match[str]) -> str:
    command = found[1]
    if command is None:
        return _PLACES.get(found[0], "")
    return _COMMANDS.get(command, found[0])


def in_words(question: str) -> str:
    """The question for `grams_of`: levelled likewise, but what parts words is kept as a blank; linear in its length."""
    text = question.casefold().translate(_SIGNS)
    text = _WORDS.sub(r" \1 ", text)
    return _LATEX.sub(_word_form, text)


def _word_form(found: re.Match[str]) -> str:
    return f" {_COMMANDS.get(found[1], found[0])} " if found[1] else _PLACES.get(found[0], " ")


def digest_of(question: str) -> str:
    """16 hexadecimal digits: two different questions share them with a chance of 5·10⁻²⁰."""
    return hashlib.blake2b(normalise(question).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What is known of one test set; no text of it."""

    digests: frozenset[str]
    """See `digest_of`."""
    grams: GramSet
    """13-grams of all its questions."""

    @classmethod
    def of(cls, questions: Iterable[str]) -> Fingerprints:
        """Makes them."""
        digests: set[str] = set()
        grams: set[int] = set()
        for question in questions:
            digests.add(digest_of(question))
            grams |= grams_of(in_words(question))
        return cls(frozenset(digests), GramSet(grams))


class Match(NamedTuple):
    """A question that is held to stand in a test set."""

    test_set: str
    how: Literal["exact", "overlap"]
    share: float
    """Of the question's 13-grams, those that the test set holds; 1 for an exact match."""

    def __str__(self) -> str:
        if self.how == "exact":
            return f"the question is in {self.test_set}"
        return f"{100 * self.share:.0f} % of the question's {WIDTH}-grams stand in {self.test_set}"


class Decontaminator:
    """Knows the questions of some test sets.

    Args:
        test_sets: by name.
    """

    def __init__(self, test_sets: Mapping[str, Fingerprints]) -> None:
        self._test_sets = dict(test_sets)
        # the first test set named keeps a question that several hold
        self._names: dict[str, str] = {}
        for name, known in test_sets.items():
            for digest in known.digests:
                self._names.setdefault(digest, name)

    @classmethod
    def load(cls, names: Sequence[str]) -> Decontaminator:
        """Reads the test sets that the configuration names under `decontaminate`.

        Args:
            names: names of `TEST_SETS`, or paths of JSON Lines files with a `question` or `problem` a line.

        Raises:
            ConfigError: neither the one nor the other.
            InputError: a file cannot be read, or a line of it has no question.
        """
        return cls({name: _shipped(name) if name in TEST_SETS else Fingerprints.of(_of_file(name)) for name in names})

    def __len__(self) -> int:
        """Number of different questions known."""
        return len(self._names)

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides which questions are known."""
        grams = (f"{name} {known.grams.to_bytes().hex()}" for name, known in sorted(self._test_sets.items()))
        digests = (f"{digest} {name}" for digest, name in sorted(self._names.items()))
        return content_hash(f"{NORMALISATION} {WORDING} {MIN_SHARE}", *grams, *digests)

    def match(self, question: str) -> Match | None:
        """How the question stands in a test set: exactly, else by the largest overlap; None if in none."""
        if not self._names:
            return None
        exact = self._names.get(digest_of(question))
        if exact is not None:
            return Match(exact, "exact", 1.0)
        grams = grams_of(in_words(question))
        shares = {name: known.grams.share_of(grams) for name, known in self._test_sets.items()}
        nearest = max(shares, key=lambda name: shares[name])  # the first named among equals
        return Match(nearest, "overlap", shares[nearest]) if shares[nearest] >= MIN_SHARE else None


def _shipped(name: str) -> Fingerprints:
    folder = package_files("lemma") / "data" / "fingerprints"
    header, _, body = (folder / f"{name}.txt").read_text(encoding="ascii").partition("\n\n")
    if not {f"normalisation: {NORMALISATION}", f"wording: {WORDING}"} <= set(header.splitlines()):
        raise InputError(f"the fingerprints of {name} were made by another normalisation; make them anew")
    return Fingerprints(frozenset(body.split()), GramSet.from_bytes((folder / f"{name}.13grams").read_bytes()))


def _of_file(path: str) -> Iterator[str]:
    # a bare word is a mistyped name rather than a file
    if not any(sign in path for sign in "./\\*"):
        near = difflib.get_close_matches(path, TEST_SETS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(TEST_SETS)}, and paths"
        raise ConfigError(f"decontaminate: unknown test set `{path}`; {hint}")
    for file in input_files(path):
        for row in read_rows(file):
            # a line that is passed over here would let its question through unseen
            if isinstance(row, SetAside):
                raise InputError(f"{row.file} line {row.line}: {row.reason} ({row.detail})")
            question = look_up(row.value, "question") or look_up(row.value, "problem")
            if not isinstance(question, str):
                raise InputError(f"{row.file} line {row.line}: no field `question` or `problem`")
            yield question
