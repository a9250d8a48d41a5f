r"""Read one formula, in LaTeX or plain text, into a tree: a small recursive descent that evaluates nothing.

Example: ``\frac{x}{2}`` reads as ``("mul", ("sym", "x"), ("pow", ("num", 2), ("num", -1)))``.
"""

from __future__ import annotations

import re
from fractions import Fraction

from lemma.answers.formulas.names import (
    ALIASES,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    GREEK_VARIANTS,
    TRIGONOMETRIC,
    longest_name,
)
from lemma.answers.formulas.numerals import take_literal, take_number
from lemma.answers.formulas.scanner import Scanner, UnreadableError
from lemma.answers.formulas.tree import Tree, divided, negative, number

MAX_DEPTH = 40
_TIMES = ("\\cdot", "\\times", "\\ast", "*")
_DIVIDE = ("\\div", "/")
_BEHIND_FACTORS = frozenset("^°*!\\%")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OTHER_COMMANDS = frozenset(("frac", "usqrt", "binom", "lfloor", "lceil", "overline"))
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_COMMAND_OR_WORD = re.compile(r"\\?([A-Za-z]+)")
_WORD = re.compile(r"[A-Za-z]+")
_SUBSCRIPT = re.compile(r"_\s*(?:\{([A-Za-z0-9 ,+\-\\]{1,20})\}|([A-Za-z0-9]))")
_CIRCLE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|°")


def read_expression(text: str) -> Tree:
    """Read the whole of ``text`` as one formula.

    Raises:
        UnreadableError: it is none, or is too deep or large.
    """
    reader = _Reader(text)
    tree = reader.expression()
    if reader.peek():
        raise UnreadableError(f"left over: {text[reader.position :][:40]!r}")
    return tree


class _Reader(Scanner):
    """The grammar: a method for each kind of phrase, from sums down to names."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.open_bars = 0

    # Sums, products, powers

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
        letter = self.peek()
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
                name in GREEK
                or name in GREEK_VARIANTS
                or name in FUNCTIONS
                or name in CONSTANTS
                or name in _OTHER_COMMANDS
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
            if self.peek() not in _BEHIND_FACTORS:
                return tree
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
        sign = self.take("-", "+")
        if self.peek().isdigit():
            tree = take_number(self)
            # Exponents bind from the right: 2^3^2 is 2^(3^2).
            if self.take("**", "^"):
                tree = ("pow", tree, self.exponent())
        else:
            tree = self.primary(single_letter=True)
        return negative(tree) if sign == "-" else tree

    def primary(self, single_letter: bool = False) -> Tree:
        letter = self.peek()
        if letter.isdigit() or letter == ".":
            return self.count(take_literal(self))
        if letter in _CLOSERS:
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
        closer = _CLOSERS[self.text[self.position]]
        self.position += 1
        bars, self.open_bars = self.open_bars, 0
        tree = self.expression()
        if closer == "}" and self.take("\\choose"):
            tree = ("fn", "binom", tree, self.expression())
        self.need(closer)
        self.open_bars = bars
        return tree

    # Names

    def word(self, word: str, single_letter: bool) -> Tree:
        if single_letter:
            word = word[0]
        if word in CONSTANTS or word in GREEK or word in FUNCTIONS:
            self.position += len(word)
            return self.named(word)
        start = longest_name(word)
        if start:
            self.position += len(start)
            return self.named(start)
        if len(word) > 3:
            raise UnreadableError(f"a word: {word}")
        self.position += 1
        return self.symbol(word[0])

    def named(self, name: str) -> Tree:
        if name in CONSTANTS:
            return ("const", CONSTANTS[name])
        if name in FUNCTIONS:
            return self.function(ALIASES.get(name, name))
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
        if name == "binom":
            top = self.argument()
            return ("fn", "binom", top, self.argument())
        if name == "sqrt":
            return self.root()
        if name == "usqrt":
            radicand = take_number(self) if self.peek().isdigit() else self.argument()
            return ("pow", radicand, number(Fraction(1, 2)))
        if name in ("lfloor", "lceil"):
            tree = self.expression()
            self.need("\\rfloor" if name == "lfloor" else "\\rceil")
            return ("fn", "floor" if name == "lfloor" else "ceil", tree)
        if name in GREEK_VARIANTS:
            return self.symbol(GREEK_VARIANTS[name])
        if name in CONSTANTS or name in GREEK or name in FUNCTIONS:
            return self.named(name)
        raise UnreadableError(f"unknown command \\{name}")

    def argument(self) -> Tree:
        """A command's argument as TeX takes it: a group, a command, or a single character."""
        letter = self.peek()
        if letter in ("{", "("):
            return self.group()
        if letter.isascii() and letter.isdigit():
            self.position += 1
            return number(int(letter))
        return self.primary(single_letter=True)

    def root(self) -> Tree:
        degree = Fraction(2)
        if self.take("["):
            self.peek()
            index = take_number(self)
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
            base = take_number(self) if self.peek().isdigit() else self.argument()
        if self.take("^", "**"):
            power = self.exponent()
        arguments = self.arguments()
        if power is not None and name in TRIGONOMETRIC and power == number(-1):
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
        if self.peek() in _CLOSERS:
            closer = _CLOSERS[self.text[self.position]]
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
        name = _COMMAND_OR_WORD.match(self.text, self.position)
        return name is not None and name.group(1) in FUNCTIONS
