"""Reasons, to be checked in one's head, why a computation gives what it gives and not something else."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Final

from lemma.arithmetic import Expression
from lemma.teacher.rules.forms import fill, pick
from lemma.teacher.rules.reading import write_number


def _digits(value: Fraction) -> str | None:
    return write_number(value)


def why(work: Expression, right: Fraction, wrong: Fraction, random: Random) -> str:
    """A reason that one can check in one's head why the work gives `right`; perhaps empty."""
    symbols = {o.symbol for o in work.operators}
    values = tuple(n.value for n in work.numbers)
    if any(n.is_percent for n in work.numbers) or len(symbols) != 1:
        return _steps_of_work(work, random) if not any(n.is_percent for n in work.numbers) else ""
    symbol = next(iter(symbols))
    if len(values) == 2 and len(work.operators) == 1:
        reasons = _BY_SYMBOL[symbol](values[0], values[1], right, wrong) if symbol in _BY_SYMBOL else []
    else:
        reasons = [_running(symbol, values)]
    found = [reason for reason in reasons if reason]
    return found[int(random.random() * len(found))] if found else ""


def _say(wording: str, **values: Fraction) -> str:
    written = {name: _digits(value) for name, value in values.items()}
    words = {name: digits for name, digits in written.items() if digits is not None}
    return fill(wording, **words) if len(words) == len(written) else ""


def _sum_reasons(a: Fraction, b: Fraction, right: Fraction, wrong: Fraction) -> list[str]:
    reasons = [
        _say("Taking {b} away from {wrong} leaves {left}, not {a}.", a=a, b=b, wrong=wrong, left=wrong - b),
        _say("If I take {a} back from {right}, I get {b} again.", a=a, b=b, right=right),
    ]
    if a.denominator == b.denominator == 1 and b > 10 and b % 10:
        tens = Fraction(int(b) // 10 * 10)
        reasons.append(
            _say(
                "{a} and {tens} make {sum}, and {ones} more is {right}.",
                a=a,
                tens=tens,
                sum=a + tens,
                ones=b - tens,
                right=right,
            )
        )
    return reasons


def _difference_reasons(a: Fraction, b: Fraction, right: Fraction, wrong: Fraction) -> list[str]:
    reasons = [
        _say("Adding {b} back to {wrong} would give {sum}, not {a}.", a=a, b=b, wrong=wrong, sum=wrong + b),
        _say("{b} and {right} together make {a}.", a=a, b=b, right=right),
    ]
    if a.denominator == b.denominator == 1 and b > 10 and b % 10:
        tens = Fraction(int(b) // 10 * 10)
        reasons.append(
            _say(
                "{a} less {tens} is {rest}, and {ones} less again is {right}.",
                a=a, tens=tens, rest=a - tens, ones=b - tens, right=right,
            )
        )  # fmt: skip
    return reasons


def _product_reasons(a: Fraction, b: Fraction, right: Fraction, wrong: Fraction) -> list[str]:
    reasons = []
    big, small = max(a, b), min(a, b)
    if big.denominator == 1 and big > 10 and big % 10 and small.denominator == 1 and small > 1:
        tens = Fraction(int(big) // 10 * 10)
        reasons.append(
            _say(
                "{small} times {tens} is {first} and {small} times {ones} is {second}, together {right}.",
                small=small, tens=tens, first=small * tens, ones=big - tens, second=small * (big - tens), right=right,
            )
        )  # fmt: skip
    if small == 2:
        reasons.append(_say("Twice {big} is {right}.", big=big, right=right))
    if small in (3, 4, 5) and small.denominator == 1:
        terms = " + ".join([_digits(big) or ""] * int(small))
        reasons.append(f"{terms} is {_digits(right)}." if _digits(big) and _digits(right) else "")
    if b and a.denominator == b.denominator == 1:
        if (wrong / b).denominator == 1:
            reasons.append(_say("{wrong} would be {times} times {b}.", wrong=wrong, times=wrong / b, b=b))
        else:
            reasons.append(_say("{wrong} is not even a multiple of {b}.", wrong=wrong, b=b))
    return reasons or [_say("Dividing {right} by {b} gives {a} again.", a=a, b=b, right=right)]


def _quotient_reasons(a: Fraction, b: Fraction, right: Fraction, wrong: Fraction) -> list[str]:
    reasons = [
        _say("{b} times {wrong} would be {product}, not {a}.", a=a, b=b, wrong=wrong, product=b * wrong),
        _say("{right} times {b} is {a}.", a=a, b=b, right=right),
    ]
    if b == 2:
        reasons.append(_say("Half of {a} is {right}.", a=a, right=right))
    if b == 4:
        reasons.append(_say("Half of {a} is {half}, and half of that is {right}.", a=a, half=a / 2, right=right))
    return reasons


_BY_SYMBOL: Final = {
    "+": _sum_reasons,
    "-": _difference_reasons,
    "*": _product_reasons,
    "/": _quotient_reasons,
}
_JOINERS: Final = {
    "+": "and {b} more is {c}",
    "-": "less {b} is {c}",
    "*": "times {b} is {c}",
    "/": "divided by {b} is {c}",
}


def _applied(symbol: str, left: Fraction, right: Fraction) -> Fraction:
    if symbol == "+":
        return left + right
    if symbol == "-":
        return left - right
    return left * right if symbol == "*" else left / right


def _running(symbol: str, values: tuple[Fraction, ...]) -> str:
    """The work done term by term: ``3 and 7 more is 10, and 2 more is 12.``."""
    if symbol not in _JOINERS or not 3 <= len(values) <= 6:
        return ""
    total = values[0]
    pieces = []
    for value in values[1:]:
        if symbol == "/" and not value:
            return ""
        total = _applied(symbol, total, value)
        piece = _say(_JOINERS[symbol], b=value, c=total)
        if not piece:
            return ""
        pieces.append(piece)
    first = _digits(values[0])
    return f"{first} {', '.join(pieces)}." if first else ""


def _steps_of_work(work: Expression, random: Random) -> str:
    """The first operation of a longer work, done by itself; empty where it is not plain."""
    program = work.program
    for place in range(2, len(program)):
        a, b, symbol = program[place - 2 : place + 1]
        if isinstance(a, int) and isinstance(b, int) and isinstance(symbol, str) and symbol in ("+", "-", "*", "/"):
            left, right = work.numbers[a].value, work.numbers[b].value
            if symbol == "/" and not right:
                return ""
            value = _applied(symbol, left, right)
            name = {"+": "{a} plus {b}", "-": "{a} minus {b}", "*": "{a} times {b}", "/": "{a} divided by {b}"}[symbol]
            lead = pick(random, ("First, ", "To begin with, ", "Step by step: "))
            said = _say(name + " is {c}.", a=left, b=right, c=value)
            return lead + said if said else ""
    return ""
