from __future__ import annotations

import pytest

from lemma.audit.figures import Counts, agreement, cohens_kappa, consensus, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 100, 0.0, 0.03699349820698569),
        (1, 100, 0.001767432064140647, 0.05448619617870533),
        (12, 100, 0.06999406437019488, 0.19812099426711421),
        (50, 100, 0.4038315303659956, 0.5961684696340044),
        (100, 100, 0.9630065017930143, 1.0),
        (3, 7, 0.15821985525146964, 0.7495416354723428),
        (0, 1, 0.0, 0.7934506856227627),
        (17, 93, 0.1173789608545508, 0.2733778418776253),
    ],
)
def test_wilson_intervals_are_those_of_statsmodels(successes: int, trials: int, low: float, high: float) -> None:
    # statsmodels 0.15.0, statsmodels.stats.proportion.proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[44, 5, 1], [7, 20, 4], [9, 5, 5]], 0.47278911564625836),
        ([[45, 15], [25, 15]], 0.13043478260869554),
    ],
)
def test_kappa_is_that_of_statsmodels(table: list[list[int]], kappa: float) -> None:
    # statsmodels 0.15.0, statsmodels.stats.inter_rater.cohens_kappa(table).kappa; the first is also Wikipedia's example
    words = ("yes", "no", "unsure")
    pairs = [
        (words[row], words[column])
        for row, counts in enumerate(table)
        for column, count in enumerate(counts)
        for _ in range(count)
    ]
    assert cohens_kappa(pairs) == pytest.approx(kappa, abs=1e-12)


def test_kappa_is_undefined_where_both_always_say_the_same_one_thing() -> None:
    assert cohens_kappa([("yes", "yes")] * 9) is None
    assert cohens_kappa([("yes", "no")] * 9) == 0.0


def test_unsure_counts_apart_from_the_label_error() -> None:
    counts = Counts(yes=88, no=12, unsure=900)
    assert counts.error == 0.12
    assert counts.interval == wilson(12, 100)
    assert (Counts(unsure=3).error, Counts(unsure=3).interval) == (None, None)


def test_agreement_of_two_is_over_the_rows_both_judged() -> None:
    one = {"a": "yes", "b": "no", "c": "yes", "d": "unsure"}
    other = {"b": "no", "c": "no", "d": "unsure", "e": "yes"}
    found = agreement({"anna": one, "bob": other})
    assert found is not None
    assert found.rows == 3
    assert found.share == pytest.approx(2 / 3)
    assert found.kappa == cohens_kappa([("no", "no"), ("yes", "no"), ("unsure", "unsure")])
    assert agreement({"anna": one}) is None
    assert agreement({"anna": {"a": "yes"}, "bob": {"b": "yes"}}) is None


def test_agreement_of_more_is_the_mean_over_pairs() -> None:
    anna = {"a": "yes", "b": "no", "c": "yes", "d": "no"}
    bob = {"a": "yes", "b": "no", "c": "no", "d": "no"}
    cleo = {"a": "yes", "b": "yes"}
    found = agreement({"anna": anna, "bob": bob, "cleo": cleo})
    assert found is not None
    assert found.rows == 4
    assert found.share == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    pairs = [
        [(x[row], y[row]) for row in sorted(x.keys() & y.keys())] for x, y in ((anna, bob), (anna, cleo), (bob, cleo))
    ]
    kappas = [kappa for pair in pairs if (kappa := cohens_kappa(pair)) is not None]
    assert found.kappa == pytest.approx(sum(kappas) / len(kappas))


def test_what_most_say_counts_and_as_many_yes_as_no_is_disputed() -> None:
    assert consensus(["no"]) == "no"
    assert consensus(["yes", "no", "no"]) == "no"
    assert consensus(["yes", "no"]) == "disputed"
    assert consensus(["unsure", "no", "yes"]) == "disputed"
    assert consensus(["yes", "unsure"]) == "unsure"
    assert consensus(["no", "unsure", "no", "unsure", "yes"]) == "unsure"
