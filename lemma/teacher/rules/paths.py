"""Which values a correct solution may pass through: those of the reference, and of the same work in another order.

A student who multiplies first what the reference multiplies last is not wrong. So from the reference's computations
the values of regroupings are derived: parts of its sums and products, sums multiplied out, complements of
percentages and fractions. A value outside all of these departs from every path known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import Final

from lemma.teacher.rules.reading import Computation, read_quantities, read_solution

MAX_TERMS: Final = 7
MAX_VALUES: Final = 4000
CONVERSIONS: Final = tuple(Fraction(n) for n in (60, 100, 7, 12, 24, 52, 30, 365, 1000, 3600, 4, 16, 3, 36))
_SCALED_BY: Final = (Fraction(60), Fraction(100))


@dataclass(frozen=True, slots=True)
class Node:
    """One computation of the reference as a sum or a product of parts; `is_sum` tells which."""

    value: Fraction
    is_sum: bool
    parts: tuple[Fraction, ...]
    """Signed terms, or factors (a divisor as its inverse)."""


@dataclass(frozen=True, slots=True)
class Paths:
    """What may be passed through on the way to the right answer."""

    results: frozenset[Fraction]
    """The results of the reference's own computations."""
    said: frozenset[Fraction]
    """The numbers of the question, as it says them."""
    known: frozenset[Fraction]
    """What the question gives, with percentages and fractions in their other forms."""
    derived: frozenset[Fraction]
    """`results` and every value of a regrouping: what a computation may rightly give."""
    allowed: frozenset[Fraction]
    """`derived`, `known` and the reference's operands: what may be said at all."""
    computations: tuple[Computation, ...]


def _nodes(computations: Sequence[Computation]) -> list[Node]:
    """Every operation of the computations, sub-expressions included, flattened into sums and products."""
    found: list[Node] = []
    for computation in computations:
        stack: list[Node] = []
        for step in computation.equation.work.program:
            if isinstance(step, int):
                value = computation.equation.operands[step].value
                stack.append(Node(value, True, (value,)))
            elif step == "%":
                value = stack.pop().value / 100
                stack.append(Node(value, True, (value,)))
            elif step == "neg":
                value = -stack.pop().value
                stack.append(Node(value, True, (value,)))
            else:
                right, left = stack.pop(), stack.pop()
                node = _combined(step, left, right)
                if node is None:
                    break
                stack.append(node)
                found.append(node)
    return found


def _combined(symbol: str, left: Node, right: Node) -> Node | None:
    if symbol in "+-":
        sign = 1 if symbol == "+" else -1
        a = left.parts if left.is_sum else (left.value,)
        b = right.parts if right.is_sum else (right.value,)
        return Node(left.value + sign * right.value, True, (*a, *(sign * p for p in b)))
    is_left_factor = len(left.parts) == 1
    is_right_factor = len(right.parts) == 1
    a = (left.value,) if left.is_sum or is_left_factor else left.parts
    b = (right.value,) if right.is_sum or is_right_factor else right.parts
    if symbol == "*":
        return Node(left.value * right.value, False, (*a, *b))
    if symbol == "/" and right.value and all(b):
        return Node(left.value / right.value, False, (*a, *(1 / p for p in b)))
    return None


def _expanded(node: Node, by_value: dict[Fraction, Node]) -> Node:
    """The node with each part that is itself such a sum (product) replaced by its parts, once."""
    parts: list[Fraction] = []
    for part in node.parts:
        inner = by_value.get(part)
        taken = by_value.get(-part) if node.is_sum and part < 0 else None
        if inner is not None and inner.is_sum == node.is_sum and inner.value != node.value:
            parts.extend(inner.parts)
        elif taken is not None and taken.is_sum:  # what is taken away at once may be taken away one by one
            parts.extend(-other for other in taken.parts)
        else:
            parts.append(part)
    if len(parts) > MAX_TERMS:
        return node
    return Node(node.value, node.is_sum, tuple(parts))


def _subset_values(node: Node) -> Iterable[Fraction]:
    """The sums (products, and their inverses) of two or more of the node's parts."""
    if len(node.parts) > MAX_TERMS:
        return
    made: list[tuple[int, Fraction]] = []  # of how many parts, and their value
    for part in node.parts:
        more = [(count + 1, value + part if node.is_sum else value * part) for count, value in made]
        made += [(1, part), *more]
    for count, value in made:
        if count > 1:
            yield value
            if value and not node.is_sum:
                yield 1 / value


def _distributed(node: Node, by_value: dict[Fraction, Node]) -> Iterable[Fraction]:
    """``(a + b) * c``: also ``a * c`` and ``b * c``; ``a * c + b * c``: also ``a + b``."""
    if not node.is_sum:
        for place, factor in enumerate(node.parts):
            inner = by_value.get(factor) or by_value.get(1 / factor if factor else factor)
            if inner is None or not inner.is_sum or inner.value != factor:
                continue
            rest = Fraction(1)
            for other, value in enumerate(node.parts):
                rest *= 1 if other == place else value
            products = Node(node.value, True, tuple(part * rest for part in inner.parts))
            yield from products.parts
            yield from _subset_values(products)
            for term in inner.parts:
                made = by_value.get(abs(term))
                if made is not None and not made.is_sum:
                    yield from _subset_values(Node(term * rest, False, (*made.parts, rest)))
        return
    factors = [by_value.get(abs(part)) for part in node.parts]
    for left, right in combinations([f for f in factors if f is not None and not f.is_sum], 2):
        for common in set(left.parts) & set(right.parts):
            if common:
                yield left.value / common + right.value / common
                yield left.value / common - right.value / common


def _known_values(question: str) -> set[Fraction]:
    """The question's numbers, and the forms in which a percentage, a fraction or a multiple is used."""
    known: set[Fraction] = set()
    for quantity in read_quantities(question):
        value = quantity.value
        known.add(value)
        if 0 < value <= 200:
            known.update((value / 100, 1 - value / 100, 1 + value / 100, 100 - value, 100 + value))
        if 0 < value < 1:
            known.update((1 - value, 1 + value, Fraction(value.numerator), Fraction(value.denominator)))
            known.add(Fraction(value.denominator - value.numerator))
    return known


@lru_cache(maxsize=1024)
def read_paths(question: str, reference: str) -> Paths:
    """The values through which a correct solution of this question may pass."""
    computations = tuple(c for c in read_solution(reference).computations if c.is_true)
    known = _known_values(question)
    results = {c.shown for c in computations}
    # what the reference has worked out in its head, or with an unknown beside it, counts as worked out
    mentioned = {q.value for q in read_quantities(reference) if not q.is_word}
    results.update(v for v in mentioned if v >= 10 and v not in known and v not in CONVERSIONS)
    nodes = _nodes(computations)
    by_value = {node.value: node for node in nodes}
    derived = set(results)
    expanded = [_expanded(_expanded(node, by_value), by_value) for node in nodes]
    for node in (*nodes, *expanded):
        derived.add(abs(node.value))
        for value in (*_subset_values(node), *_distributed(node, by_value)):
            derived.add(abs(value))
        if len(derived) > MAX_VALUES:
            break
    for value in list(results):
        for scale in _SCALED_BY:
            derived.update((value * scale, value / scale))
    operands = {n.value for c in computations for n in c.equation.operands}
    allowed = derived | known | operands
    said = frozenset(q.value for q in read_quantities(question))
    return Paths(frozenset(results), said, frozenset(known), frozenset(derived), frozenset(allowed), computations)
