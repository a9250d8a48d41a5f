"""Finds the equations of a running text: where they begin, how far they go, and what may be believed of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from lemma.arithmetic.defined import read_defined
from lemma.arithmetic.model import Equation, Expression, Number, Operator, Truth
from lemma.arithmetic.parser import Parser, Unread
from lemma.arithmetic.tokens import Token, tokenise
from lemma.arithmetic.truth import judge

_OPENERS: Final = frozenset("NCLF")
_DOUBTFUL_WORDS: Final = """
of times twice thrice half double triple third thirds quarter quarters fifth fifths tenth percent minus plus divided
multiplied by less than point
"""
_DOUBTFUL_BEFORE: Final = frozenset(_DOUBTFUL_WORDS.split())
_APPROXIMATELY: Final = frozenset(("approximately", "about", "roughly", "around", "nearly", "only", "just", "a", "to"))


@lru_cache(maxsize=4096)
def read_equations(text: str) -> tuple[Equation, ...]:
    """Every equation of a text, in its order, with offsets into it.

    Args:
        text: any text; hostile ones cost time linear in their length.

    Returns:
        One `Equation` a link; those of calculator marks stand among the others, and only where the running text
        does not already say the same.
    """
    found: list[Equation] = []
    offset = chain = 0
    for line in text.split("\n"):  # no equation crosses a line's end; and the same lines come again and again
        if "=" in line or "≈" in line or "equal" in line or "\\approx" in line:
            here = _read_line(line)
            found.extend(_shifted(equation, offset, chain) for equation in here)
            chain += 1 + max((equation.chain for equation in here), default=-1)
        offset += len(line) + 1
    if text.count("=") > 1 and ("\n" in text or "\\[" in text):
        known = {equation.work.start for equation in found}
        defined = [one for one in read_defined(text, chain) if one.work.start not in known]
        if defined:
            found = sorted([*found, *defined], key=lambda one: (one.start, one.end))
    return tuple(found)


def _shifted(equation: Equation, offset: int, chain: int) -> Equation:
    """The equation as it stands `offset` characters further on, its chain's number raised by `chain`."""
    if not offset and not chain:
        return equation
    start, end, work, right, truth, number = equation
    return Equation(start + offset, end + offset, _moved(work, offset), _moved(right, offset), truth, number + chain)


def _moved(expression: Expression, offset: int) -> Expression:
    start, end, numbers, operators, program, value, is_plain = expression
    return Expression(
        start + offset,
        end + offset,
        tuple([Number(n[0] + offset, n[1] + offset, *n[2:]) for n in numbers]),
        tuple([Operator(o[0] + offset, o[1] + offset, o[2]) for o in operators]),
        program,
        value,
        is_plain,
    )


@lru_cache(maxsize=8192)
def _read_line(text: str) -> tuple[Equation, ...]:
    """The equations of one line."""
    tokens, marks = tokenise(text)
    parser = Parser(text, tokens)
    found: list[Equation] = []
    chain = 0
    for start in _candidates(tokens, parser):
        links = _read_chain(parser, tokens, start, chain)
        if links:
            found.extend(links)
            chain += 1
    for start, end in marks:
        if not any(e.start < end and start < e.end for e in found):
            found.extend(_read_mark(text, start, end, chain))
            chain += 1
    found.sort(key=lambda e: (e.start, e.end))
    return tuple(found)


def _candidates(tokens: Sequence[Token], parser: Parser) -> Iterator[int]:
    """The tokens at which a chain may start, each time behind the one that the parser read last.

    No expression crosses a break, so what has no sign before the next break is passed unread.
    """
    signs = [i for i, token in enumerate(tokens) if token.kind == "E"]
    stops = [i for i, token in enumerate(tokens) if token.kind == "B"]
    index, count = 0, len(tokens)
    while index < count and signs:
        if tokens[index].kind not in _OPENERS:
            index += 1
            continue
        stop_at = bisect_left(stops, index)
        stop = stops[stop_at] if stop_at < len(stops) else count
        sign_at = bisect_left(signs, index)
        if sign_at == len(signs):
            return
        if signs[sign_at] > stop:
            index = stop + 1
            continue
        yield index
        index = max(parser.position, index + 1)


def _read_chain(parser: Parser, tokens: Sequence[Token], index: int, chain: int) -> list[Equation]:
    """The links of the chain that starts at token `index`; the parser then stands behind it."""
    try:
        sides = [parser.expression(index)]
    except Unread:
        parser.position = index + 1
        return []
    has_word = False  # "2/3 is equal to $20" relates two things; only a sign claims a computation
    while parser.position < len(tokens) and tokens[parser.position].kind == "E":
        sign = parser.position
        has_word |= tokens[sign].payload.startswith("equal")
        try:
            sides.append(parser.expression(_after_sign(tokens, sign + 1)))
        except Unread:
            parser.position = sign + 1
            break
    if len(sides) < 2:
        return []
    is_doubtful = has_word or _is_doubtful_start(tokens, index) or _is_doubtful_end(tokens, parser.position)
    return _links(sides, chain, is_doubtful)


def _links(sides: Sequence[Expression], chain: int, is_doubtful: bool) -> list[Equation]:
    found = []
    for left, right in pairwise(sides):
        truth = judge(left, right)
        if is_doubtful and truth is not Truth.TRUE:
            truth = Truth.UNREADABLE
        work, other = (left, right) if left.operators or not right.operators else (right, left)
        found.append(Equation(left.start, right.end, work, other, truth, chain))
    return found


def _is_doubtful_start(tokens: Sequence[Token], index: int) -> bool:
    """Whether the expression's beginning is cut off: an operator, a variable or ``half of`` stands before it."""
    if index == 0:
        return False
    kind, start, end, words = tokens[index - 1]
    before = tokens[index - 2] if index > 1 else Token("B", 0, 0, "")
    if kind in "ORPN" or (kind == "L" and before.kind == "O"):
        return True
    if kind == "B":
        return before.end == start and end == tokens[index].start and before.kind == "N"  # "6:00"
    if kind != "W":
        return False
    last = words.rpartition(" ")[2]
    if last == "and" and before.kind == "N" and index + 1 < len(tokens) and tokens[index + 1].payload == "/":
        return True  # "1 and 1/4"
    return last in _DOUBTFUL_BEFORE or (len(last) == 1 and last not in "ai" and end - start == len(words))


def _is_doubtful_end(tokens: Sequence[Token], index: int) -> bool:
    """Whether a variable or the rest of an operation stands behind the last number."""
    if index >= len(tokens):
        return False
    kind, _, _, words = tokens[index]
    first = words.partition(" ")[0]
    if kind in "NF" or (kind == "W" and len(first) == 1 and first not in "ai"):
        return True
    return kind == "O" and index + 1 < len(tokens) and tokens[index + 1].kind in "WL"


def _after_sign(tokens: Sequence[Token], index: int) -> int:
    """Passes ``approximately`` and the like."""
    while (
        index < len(tokens) and tokens[index].kind == "W" and _APPROXIMATELY.issuperset(tokens[index].payload.split())
    ):
        index += 1
    return index


def _read_mark(text: str, start: int, end: int, chain: int) -> list[Equation]:
    """The equation inside one ``<<48/2=24>>``; marks such as ``<<14=14>>`` compute nothing and are passed."""
    tokens = [Token(t.kind, t.start + start, t.end + start, t.payload) for t in tokenise(text[start:end]).tokens]
    if not tokens:
        return []
    return [e for e in _read_chain(Parser(text, tokens), tokens, 0, chain) if e.work.operators]
