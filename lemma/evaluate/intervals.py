"""Intervals and tests: Wilson for a share, the bootstrap over problems for a mean, McNemar for two models.

Draws of one problem are alike, so it is problems that are drawn anew, never single replies: a mean over four samples of
each of a hundred problems is as sure as a hundred problems make it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from lemma.audit.figures import wilson

__all__ = ["bootstrap_mean", "mcnemar_exact", "ratio_interval", "wilson"]

RESAMPLES: Final = 10_000
SEED: Final = 0
_TAIL: Final = 2.5


def bootstrap_mean(values: Iterable[Fraction], resamples: int = RESAMPLES) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval for a mean (Efron and Tibshirani 1993, chapter 13).

    How often each value is drawn decides a resample's mean, so those counts are drawn (multinomial): the same
    distribution as drawing problems one by one, in time that does not grow with their number.

    Args:
        values: one for each problem, at least one; the fewer different ones, the quicker.
        resamples: how many means are drawn, always the same ones.
    """
    import numpy

    counts = sorted(Counter(values).items())
    number = sum(count for _, count in counts)
    shares = numpy.array([count / number for _, count in counts])
    drawn = numpy.random.default_rng(SEED).multinomial(number, shares / shares.sum(), size=resamples)
    means = drawn @ numpy.array([float(value) for value, _ in counts]) / number
    low, high = numpy.percentile(means, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def ratio_interval(pairs: Iterable[tuple[int, int]], resamples: int = RESAMPLES) -> tuple[float, float]:
    """The same for a share of what varies by problem: the sum of the first numbers over the sum of the second.

    Args:
        pairs: (hits, trials) of each problem; a problem without trials counts for nothing.
        resamples: how many shares are drawn.
    """
    import numpy

    counts = sorted(Counter(pair for pair in pairs if pair[1]).items())
    number = sum(count for _, count in counts)
    shares = numpy.array([count / number for _, count in counts])
    drawn = numpy.random.default_rng(SEED).multinomial(number, shares / shares.sum(), size=resamples)
    hits, trials = (drawn @ numpy.array([pair[side] for pair, _ in counts]) for side in (0, 1))
    low, high = numpy.percentile(hits / trials, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """The two-sided p of the exact McNemar test (McNemar 1947): a fair coin over the problems that one alone solved.

    Args:
        only_first: problems that the first alone has right.
        only_second: problems that the second alone has right.
    """
    number, fewer = only_first + only_second, min(only_first, only_second)
    if number == 0:
        return 1.0
    # term by term in logarithms: 2**-n is 0.0 from some thousand on
    tail = math.fsum(
        math.exp(math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) - number * math.log(2))
        for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)
