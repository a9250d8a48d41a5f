"""How long a failed call waits."""

from __future__ import annotations

import random

import pytest

from lemma.teacher.base import CallFailed
from lemma.teacher.retry import MAX_WAIT_S, RetryPolicy

FAILED = CallFailed("status 500")


@pytest.mark.parametrize(("failures", "least_s"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (7, 32), (8, MAX_WAIT_S)])
def test_pauses_double_from_half_a_second_to_a_minute(failures: int, least_s: float) -> None:
    policy = RetryPolicy(random.Random(0))
    waits = [policy.wait_s(failures, FAILED) for _ in range(200)]
    assert least_s <= min(waits) < max(waits) < 1.5 * least_s


def test_calls_that_failed_together_do_not_come_back_together() -> None:
    policy = RetryPolicy(random.Random(0))
    assert len({policy.wait_s(3, FAILED) for _ in range(100)}) == 100


def test_failures_without_end_wait_no_longer_and_overflow_nothing() -> None:
    assert RetryPolicy(random.Random(0)).wait_s(100_000, FAILED) < 1.5 * MAX_WAIT_S


def test_what_the_endpoint_asks_for_counts_where_it_is_longer() -> None:
    policy = RetryPolicy(random.Random(0))
    assert policy.wait_s(1, CallFailed("slow down", True, retry_after_s=500)) == 500
    assert policy.wait_s(8, CallFailed("slow down", True, retry_after_s=5)) >= MAX_WAIT_S
    assert policy.wait_s(1, CallFailed("slow down", True, retry_after_s=0)) >= 0.5


def test_pauses_never_touch_the_random_numbers_that_others_draw() -> None:
    random.seed(5)
    expected = random.Random(5).random()
    RetryPolicy().wait_s(3, FAILED)
    assert random.random() == expected
