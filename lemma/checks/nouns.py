"""What a written number is of: the noun behind it, or money."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from lemma.arithmetic import Equation, parse_number
from lemma.checks.words import NUMBER

_BEHIND: Final = re.compile(r"(?:[ \-/][A-Za-z'’]+){1,5}")
_END_WORDS: Final = """
and but or to for from with that who which is was are were at in on of if he she they it each every per as than when
while then so has had have by a an the his her their before after into how because since worth plus minus times
will would can could left remaining altogether together combined overall already too away off out over up during
this long old tall wide high deep away again here there not do does did go goes went
"""
_LEAD_WORDS: Final = "more less fewer additional extra other total full different new whole larger smaller"
_ENDS_NOUN: Final = frozenset(_END_WORDS.split())
_LEADS_NOUN: Final = frozenset(_LEAD_WORDS.split())
_CURRENCIES: Final = ("$", "€", "£")
_MONEY: Final = frozenset(("dollar", "dollars", "buck", "bucks", "usd"))


def nouns_behind(text: str, end: int) -> frozenset[str]:
    """The words that say what a number ending at `end` is of: in lower case, without a plural's s; ``$`` for dollars.

    Of ``16 cars' windows`` they are the windows.
    """
    match = _BEHIND.match(text, end)
    kept: list[str] = []
    for word in match.group().replace("-", " ").replace("/", " ").split() if match else ():
        lowered = word.lower().replace("’", "'")
        if lowered in _LEADS_NOUN and not kept:
            continue
        if lowered in _ENDS_NOUN:
            break
        kept.append(lowered)
    return frozenset(_singular(word) for word in kept if "'" not in word)


def _singular(noun: str) -> str:
    if noun in _MONEY:
        return "$"
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


_MULTIPLES: Final = frozenset(("dozen", "hundred", "thousand", "million", "pair"))


def are_of_another(units: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two numbers, of which is said what they are of, are of different things: dozens of eggs are no eggs."""
    if not units or not others:
        return False
    return units.isdisjoint(others) or bool((units & _MULTIPLES) - others)


def units_of(text: str, equation: Equation) -> frozenset[str]:
    """What an equation's result is of: ``$``, ``%``, or the words behind it; empty if it is not said."""
    number = equation.result
    return frozenset() if number is None else _units_at(text, number.start, number.end)


def _units_at(text: str, start: int, end: int) -> frozenset[str]:
    behind = text[end : end + 1]
    if text[max(0, start - 1) : start] in _CURRENCIES or behind in _CURRENCIES:
        return frozenset("$")
    return frozenset("%") if behind == "%" else nouns_behind(text, end)


@lru_cache(maxsize=4096)
def _units_by_value(text: str) -> dict[Fraction, frozenset[str]]:
    found: dict[Fraction, frozenset[str]] = {}
    for match in NUMBER.finditer(text):
        value = parse_number(match[0] if match[0][0] != "." else "0" + match[0])
        if value is not None:
            found[value] = found.get(value, frozenset()) | _units_at(text, match.start(), match.end())
    return found


def units_of_value(text: str, value: Fraction) -> frozenset[str]:
    """Every word that a value stands before in a text, with ``$`` for money and ``%``."""
    return _units_by_value(text).get(abs(value), frozenset())


def is_of_another(text: str, equation: Equation, other: str) -> bool:
    """Whether an equation's result is said to be of something, and its value in another text only of something else."""
    units = units_of(text, equation)
    others = units_of_value(other, equation.result.value) if equation.result is not None else frozenset()
    return are_of_another(units, others)
