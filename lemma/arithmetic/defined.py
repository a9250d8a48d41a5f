r"""Reads what is worked out over several statements about one thing.

``Total = 52 + 24`` and, below it, ``Total = 76``: together they say that 52 + 24 is 76. Instruct models write so,
mostly in display formulas (``\[ \text{Total} = 52 + 24 \] \[ \text{Total} = 76 \]``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import pairwise
from typing import Final

from lemma.arithmetic.model import Equation, Expression, Truth
from lemma.arithmetic.parser import Parser, Unread
from lemma.arithmetic.tokens import Tokens, tokenise
from lemma.arithmetic.truth import judge

MAX_GAP_CHARS: Final = 60
"""Between two statements about the same thing; more words than these may have changed what it is."""

# Linear: the name holds neither a sign nor a digit, and is bounded.
_STATEMENT: Final = re.compile(r"(?:\A|\n|\\\[|\$|[.:;] )[ \t]*(?P<name>[^=\n\d]{1,80}?)[ \t]*(?:&=|=)(?!=)")
_LEAD: Final = re.compile(r"\\[\[(]|[.:;,] |[$]")
_NAME_DROPS: Final = re.compile(r"\\(?:text|mathrm|mbox)|[^A-Za-z\\]+|\\")


def read_defined(text: str, chain: int) -> list[Equation]:
    """The equations that two statements in a row about the same thing make together.

    A false one is only believed where the second statement is a lone number, and of a thing with a name.

    Args:
        text: any text.
        chain: number of the first chain that is found here.
    """
    places = [(_name(match["name"]), match.start(), match.end()) for match in _STATEMENT.finditer(text)]
    pairs = [(one, other) for one, other in pairwise(places) if one[0] and one[0] == other[0]]
    if not pairs:
        return []
    tokens = tokenise(text)
    parser, starts = Parser(text, tokens.tokens), [token.start for token in tokens.tokens]
    found: list[Equation] = []
    for (name, _, behind), (_, start, other_behind) in pairs:
        work = _expression(parser, tokens, bisect_left(starts, behind))
        right = _expression(parser, tokens, bisect_left(starts, other_behind))
        if work is None or right is None or start - work.end > MAX_GAP_CHARS:
            continue
        truth = judge(work, right)
        is_plain = work.is_plain and right.is_plain
        is_claim = right.is_lone and len(name) > 1  # an unknown may have been solved for in between
        if work.operators and is_plain and (truth is not Truth.FALSE or is_claim):
            found.append(Equation(work.start, right.end, work, right, truth, chain + len(found)))
    return found


def _name(written: str) -> str:
    """The letters of what a statement is about."""
    return _NAME_DROPS.sub("", _LEAD.split(written)[-1]).lower()


def _expression(parser: Parser, tokens: Tokens, index: int) -> Expression | None:
    """The expression at a token, if the statement ends behind it."""
    try:
        expression = parser.expression(index)
    except Unread:
        return None
    behind = tokens.tokens[parser.position].kind if parser.position < len(tokens.tokens) else "B"
    return expression if behind in "BRWC" else None
