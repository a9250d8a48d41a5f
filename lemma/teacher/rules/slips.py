"""Wrong results as people produce them: a carry forgotten, a ten not given back, a table off by one row, a zero lost.

What nobody gets wrong (``3 * 30``, ``20 + 30``, ``80 / 2``) has no slips at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import Final

from lemma.teacher.rules.reading import Computation

Slip = tuple[Fraction, float]
"""A wrong result, and how likely it is beside the others."""
MAX_DECIMALS: Final = 3


def wrong_results(target: Computation, random: Random) -> list[Fraction]:
    """Plausible wrong results of a computation, the likeliest slips first, in a seeded order among equals."""
    weighted: dict[Fraction, float] = {}
    for value, weight in slips_of(target):
        if value != target.shown and value > 0 and _is_believable(target, value):
            weighted.setdefault(value, random.random() * weight)
    return sorted(weighted, key=lambda value: -weighted[value])


def is_demanding(target: Computation) -> bool:
    """Whether the likelier slips are open to it, and not only to be one off."""
    return any(weight >= 2 for _, weight in slips_of(target))


def slips_of(target: Computation) -> Iterator[Slip]:
    """The slips that the digits of a computation lend themselves to; none where they are trivial."""
    decimals = 0
    while decimals < MAX_DECIMALS and any(v * 10**decimals % 1 for v in target.operand_values):
        decimals += 1
    values = [v * 10**decimals for v in target.operand_values]
    symbols = set(target.symbols)
    if any(v.denominator != 1 or v < 0 for v in values) or any(n.is_percent for n in target.equation.operands):
        return
    digits = [int(v) for v in values]
    scale, right = Fraction(1, 10**decimals), target.shown
    if symbols == {"+"}:
        yield from ((value * scale, weight) for value, weight in _sums(digits))
    elif symbols == {"-"} and len(digits) == 2:
        yield from ((value * scale, weight) for value, weight in _differences(*digits))
    elif symbols == {"*"} and len(digits) == 2:
        yield from ((value * scale * scale, weight) for value, weight in _products(*digits))
    elif symbols == {"/"} and len(digits) == 2 and right.denominator == 1:
        yield from _quotients(digits[0], digits[1], int(right))
    elif right.denominator == 1 and (right % 10 or right > 100):
        yield from _of_several(int(right))
    if right.denominator == 1 and right >= 100 and len(digits) > 1 and all(d % 10 for d in digits) and not decimals:
        yield from ((Fraction(value), 1.0) for value in swapped_digits(int(right)))


def _sums(values: Sequence[int]) -> Iterator[Slip]:
    """A carry is forgotten; in a long row a ten or a one is lost."""
    right, carry = sum(values), 0
    if len(values) == 2 and (min(values) <= 2 or right <= 10 or all(v % 10 == 0 and v < 100 for v in values)):
        return
    for place in range(len(str(right)) - 1):
        column = sum(v // 10**place % 10 for v in values) + carry
        carry = column // 10
        if carry:
            yield Fraction(right - carry * 10 ** (place + 1)), 3.0 if place < 2 else 1.5
            if carry > 1:  # two to carry, and only one of them added
                yield Fraction(right - 10 ** (place + 1)), 2.0
    if right > 9 and (all(v % 10 for v in values) or len(values) > 2):
        yield Fraction(right + 1), 0.6
        yield Fraction(right - 1), 0.8
    if len(values) > 2 and right > 40:
        yield Fraction(right - 10), 1.0
        yield Fraction(right + 10), 0.8


def _differences(a: int, b: int) -> Iterator[Slip]:
    """A ten is borrowed and not given back; in a column the smaller digit is taken from the larger."""
    if a <= b or b <= 2 or a <= 5:
        return
    right, has_borrowed = a - b, False
    width = len(str(b))
    columns = [(a // 10**p % 10, b // 10**p % 10) for p in range(width)]
    for place, (upper, lower) in enumerate(columns):
        if upper < lower and a >= 10 ** (place + 1):
            has_borrowed = True
            yield Fraction(right + 10 ** (place + 1)), 3.0 if place < 2 else 1.5
    if has_borrowed and width >= 2:
        turned = sum(abs(upper - lower) * 10**p for p, (upper, lower) in enumerate(columns))
        yield Fraction(turned + a // 10**width * 10**width), 2.0
    if has_borrowed and right > 20:
        yield Fraction(right - 10), 0.9
        yield Fraction(right + 10), 0.9
    if a % 10 or b % 10:
        yield Fraction(right + 1), 0.8
        yield Fraction(right - 1), 0.8


def _products(a: int, b: int) -> Iterator[Slip]:
    """The neighbouring row of the table; a carry or a zero lost on the way."""
    (left, left_zeros), (other, other_zeros) = _stripped(a), _stripped(b)
    small, large = sorted((left, other))
    zeros, right = left_zeros + other_zeros, a * b
    unit = 10**zeros
    if small <= 1:  # by ten, by a hundred, by one
        return
    if left_zeros and other_zeros:
        yield Fraction(right, 10), 2.0
        yield Fraction(right * 10), 1.0
    if large < 13:
        if small >= 3 and large >= 6 and (not zeros or small >= 6):
            for neighbour in (right + small * unit, right - small * unit, right + large * unit, right - large * unit):
                yield Fraction(neighbour), 2.5
        elif small >= 3 and not zeros:
            yield Fraction(right + small), 0.8
            yield Fraction(right - small), 0.8
        return
    if small < 10:
        carry = 0
        for place, digit in enumerate(reversed(str(large))):
            carry = (int(digit) * small + carry) // 10
            if carry and place + 1 < len(str(large)):
                yield Fraction(right - carry * 10 ** (place + 1) * unit), 3.0
        if small == 2 and not zeros:
            yield Fraction(right + 2), 0.6
            yield Fraction(right - 2), 0.8
        if any(int(digit) * small > 9 for digit in str(large)):
            yield Fraction(right + 10 * unit), 0.7
        return
    yield Fraction(right + 10 * unit), 1.0
    yield Fraction(right - 10 * unit), 1.5
    if right >= 1000:
        yield Fraction(right - 100 * unit), 1.5
        yield Fraction(right + 100 * unit), 0.8


def _quotients(a: int, b: int, right: int) -> Iterator[Slip]:
    """One too many or too few; a zero within the quotient lost."""
    left, other = _stripped(a)[0], _stripped(b)[0]
    if other == 1 or left == other or (left < 10 * other and left <= 10) or right < 3 or (b == 2 and left <= 40):
        return
    bare = str(right)
    if "0" in bare[1:-1]:
        yield Fraction(int(bare[0] + bare[1:].replace("0", "", 1))), 3.0
    if right < 30:
        yield Fraction(right + 1), 1.5
        yield Fraction(right - 1), 1.5
    else:
        yield Fraction(right + 10), 1.5
        yield Fraction(right - 10), 1.5
        if right % 10:
            yield Fraction(right + 1), 0.8
            yield Fraction(right - 1), 0.8


def _of_several(right: int) -> Iterator[Slip]:
    """Of a computation in several operations: a one or a ten off."""
    if right > 20:
        yield Fraction(right + 10), 1.2
        yield Fraction(right - 10), 1.2
    if right >= 6 and right % 10:
        yield Fraction(right + 1), 0.8
        yield Fraction(right - 1), 0.8


def _stripped(number: int) -> tuple[int, int]:
    """A number without the zeros at its end, and how many there were."""
    bare = str(number).rstrip("0")
    return int(bare or "0"), len(str(number)) - len(bare)


def swapped_digits(number: int) -> list[int]:
    """The number with two neighbouring digits swapped, the first aside."""
    digits = str(number)
    places = [i for i in range(1, len(digits) - 1) if digits[i] != digits[i + 1]]
    return [int(digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]) for i in places][:2]


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
    # nobody adds 2 to 1000 for a double, nor a number of shares to dollars
    first, second = target.equation.operands
    return max(a, b) <= 10 * min(a, b) and bool(first.currency) == bool(second.currency)
