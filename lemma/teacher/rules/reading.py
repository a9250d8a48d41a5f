"""What the rules know of a text: its steps, the computations in them, and every number it mentions."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from lemma.arithmetic import Equation, Truth, parse_number, read_equations, tokenise
from lemma.arithmetic.tokens import Token
from lemma.steps import step_spans
from lemma.teacher.rules.forms import Declined

MAX_DECIMALS: Final = 6
MAX_EQUATIONS: Final = 200

_UNITS: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_TENS: Final = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
_CARDINALS: Final[dict[str, Fraction]] = {
    **{word: Fraction(i) for i, word in enumerate(_UNITS)},
    **{word: Fraction(i) for word, i in _TENS.items()},
    "hundred": Fraction(100),
    "thousand": Fraction(1000),
    "dozen": Fraction(12),
}
_PARTS: Final = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "tenth": 10}
_ROUND_TENS: Final = frozenset(Fraction(n) for n in _TENS.values())
_MULTIPLES: Final[dict[str, Fraction]] = {
    "half": Fraction(1, 2),
    "halved": Fraction(1, 2),
    "twice": Fraction(2),
    "double": Fraction(2),
    "doubles": Fraction(2),
    "doubled": Fraction(2),
    "couple": Fraction(2),
    "pair": Fraction(2),
    "thrice": Fraction(3),
    "triple": Fraction(3),
    "triples": Fraction(3),
    "tripled": Fraction(3),
    "quadruple": Fraction(4),
    "quarter": Fraction(1, 4),
}
_WORD: Final = re.compile(r"[a-z]+")
_SINGULAR_PARTS: Final = {**_PARTS, **{f"{name}s": value for name, value in _PARTS.items()}}
_NUMBER_WORDS: Final = frozenset((*_CARDINALS, *_MULTIPLES, *_SINGULAR_PARTS))


class Quantity(NamedTuple):
    """One number that a text mentions, in digits or in a word."""

    start: int
    end: int
    value: Fraction
    is_word: bool
    is_cardinal: bool = True
    """False for ``half``, ``twice`` and the like."""


class Computation(NamedTuple):
    """An equation that computes one result, and the step it stands in."""

    equation: Equation
    step: int
    """Index from 0."""
    shown: Fraction
    """The result as written, a percent sign not applied."""
    scale: Fraction
    """What the exact value is multiplied by to be written: 1, or 100 for ``15/30 = 50%``."""

    @property
    def is_true(self) -> bool:
        """Whether the result follows, rounding allowed."""
        return self.equation.truth in (Truth.TRUE, Truth.ROUNDED)

    @property
    def is_exact(self) -> bool:
        """Whether the written result is exactly the work's value."""
        value = self.equation.work.value
        return value is not None and value * self.scale == self.shown

    @property
    def operand_values(self) -> tuple[Fraction, ...]:
        """The operands as written."""
        return tuple(n.value for n in self.equation.operands)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The operators, in the order of the text."""
        return tuple(o.symbol for o in self.equation.operators)


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution's text with all that was read from it."""

    text: str
    spans: tuple[tuple[int, int], ...]
    equations: tuple[Equation, ...]
    computations: tuple[Computation, ...]
    quantities: tuple[Quantity, ...]
    starts: tuple[int, ...]

    def step_index(self, offset: int) -> int:
        """Index, from 0, of the step that holds the character at `offset`."""
        return max(0, bisect_right(self.starts, offset) - 1)

    def step_text(self, index: int) -> str:
        """The text of a step, without the whitespace around it."""
        start, end = self.spans[index]
        return self.text[start:end].strip()


@lru_cache(maxsize=4096)
def read_quantities(text: str) -> tuple[Quantity, ...]:
    """Every number that a text mentions, digits and words, in its order; no clock times, ordinals, marks."""
    found: list[Quantity] = []
    offset = 0
    for line in text.split("\n"):  # no number crosses a line's end; and the same lines come again and again
        for start, end, value, is_word, is_cardinal in _line_quantities(line):
            found.append(Quantity(start + offset, end + offset, value, is_word, is_cardinal))
        offset += len(line) + 1
    return tuple(found)


@lru_cache(maxsize=8192)
def _line_quantities(text: str) -> tuple[Quantity, ...]:
    found: list[Quantity] = []
    tokens = tokenise(text).tokens
    may_hold_clocks = ":" in text
    for place, (kind, start, end, words) in enumerate(tokens):
        if kind == "N":
            value = parse_number(text[start:end])
            if value is not None and not (may_hold_clocks and _is_clock(text, tokens, place)):
                found.append(Quantity(start, end, value, False))
        elif kind == "W" and not _NUMBER_WORDS.isdisjoint(words.replace("-", " ").split()):
            found.extend(_word_quantities(words, start))
    return tuple(found)


def _is_clock(text: str, tokens: Sequence[Token], place: int) -> bool:
    """``10:30``: a number tight before or behind a colon that is tight to another."""
    for other, colon in ((place + 2, place + 1), (place - 2, place - 1)):
        if not 0 <= other < len(tokens) or tokens[other].kind != "N" or text[tokens[colon].start] != ":":
            continue
        left, right = sorted((place, other))
        if tokens[left].end + 1 == tokens[right].start:
            return True
    return False


def _word_quantities(words: str, offset: int) -> list[Quantity]:
    """The numbers in some words in lower case: ``twenty-five``, ``two thirds``, ``a third``, ``half``."""
    found: list[Quantity] = []
    count: tuple[int, Fraction] | None = None  # where "two" of "two thirds" begins
    for match in _WORD.finditer(words):
        word, start, end = match.group(), match.start() + offset, match.end() + offset
        if word in _SINGULAR_PARTS and count is not None:
            if found and found[-1].start == count[0]:
                found.pop()
            found.append(Quantity(count[0], end, count[1] / _SINGULAR_PARTS[word], True, False))
            count = None
        elif word in _CARDINALS:
            value = _CARDINALS[word]
            is_joined = found and found[-1].end + 1 == start and words[match.start() - 1] == "-"
            if is_joined and found[-1].value in _ROUND_TENS and 1 <= value <= 9:
                last = found.pop()
                found.append(Quantity(last.start, end, last.value + value, True))
            else:
                found.append(Quantity(start, end, value, True))
            count = (found[-1].start, found[-1].value)
        elif word in _MULTIPLES:
            found.append(Quantity(start, end, _MULTIPLES[word], True, False))
            count = None
        else:
            count = (start, Fraction(1)) if word in ("a", "an") else None
    return found


_SCALES: Final = (Fraction(1), Fraction(100), Fraction(1, 100))


def _computation(equation: Equation, step: int) -> Computation | None:
    result = equation.result
    if result is None or not equation.is_computation or equation.truth is Truth.UNREADABLE:
        return None
    exact = equation.work.value
    scale = Fraction(1)
    if exact and exact != result.value and equation.truth is Truth.TRUE:
        scale = next((s for s in _SCALES if exact * s == result.value), Fraction(0))
        if not scale:
            return None
    elif result.is_percent and exact is not None and abs(exact * 100 - result.value) < abs(exact - result.value):
        scale = Fraction(100)
    return Computation(equation, step, result.value, scale)


@lru_cache(maxsize=2048)
def read_solution(text: str) -> Solution:
    """Reads a solution: steps, equations, computations, quantities."""
    spans = tuple(step_spans(text))
    starts = tuple(start for start, _ in spans)
    equations = read_equations(text)
    computations = []
    for equation in equations:
        step = max(0, bisect_right(starts, equation.right.start) - 1)
        computation = _computation(equation, step)
        if computation is not None:
            computations.append(computation)
    return Solution(text, spans, equations, tuple(computations), read_quantities(text), starts)


def read_bounded(text: str) -> Solution:
    """Reads a solution as `read_solution` does, if it is of a size that a worked solution has.

    Raises:
        Declined: it holds more computations than any; some of what is done with them grows with their square.
    """
    solution = read_solution(text)
    if len(solution.equations) > MAX_EQUATIONS:
        raise Declined("a text holds too many equations to be a worked solution")
    return solution


def write_number(value: Fraction, like: str = "", *, is_money: bool = False) -> str | None:
    """`value` in digits, in the manner of `like` (commas, decimals); null if it has no short decimal form.

    Args:
        value: what to write.
        like: digits that stood in its place; gives thousands commas and the number of decimals.
        is_money: two decimals where there are any.
    """
    decimals = 0
    while decimals <= MAX_DECIMALS and 10**decimals % value.denominator:
        decimals += 1
    if decimals > MAX_DECIMALS:
        return None
    wanted = len(like.partition(".")[2])
    if decimals and is_money:
        decimals = max(decimals, 2)
    if decimals < wanted and wanted == 2:  # "$12.50" becomes "$14.00"
        decimals = 2
    digits = str(abs(value.numerator) * 10**decimals // value.denominator)
    sign = "-" if value < 0 else ""
    whole, part = (digits, "") if not decimals else (digits[:-decimals], digits[-decimals:].rjust(decimals, "0"))
    whole = whole or "0"
    if "," in like or (not like and len(whole) > 4):
        whole = f"{int(whole):,}"
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"
