r"""Reads and exactly evaluates the arithmetic in the running text of word-problem solutions.

``She bakes 3 trays * 12 cookies/tray = 36 cookies`` gives one `Equation` whose work is ``3 * 12``, whose result
is ``36`` and whose truth is `Truth.TRUE`, each number and operator with its offsets in the text. Read are ``$``,
thousands commas, ``%``, units behind numbers, ``x × · ÷ − ^``, fractions, mixed numbers, parentheses, chains
(``a + b = c * d = e``), the LaTeX that models write (``\frac``, ``\times``, ``\text``) and GSM8K's calculator
marks ``<<3*12=36>>``. All values are `fractions.Fraction`; nothing is ever handed to an evaluator of Python.

What holds a variable or an unread word is `Truth.UNREADABLE`, never false: a false equation is a claim about
the writer, so it is made only where every sensible reading is false.
"""

from lemma.arithmetic.model import Equation, Expression, Number, Operator, Truth, parse_number
from lemma.arithmetic.reading import read_equations
from lemma.arithmetic.tokens import tokenise

__all__ = ["Equation", "Expression", "Number", "Operator", "Truth", "parse_number", "read_equations", "tokenise"]
