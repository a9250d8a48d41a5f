"""What the checker says of a pair of answers.

Example::

    Explanation(verdict=Verdict.EQUAL, layer='exact', prediction='scalar 1/2', reference='percent 50')
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """Whether two answers have the same value, or that it could not be settled."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


class Explanation(NamedTuple):
    """A verdict with the way it came about.

    Attributes:
        verdict: what ``compare`` returns for the same pair.
        layer: ``guard`` (an input over the limits, or none), ``exact`` (decided in this process by exact arithmetic and
            canonical text) or ``algebra`` (decided, or given up, by a worker process).
        prediction: what the prediction was read as, for people.
        reference: what the reference was read as, for people.
    """

    verdict: Verdict
    layer: str
    prediction: str
    reference: str
