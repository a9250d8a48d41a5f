"""Compare two values of any kinds: the entry point, which knows what kinds may stand for each other.

Example: an ``Ordered`` of two in brackets may stand for a ``Region``, a ``Clock`` for a ``Scalar``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lemma.answers.comparing import members, numerals, relations
from lemma.answers.comparing.formulas import Formulas
from lemma.answers.comparing.logic import either
from lemma.answers.comparing.scalars import same_scalars
from lemma.answers.comparing.words import same_words, words_and_value
from lemma.answers.regions import region_of, same_region
from lemma.answers.values import (
    Approximate,
    Based,
    Choice,
    Clock,
    Equation,
    Inequalities,
    Items,
    Matrix,
    Ordered,
    Ratio,
    Region,
    Scalar,
    Unread,
    Value,
    Words,
)

Compare = Callable[[], bool | None]


class Comparison:
    """One pair's comparison, with what compares the formulas in it."""

    def __init__(self, formulas: Formulas) -> None:
        self._formulas = formulas

    def same(self, left: Value, right: Value) -> bool | None:
        """Whether two values are the same, for any two kinds.

        Raises:
            UnsettledError, UndefinedError: exact arithmetic does not settle it.
        """
        if left is right or left == right:
            return None if isinstance(left, Scalar) and left.is_undefined else True
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return same_scalars(left, right, self._formulas)
        for one, other in ((left, right), (right, left)):
            compare = self._standing_for(one, other)
            if compare is not None:
                return compare()
        if type(left) is type(right):
            return self._alike(left, right)
        return _unlike(left, right)

    def _standing_for(self, one: Value, other: Value) -> Compare | None:
        """How to compare a kind that may stand for the other kind; None where it does not."""
        match one:
            case Approximate():
                return partial(self._approximate, one, other)
            case Choice():
                return partial(self._choice, one, other)
            case Equation() if not isinstance(other, Equation):
                return partial(self._named, one, other)
            case Region():
                return _comparing_regions(one, other)
            case Clock() if isinstance(other, Scalar):
                return partial(numerals.clock_and_scalar, one, other)
            case Clock() if isinstance(other, Ratio):
                return partial(numerals.clock_and_ratio, one, other, self._formulas)
            case Ratio() if isinstance(other, Scalar):
                return partial(numerals.ratio_and_scalar, one, other, self._formulas)
            case Based() if isinstance(other, Scalar):
                return partial(numerals.numeral_and_scalar, one, other)
            case Matrix() if isinstance(other, Ordered):
                return partial(members.matrix_and_vector, one, other, self.same)
            case Items() if isinstance(other, Ordered):
                holds_tuples = any(isinstance(member, Ordered) for member in one.members)
                return None if holds_tuples else partial(self._items_and_tuple, one, other)
            case Items() if isinstance(other, (Scalar, Based, Clock, Ratio, Matrix)):
                return partial(self._items_and_single, one, other)
        return None

    def _alike(self, left: Value, right: Value) -> bool | None:
        """Compare two values of one kind."""
        match left, right:
            case Words(), Words():
                return same_words(left.words, right.words)
            case Items(), Items():
                return members.unordered(left.members, right.members, self.same)
            case Ordered(), Ordered():
                return members.ordered(left, right, self.same)
            case Matrix(), Matrix():
                return members.matrices(left, right, self.same)
            case Equation(), Equation():
                return relations.equations(left, right, self.same, self._formulas)
            case Inequalities(), Inequalities():
                return relations.inequalities(left, right, self._formulas)
            case Region(), Region():
                return same_region(left, right)
            case Based(), Based():
                return numerals.numerals(left, right)
            case Clock(), Clock():
                return numerals.clocks(left, right)
            case Ratio(), Ratio():
                return numerals.ratios(left, right, self._formulas)
        return None  # two texts that nobody could read

    def _approximate(self, one: Approximate, other: Value) -> bool | None:
        if isinstance(other, Approximate):
            return self.same(one.value, other.value)
        return either(self.same(one.value, other), lambda: self.same(one.near, other))

    def _choice(self, one: Choice, other: Value) -> bool | None:
        if isinstance(other, Choice):
            return one.letter == other.letter
        if isinstance(other, Scalar) and other.letter:
            return one.letter == other.letter.casefold()
        if isinstance(other, Words) and len(other.words) == 1 and len(other.words[0]) == 1:
            return one.letter == other.words[0]
        return self.same(one.rest, other)

    def _named(self, one: Equation, other: Value) -> bool | None:
        """Compare what an equation names with a value that has no name."""
        if one.value is None:
            return None if isinstance(other, Unread) else False
        if not isinstance(other, Items):
            return self.same(one.value, other)
        heads = ",".join(map(str, members.heads_of(other.members)))
        if isinstance(one.value, Ordered) and one.head == f"({heads})":
            # (x, y) = (1, 2) beside x = 1, y = 2
            return self.same(one.value, Ordered(other.members, one.value.opener, one.value.closer))
        if isinstance(one.value, Items):
            return self.same(one.value, other)
        return self.same(one.value, other.members[0]) if len(other.members) == 1 else False

    def _items_and_tuple(self, one: Items, other: Ordered) -> bool | None:
        """Compare a list with a tuple in its order; a set is none."""
        if one.is_set or len(one.members) != len(other.members):
            return False
        return members.in_order(one.members, other.members, self.same)

    def _items_and_single(self, one: Items, other: Value) -> bool | None:
        """Compare a list or set with its only member."""
        return self.same(one.members[0], other) if len(one.members) == 1 else False


def _comparing_regions(one: Region, other: Value) -> Compare | None:
    """How to compare a region with what may be one, a pair in brackets or a set of points; None for all else."""
    if isinstance(other, Region) or (isinstance(other, Items) and not other.is_set):
        return None
    region = region_of(other)
    if region is not None:
        return partial(same_region, one, region)
    return (lambda: None) if isinstance(other, Items) else None


def _unlike(left: Value, right: Value) -> bool | None:
    """Compare two different kinds, none of which stands for the other."""
    if isinstance(left, Unread) or isinstance(right, Unread):
        return None
    if isinstance(left, Words):
        return words_and_value(left.words, right)
    if isinstance(right, Words):
        return words_and_value(right.words, left)
    return False
