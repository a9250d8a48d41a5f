"""What is read: numbers, operators, expressions and equations, with their offsets, and exact values.

Named tuples rather than dataclasses: a text gives dozens of them, and they are made three times as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

MAX_DIGITS: Final = 18  # longer digit runs are identifiers or noise, and would make exact work slow
MAX_BITS: Final = 400  # bound on numerators and denominators, so that powers cannot blow up
MAX_EXPONENT: Final = 12


class Truth(Enum):
    """What an equation's two sides say about each other."""

    TRUE = "true"
    FALSE = "false"
    ROUNDED = "rounded"
    """Equal up to the last digit that is written."""
    UNREADABLE = "unreadable"
    """A variable, a unit conversion, a cut expression: no verdict."""


class Number(NamedTuple):
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


class Operator(NamedTuple):
    """One operator; `symbol` is one of ``+ - * / ^``, whatever was written."""

    start: int
    end: int
    symbol: str


class Expression(NamedTuple):
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
        return len(self.numbers) == 1 and not self.operators

    def evaluate(self, values: Sequence[Fraction], *, with_percent: bool = True) -> Fraction | None:
        """The value with other numbers in the places of `numbers`; null as for `value`."""
        return run_program(self.program, values, with_percent)


class Equation(NamedTuple):
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


@lru_cache(maxsize=8192)
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


def _apply(symbol: str, left: Fraction, right: Fraction) -> Fraction | None:
    if left.denominator == right.denominator == 1 and symbol in "+-*":  # most are whole: no common divisors to look for
        a, b = left.numerator, right.numerator
        return Fraction(a * b if symbol == "*" else a + b if symbol == "+" else a - b)
    if symbol == "*":
        return left * right
    if symbol == "+":
        return left + right
    if symbol == "-":
        return left - right
    if symbol == "/":
        return left / right if right else None
    if right.denominator != 1 or not 0 <= right <= MAX_EXPONENT:
        return None
    return Fraction(left ** int(right))


def run_program(program: Sequence[int | str], values: Sequence[Fraction], with_percent: bool = True) -> Fraction | None:
    """The exact value of a postfix program; null where it divides by zero or grows beyond all sense."""
    if len(program) == 1 and isinstance(program[0], int):
        return values[program[0]]
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
            if value is None:
                return None
            if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
                return None
            stack.append(value)
    return stack[0] if len(stack) == 1 else None
