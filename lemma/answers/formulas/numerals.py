r"""Read a number as it is written: decimals, exponents, repeating decimals, mixed numbers.

Example: ``0.\overline{3}`` is 1/3, ``2\frac{1}{3}`` is 7/3, ``1.5e3`` is 1500.
"""

from __future__ import annotations

import re
from fractions import Fraction

from lemma.answers.formulas.scanner import Scanner, UnreadableError
from lemma.answers.formulas.tree import Tree, number

_MAX_DIGITS = 1_000
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?![\d.a-zA-Z{^_]))?")
_MIXED = re.compile(r"\s*\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))|\s+(\d+)\s*/\s*(\d+)(?![\d.])")
_REPEATING = re.compile(r"(\d*)\.(\d*)(?:\\overline\s*\{\s*|\()(\d{1,30})\s*[)}]")
_ELLIPSIS_DECIMAL = re.compile(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}(?:\.\.\.|\\ldots|\\dots|\\cdots)")


def take_number(scanner: Scanner) -> Tree:
    """Read a decimal, with or without an exponent.

    Raises:
        UnreadableError: none begins here, or it is too long.
    """
    found = scanner.match(_NUMBER)
    if not found or len(found.group()) > _MAX_DIGITS:
        raise UnreadableError("no number")
    return number(_fraction(found.group()))


def take_literal(scanner: Scanner) -> Tree:
    """Read a number, with the forms that only numbers have: repeating decimals and mixed numbers.

    Raises:
        UnreadableError: none begins here, it is too long, or it may be a mixed number as well as a product.
    """
    repeating = scanner.match(_REPEATING) or scanner.match(_ELLIPSIS_DECIMAL)
    if repeating:
        whole, fixed, period = repeating.groups()
        scale = 10 ** len(fixed)
        value = Fraction(int(whole + fixed or "0"), scale)
        return number(value + Fraction(int(period), scale * (10 ** len(period) - 1)))
    tree = take_number(scanner)
    mixed = _MIXED.match(scanner.text, scanner.position)
    if mixed and tree[1].denominator == 1 and "." not in scanner.text[: scanner.position][-2:]:
        parts = [int(part) for part in mixed.groups() if part is not None and len(part) < _MAX_DIGITS]
        if len(parts) != 2 or not 0 <= parts[0] < parts[1]:
            raise UnreadableError("neither a mixed number nor a product")
        scanner.position = mixed.end()
        return number(tree[1] + Fraction(*parts))
    return tree


def _fraction(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().partition("e")
    value = Fraction(mantissa if not mantissa.endswith(".") else mantissa + "0")
    return value * Fraction(10) ** int(exponent) if exponent else value
