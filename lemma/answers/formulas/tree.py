r"""A formula as a tree: nested tuples, each with its kind first.

The kinds are ``("num", Fraction)``, ``("sym", name)``, ``("const", "pi" | "e" | "i" | "inf")``, ``("add", ...)``,
``("mul", ...)``, ``("pow", base, exponent)``, ``("fn", name, ...)``, ``("pm", tree)``, ``("mp", tree)``,
``("deg", tree)``.

Example: ``x/2`` is ``("mul", ("sym", "x"), ("pow", ("num", 2), ("num", -1)))``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]

INFINITY: Tree = ("const", "inf")


def number(value: int | Fraction) -> Tree:
    """A leaf holding an exact number."""
    return ("num", value if isinstance(value, Fraction) else Fraction(value))


def negative(tree: Tree) -> Tree:
    """The tree times minus one; numbers are folded."""
    if tree[0] == "num":
        return ("num", -tree[1])
    return ("mul", ("num", Fraction(-1)), tree)


def divided(top: Tree, bottom: Tree) -> Tree:
    """The quotient of two trees."""
    return ("mul", top, ("pow", bottom, ("num", Fraction(-1))))


def difference(left: Tree, right: Tree) -> Tree:
    """The first tree minus the second."""
    return ("add", left, ("mul", ("num", Fraction(-1)), right))


def is_infinite(tree: Tree) -> bool:
    """Whether a tree is infinity, or a number times infinity."""
    if tree[0] == "mul" and len(tree) == 3 and tree[1][0] == "num":
        tree = tree[2]
    return tree == INFINITY


def symbols(tree: Tree) -> set[str]:
    """The names of the symbols that stand in a tree."""
    if tree[0] == "sym":
        return {tree[1]}
    return {name for part in tree[1:] if isinstance(part, tuple) for name in symbols(part)}


def with_sign(tree: Tree, sign: int) -> Tree:
    r"""The tree with the upper sign (1) or the lower one (-1) of each ``\pm`` and ``\mp`` in it."""
    if tree[0] in ("num", "sym", "const"):
        return tree
    if tree[0] in ("pm", "mp"):
        inner = with_sign(tree[1], sign)
        turned = sign if tree[0] == "pm" else -sign
        return inner if turned > 0 else ("mul", number(-1), inner)
    start = 2 if tree[0] == "fn" else 1
    return (*tree[:start], *(with_sign(part, sign) for part in tree[start:]))
