r"""What an answer is read as: the kinds of value that the comparison tells apart.

Example: ``x = \frac12 \text{ cm}`` is an ``Equation`` with head ``x``, whose value is a ``Scalar`` with unit ``cm``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.polynomials import UndefinedError, UnsettledError
from lemma.answers.exact.quotients import Quotient
from lemma.answers.formulas.tree import Tree
from lemma.answers.units import Unit


@dataclass(frozen=True)
class Scalar:
    """A formula, with the unit behind it. ``letter`` is set where it is a single letter, which may be a choice."""

    tree: Tree
    unit: Unit | None = None
    is_percent: bool = False
    letter: str | None = None

    @cached_property
    def _normal(self) -> tuple[Quotient | None, bool]:
        try:
            return normal_form(self.tree), False
        except UndefinedError:
            return None, True
        except UnsettledError:
            return None, False

    @property
    def form(self) -> Quotient | None:
        """The normal form; None where it cannot be had or the value does not exist."""
        return self._normal[0]

    @property
    def is_undefined(self) -> bool:
        """Whether the formula divides by zero."""
        return self._normal[1]

    @property
    def rational(self) -> Fraction | None:
        """The value, where it is a rational number."""
        if self.tree[0] == "num":
            value: Fraction = self.tree[1]
            return value
        return self.form.rational if self.form else None


@dataclass(frozen=True)
class Words:
    """Text: lower case words and digits without punctuation."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """An option's letter with what stands behind it, as in ``(C) 12``."""

    letter: str
    rest: Value


@dataclass(frozen=True)
class Items:
    """Members without order: a set in braces, or a list joined by commas, "and", "or"."""

    members: tuple[Value, ...]
    is_set: bool = False


@dataclass(frozen=True)
class Ordered:
    """A tuple, vector or interval with its brackets."""

    members: tuple[Value, ...]
    opener: str
    closer: str


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Equation:
    """``left = right``. ``head`` is the name that is given a value, if the left side is one, and ``value`` that."""

    left: Tree | None
    right: Tree | None
    head: str | None
    value: Value | None


@dataclass(frozen=True)
class Inequalities:
    """A chain that is no interval: (smaller, larger, is_strict) for each link, or two sides that differ (``None``)."""

    links: tuple[tuple[Tree, Tree, bool | None], ...]


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``; None is infinity."""

    low: Quotient | None
    high: Quotient | None
    has_low: bool
    has_high: bool


@dataclass(frozen=True)
class Region:
    """A union of intervals of real numbers."""

    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class Based:
    """A numeral with its base."""

    digits: str
    base: int
    is_negative: bool = False

    @property
    def number(self) -> int | None:
        """The value; None where a digit is not of the base."""
        try:
            value = int(self.digits, self.base) if 2 <= self.base <= 36 and len(self.digits) < 400 else None
        except ValueError:
            return None
        return -value if value is not None and self.is_negative else value


@dataclass(frozen=True)
class Clock:
    """A time of day; ``half`` is ``am``, ``pm`` or, where it is not said, None."""

    seconds: int
    half: str | None


@dataclass(frozen=True)
class Ratio:
    """Parts joined by colons."""

    parts: tuple[Scalar, ...]


@dataclass(frozen=True)
class Approximate:
    """A value with another spelling that is nearly it."""

    value: Value
    near: Value


@dataclass(frozen=True)
class Unread:
    """What no reader knows; only the same text equals it."""

    text: str


Value = (
    Scalar
    | Words
    | Choice
    | Items
    | Ordered
    | Matrix
    | Equation
    | Inequalities
    | Region
    | Based
    | Clock
    | Ratio
    | Approximate
    | Unread
)
