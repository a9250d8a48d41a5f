"""Compare two answers (first version: plain numbers and text)."""

from __future__ import annotations

import re
from fractions import Fraction

from lemma.answers.verdict import Explanation, Verdict


def _read(answer: str) -> Fraction | str:
    plain = answer.strip().strip("$").replace("\\$", "").replace(",", "").rstrip(".").strip()
    if re.fullmatch(r"[+-]?\$?\d{1,400}(\.\d{1,400})?", plain):
        return Fraction(plain.replace("$", ""))
    fraction = re.fullmatch(r"(-?)\\[dt]?frac\{(\d{1,400})\}\{(\d{1,400})\}", plain)
    if fraction and int(fraction[3]):
        return Fraction(int(fraction[1] + fraction[2]), int(fraction[3]))
    return plain.casefold()


def explain(prediction: str, reference: str) -> Explanation:
    """Compare two answers and tell how each was read and which layer decided."""
    left, right = _read(prediction), _read(reference)
    if left == right:
        verdict = Verdict.EQUAL
    elif isinstance(left, Fraction) and isinstance(right, Fraction):
        verdict = Verdict.DIFFERENT
    else:
        verdict = Verdict.UNDECIDED
    return Explanation(verdict, "exact", str(left), str(right))


def compare(prediction: str, reference: str) -> Verdict:
    """Say whether two answers have the same value. Raises nothing."""
    return explain(prediction, reference).verdict
