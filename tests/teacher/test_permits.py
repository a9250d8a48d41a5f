from __future__ import annotations

import math

import pytest

from lemma.teacher.permits import BURST_S, LAPSE_S, PATIENCE_S, LeasedThrottle, SharedLimit, SharedPool, Wish
from lemma.teacher.throttle import Throttle


class Endpoint:
    """A limit that nobody is told of: what it lets through, in seconds of a simulated clock."""

    def __init__(self, per_minute: float, burst_s: float) -> None:
        self.rate = per_minute / 60
        self.size = max(1.0, self.rate * burst_s)
        self.level = self.size
        self.at = 0.0
        self.passed = self.turned_away = 0

    def call(self, now: float) -> bool:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            self.turned_away += 1
            return False
        self.level -= 1
        self.passed += 1
        return True


def simulate(told: float, endpoint: Endpoint, workers: int = 4, seconds: float = 120) -> float:
    """Workers that call whenever they have a permit; returns the share of the endpoint's limit that they used."""
    limit = SharedLimit(told, None, 0.0)
    turned_away = [0] * workers
    now = begun = 0.0
    before = 0
    while now < seconds + 20:
        now += 0.005
        if not begun and now >= 20:
            begun, before = now, endpoint.passed
            endpoint.turned_away = 0
        for worker in range(workers):
            wish = Wish(8, 100, throttled=turned_away[worker])
            turned_away[worker] = 0
            limit.hear(wish, now)
            for _ in range(limit.take(wish, now)):
                turned_away[worker] += not endpoint.call(now)
    return (endpoint.passed - before) / (endpoint.rate * (now - begun))


def test_a_shared_limit_is_used_and_never_exceeded() -> None:
    endpoint = Endpoint(6000, burst_s=1)
    assert simulate(6000, endpoint) >= 0.97
    assert endpoint.turned_away == 0


@pytest.mark.parametrize("burst_s", [0.5, 2, 5])
def test_the_rate_is_found_where_the_endpoint_takes_less_than_was_told(burst_s: float) -> None:
    endpoint = Endpoint(4200, burst_s)
    assert simulate(6000, endpoint) >= 0.95
    assert endpoint.turned_away <= 0.01 * endpoint.passed


def test_permits_come_in_small_batches_and_are_not_saved_up() -> None:
    limit = SharedLimit(6000, None, 0.0)
    assert limit.take(Wish(1000, 1), 0.0) == int(100 * BURST_S)
    assert limit.take(Wish(1000, 1), 0.001) == 0
    assert limit.wait_s(Wish(1000, 1), 0.001) == pytest.approx(0.049)
    assert limit.take(Wish(1000, 1), 60.0) == int(100 * BURST_S)


def test_a_slow_limit_gives_one_permit_at_a_time() -> None:
    limit = SharedLimit(30, None, 0.0)
    assert limit.take(Wish(5, 1), 0.0) == 1
    assert limit.wait_s(Wish(5, 1), 0.0) == pytest.approx(2.0)


def test_the_rate_is_cut_once_a_second_however_many_calls_are_turned_away() -> None:
    limit = SharedLimit(6000, None, 0.0)
    for _ in range(50):
        limit.hear(Wish(1, 1, throttled=3), 10.0)
    assert limit.share == pytest.approx(0.85)
    limit.hear(Wish(1, 1, throttled=1), 11.5)
    assert limit.share == pytest.approx(0.85 * 0.85, rel=0.03)
    limit.hear(Wish(1, 1), 500.0)
    assert limit.share == 1.0


def test_tokens_that_calls_used_beyond_what_was_leased_are_paid_back() -> None:
    limit = SharedLimit(None, 60_000, 0.0)  # 1,000 tokens a second
    assert limit.take(Wish(1, 1000), 0.0) == 1  # more than the burst: it goes, and the next waits
    assert limit.take(Wish(1, 1000), 0.95) == 0
    assert limit.take(Wish(1, 1000), 1.01) == 1
    limit.hear(Wish(1, 1000, owed_tokens=2000), 1.02)
    assert limit.wait_s(Wish(1, 1000), 1.02) == pytest.approx(2.99, abs=0.02)


def leased() -> tuple[LeasedThrottle, list[Wish]]:
    wishes: list[Wish] = []
    return LeasedThrottle(8, lambda throttle, wish: wishes.append(wish)), wishes


def test_a_wish_is_sent_once_and_permits_are_used_up() -> None:
    throttle, wishes = leased()
    assert not throttle.has_permit(0.0, 50)
    assert not throttle.has_permit(0.1, 50)
    assert wishes == [Wish(8, 50)]
    throttle.granted(2, 0.2)
    for _ in range(2):
        assert throttle.has_permit(0.2, 50)
        throttle.start(0.2, 60)
    assert not throttle.has_permit(0.3, 50)
    assert wishes[1] == Wish(6, 50, owed_tokens=20)


def test_a_permit_that_is_not_used_lapses() -> None:
    throttle, wishes = leased()
    throttle.has_permit(0.0, 1)
    throttle.granted(5, 0.0)
    assert not throttle.has_permit(LAPSE_S + 0.1, 1)
    assert len(wishes) == 2


def test_a_call_that_is_turned_away_is_told_and_leaves_the_window_as_it_is() -> None:
    throttle, wishes = leased()
    throttle.has_permit(0.0, 1)
    throttle.granted(1, 0.0)
    throttle.start(0.0, 1)
    throttle.throttled(0.5, 0.0, 0.25, None)
    assert throttle.window == 8
    assert throttle.in_flight == 0
    assert throttle.wait_s(0.5, 1) == 0.25  # Retry-After is obeyed
    throttle.has_permit(1.0, 1)
    assert wishes[1].throttled == 1


def test_a_worker_calls_its_own_address_first() -> None:
    pool = SharedPool(["a", "b", "c"], 8, frozenset({1}))
    for _ in range(8):
        address = pool.pick(0.0, 1)
        assert address is not None
        assert address.url == "b"
        pool.start(address, 0.0, 1)
    assert pool.pick(0.0, 1) is None
    assert pool.wait_s(0.0, 1) == math.inf


def test_a_worker_goes_elsewhere_while_its_own_address_is_sick() -> None:
    pool = SharedPool(["a", "b"], 8, frozenset({0}))
    for _ in range(5):
        address = pool.pick(0.0, 1)
        assert address is not None
        pool.start(address, 0.0, 1)
        pool.failed(address, 0.0)
    other = pool.pick(0.1, 1)
    assert other is not None
    assert other.url == "b"


def test_permits_of_another_address_are_asked_for_only_where_its_own_keep_it_waiting() -> None:
    wishes: list[int] = []
    pool = SharedPool(["a", "b"], 8, frozenset({0}), lambda number, throttle, wish: wishes.append(number))
    assert pool.pick(0.0, 1) is None
    assert 0 < pool.wait_s(0.0, 1) < PATIENCE_S
    assert wishes == [0]
    assert pool.pick(2 * PATIENCE_S, 1) is None
    assert wishes == [0, 1]
    other = pool.addresses[1].throttle
    assert isinstance(other, LeasedThrottle)
    other.granted(3, 2 * PATIENCE_S)
    address = pool.pick(2 * PATIENCE_S, 1)
    assert address is not None
    assert address.url == "b"


def test_without_limits_nobody_is_asked_for_permits() -> None:
    pool = SharedPool(["a"], 2, frozenset({0}))
    assert type(pool.addresses[0].throttle) is Throttle
    assert pool.pick(0.0, 1) is not None
