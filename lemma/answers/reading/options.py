r"""Read letters and the options of a multiple choice.

Example: ``(C) 12`` is a ``Choice`` of letter ``c`` whose rest is 12, ``\text{(C)}`` a letter alone.
"""

from __future__ import annotations

import re

from lemma.answers.formulas.tree import Tree
from lemma.answers.reading.brackets import untexted
from lemma.answers.reading.parts import PartReader
from lemma.answers.values import Choice, Scalar, Words

_LETTER = re.compile(r"[(\[{]?\s*(?:\\text\s*\{\s*)?[(\[]?\s*([A-Za-z])\s*[)\]]?\s*\}?\s*[)\]}]?[.:)]?")
_CHOICE = re.compile(r"(?:\(\s*([A-Z])\s*\)|([A-Z])[.):](?=\s)|\\text\s*\{\s*\(?([A-Z])\)\s*\})\s*(?![+\-*/^=,])(\S.*)")
_OPTION = re.compile(r"(?:option|choice|answer|statement|part)\s*:?\s*[(\[]?([A-Z])[)\]]?", re.IGNORECASE)
# Letters in a row that are a name or a word, and no product, though a product of symbols would look the same.
_NAME = re.compile(
    r"[A-Z]{2,}|(?i:no|yes|on|off|up|in|out|odd|red|top|low|all|any|new|old|dog|cat|hot|wet|dry|boy|his|her|mon|tue|wed|thu|fri|sat|sun)"
)


def read_letter(text: str) -> Scalar | Words | None:
    """Read a single letter, however it is dressed, or a short name."""
    if _NAME.fullmatch(text):
        return Words((text.casefold(),))
    found = _LETTER.fullmatch(text) or _OPTION.fullmatch(untexted(text))
    if not found:
        return None
    letter = found.group(1)
    tree: Tree = ("const", letter) if letter in ("i", "e") else ("sym", letter)
    return Scalar(tree, letter=letter)


def read_choice(text: str, read_part: PartReader) -> Choice | None:
    """Read an option's letter with the option behind it."""
    found = _CHOICE.fullmatch(text)
    if not found:
        return None
    letter, rest = next(group for group in found.groups()[:3] if group), found.group(4)
    if found.group(3) is None and found.group(1) and _operand(rest):
        return None
    return Choice(letter.casefold(), read_part(rest))


def _operand(rest: str) -> bool:
    """Whether ``(A) ...`` goes on as a product rather than as an option's text."""
    return rest.startswith(("(", "[", "\\left", "\\cdot", "\\times", "_", "!", "'", "∪", "∈", "<", ">", "≤", "≥"))
