r"""Reads and exactly evaluates the arithmetic in the running text of word-problem solutions.

``She bakes 3 trays * 12 cookies/tray = 36 cookies`` gives one `Equation` whose work is ``3 * 12``, whose result
is ``36`` and whose truth is `Truth.TRUE`, each number and operator with its offsets in the text. Read are ``$``,
thousands commas, ``%``, units behind numbers, ``x × · ÷ − ^``, fractions, mixed numbers, parentheses, chains
(``a + b = c * d = e``), the LaTeX that models write (``\frac``, ``\times``, ``\text``) and GSM8K's calculator
marks ``<<3*12=36>>``. All values are `fractions.Fraction`; nothing is ever handed to an evaluator of Python.

What holds a variable or an unread word is `Truth.UNREADABLE`, never false: a false equation is a claim about
the writer, so it is made only where every sensible reading is false.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

MAX_DIGITS = 18  # longer digit runs are identifiers or noise, and would make exact work slow
MAX_BITS = 400  # bound on numerators and denominators, so that powers cannot blow up
MAX_DEPTH = 12  # nested parentheses
MAX_UNIT_TOKENS = 8  # words between a number and its operator: "3 boxes of large red apples * 4"
MAX_CHAIN_TOKENS = 400


class Truth(Enum):
    """What an equation's two sides say about each other."""

    TRUE = "true"
    FALSE = "false"
    ROUNDED = "rounded"
    """Equal up to the last digit that is written."""
    UNREADABLE = "unreadable"
    """A variable, a unit conversion, a cut expression: no verdict."""


@dataclass(frozen=True, slots=True)
class Number:
    """One written number; ``text[start:end]`` are its digits, without currency and percent sign."""

    start: int
    end: int
    value: Fraction
    """As the digits say; a percent sign is not applied."""
    decimals: int
    is_percent: bool = False
    currency: str = ""
    unit: str = ""
    """The words behind it, as written: ``cookies``, ``/tray``."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; `symbol` is one of ``+ - * / ^``, whatever was written."""

    start: int
    end: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Expression:
    """One side of an equation. `program` is postfix: indices into `numbers`, and operators."""

    start: int
    end: int
    numbers: tuple[Number, ...]
    operators: tuple[Operator, ...]
    program: tuple[int | str, ...]
    value: Fraction | None
    """Exact; null where it divides by zero or grows beyond all sense."""
    is_plain: bool = True
    """False where a single letter or other doubt was seen: then only a true equation is believed."""

    @property
    def is_lone(self) -> bool:
        """Whether it is one number and nothing else."""
        return len(self.program) == 1 or (len(self.numbers) == 1 and not self.operators)

    def evaluate(self, values: Sequence[Fraction], *, with_percent: bool = True) -> Fraction | None:
        """The value with other numbers in the places of `numbers`; null as for `value`."""
        return _run(self.program, values, with_percent)


@dataclass(frozen=True, slots=True)
class Equation:
    """One link of a chain: ``work = right``. ``text[start:end]`` is the whole link."""

    start: int
    end: int
    work: Expression
    """The side that computes; for ``36 = 3 * 12`` the one behind the sign."""
    right: Expression
    truth: Truth
    chain: int
    """Number of the chain it belongs to; the links of one chain share a side."""

    @property
    def result(self) -> Number | None:
        """The number that the work is said to give; null where the other side computes too."""
        return self.right.numbers[0] if self.right.is_lone else None

    @property
    def operands(self) -> tuple[Number, ...]:
        """The numbers of the work, in the order of the text."""
        return self.work.numbers

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators of the work, in the order of the text."""
        return self.work.operators

    @property
    def is_computation(self) -> bool:
        """Whether something is computed and a single result is claimed."""
        return bool(self.work.operators) and self.right.is_lone


# ---------------------------------------------------------------------------------------------- tokens

_TOKEN = re.compile(
    r"""
    (?P<word>[A-Za-z][A-Za-z'’]*(?:-[A-Za-z]+)*)
  | (?P<space>[ \t\r\u00a0\u202f]+|\.\.\.|…|\*\*(?!(?<=[\d)]\*\*)[\d(])|__|&(?==))
  | (?P<num>(?:\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?![\d,]\d)|\d+)(?:\.\d+)?|\.\d+)
  | (?P<mark><<[^<>\n]{0,300}>>)
  | (?P<equals>=+)
  | (?P<bullet>(?:(?<=\n)|\A)[-*+•–][ ])
  | (?P<power>\^|\*\*)
  | (?P<per>/[ ]?(?=[A-Za-z]))
  | (?P<hyphen>(?<=\d)-(?=[A-Za-z]))
  | (?P<one>[-−–+*/⁄×·∗÷()\[\]{}$£€¥₹%≈\n,.;:!?])
  | (?P<text>\\(?:text|mathrm|textbf|mbox)[ ]?\{[^{}\n]{0,80}\})
  | (?P<void>\\[,;:!\ ]|\\(?:left|right|quad|displaystyle|boxed|mathbf)(?![A-Za-z]))
  | (?P<frac>\\[dt]?frac)
  | (?P<latex>\\(?:approx|simeq|times|cdot|ast|div|\$|%))
  | (?P<end>.)
    """,
    re.VERBOSE,
)
_CHARACTERS = {
    **dict.fromkeys("*×·∗", ("O", "*")),
    **dict.fromkeys("/⁄÷", ("O", "/")),
    **dict.fromkeys("-−–", ("O", "-")),
    "+": ("O", "+"),
    "^": ("O", "^"),
    "**": ("O", "^"),
    "≈": ("E", "approx"),
    "%": ("P", ""),
    **{c: ("L", c) for c in "([{"},
    **{c: ("R", c) for c in ")]}"},
    **{c: ("C", c) for c in "$£€¥₹"},
    "\\approx": ("E", "approx"),
    "\\simeq": ("E", "approx"),
    "\\times": ("O", "*"),
    "\\cdot": ("O", "*"),
    "\\ast": ("O", "*"),
    "\\div": ("O", "/"),
    "\\$": ("C", "$"),
    "\\%": ("P", ""),
}
_TIMES_AHEAD = re.compile(r"[ \t\u00a0]{0,2}[\d$(\\.]")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)s?(?![A-Za-z])", re.IGNORECASE)
_DOUBTFUL_BEFORE = frozenset(
    [
        "of",
        "times",
        "twice",
        "thrice",
        "half",
        "double",
        "triple",
        "third",
        "thirds",
        "quarter",
        "quarters",
        "fifth",
        "fifths",
        "tenth",
        "percent",
        "minus",
        "plus",
        "divided",
        "multiplied",
        "by",
        "less",
        "than",
        "point",
    ]
)
_APPROXIMATELY = frozenset(("approximately", "about", "roughly", "around", "nearly", "only", "just", "a", "to"))
_DETERMINERS = frozenset(("the", "those", "these", "his", "her", "their", "its", "all"))

# Token kinds: N number, W word, O operator, E equals, L open, R close, C currency, P percent, F frac, B break
_Token = tuple[str, int, int, str]


def _tokens(text: str) -> tuple[list[_Token], list[tuple[int, int]]]:
    """The tokens of a text, spaces left out, and the spans of its calculator marks (without the brackets)."""
    tokens: list[_Token] = []
    marks: list[tuple[int, int]] = []
    skip_to = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        start, end = match.span()
        if kind == "space" or kind == "void" or start < skip_to:
            continue
        if kind == "word":
            tokens.append(_word_token(text, start, end, tokens))
        elif kind == "num":
            suffix = _ORDINAL.match(text, end)
            is_denominator = bool(tokens) and tokens[-1][3] == "/" and tokens[-1][2] == start
            if suffix is None:
                tokens.append(("N", start, end, ""))
            else:
                skip_to = suffix.end()
                tokens.append(("N", start, end, "") if is_denominator else ("W", start, skip_to, "ordinal"))
        elif kind == "mark":
            marks.append((start + 2, end - 2))
        elif kind == "equals":
            tokens.append(("E", start, end, "="))
        elif kind == "one" or kind == "latex" or kind == "power":
            token_kind, payload = _CHARACTERS.get(match.group(), _BREAK)
            tokens.append((token_kind, start, end, payload))
        elif kind == "frac":
            tokens.append(("F", start, end, ""))
        elif kind == "text" or kind == "per" or kind == "hyphen":
            tokens.append(("W", start, end, kind))
        else:
            tokens.append(("B", start, end, ""))
    return tokens, marks


_BREAK = ("B", "")
_OPENERS = frozenset("NCLF")


def _word_token(text: str, start: int, end: int, before: list[_Token]) -> _Token:
    """A word, or what a word may stand for: ``x`` between numbers multiplies, ``equals`` is a sign."""
    if end - start == 1 and text[start] in "xX" and _TIMES_AHEAD.match(text, end) and before:
        return ("O", start, end, "*")
    word = text[start:end].lower()
    if word == "equals" or word == "equal":
        return ("E", start, end, word)
    return ("W", start, end, word)


# ---------------------------------------------------------------------------------------------- values


def parse_number(digits: str) -> Fraction | None:
    """The value of plain digits such as ``1,250.75``; null if there are too many of them."""
    plain = digits
    if "," in digits:
        plain = digits.replace("{,}", "").replace("\\,", "").replace(",", "")
    if len(plain) > MAX_DIGITS + 1:
        return None
    whole, _, decimals = plain.partition(".")
    if not decimals:
        return Fraction(int(whole))
    return Fraction(int(whole + decimals), 10 ** len(decimals))


def _is_sane(value: Fraction) -> bool:
    return value.numerator.bit_length() <= MAX_BITS and value.denominator.bit_length() <= MAX_BITS


def _apply(symbol: str, left: Fraction, right: Fraction) -> Fraction | None:
    if symbol == "+":
        return left + right
    if symbol == "-":
        return left - right
    if symbol == "*":
        return left * right
    if symbol == "/":
        return left / right if right else None
    if right.denominator != 1 or not 0 <= right <= 12:
        return None
    return left ** int(right)


def _run(program: Sequence[int | str], values: Sequence[Fraction], with_percent: bool = True) -> Fraction | None:
    stack: list[Fraction] = []
    for step in program:
        if isinstance(step, int):
            stack.append(values[step])
        elif step == "neg":
            stack.append(-stack.pop())
        elif step == "%":
            if with_percent:
                stack.append(stack.pop() / 100)
        else:
            right = stack.pop()
            value = _apply(step, stack.pop(), right)
            if value is None or not _is_sane(value):
                return None
            stack.append(value)
    return stack[0] if len(stack) == 1 else None


# ---------------------------------------------------------------------------------------------- parser


class _Unread(Exception):
    """No expression stands at this place."""


class _Parser:
    """Recursive descent over the tokens; `position` is the next token."""

    def __init__(self, text: str, tokens: Sequence[_Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.position = 0
        self.limit = len(tokens)
        self.numbers: list[Number] = []
        self.operators: list[Operator] = []
        self.program: list[int | str] = []
        self.is_plain = True
        self.end = 0

    def kind(self, offset: int = 0) -> str:
        index = self.position + offset
        return self.tokens[index][0] if index < self.limit else "B"

    def word(self, offset: int = 0) -> str:
        index = self.position + offset
        return self.tokens[index][3] if index < self.limit else ""

    def expression(self, start: int) -> Expression:
        """Reads the longest expression that starts at token `start`.

        Raises:
            _Unread: no expression starts there.
        """
        self.position = start
        self.limit = min(len(self.tokens), start + MAX_CHAIN_TOKENS)
        self.numbers, self.operators, self.program = [], [], []
        self.is_plain = True
        self._sum(0)
        numbers = tuple(self.numbers)
        program = tuple(self.program)
        return Expression(
            start=self.tokens[start][1],
            end=self.end,
            numbers=numbers,
            operators=tuple(self.operators),
            program=program,
            value=_run(program, [n.value for n in numbers]),
            is_plain=self.is_plain,
        )

    def _operator(self, symbols: str) -> _Token | None:
        token = self.tokens[self.position] if self.position < self.limit else None
        return token if token and token[0] == "O" and token[3] in symbols else None

    def _sum(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Unread
        self._product(depth)
        while (token := self._operator("+-")) is not None and self._right_hand(token, self._product, depth):
            pass

    def _product(self, depth: int) -> None:
        self._factor(depth)
        while True:
            token = self._operator("*/")
            if token is not None:
                if not self._right_hand(token, self._factor, depth):
                    return
            elif self._starts_of():
                of = self.tokens[self.position]
                self.position += 2 if self.word(1) in _DETERMINERS else 1
                self._factor(depth)
                self.operators.append(Operator(of[1], of[2], "*"))
                self.program.append("*")
            elif self._starts_implicit():
                here = self.tokens[self.position][1]
                self._factor(depth)
                self.operators.append(Operator(here, here, "*"))
                self.program.append("*")
            else:
                return

    def _right_hand(self, token: _Token, parse: object, depth: int) -> bool:
        """Reads operator and right operand; false, and nothing consumed, where no operand follows."""
        saved = (self.position, len(self.numbers), len(self.operators), len(self.program), self.end)
        self.position += 1
        operator = Operator(token[1], token[2], token[3])
        place = len(self.operators)
        try:
            parse(depth)  # type: ignore[operator]
        except _Unread:
            self.position = saved[0]
            del self.numbers[saved[1] :], self.operators[saved[2] :], self.program[saved[3] :]
            self.end = saved[4]
            return False
        self.operators.insert(place, operator)
        self.program.append(token[3])
        return True

    def _starts_of(self) -> bool:
        """``20% of 50`` and ``1/4 of the 40`` multiply; ``3 boxes of 12`` is left to the words."""
        if self.kind() != "W" or self.word() != "of":
            return False
        skip = 2 if self.word(1) in _DETERMINERS else 1
        is_number = self.kind(skip) == "N" or (self.kind(skip) == "C" and self.kind(skip + 1) == "N")
        is_part = self.program[-1:] == ["%"] or (
            self.program[-1:] == ["/"] and self.numbers[-1].value > self.numbers[-2].value
        )
        return is_number and is_part

    def _starts_implicit(self) -> bool:
        """``100(.20)`` and ``(3)(4)``: an opening bracket tight behind a number or a closing one."""
        if self.kind() != "L" or self.tokens[self.position][1] != self.end:
            return False
        return self.kind(1) in ("N", "C", "L")

    def _factor(self, depth: int) -> None:
        token = self._operator("-")
        if token is not None:
            if self.position and self.kind(1) not in ("N", "C", "L", "F"):
                raise _Unread
            self.position += 1
            self._factor(depth + 1) if depth < MAX_DEPTH else self._fail()
            self.program.append("neg")
            return
        self._primary(depth)
        power = self._operator("^")
        if power is not None:
            self._right_hand(power, self._primary, depth)

    def _fail(self) -> None:
        raise _Unread

    def _primary(self, depth: int) -> None:
        kind = self.kind()
        if kind == "L":
            self._bracket(depth)
        elif kind == "F":
            self.position += 1
            place = len(self.operators)
            start = self.tokens[self.position - 1][1]
            self._bracket(depth, is_fraction=True)
            self._bracket(depth, is_fraction=True)
            self.operators.insert(place, Operator(start, start, "/"))
            self.program.append("/")
        elif kind == "N" or (kind == "C" and self.kind(1) == "N"):
            self._number()
        else:
            raise _Unread
        self._units()

    def _bracket(self, depth: int, is_fraction: bool = False) -> None:
        if self.kind() != "L" or (is_fraction and self.word() != "{"):
            raise _Unread
        self.position += 1
        self._sum(depth + 1)
        if self.kind() != "R":
            raise _Unread
        self.end = self.tokens[self.position][2]
        self.position += 1

    def _number(self) -> None:
        currency = ""
        if self.kind() == "C":
            currency = self.word()
            self.position += 1
        _, start, end, _ = self.tokens[self.position]
        value = parse_number(self.text[start:end])
        if value is None:
            raise _Unread
        decimals = len(self.text[start:end].partition(".")[2])
        self.position += 1
        self.end = end
        is_percent = self.kind() == "P"
        self.program.append(len(self.numbers))
        self.numbers.append(Number(start, end, value, decimals, is_percent, currency))
        if is_percent:
            self.program.append("%")
            self.end = self.tokens[self.position][2]
            self.position += 1
        elif decimals == 0 and self._starts_mixed(end):
            self._mixed()
        elif self._is_divisor(start) and self.word() == "/" and self.kind(1) == "N":
            self._fraction_divisor(end)

    def _starts_mixed(self, end: int) -> bool:
        """``2 1/2``: a whole number, one space, a proper fraction written tight."""
        if self.kind() != "N" or self.word(1) != "/" or self.kind(2) != "N":
            return False
        top, slash, bottom = self.tokens[self.position : self.position + 3]
        is_tight = top[1] == end + 1 and slash[1] == top[2] and bottom[1] == slash[2]
        return is_tight and top[2] - top[1] <= bottom[2] - bottom[1]

    def _mixed(self) -> None:
        for offset in (0, 2):
            _, start, end, _ = self.tokens[self.position + offset]
            value = parse_number(self.text[start:end])
            if value is None:
                raise _Unread
            self.program.append(len(self.numbers))
            self.numbers.append(Number(start, end, value, 0))
            self.end = end
        self.program.extend(("/", "+"))
        self.position += 3

    def _is_divisor(self, start: int) -> bool:
        """Whether a loose ``/`` stands before the number that starts at `start`: ``28 / 1/5``."""
        if self.position < 2:
            return False
        kind, _, end, symbol = self.tokens[self.position - 2]
        return kind == "O" and symbol == "/" and end < start

    def _fraction_divisor(self, end: int) -> None:
        """Reads on ``1/5`` in ``28 / 1/5`` where it is written tight, as one divisor."""
        slash, bottom = self.tokens[self.position], self.tokens[self.position + 1]
        value = parse_number(self.text[bottom[1] : bottom[2]])
        if slash[1] != end or bottom[1] != slash[2] or value is None:
            return
        self.program.append(len(self.numbers))
        self.numbers.append(Number(bottom[1], bottom[2], value, 0))
        self.operators.append(Operator(slash[1], slash[2], "/"))
        self.program.append("/")
        self.end = bottom[2]
        self.position += 2

    def _units(self) -> None:
        """Passes the words behind an operand, if an operator, an equals sign or a closing bracket follows them."""
        index, words = self.position, 0
        while index < self.limit and words <= MAX_UNIT_TOKENS:
            kind, start, end, word = self.tokens[index]
            if kind == "W":
                if word == "of" and index == self.position and self._starts_of():
                    return
                is_tight = start == self.end and index == self.position
                if end - start == 1 and (is_tight or self.text[start] != "a") and word not in ("per", "hyphen"):
                    self.is_plain = False
                words += 1
            elif kind == "C" and index == self.position and self._is_trailing(index):
                words += 1
            elif kind == "L" and index > self.position - 1 and self._is_words_only(index):
                index = self._closing(index)
            else:
                break
            index += 1
        if index >= self.limit or self.tokens[index][0] not in ("O", "E", "R") or index == self.position:
            if index > self.position and self.numbers:
                self._keep_unit(min(index, self.position + 3), is_consumed=False)
            return
        self._keep_unit(index, is_consumed=True)

    def _keep_unit(self, index: int, *, is_consumed: bool) -> None:
        unit = self.text[self.end : self.tokens[index - 1][2]].strip(" \\")
        if self.numbers and len(unit) <= 60:
            self.numbers[-1] = replace(self.numbers[-1], unit=unit)
        if is_consumed:
            self.end = self.tokens[index - 1][2]
            self.position = index

    def _is_trailing(self, index: int) -> bool:
        """``20000$``: the sign belongs to the number before it, none follows."""
        return index + 1 >= self.limit or self.tokens[index + 1][0] != "N"

    def _closing(self, index: int) -> int:
        while index < self.limit and self.tokens[index][0] != "R":
            index += 1
        return index

    def _is_words_only(self, index: int) -> bool:
        inside = self.tokens[index + 1 : index + 2 + MAX_UNIT_TOKENS]
        for kind, *_ in inside:
            if kind == "R":
                return True
            if kind != "W":
                return False
        return False


# ---------------------------------------------------------------------------------------------- truth

_MONEY_PARTS = ("cent", "penn", "dime", "nickel", "quarter")


def _is_rounded(exact: Fraction, written: Number, is_division: bool) -> bool:
    """Whether `written` is `exact` cut or rounded at its last digit, or as near as a pocket calculator gets."""
    if abs(exact - written.value) <= abs(exact) / 1_000_000 and written.decimals > 0:
        return True
    if (exact * 10**written.decimals).denominator == 1:
        return False
    step = Fraction(1, 10**written.decimals)
    gap = abs(exact - written.value)
    return gap < step and (is_division or written.decimals > 0 or gap <= step / 2)


def _readings(expression: Expression) -> list[Fraction]:
    """The exact value, and the one with percent signs ignored (``15 / 30 * 100 = 50%``)."""
    values = [] if expression.value is None else [expression.value]
    if "%" in expression.program:
        plain = expression.evaluate([n.value for n in expression.numbers], with_percent=False)
        if plain is not None:
            values.append(plain)
    return values


def _judge(left: Expression, right: Expression) -> Truth:
    lefts, rights = _readings(left), _readings(right)
    if not lefts or not rights:
        return Truth.UNREADABLE
    if any(a == b for a in lefts for b in rights):
        return Truth.TRUE
    work, other = (left, right) if left.operators or not right.operators else (right, left)
    if other.is_lone:
        written = other.numbers[0]
        is_division = any(o.symbol == "/" for o in work.operators) or any(n.decimals for n in work.numbers)
        for exact in _readings(work):
            shown = exact * 100 if written.is_percent else exact
            if _is_rounded(shown, written, is_division) or _is_rounded(exact, written, is_division):
                return Truth.ROUNDED
    elif any(abs(a - b) <= abs(a) / 1000 for a in lefts for b in rights):
        return Truth.ROUNDED
    # "5 * 3 = 15 + 2 = 17": careless, but 5 * 3 is said to be 15
    if right.operators and right.numbers[0].value in lefts and right.program[0] == 0:
        return Truth.TRUE
    if not left.operators:  # "60 kWh cost = 0.1 * 60 = 6", "1% is equal to $184/92": a statement about a thing
        return Truth.UNREADABLE
    if not (left.is_plain and right.is_plain) or _has_conversion(left, right):
        return Truth.UNREADABLE
    return Truth.FALSE


def _has_conversion(left: Expression, right: Expression) -> bool:
    """Whether the sides may differ by a unit only: percent beside plain numbers, cents beside dollars."""
    numbers = left.numbers + right.numbers
    percents = sum(n.is_percent for n in left.numbers)
    if percents and any(o.symbol in "+-" for o in left.operators) and percents < len(left.numbers):
        return True
    ratio = (left.value or Fraction(0)) / right.value if right.value else Fraction(0)
    if ratio in (100, Fraction(1, 100)):
        units = " ".join(n.unit.lower() for n in numbers)
        has_money = any(n.currency for n in numbers) or "dollar" in units or "¢" in units
        return has_money or any(part in units for part in _MONEY_PARTS) or percents > 0
    return bool(ratio) and _is_time_ratio(ratio) and _units_differ(left, right)


def _is_time_ratio(ratio: Fraction) -> bool:
    return max(ratio, 1 / ratio) in (60, 3600, 24, 7, 12, 52, 365, 30, 1000, 3, 36, 16, 4, 5280)


def _units_differ(left: Expression, right: Expression) -> bool:
    """Whether the result carries a unit of measure that no operand carries."""
    words = right.numbers[-1].unit.lower().split()
    if not words or words[0].rstrip("s") not in _MEASURES:
        return False
    return all(words[0].rstrip("s") not in n.unit.lower() for n in left.numbers)


_MEASURES = frozenset(
    [
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "year",
        "cent",
        "dollar",
        "inch",
        "inche",
        "foot",
        "feet",
        "yard",
        "mile",
        "meter",
        "metre",
        "kilometer",
        "km",
        "cm",
        "mm",
        "m",
        "gram",
        "kilogram",
        "kg",
        "g",
        "pound",
        "lb",
        "ounce",
        "oz",
        "liter",
        "litre",
        "ml",
        "gallon",
        "quart",
        "pint",
        "cup",
        "dozen",
        "quarter",
    ]
)


# ---------------------------------------------------------------------------------------------- reading


def _links(text: str, sides: Sequence[Expression], chain: int, is_doubtful: bool) -> list[Equation]:
    found = []
    for left, right in pairwise(sides):
        truth = _judge(left, right)
        if is_doubtful and truth is not Truth.TRUE:
            truth = Truth.UNREADABLE
        work, other = (left, right) if left.operators or not right.operators else (right, left)
        found.append(Equation(left.start, right.end, work, other, truth, chain))
    return found


def _is_doubtful_start(tokens: Sequence[_Token], index: int) -> bool:
    """Whether the expression's beginning is cut off: an operator, a variable or ``half of`` stands before it."""
    if index == 0:
        return False
    kind, start, end, word = tokens[index - 1]
    before = tokens[index - 2] if index > 1 else ("B", 0, 0, "")
    if kind in ("O", "R", "P", "N") or (kind == "L" and before[0] == "O"):
        return True
    is_part = index + 1 < len(tokens) and tokens[index + 1][3] == "/"
    if (word == "and" and before[0] == "N" and is_part) or (
        kind == "B" and before[2] == start and end == tokens[index][1]
    ):
        return True  # "1 and 1/4", "6:00"
    return kind == "W" and (word in _DOUBTFUL_BEFORE or (end - start == 1 and word not in ("a", "i")))


def _after_equals(tokens: Sequence[_Token], index: int) -> int:
    while index < len(tokens) and tokens[index][0] == "W" and tokens[index][3] in _APPROXIMATELY:
        index += 1
    return index


def _is_doubtful_end(tokens: Sequence[_Token], index: int) -> bool:
    """Whether a variable or the rest of an operation stands behind the last number."""
    if index >= len(tokens):
        return False
    kind, start, end, word = tokens[index]
    if kind in ("N", "F") or (kind == "W" and end - start == 1 and word not in ("a", "i")):
        return True
    return kind == "O" and index + 1 < len(tokens) and tokens[index + 1][0] in ("W", "L")


def _read_chain(
    parser: _Parser, text: str, tokens: Sequence[_Token], index: int, chain: int
) -> tuple[list[Equation], int]:
    """The links of the chain that starts at token `index`, and the token to go on with."""
    try:
        sides = [parser.expression(index)]
    except _Unread:
        return [], index + 1
    has_word = False  # "2/3 is equal to $20" relates two things; only a sign claims a computation
    while parser.position < len(tokens) and tokens[parser.position][0] == "E":
        has_word |= tokens[parser.position][3].startswith("equal")
        resume = parser.position
        try:
            sides.append(parser.expression(_after_equals(tokens, parser.position + 1)))
        except (_Unread, IndexError):
            parser.position = resume + 1
            break
    following = max(parser.position, index + 1)
    if len(sides) < 2:
        return [], following
    is_doubtful = has_word or _is_doubtful_start(tokens, index) or _is_doubtful_end(tokens, parser.position)
    return _links(text, sides, chain, is_doubtful), following


@lru_cache(maxsize=4096)
def read_equations(text: str) -> tuple[Equation, ...]:
    """Every equation of a text, in its order, with offsets into it.

    Args:
        text: any text; hostile ones cost time linear in their length.

    Returns:
        One `Equation` a link; those of calculator marks stand among the others, and only where the running text
        does not already say the same.
    """
    if "=" not in text and "≈" not in text and "equal" not in text and "\\approx" not in text:
        return ()
    tokens, marks = _tokens(text)
    parser = _Parser(text, tokens)
    found: list[Equation] = []
    index = chain = 0
    signs = [i for i, token in enumerate(tokens) if token[0] == "E"]
    stops = [i for i, token in enumerate(tokens) if token[0] == "B"]
    while index < len(tokens) and signs:
        if tokens[index][0] not in _OPENERS:
            index += 1
            continue
        # an expression cannot cross a break, so one without a sign before the next break is passed unread
        stop_at = bisect_left(stops, index)
        stop = stops[stop_at] if stop_at < len(stops) else len(tokens)
        sign_at = bisect_left(signs, index)
        if sign_at == len(signs) or signs[sign_at] > stop:
            index = stop + 1
            continue
        links, index = _read_chain(parser, text, tokens, index, chain)
        if links:
            found.extend(links)
            chain += 1
    for start, end in marks:
        if not any(e.start < end and start < e.end for e in found):
            found.extend(_read_mark(text, start, end, chain))
            chain += 1
    found.sort(key=lambda e: (e.start, e.end))
    return tuple(found)


def _read_mark(text: str, start: int, end: int, chain: int) -> list[Equation]:
    """The equation inside one ``<<48/2=24>>``; marks such as ``<<14=14>>`` compute nothing and are passed."""
    tokens, _ = _tokens(text[start:end])
    if not tokens:
        return []
    shifted = [(kind, a + start, b + start, word) for kind, a, b, word in tokens]
    links, _ = _read_chain(_Parser(text, shifted), text, shifted, 0, chain)
    return [e for e in links if e.work.operators]
