"""Carries a changed value through the rest of a solution, exactly and in prose too.

The carrier holds the edits to a text and what each changed result became. It declines whenever it cannot be
sure that the edited text is consistent: an ambiguous value, a number that nothing explains, a result
that would be negative or break into fractions where things are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Final

from lemma.arithmetic import Number
from lemma.teacher.rules.forms import Declined
from lemma.teacher.rules.reading import Computation, Quantity, Solution, write_number

LARGEST: Final = 10**12
CONSTANTS: Final = frozenset(
    Fraction(n) for n in (1, 2, 3, 4, 5, 7, 10, 12, 24, 30, 31, 50, 52, 60, 100, 365, 360, 1000, 3600)
)
_COLLIDING: Final = frozenset(Fraction(n) for n in (1, 7, 12, 24, 52, 60, 100, 365, 1000))


@lru_cache(maxsize=2048)
def forms_of(values: frozenset[Fraction]) -> frozenset[Fraction]:
    """The question's values in every form in which they may stand: complements, parts of a hundred, and constants."""
    forms = set(CONSTANTS) | values
    for value in values:
        if 0 < value <= 100:
            forms.update((value / 100, 1 - value / 100, 1 + value / 100, 100 - value, 100 + value))
        if 0 < value < 1:
            forms.update((1 - value, 1 + value, Fraction(value.numerator), Fraction(value.denominator)))
            forms.add(Fraction(value.denominator - value.numerator))
    return frozenset(forms)


def apply_edits(text: str, edits: dict[tuple[int, int], str], start: int, end: int) -> str:
    """``text[start:end]`` with the edits that lie inside it made."""
    pieces, at = [], start
    for (left, right), new in sorted(edits.items()):
        if left < start or right > end:
            continue
        pieces.append(text[at:left])
        pieces.append(new)
        at = right
    pieces.append(text[at:end])
    return "".join(pieces)


def is_sensible(new: Fraction, old: Fraction, number: Number) -> bool:
    """Whether `new` may stand where `old` stood: no debts, no parts of people, no absurd size."""
    if new == 0 or (new < 0 <= old) or abs(new) > max(Fraction(LARGEST), abs(old)):
        return False
    if number.is_percent and old <= 100 < new:
        return False
    if new.denominator == 1:
        return True
    if old.denominator == 1 and not number.currency:
        return False
    shifted: Fraction = new * Fraction(10) ** max(2, number.decimals)
    return shifted.denominator == 1


@dataclass
class Carrier:
    """Edits to `solution`, begun at one computation and carried to its end.

    Attributes:
        solution: the text as read.
        known: values that stand for other things too; a result that equals one of them is replaced only where
            nothing but the answer line comes behind it.
        answer_start: offset of the answer line.
        edits: ``(start, end) -> new text``.
        changed: what each changed result became.
        floors: offsets before which a changed value still means something else.
    """

    solution: Solution
    known: frozenset[Fraction]
    answer_start: int = 0
    edits: dict[tuple[int, int], str] = field(default_factory=dict)
    changed: dict[Fraction, Fraction] = field(default_factory=dict)
    floors: dict[Fraction, int] = field(default_factory=dict)

    def write(self, number: Number, value: Fraction) -> None:
        """Replaces a written number."""
        old = self.solution.text[number.start : number.end]
        digits = write_number(value, old, is_money=bool(number.currency))
        if digits is None:
            raise Declined("the changed value has no short decimal form")
        self.edits[number.start, number.end] = digits

    def change(self, computation: Computation, new: Fraction) -> None:
        """Notes that a computation now gives `new`, and writes it."""
        old = computation.shown
        result = computation.equation.result
        if result is None or not is_sensible(new, old, result):
            raise Declined("the changed value would make no sense for what is counted")
        if old == 1 or new == 1:
            raise Declined("a value of one would change the grammar of the text")
        self.rename(old, new, result.end)
        self.write(result, new)

    def rename(self, old: Fraction, new: Fraction, behind: int) -> None:
        """From offset `behind` on `old` stands for `new`, in computations and in prose."""
        if (old in self.known or old in _COLLIDING) and not self._is_last_use(old, behind):
            raise Declined("the value to be changed stands for other things too")
        if self.changed.get(old, new) != new:
            raise Declined("one value would have to change in two ways")
        self.changed[old] = new

    def _is_last_use(self, value: Fraction, behind: int) -> bool:
        """Whether `value`, which other things share, is mentioned behind `behind` by the answer line only."""
        if any(q.value == value and behind <= q.start < self.answer_start for q in self.solution.quantities):
            return False
        self.floors[value] = behind
        return True

    def carry(self, computations: Iterable[Computation]) -> None:
        """Replaces changed operands in later computations and recomputes their results."""
        for computation in computations:
            equation = computation.equation
            values = list(computation.operand_values)
            touched = False
            for place, number in enumerate(equation.operands):
                new = self.changed.get(number.value)
                if new is not None:
                    values[place] = new
                    touched = True
                    self.write(number, new)
            if not touched:
                if computation.shown in self.changed:
                    raise Declined("another computation gives the same value")
                continue
            if not computation.is_exact:
                raise Declined("a rounded computation depends on the changed value")
            exact = equation.work.evaluate(values)
            if exact is None:
                raise Declined("the changed value cannot be computed with")
            new_result = exact * computation.scale
            if new_result != computation.shown:
                self.change(computation, new_result)

    def settle_prose(self, start: int, explained: Set[Fraction]) -> None:
        """Replaces the changed values outside equations from `start` on.

        Args:
            start: offset of the first character that may be changed.
            explained: every value that may stand unchanged.

        Raises:
            Declined: a number stands there that neither the question nor a computation explains.
        """
        spans = [(e.start, e.end) for e in self.solution.equations]
        for quantity in self.solution.quantities:
            if quantity.start < start or (quantity.start, quantity.end) in self.edits:
                continue
            new = self.changed.get(quantity.value)
            if new is not None and quantity.start < self.floors.get(quantity.value, 0):
                continue
            if new is not None and quantity.is_cardinal:
                self._replace_mention(quantity, new, spans)
            elif new is None and not quantity.is_word and quantity.value not in explained:
                raise Declined("a number in the text cannot be traced")

    def _replace_mention(self, quantity: Quantity, new: Fraction, spans: Sequence[tuple[int, int]]) -> None:
        if quantity.is_word or any(a <= quantity.start < b for a, b in spans):
            raise Declined("a changed value is mentioned where it cannot be replaced")
        text = self.solution.text
        digits = write_number(
            new, text[quantity.start : quantity.end], is_money=text[quantity.start - 1 : quantity.start] == "$"
        )
        if digits is None:
            raise Declined("the changed value has no short decimal form")
        self.edits[quantity.start, quantity.end] = digits
