r"""Read one formula, in LaTeX or plain text, into a tree: a small recursive descent that evaluates nothing.

A tree is nested tuples: ``("num", Fraction)``, ``("sym", name)``, ``("const", "pi" | "e" | "i" | "inf")``,
``("add", ...)``, ``("mul", ...)``, ``("pow", base, exponent)``, ``("fn", name, ...)``, ``("pm", tree)``,
``("mp", tree)``, ``("deg", tree)``.

Example: ``\frac{x}{2}`` reads as ``("mul", ("sym", "x"), ("pow", ("num", 2), ("num", -1)))``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]

MAX_DEPTH = 40
MAX_NODES = 1_500
_MAX_DIGITS = 1_000

_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
    ]
)
_GREEK_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varsigma": "sigma"}
_FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "arccot",
        "arcsec",
        "arccsc",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "sech",
        "csch",
        "arcsinh",
        "arccosh",
        "arctanh",
        "ln",
        "log",
        "lg",
        "exp",
        "max",
        "min",
        "gcd",
        "lcm",
        "sqrt",
        "cbrt",
        "abs",
        "floor",
        "ceil",
        "cis",
    ]
)
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
_TRIGONOMETRIC = frozenset(["sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch"])
_CONSTANTS = {"pi": "pi", "infty": "inf", "oo": "inf", "inf": "inf", "infinity": "inf"}
_TIMES = ("\\cdot", "\\times", "\\ast", "*")
_DIVIDE = ("\\div", "/")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?![\d.a-zA-Z{^_]))?")
_MIXED = re.compile(r"\s*\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))|\s+(\d+)\s*/\s*(\d+)(?![\d.])")
_REPEATING = re.compile(r"(\d*)\.(\d*)(?:\\overline\s*\{\s*|\()(\d{1,30})\s*[)}]")
_ELLIPSIS_DECIMAL = re.compile(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}(?:\.\.\.|\\ldots|\\dots|\\cdots)")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_SUBSCRIPT = re.compile(r"_\s*(?:\{([A-Za-z0-9 ,+\-\\]{1,20})\}|([A-Za-z0-9]))")
_CIRCLE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|°")


class UnreadableError(ValueError):
    """The text is no formula that this reader knows."""


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


def read_expression(text: str) -> Tree:
    """Read the whole of ``text`` as one formula.

    Raises:
        UnreadableError: it is none, or is too deep or large.
    """
    reader = _Reader(text)
    tree = reader.expression()
    reader.spaces()
    if reader.position != len(text):
        raise UnreadableError(f"left over: {text[reader.position :][:40]!r}")
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.nodes = 0
        self.open_bars = 0

    # Scanning

    def spaces(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in " \t\n":
            self.position += 1

    def at(self, *marks: str) -> str | None:
        """The first of ``marks`` that comes next, after spaces; a command is matched whole."""
        self.spaces()
        for mark in marks:
            if self.text.startswith(mark, self.position):
                end = self.position + len(mark)
                if mark[-1].isalpha() and self.text[end : end + 1].isalpha():
                    continue
                return mark
        return None

    def take(self, *marks: str) -> str | None:
        mark = self.at(*marks)
        if mark is not None:
            self.position += len(mark)
        return mark

    def need(self, *marks: str) -> None:
        if self.take(*marks) is None:
            raise UnreadableError(f"expected {marks[0]}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def count(self, tree: Tree) -> Tree:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise UnreadableError("too large")
        return tree

    # Grammar

    def expression(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError("too deep")
        terms: list[Tree] = []
        while True:
            sign = self.take("+", "-", "\\pm", "\\mp")
            if sign is None and terms:
                break
            term = self.term()
            if sign == "-":
                term = negative(term)
            elif sign in ("\\pm", "\\mp"):
                term = ("pm" if sign == "\\pm" else "mp", term)
            terms.append(self.count(term))
        self.depth -= 1
        return terms[0] if len(terms) == 1 else ("add", *terms)

    def term(self) -> Tree:
        factors = [self.factor()]
        while True:
            if not self.at("**") and self.take(*_TIMES):
                factors.append(self.factor())
            elif self.take(*_DIVIDE):
                factors.append(("pow", self.factor(), number(-1)))
            elif self.starts_primary():
                if self.text[self.position].isdigit() and factors[-1][0] == "num":
                    raise UnreadableError("two numbers side by side")
                factors.append(self.factor())
            else:
                break
            self.count(factors[-1])
        return factors[0] if len(factors) == 1 else ("mul", *factors)

    def starts_primary(self) -> bool:
        self.spaces()
        letter = self.text[self.position : self.position + 1]
        if not letter:
            return False
        if (letter.isascii() and (letter.isalnum() or letter in "([{")) or letter == ".":
            return True
        if letter == "|":
            return not self.open_bars
        if letter == "\\":
            command = _COMMAND.match(self.text, self.position)
            name = command.group()[1:] if command else ""
            return (
                name in _GREEK
                or name in _GREEK_VARIANTS
                or name in _FUNCTIONS
                or name in _CONSTANTS
                or name in ("frac", "usqrt", "binom", "lfloor", "lceil", "overline")
            )
        return False

    def factor(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError("too deep")
        sign = self.take("-", "+")
        tree = negative(self.factor()) if sign == "-" else self.factor() if sign else self.powered(self.primary())
        self.depth -= 1
        return tree

    def powered(self, tree: Tree) -> Tree:
        """Read what stands behind a factor: powers, factorials, degree and percent signs."""
        while True:
            self.spaces()
            if self.match(_CIRCLE):
                tree = ("deg", tree)
            elif self.take("**", "^"):
                tree = self.count(("pow", tree, self.exponent()))
            elif self.text.startswith("!", self.position) and not self.text.startswith(("!=", "!!"), self.position):
                self.position += 1
                tree = self.count(("fn", "factorial", tree))
            elif self.take("\\%", "%"):
                tree = ("mul", tree, number(Fraction(1, 100)))
            else:
                return tree

    def exponent(self) -> Tree:
        self.spaces()
        sign = self.take("-", "+")
        self.spaces()
        if self.text[self.position : self.position + 1].isdigit():
            tree = self.number()
            # Exponents bind from the right: 2^3^2 is 2^(3^2).
            if self.take("**", "^"):
                tree = ("pow", tree, self.exponent())
        else:
            tree = self.primary(single_letter=True)
        return negative(tree) if sign == "-" else tree

    def primary(self, single_letter: bool = False) -> Tree:
        self.spaces()
        letter = self.text[self.position : self.position + 1]
        if letter.isdigit() or letter == ".":
            return self.count(self.literal())
        if letter in ("(", "[", "{"):
            return self.group()
        if letter == "|":
            self.position += 1
            self.open_bars += 1
            tree = self.expression()
            self.need("|")
            self.open_bars -= 1
            return ("fn", "abs", tree)
        if letter == "\\":
            return self.count(self.command())
        word = _WORD.match(self.text, self.position)
        if word:
            return self.count(self.word(word.group(), single_letter))
        raise UnreadableError(f"cannot read {letter!r}")

    def group(self) -> Tree:
        closer = {"(": ")", "[": "]", "{": "}"}[self.text[self.position]]
        self.position += 1
        bars, self.open_bars = self.open_bars, 0
        tree = self.expression()
        if closer == "}" and self.take("\\choose"):
            tree = ("fn", "binom", tree, self.expression())
        self.need(closer)
        self.open_bars = bars
        return tree

    # Numbers

    def number(self) -> Tree:
        found = self.match(_NUMBER)
        if not found or len(found.group()) > _MAX_DIGITS:
            raise UnreadableError("no number")
        return number(_fraction(found.group()))

    def literal(self) -> Tree:
        """A number, with the forms that only numbers have: repeating decimals and mixed numbers."""
        repeating = self.match(_REPEATING) or self.match(_ELLIPSIS_DECIMAL)
        if repeating:
            whole, fixed, period = repeating.groups()
            scale = 10 ** len(fixed)
            value = Fraction(int(whole + fixed or "0"), scale)
            return number(value + Fraction(int(period), scale * (10 ** len(period) - 1)))
        tree = self.number()
        mixed = _MIXED.match(self.text, self.position)
        if mixed and tree[1].denominator == 1 and "." not in self.text[: self.position][-2:]:
            parts = [int(part) for part in mixed.groups() if part is not None and len(part) < _MAX_DIGITS]
            if len(parts) != 2 or not 0 <= parts[0] < parts[1]:
                raise UnreadableError("neither a mixed number nor a product")
            self.position = mixed.end()
            return number(tree[1] + Fraction(*parts))
        return tree

    # Names

    def word(self, word: str, single_letter: bool) -> Tree:
        if single_letter:
            word = word[0]
        if word in _CONSTANTS or word in _GREEK or word in _FUNCTIONS:
            self.position += len(word)
            return self.named(word)
        start = _longest_name(word)
        if start:
            self.position += len(start)
            return self.named(start)
        if len(word) > 3:
            raise UnreadableError(f"a word: {word}")
        self.position += 1
        return self.symbol(word[0])

    def named(self, name: str) -> Tree:
        if name in _CONSTANTS:
            return ("const", _CONSTANTS[name])
        if name in _FUNCTIONS:
            return self.function(_ALIASES.get(name, name))
        return self.symbol(name)

    def symbol(self, name: str) -> Tree:
        subscript = self.match(_SUBSCRIPT)
        if subscript:
            name += "_" + re.sub(r"[\s\\]", "", subscript.group(1) or subscript.group(2))
        while self.text.startswith("'", self.position):
            name += "'"
            self.position += 1
        if name in ("i", "e"):
            return ("const", name)
        if name == "C" and re.match(r"\([^(),]+,[^(),]+\)", self.text[self.position :]):
            return ("fn", "binom", *self.arguments())
        if name in ("f", "g", "F", "G") and self.text.startswith("(", self.position):
            return ("fn", "apply:" + name, self.group())
        return ("sym", name)

    def command(self) -> Tree:
        found = self.match(_COMMAND)
        name = found.group()[1:] if found else ""
        if name == "frac":
            top = self.argument()
            return divided(top, self.argument())
        if name in ("binom",):
            top = self.argument()
            return ("fn", "binom", top, self.argument())
        if name == "sqrt":
            return self.root()
        if name == "usqrt":
            self.spaces()
            radicand = self.number() if self.text[self.position : self.position + 1].isdigit() else self.argument()
            return ("pow", radicand, number(Fraction(1, 2)))
        if name in ("lfloor", "lceil"):
            tree = self.expression()
            self.need("\\rfloor" if name == "lfloor" else "\\rceil")
            return ("fn", "floor" if name == "lfloor" else "ceil", tree)
        if name in _GREEK_VARIANTS:
            return self.symbol(_GREEK_VARIANTS[name])
        if name in _CONSTANTS or name in _GREEK or name in _FUNCTIONS:
            return self.named(name)
        raise UnreadableError(f"unknown command \\{name}")

    def argument(self) -> Tree:
        """A command's argument as TeX takes it: a group, a command, or a single character."""
        self.spaces()
        letter = self.text[self.position : self.position + 1]
        if letter in ("{", "("):
            return self.group()
        if letter.isascii() and letter.isdigit():
            self.position += 1
            return number(int(letter))
        return self.primary(single_letter=True)

    def root(self) -> Tree:
        degree = Fraction(2)
        if self.take("["):
            self.spaces()
            index = self.number()
            self.need("]")
            degree = index[1]
            if degree < 2 or degree.denominator != 1:
                raise UnreadableError("no such root")
        return ("pow", self.argument(), number(1 / degree))

    def function(self, name: str) -> Tree:
        if name == "sqrt":
            return self.root()
        power: Tree | None = None
        base: Tree | None = None
        if name == "log" and (self.take("_") or re.match(r"\d+\s*[({\[]", self.text[self.position :])):
            self.spaces()
            base = self.number() if self.text[self.position].isdigit() else self.argument()
        if self.take("^", "**"):
            power = self.exponent()
        arguments = self.arguments()
        if power is not None and name in _TRIGONOMETRIC and power == number(-1):
            name, power = "arc" + name, None
        tree: Tree = ("fn", name, *arguments)
        if name == "exp":
            tree = ("pow", ("const", "e"), arguments[0])
        elif name == "cbrt":
            tree = ("pow", arguments[0], number(Fraction(1, 3)))
        elif name == "log":
            tree = ("fn", "log", arguments[0], base or number(10))
        return tree if power is None else ("pow", tree, power)

    def arguments(self) -> list[Tree]:
        self.spaces()
        if self.text[self.position : self.position + 1] in ("(", "[", "{"):
            closer = {"(": ")", "[": "]", "{": "}"}[self.text[self.position]]
            self.position += 1
            bars, self.open_bars = self.open_bars, 0
            found = [self.expression()]
            while self.take(","):
                found.append(self.expression())
            self.need(closer)
            self.open_bars = bars
            return found
        factors = [self.factor()]
        while self.starts_primary() and not self.starts_function() and self.text[self.position] not in "([{|":
            factors.append(self.factor())
        return [factors[0] if len(factors) == 1 else ("mul", *factors)]

    def starts_function(self) -> bool:
        self.spaces()
        name = re.compile(r"\\?([A-Za-z]+)").match(self.text, self.position)
        return name is not None and name.group(1) in _FUNCTIONS


def _longest_name(word: str) -> str | None:
    """A name of several letters that ``word`` begins with, as in ``pir`` or ``sinx``."""
    for length in range(len(word) - 1, 2, -1):
        if word[:length] in _FUNCTIONS and word[:length] not in ("min", "max", "abs"):
            return word[:length]
    return "pi" if word.startswith("pi") and len(word) <= 3 else None


def _fraction(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().partition("e")
    value = Fraction(mantissa if not mantissa.endswith(".") else mantissa + "0")
    return value * Fraction(10) ** int(exponent) if exponent else value
