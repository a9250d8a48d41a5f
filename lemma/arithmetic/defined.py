r"""Reads what is worked out over several statements about one thing.

``Total = 52 + 24`` and, below it, ``Total = 76``: together they say that 52 + 24 is 76. Instruct models write so,
mostly in display formulas (``\[ \text{Total} = 52 + 24 \] \[ \text{Total} = 76 \]``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final, NamedTuple

from lemma.arithmetic.model import Equation, Expression, Truth
from lemma.arithmetic.parser import Parser, Unread
from lemma.arithmetic.tokens import Tokens
from lemma.arithmetic.truth import judge

MAX_GAP_CHARS: Final = 60
"""Between two statements about the same thing; more words than these may have changed what it is."""

# Linear: the name holds neither a sign nor a digit, and is bounded.
_STATEMENT: Final = re.compile(r"(?:\A|\n|\\\[|\$|[.:;] )[ \t]*(?P<name>[^=\n\d]{1,80}?)[ \t]*(?:&=|=)(?!=)")
_LEAD: Final = re.compile(r"\\[\[(]|[.:;,] |[$]")
_NAME_DROPS: Final = re.compile(r"\\(?:text|mathrm|mbox)|[^A-Za-z\\]+|\\")


class _Statement(NamedTuple):
    """``name = expression``; offsets in the text."""

    name: str
    start: int
    expression: Expression


def read_defined(text: str, tokens: Tokens, chain: int) -> list[Equation]:
    """The equations that two statements in a row about the same thing make together.

    A false one is only believed where the second statement is a lone number, and of a thing with a name.

    Args:
        text: any text.
        tokens: its tokens.
        chain: number of the first chain that is found here.
    """
    found: list[Equation] = []
    before: _Statement | None = None
    parser: Parser | None = None
    starts: list[int] = []
    for match in _STATEMENT.finditer(text):
        name = _NAME_DROPS.sub("", _LEAD.split(match["name"])[-1]).lower()
        if parser is None:
            parser, starts = Parser(text, tokens.tokens), [token.start for token in tokens.tokens]
        expression = _expression(parser, tokens, bisect_left(starts, match.end())) if name else None
        if expression is None:
            before = None
            continue
        here = _Statement(name, match.start(), expression)
        if before is not None and before.name == name and here.start - before.expression.end <= MAX_GAP_CHARS:
            work, right = before.expression, expression
            truth = judge(work, right)
            is_plain = work.is_plain and right.is_plain
            is_claim = right.is_lone and len(name) > 1  # an unknown may have been solved for in between
            if work.operators and is_plain and (truth is not Truth.FALSE or is_claim):
                found.append(Equation(work.start, right.end, work, right, truth, chain + len(found)))
        before = here
    return found


def _expression(parser: Parser, tokens: Tokens, index: int) -> Expression | None:
    """The expression at a token, if the statement ends behind it."""
    try:
        expression = parser.expression(index)
    except Unread:
        return None
    behind = tokens.tokens[parser.position].kind if parser.position < len(tokens.tokens) else "B"
    return expression if behind in "BRWC" else None
