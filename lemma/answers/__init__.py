r"""Read final answers out of solutions and compare them by value.

``extract_answer`` finds what a text states, ``compare`` says whether two answers have the same value. Model
text is only ever read by this package's own small reader: it never reaches ``eval``, ``sympify`` or
``parse_expr``.

Example::

    >>> extract_answer(r"So the answer is $\frac{2}{4}$.")
    '\\frac{2}{4}'
    >>> compare(r"\frac{2}{4}", "50%")
    <Verdict.EQUAL: 'equal'>
"""

from __future__ import annotations

from lemma.answers.comparing import compare, explain
from lemma.answers.extraction import extract_answer
from lemma.answers.verdict import Explanation, Verdict

__all__ = ["Explanation", "Verdict", "answers_equal", "compare", "explain", "extract_answer"]


def answers_equal(prediction: str, reference: str) -> bool:
    """Whether two answers are known to have the same value; false where that could not be settled. Raises nothing."""
    return compare(prediction, reference) is Verdict.EQUAL
