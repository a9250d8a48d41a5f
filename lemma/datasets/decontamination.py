r"""Sets aside questions that stand in a test set, before they cost anything.

The package ships fingerprints, never the questions: sorted 8-byte BLAKE2b digests of the normalised
question, one in hexadecimal a line, under a header that says what they are (`scripts/make_fingerprints.py`
writes them).

Normalisation makes equal what differs in looks only: blanks, case, quotation marks, typographic signs, and
LaTeX's variants of one thing (``\dfrac`` and ``\frac``, dollar signs, ``\left``, ``\!``, ``\text``). It
keeps every digit, letter, operator and sign, for near-twins that differ in one sign are different problems.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files as package_files
from typing import Final

from lemma.datasets.base import look_up
from lemma.datasets.lines import input_files, read_rows
from lemma.datasets.rows import SetAside
from lemma.errors import ConfigError, InputError
from lemma.records import content_hash

TEST_SETS: Final[tuple[str, ...]] = ("gsm8k-test", "math-test")
"""Test sets whose fingerprints are shipped."""

NORMALISATION = 1
"""Raised with every change of `normalise`; fingerprints of another number are refused."""

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


def digest_of(question: str) -> str:
    """16 hexadecimal digits: two different questions share them with a chance of 5·10⁻²⁰."""
    return hashlib.blake2b(normalise(question).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Decontaminator:
    """Knows the questions of some test sets.

    Args:
        test_sets: name to the digests of its questions.
    """

    def __init__(self, test_sets: Mapping[str, Iterable[str]]) -> None:
        # the first test set named keeps a question that several hold
        self._names: dict[str, str] = {}
        for name, digests in test_sets.items():
            for digest in digests:
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
        return cls({name: _shipped(name) if name in TEST_SETS else _of_file(name) for name in names})

    def __len__(self) -> int:
        """Number of different questions known."""
        return len(self._names)

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides which questions are known."""
        return content_hash(str(NORMALISATION), *(f"{digest} {name}" for digest, name in sorted(self._names.items())))

    def test_set_of(self, question: str) -> str | None:
        """The test set that holds the question; None if none does."""
        return self._names.get(digest_of(question)) if self._names else None


def _shipped(name: str) -> Iterator[str]:
    text = (package_files("lemma") / "data" / "fingerprints" / f"{name}.txt").read_text(encoding="ascii")
    header, _, body = text.partition("\n\n")
    if f"normalisation: {NORMALISATION}" not in header.splitlines():
        raise InputError(f"the fingerprints of {name} were made by another normalisation; make them anew")
    yield from body.split()


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
            yield digest_of(question)
