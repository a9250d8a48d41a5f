"""Compare what has members: tuples, vectors and matrices in their order, lists and sets in any.

How two members are compared is handed in, since they may be of any kind.

Example: ``2, 1`` equals ``1 and 2``; ``(2, 1)`` differs from ``(1, 2)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lemma.answers.comparing.logic import every
from lemma.answers.values import Equation, Matrix, Ordered, Value

Same = Callable[[Value, Value], bool | None]


def in_order(left: Sequence[Value], right: Sequence[Value], same: Same) -> bool | None:
    """Compare two sequences of one length, each member with the one in its place."""
    return every([same(a, b) for a, b in zip(left, right, strict=True)])


def ordered(left: Ordered, right: Ordered, same: Same) -> bool | None:
    """Compare tuples; the brackets of two members count, since they may be an interval."""
    if len(left.members) != len(right.members):
        return False
    if len(left.members) == 2 and (left.opener, left.closer) != (right.opener, right.closer):
        return False
    return in_order(left.members, right.members, same)


def matrices(left: Matrix, right: Matrix, same: Same) -> bool | None:
    """Compare matrices, cell by cell."""
    if [len(row) for row in left.rows] != [len(row) for row in right.rows]:
        return False
    return in_order(_cells(left), _cells(right), same)


def matrix_and_vector(matrix: Matrix, vector: Ordered, same: Same) -> bool | None:
    """Compare a matrix with a tuple: its one row or column, or, in a tuple of tuples, its rows."""
    if all(isinstance(member, Ordered) for member in vector.members):
        rows = [member.members for member in vector.members if isinstance(member, Ordered)]
        return same(matrix, Matrix(tuple(rows)))
    if any(len(row) != 1 for row in matrix.rows) and len(matrix.rows) != 1:
        return False
    cells = _cells(matrix)
    if len(cells) != len(vector.members):
        return False
    return in_order(cells, vector.members, same)


def unordered(left: Sequence[Value], right: Sequence[Value], same: Same) -> bool | None:
    """Compare lists or sets: each member must find another that equals it.

    Values of differently named unknowns keep their order where the other side does not name them.
    """
    for named, others in ((left, right), (right, left)):
        heads, plain = heads_of(named), heads_of(others)
        if all(heads) and len(set(heads)) == len(heads) > 1 and not any(plain):
            return len(named) == len(others) and in_order(named, others, same)
    if len(left) != len(right):
        return False
    unsure, rest = False, list(right)
    for member in left:
        maybe = None
        for position, candidate in enumerate(rest):
            found = same(member, candidate)
            if found:
                del rest[position]
                break
            if found is None and maybe is None:
                maybe = position
        else:
            if maybe is None:
                return False
            unsure = True
    return None if unsure else True


def heads_of(members: Sequence[Value]) -> list[str | None]:
    """The names that members give values to; None for those that are no equations of this kind."""
    return [member.head if isinstance(member, Equation) else None for member in members]


def _cells(matrix: Matrix) -> list[Value]:
    return [cell for row in matrix.rows for cell in row]
