r"""Read relations: memberships, equations, inequalities and chains of them.

Example: ``x = 5`` is an ``Equation`` with head ``x``, ``1 \le x < 2`` the ``Region`` of one interval.
"""

from __future__ import annotations

import re

from lemma.answers import regions
from lemma.answers.exact.quotients import has_variables
from lemma.answers.formulas.tree import Tree, is_infinite, symbols
from lemma.answers.reading.brackets import split_top
from lemma.answers.reading.parts import PartReader
from lemma.answers.reading.scalars import read_scalar
from lemma.answers.values import Equation, Inequalities, Interval, Region, Scalar, Unread, Value

_HEAD = re.compile(
    r"\\?[A-Za-z]+(?:_\s*(?:\{[^{}]*\}|\w))?'*(?:\s*\(\s*\\?[A-Za-z]+(?:\s*,\s*[A-Za-z])*\s*\)|\s*\^\{-1\}\([a-z]\))?|"
    r"(?:m\s*)?\\(?:angle|triangle|overline|sin|cos|tan)\s*\{?\s*\\?[A-Za-z]+\s*\}?|\\text\s*\{[^{}]*\}|"
    r"[A-Za-z][A-Za-z ]+|"
    r"\|?[A-Z]{2}\|?|\[[A-Z]+\]"
)
_FUNCTION_HEAD = re.compile(
    r"(?:[fghFGHpPqQ](?:_\w)?|[a-zA-Z])\s*(?:\^\{-1\}|\^\{?'\}?|')?\s*\(\s*\\?[a-z]+(?:\s*,\s*[a-z])*\s*\)|y"
)
RELATIONS = "=<>≤≥≠"
_MAX_SIDES = 12


def read_relation(text: str, read_part: PartReader) -> Value | None:
    """Read a membership, an equation, or a chain of inequalities."""
    membership = split_top(text, "∈")
    if len(membership) == 2 and re.fullmatch(r"\s*\\?[A-Za-z]+(?:_\{?\w+\}?)?\s*", membership[0]):
        return read_part(membership[1])
    sides = split_top(text, RELATIONS)
    if len(sides) < 2 or len(sides) > _MAX_SIDES:
        return None
    signs, position = [], 0
    for side in sides[:-1]:
        position += len(side)
        signs.append(text[position])
        position += 1
    sides = [side.strip() for side in sides]
    if not sides[0] and len(sides) == 2 and signs == ["="]:
        return read_part(sides[1])
    if not all(sides):
        return Unread(text)
    if set(signs) == {"="}:
        return _equation(sides, read_part)
    return _inequality(sides, signs, read_part)


def _equation(sides: list[str], read_part: PartReader) -> Value:
    left, right = sides[0], sides[-1]
    trees = [_tree(left), _tree(right)]
    head = _head(left)
    if head is None and len(sides) == 2 and _head(right) and _is_constant(trees[0]):
        left, right, head = right, left, _head(right)
        trees.reverse()
    if (
        head is None
        and left.startswith(("(", "[", "\\langle"))
        and re.fullmatch(r"[(\[\\a-z]*(?:\s*\\?[A-Za-z]\w*\s*,)+\s*\\?[A-Za-z]\w*\s*[)\]\\a-z]*", left)
    ):
        head = re.sub(r"\s", "", left)
    if head is None and (trees[0] is None or (_is_constant(trees[0]) and (len(sides) > 2 or _is_constant(trees[1])))):
        return read_part(right)  # a sum that is worked out: its last value counts
    value = read_part(right) if head else None
    return Equation(trees[0], trees[1], head, value)


def _head(text: str) -> str | None:
    """The name that an equation gives a value to, or None."""
    bare = text.strip()
    if not _HEAD.fullmatch(bare) or (bare in ("e", "i", "\\pi", "π")):
        return None
    return "y" if _FUNCTION_HEAD.fullmatch(bare) else re.sub(r"\\text|[\s{}\\]", "", bare)


def _tree(text: str) -> Tree | None:
    scalar = read_scalar(text)
    return scalar.tree if scalar is not None else None


def _is_constant(tree: Tree | None) -> bool:
    if tree is None:
        return False
    form = Scalar(tree).form
    return form is not None and not form.is_opaque and not has_variables(form)


def _inequality(sides: list[str], signs: list[str], read_part: PartReader) -> Region | Inequalities | Unread:
    values = [read_part.shallow(side) for side in sides]
    trees = [value.tree for value in values if isinstance(value, Scalar)]
    if len(trees) < len(sides) or "=" in signs:
        return Unread("".join(a + b for a, b in zip(sides, [*signs, ""], strict=True)))
    links: list[tuple[Tree, Tree, bool | None]] = []
    spans: list[Interval] | None = [regions.REAL_LINE]
    for left, right, sign in zip(trees[:-1], trees[1:], signs, strict=True):
        if sign in ">≥":
            left, right = right, left
        strict = None if sign == "≠" else sign in "<>"
        if is_infinite(left) or is_infinite(right):
            continue
        links.append((left, right, strict))
        smaller, larger = Scalar(left).form, Scalar(right).form
        solved = None if smaller is None or larger is None else regions.solve(smaller, larger, strict)
        spans = None if spans is None or solved is None else regions.intersect(spans, solved)
    names = {name for tree in trees for name in symbols(tree)}
    if spans is not None and len(names) == 1:
        region = regions.merged(spans)
        if region is not None:
            return region
    return Inequalities(tuple(links))
