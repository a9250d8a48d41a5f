"""The intervals against scipy's, which are another's work."""

from __future__ import annotations

from fractions import Fraction

import numpy
import pytest
from scipy import stats  # type: ignore[import-untyped]

from lemma.evaluate.intervals import bootstrap_mean, mcnemar_exact, ratio_interval, wilson

CLOSE = 0.006
"""Two bootstraps draw differently: of 10,000 means each, on a hundred problems and more, this is far outside."""


@pytest.mark.parametrize(("hits", "trials"), [(0, 7), (7, 7), (1, 20), (13, 20), (1044, 1319), (2, 5000)])
def test_wilson_is_that_of_scipy(hits: int, trials: int) -> None:
    reference = stats.binomtest(hits, trials).proportion_ci(method="wilson")
    assert wilson(hits, trials) == pytest.approx((reference.low, reference.high), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (3, 12), (12, 3), (5, 5), (40, 61), (900, 1000), (0, 3000)]
)
def test_mcnemar_is_the_binomial_test_of_scipy(first: int, second: int) -> None:
    number = first + second
    reference = stats.binomtest(min(first, second), number, 0.5).pvalue if number else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(reference, rel=1e-9, abs=1e-300)


def test_the_bootstrap_of_a_mean_is_that_of_scipy() -> None:
    random = numpy.random.default_rng(7)
    values = [Fraction(int(right), 4) for right in random.binomial(4, random.beta(2, 3, size=300))]
    reference = stats.bootstrap(
        ([float(value) for value in values],), numpy.mean, method="percentile", n_resamples=10_000, random_state=1
    ).confidence_interval
    assert bootstrap_mean(values) == pytest.approx((reference.low, reference.high), abs=CLOSE)


def test_the_bootstrap_of_a_share_draws_problems_and_not_replies() -> None:
    random = numpy.random.default_rng(8)
    trials = random.integers(1, 6, size=200)
    pairs = [(int(random.binomial(number, 0.4)), int(number)) for number in trials]
    hits = numpy.array([pair[0] for pair in pairs])
    reference = stats.bootstrap(
        (hits, trials),
        lambda one, other, axis: one.sum(axis=axis) / other.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        random_state=1,
    ).confidence_interval
    assert ratio_interval(pairs) == pytest.approx((reference.low, reference.high), abs=CLOSE)


def test_copies_of_a_reply_make_nothing_surer() -> None:
    once = [(1, 1)] * 60 + [(0, 1)] * 40
    eight_times = [(8, 8)] * 60 + [(0, 8)] * 40
    assert ratio_interval(once) == pytest.approx(ratio_interval(eight_times), abs=1e-12)


def test_an_interval_is_the_same_each_time() -> None:
    values = [Fraction(1, 3)] * 10 + [Fraction(1)] * 5
    assert bootstrap_mean(values) == bootstrap_mean(list(reversed(values)))
