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

from typing import TYPE_CHECKING

from lemma.answers.extraction import extract_answer
from lemma.answers.plain import MAX_CHARS, read_plain
from lemma.answers.verdict import Explanation, Verdict

if TYPE_CHECKING:
    from lemma.sandbox import Sandbox

__all__ = ["Explanation", "Verdict", "answers_equal", "compare", "explain", "extract_answer"]


def compare(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Verdict:
    """Say whether two answers have the same value by the conventions of GSM8K and MATH.

    Symmetric; safe to call from any thread. For plain numbers the verdict takes a microsecond, for most other pairs
    a fraction of a millisecond; for those that need algebra, milliseconds in a worker process, and no more than
    ``comparing.formulas.DEADLINE_S`` in all.
    ``undecided`` is what could not be settled: it is neither equal nor different. Raises nothing.

    Args:
        prediction: an answer, without the text around it.
        reference: another.
        sandbox: workers to use instead of the shared ones.
    """
    if len(prediction) > MAX_CHARS or len(reference) > MAX_CHARS:
        return Verdict.UNDECIDED
    left, right = read_plain(prediction), read_plain(reference)
    if left is not None and right is not None:
        return Verdict.EQUAL if left == right else Verdict.DIFFERENT
    # Imported when first needed: numbers alone never need the readers.
    from lemma.answers.comparing import settle

    return settle(prediction, reference, sandbox)


def explain(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Explanation:
    """Compare two answers as ``compare`` does, and tell how each was read and which layer decided. Raises nothing."""
    from lemma.answers.comparing import explain_pair

    return explain_pair(prediction, reference, sandbox)


def answers_equal(prediction: str, reference: str) -> bool:
    """Whether two answers are known to have the same value; false where that could not be settled. Raises nothing."""
    return compare(prediction, reference) is Verdict.EQUAL
