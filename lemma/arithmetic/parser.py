"""Recursive descent over the tokens of one expression: sum, product, factor, primary, units.

Nothing is ever taken back but an operator without a right operand, so the time is linear in the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from lemma.arithmetic.model import Expression, Number, Operator, parse_number, run_program
from lemma.arithmetic.tokens import Token

MAX_DEPTH: Final = 12  # nested parentheses
MAX_UNIT_WORDS: Final = 8  # between a number and its operator: "3 boxes of large red apples * 4"
MAX_UNIT_CHARS: Final = 60
MAX_TOKENS: Final = 120
DETERMINERS: Final = frozenset(("the", "those", "these", "his", "her", "their", "its", "all"))
_OF: Final = frozenset(("of", *(f"of {word}" for word in DETERMINERS)))
_NOTHING: Final = Token("B", 0, 0, "")


class Unread(Exception):
    """No expression stands at this place."""


class Parser:
    """Reads one expression at a time; `position` is the token behind it."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.position = 0
        # three breaks behind the last token, so that looking ahead needs no bounds check
        self._tokens = (*tokens, _NOTHING, _NOTHING, _NOTHING, _NOTHING)
        self._last = len(tokens)
        self._limit = 0
        self._numbers: list[list[Any]] = []
        self._operators: list[Operator] = []
        self._program: list[int | str] = []
        self._is_plain = True
        self._end = 0

    def expression(self, start: int) -> Expression:
        """Reads the longest expression that starts at token `start`.

        Raises:
            Unread: no expression starts there.
        """
        if start >= self._last:
            raise Unread
        self.position = start
        self._limit = start + MAX_TOKENS
        self._numbers, self._operators, self._program = [], [], []
        self._is_plain = True
        self._sum(0)
        numbers = tuple([Number(*fields) for fields in self._numbers])
        program = tuple(self._program)
        return Expression(
            self._tokens[start].start,
            self._end,
            numbers,
            tuple(self._operators),
            program,
            run_program(program, [number.value for number in numbers]),
            self._is_plain,
        )

    # -------------------------------------------------------------------------------------- grammar

    def _sum(self, depth: int) -> None:
        if depth > MAX_DEPTH or self.position > self._limit:
            raise Unread
        self._product(depth)
        while True:
            token = self._tokens[self.position]
            if token.kind != "O" or token.payload not in "+-" or not self._operation(token, self._product, depth):
                return

    def _product(self, depth: int) -> None:
        self._factor(depth)
        while True:
            token = self._tokens[self.position]
            if token.kind == "O":
                if token.payload not in "*/" or not self._operation(token, self._factor, depth):
                    return
            elif (token.kind == "W" and self._starts_of(token)) or (token.kind == "L" and self._starts_implicit(token)):
                if token.kind == "W":
                    self.position += 1
                at = (token.start, token.start + 2) if token.kind == "W" else (token.start, token.start)
                self._factor(depth)
                self._operators.append(Operator(*at, "*"))
                self._program.append("*")
            else:
                return

    def _operation(self, token: Token, right: Callable[[int], None], depth: int) -> bool:
        """Reads operator and right operand; false, and nothing consumed, where no operand follows."""
        position, end = self.position, self._end
        counts = len(self._numbers), len(self._operators), len(self._program)
        self.position += 1
        try:
            right(depth)
        except Unread:
            self.position, self._end = position, end
            del self._numbers[counts[0] :], self._operators[counts[1] :], self._program[counts[2] :]
            return False
        self._operators.insert(counts[1], Operator(token.start, token.end, token.payload))
        self._program.append(token.payload)
        return True

    def _factor(self, depth: int) -> None:
        token = self._tokens[self.position]
        if token.kind == "O" and token.payload == "-":
            if self._tokens[self.position + 1].kind not in "NCLF" or depth >= MAX_DEPTH:
                raise Unread
            self.position += 1
            self._factor(depth + 1)
            self._program.append("neg")
            return
        self._primary(token, depth)
        power = self._tokens[self.position]
        if power.kind == "O" and power.payload == "^":
            self._operation(power, self._exponent, depth)

    def _exponent(self, depth: int) -> None:
        self._primary(self._tokens[self.position], depth)

    def _primary(self, token: Token, depth: int) -> None:
        kind = token.kind
        if kind == "N":
            self._number("")
        elif kind == "C" and self._tokens[self.position + 1].kind == "N":
            self.position += 1
            self._number(token.payload)
        elif kind == "L":
            self._bracket(depth)
        elif kind == "F":
            self._latex_fraction(token, depth)
        else:
            raise Unread
        following = self._tokens[self.position].kind
        if following == "W" or following == "C" or following == "L":
            self._units()

    def _bracket(self, depth: int) -> None:
        self.position += 1
        self._sum(depth + 1)
        closing = self._tokens[self.position]
        if closing.kind != "R":
            raise Unread
        self._end = closing.end
        self.position += 1

    def _latex_fraction(self, token: Token, depth: int) -> None:
        self.position += 1
        place = len(self._operators)
        for _ in range(2):
            if self._tokens[self.position].payload != "{":
                raise Unread
            self._bracket(depth)
        self._operators.insert(place, Operator(token.start, token.start, "/"))
        self._program.append("/")

    # -------------------------------------------------------------------------------------- numbers

    def _number(self, currency: str) -> None:
        _, start, end, _ = self._tokens[self.position]
        self._add_number(start, end, currency)
        self.position += 1
        following = self._tokens[self.position]
        if following.kind == "P":
            self._numbers[-1][4] = True
            self._program.append("%")
            self._end = following.end
            self.position += 1
        elif following.kind == "N":
            self._mixed(end, following)
        elif following.payload == "/" and following.kind == "O":
            self._fraction_divisor(start, end, following)

    def _add_number(self, start: int, end: int, currency: str = "") -> None:
        digits = self.text[start:end]
        value = parse_number(digits)
        if value is None:
            raise Unread
        point = digits.find(".")
        decimals = 0 if point < 0 else end - start - point - 1
        self._program.append(len(self._numbers))
        self._numbers.append([start, end, value, decimals, False, currency, ""])
        self._end = end

    def _mixed(self, end: int, top: Token) -> None:
        """Reads on in ``2 1/2``: a whole number, one space, a proper fraction written tight."""
        slash, bottom = self._tokens[self.position + 1], self._tokens[self.position + 2]
        is_tight = top.start == end + 1 and slash.start == top.end and bottom.start == slash.end
        if not is_tight or slash.payload != "/" or bottom.kind != "N" or self._numbers[-1][3]:
            return
        if top.end - top.start > bottom.end - bottom.start:
            return
        self._add_number(top.start, top.end)
        self._add_number(bottom.start, bottom.end)
        self._program.extend(("/", "+"))
        self.position += 3

    def _fraction_divisor(self, start: int, end: int, slash: Token) -> None:
        """Reads on in ``28 / 1/5``: behind a loose slash, a fraction written tight is one divisor."""
        bottom = self._tokens[self.position + 1]
        if slash.start != end or bottom.start != slash.end or bottom.kind != "N" or self.position < 2:
            return
        before = self._tokens[self.position - 2]
        if before.kind != "O" or before.payload != "/" or before.end >= start:
            return
        self._add_number(bottom.start, bottom.end)
        self._operators.append(Operator(slash.start, slash.end, "/"))
        self._program.append("/")
        self.position += 2

    def _starts_of(self, token: Token) -> bool:
        """``20% of 50`` and ``1/4 of the 40`` multiply; ``3 boxes of 12`` is left to the words."""
        if token.payload not in _OF:
            return False
        following = self._tokens[self.position + 1].kind
        if following != "N" and not (following == "C" and self._tokens[self.position + 2].kind == "N"):
            return False
        if self._program[-1] == "%":
            return True
        numbers = self._numbers
        return self._program[-1] == "/" and len(numbers) > 1 and bool(numbers[-1][2] > numbers[-2][2])

    def _starts_implicit(self, token: Token) -> bool:
        """``100(.20)`` and ``(3)(4)``: an opening bracket tight behind a number or a closing one."""
        return token.start == self._end and self._tokens[self.position + 1].kind in "NCL"

    # -------------------------------------------------------------------------------------- units

    def _units(self) -> None:
        """Passes the words behind an operand, if an operator, an equals sign or a closing bracket follows them."""
        index, words = self.position, 0
        while words <= MAX_UNIT_WORDS:
            kind, start, end, payload = self._tokens[index]
            if kind == "W":
                if index == self.position and self._starts_of(self._tokens[index]):
                    return
                self._notice_letters(index, start, end, payload)
                words += 1 + payload.count(" ")
            elif kind == "C" and index == self.position and self._tokens[index + 1].kind != "N":
                words += 1  # "20000$"
            elif kind == "L" and (closing := self._closing(index)) is not None:
                index = closing
            else:
                break
            index += 1
        if index == self.position:
            return
        is_consumed = index < self._last and self._tokens[index].kind in "OER"
        self._keep_unit(index if is_consumed else min(index, self.position + 1))
        if is_consumed:
            self._end = self._tokens[index - 1].end
            self.position = index

    def _notice_letters(self, index: int, start: int, end: int, payload: str) -> None:
        """A single letter may be a variable."""
        if payload == "per" or payload == "hyphen":
            return
        is_tight = start == self._end and index == self.position
        if end - start == 1:
            if is_tight or self.text[start] != "a":
                self._is_plain = False
        elif (payload[1:2] == " " and payload[0] != "a") or (payload[-2:-1] == " " and self.text[end - 1] != "a"):
            self._is_plain = False

    def _keep_unit(self, index: int) -> None:
        if self._numbers:
            unit = self.text[self._end : min(self._tokens[index - 1].end, self._end + MAX_UNIT_CHARS)]
            self._numbers[-1][6] = unit.strip(" \\")

    def _closing(self, index: int) -> int | None:
        """The closing bracket of one that holds words only; null for any other."""
        for ahead in range(index + 1, min(index + 2 + MAX_UNIT_WORDS, self._last)):
            kind = self._tokens[ahead].kind
            if kind == "R":
                return ahead
            if kind != "W":
                return None
        return None
