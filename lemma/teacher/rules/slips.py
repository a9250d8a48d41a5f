"""Wrong results as people produce them: a carry forgotten, a table off by one row, two digits swapped."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from lemma.teacher.rules.reading import Computation


def wrong_results(target: Computation, random: Random) -> list[Fraction]:
    """Plausible wrong results of a computation, the likeliest slips first, in a seeded order among equals."""
    right = target.shown
    symbols = set(target.symbols)
    weighted: dict[Fraction, float] = {}

    def offer(value: Fraction, weight: float) -> None:
        if value != right and value > 0 and _is_believable(target, value):
            weighted.setdefault(value, random.random() * weight)

    if right.denominator == 1:
        _offer_whole(target, int(right), symbols, offer)
    else:
        _offer_decimal(right, offer)
    return sorted(weighted, key=lambda value: -weighted[value])


def _offer_whole(target: Computation, right: int, symbols: set[str], offer: object) -> None:
    give = offer if callable(offer) else None
    if give is None:
        return
    values = target.operand_values
    if symbols <= {"+"} and right >= 10:  # the carry into the tens or hundreds is forgotten
        if _has_carry(values, 10):
            give(Fraction(right - 10), 3.0)
        if right >= 200 and _has_carry(values, 100):
            give(Fraction(right - 100), 2.0)
    if symbols <= {"-"} and right >= 5:  # a ten is borrowed and not paid back
        give(Fraction(right + 10), 2.5)
    if symbols == {"*"} and len(values) == 2:  # the neighbouring row of the table
        a, b = values
        small = min(a, b) if min(a, b) > 2 else max(a, b)
        for neighbour in (right + small, right - small):
            if small <= 25 and small.denominator == 1:
                give(Fraction(neighbour), 2.5)
        if right % 100 == 0:
            give(Fraction(right, 10), 0.7)
    if symbols == {"/"} and right > 2:
        give(Fraction(right + 1), 1.5)
        give(Fraction(right - 1), 1.5)
    for swapped in _swapped_digits(right):
        give(Fraction(swapped), 1.5)
    step = 10 if right < 400 else 100
    if right > 20:
        give(Fraction(right + step), 1.2)
        give(Fraction(right - step), 1.2)
    if right >= 3:
        give(Fraction(right + 1), 0.8)
        give(Fraction(right - 1), 0.8)
    give(Fraction(right + 2), 0.5)
    give(Fraction(right - 2), 0.5)
    if right >= 50 and right % 10 == 0:
        give(Fraction(right * 10), 0.4)


def _offer_decimal(right: Fraction, offer: object) -> None:
    if not callable(offer):
        return
    offer(right * 10, 1.2)
    offer(right / 10, 1.0)
    offer(right + 1, 1.5)
    offer(right - 1, 1.5)
    offer(right + Fraction(1, 10), 1.2)
    offer(right - Fraction(1, 10), 1.2)
    whole = int(right)
    for swapped in _swapped_digits(whole):
        offer(Fraction(swapped) + right - whole, 1.0)


def _has_carry(values: tuple[Fraction, ...], base: int) -> bool:
    return all(v.denominator == 1 for v in values) and sum(int(v) % base for v in values) >= base


def _swapped_digits(number: int) -> list[int]:
    digits = str(number)
    found = []
    for i in range(len(digits) - 1):
        if digits[i] != digits[i + 1] and not (i == 0 and digits[1] == "0"):
            found.append(int(digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]))
    return found[:2]


def _is_believable(target: Computation, wrong: Fraction) -> bool:
    """Whether a person could let `wrong` stand: a sum above its parts, a quotient below what is divided."""
    values = [abs(v) for v in target.operand_values]
    symbols = set(target.symbols)
    right = target.shown
    if not right / 12 <= wrong <= right * 12:
        return False
    if symbols == {"+"}:
        return wrong > max(values)
    if symbols == {"-"}:
        return wrong < values[0]
    if symbols == {"*"} and min(values) >= 2:
        return wrong > max(values)
    if symbols == {"/"} and len(values) == 2 and values[1] >= 2:
        return wrong < values[0]
    return True


def is_plausible_swap(target: Computation, symbol: str) -> bool:
    """Whether the other operation on the same numbers gives something that one could believe."""
    if len(target.operand_values) != 2:
        return False
    a, b = target.operand_values
    if b == 0 or a == b or any(n.is_percent for n in target.equation.operands):
        return False
    if symbol == "-":
        return a > b
    if symbol == "/":
        return b > 1 and (a / b).denominator == 1
    if symbol == "*":
        return a * b <= 100_000 and b > 1 and a > 1
    return True
