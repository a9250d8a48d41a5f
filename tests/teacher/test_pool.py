"""The throttle and the pool against simulated endpoints: an exact clock, seeded, hours in a moment."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from lemma.teacher.pool import Pool
from lemma.teacher.throttle import RateLimits, read_limits

TOKENS = 500
Latency = Callable[[random.Random, int, float], float]
"""(source, calls being worked on, time) → seconds."""


class Bucket:
    """An endpoint's own limit: refills continuously."""

    def __init__(self, per_minute: float, burst_s: float) -> None:
        self.limit, self.rate, self.size = per_minute, per_minute / 60, max(1.0, per_minute / 60 * burst_s)
        self.level, self.at = self.size, 0.0

    def missing_s(self, now: float, amount: float) -> float:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        return max(0.0, (amount - self.level) / self.rate)


@dataclass
class Endpoint:
    """One address: works on `slots` calls at once, the others wait their turn."""

    latency: Latency
    slots: int = 1_000_000
    rpm: Bucket | None = None
    tpm: Bucket | None = None
    tells: bool = True
    dead: tuple[float, float] = (math.inf, math.inf)
    working: int = 0
    queue: list[tuple[float, int]] = field(default_factory=list)

    def limits(self) -> RateLimits | None:
        if not self.tells or (self.rpm is None and self.tpm is None):
            return None
        rpm, tpm = self.rpm, self.tpm
        return RateLimits(
            rpm.limit if rpm else None,
            rpm.level if rpm else None,
            tpm.limit if tpm else None,
            tpm.level if tpm else None,
        )


@dataclass
class Outcome:
    """What a simulation came to."""

    answered: int = 0
    throttled: int = 0
    failed: int = 0
    ended_s: float = 0.0
    by_address: dict[str, int] = field(default_factory=dict)

    def rate(self) -> float:
        return self.answered / self.ended_s


def simulate(
    endpoints: dict[str, Endpoint],
    calls: int,
    concurrency: int,
    rpm: float | None = None,
    tpm: float | None = None,
    estimate: float = 1.0,
    until_s: float = math.inf,
) -> Outcome:
    """Keeps a pool busy until so many calls are answered, as the engine does."""
    source = random.Random(1)
    pool = Pool(list(endpoints), concurrency, rpm, tpm)
    order = itertools.count()
    events: list[tuple[float, int, Callable[[], None]]] = []
    outcome = Outcome()
    now, started = 0.0, 0
    wake_at = math.inf

    def later(wait_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(events, (now + wait_s, next(order), what))

    def begin(address: object, server: Endpoint, name: str, began: float, tokens: int, guess: int) -> None:
        if server.dead[0] <= now < server.dead[1]:
            later(0.001, lambda: fail(address))
            return
        for bucket, amount in ((server.rpm, 1.0), (server.tpm, tokens)):
            wait = bucket.missing_s(now, amount) if bucket else 0.0
            if wait > 0:
                later(0.01, lambda wait=wait: refuse(address, server, began, wait))  # type: ignore[misc]
                return
        if server.rpm:
            server.rpm.level -= 1
        if server.tpm:
            server.tpm.level -= tokens
        work = (address, server, name, began, tokens, guess)
        if server.working < server.slots:
            start_work(work)
        else:
            server.queue.append(work)  # type: ignore[arg-type]

    def start_work(work: tuple[object, Endpoint, str, float, int, int]) -> None:
        server = work[1]
        server.working += 1
        later(server.latency(source, server.working + len(server.queue), now), lambda: answer(work))

    def answer(work: tuple[object, Endpoint, str, float, int, int]) -> None:
        address, server, name, began, tokens, guess = work
        server.working -= 1
        if server.queue:
            start_work(server.queue.pop(0))  # type: ignore[arg-type]
        outcome.answered += 1
        outcome.ended_s = now
        outcome.by_address[name] = outcome.by_address.get(name, 0) + 1
        pool.answered(address, now, began, guess, tokens, server.limits())  # type: ignore[arg-type]

    def refuse(address: object, server: Endpoint, began: float, wait: float) -> None:
        nonlocal started
        started -= 1
        outcome.throttled += 1
        pool.throttled(address, now, began, wait, server.limits())  # type: ignore[arg-type]

    def fail(address: object) -> None:
        nonlocal started
        started -= 1
        outcome.failed += 1
        pool.failed(address, now)  # type: ignore[arg-type]

    while outcome.answered < calls and now < until_s:
        while started < calls:
            tokens = max(1, int(source.uniform(0.5, 1.5) * TOKENS))
            guess = int(TOKENS * estimate)
            address = pool.pick(now, guess)
            if address is None:
                wait = pool.wait_s(now, guess)
                if math.isfinite(wait) and now + wait < wake_at - 1e-9:
                    wake_at = now + max(wait, 0.001)
                    later(max(wait, 0.001), lambda: None)
                break
            pool.start(address, now, guess)
            started += 1
            begin(address, endpoints[address.url], address.url, now, tokens, guess)
        assert events, "nothing is in flight and nothing is waited for"
        now, _, event = heapq.heappop(events)
        if now >= wake_at:
            wake_at = math.inf
        event()
    return outcome


def steady(mean_s: float) -> Latency:
    return lambda source, load, now: mean_s


def uniform(mean_s: float) -> Latency:
    return lambda source, load, now: mean_s * source.uniform(0.5, 1.5)


def lognormal(mean_s: float) -> Latency:
    return lambda source, load, now: mean_s * math.exp(source.gauss(-0.5, 1.0))


def one(endpoint: Endpoint) -> dict[str, Endpoint]:
    return {"a": endpoint}


@pytest.mark.parametrize("concurrency", [256, 1024])
def test_an_endpoint_with_room_is_filled_from_the_first_moment(concurrency: int) -> None:
    outcome = simulate(one(Endpoint(steady(1.0))), 40 * concurrency, concurrency)
    assert outcome.ended_s == pytest.approx(40.0, rel=0.001)


@pytest.mark.parametrize(
    ("latency", "share"), [(uniform(1.0), 0.99), (lognormal(1.0), 0.88)], ids=["uniform", "lognormal"]
)
def test_latency_that_varies_by_itself_costs_no_throughput(latency: Latency, share: float) -> None:
    outcome = simulate(one(Endpoint(latency)), 60_000, 256)
    assert outcome.rate() > share * 256  # the end waits for the slowest: with lognormal latency half a minute


def test_an_endpoint_with_fewer_slots_than_calls_is_kept_busy() -> None:
    outcome = simulate(one(Endpoint(uniform(1.0), slots=64)), 10_000, 256)
    assert outcome.rate() > 0.98 * 64


def test_a_slow_start_of_the_server_costs_nothing_afterwards() -> None:
    outcome = simulate(one(Endpoint(lambda source, load, now: 5.0 if now < 30 else 1.0)), 20_000, 256)
    assert outcome.ended_s < 30 + 5 + 20_000 / 256 + 5


def test_an_endpoint_that_thrashes_under_load_is_relieved() -> None:
    def thrashes(source: random.Random, load: int, now: float) -> float:
        return 1.0 if now < 20 or load <= 64 else 1.0 + (load - 64) / 8  # after 20 s it bears 64 calls only

    outcome = simulate(one(Endpoint(thrashes)), 20_000, 256)
    worst = 256 / (1.0 + (256 - 64) / 8)
    rest = (20_000 - 20 * 256) / (outcome.ended_s - 20)
    assert rest > 2 * worst


@pytest.mark.parametrize("burst_s", [1.0, 60.0])
@pytest.mark.parametrize("configured", [600.0, None])
def test_a_limit_of_requests_is_used_and_hardly_ever_met(burst_s: float, configured: float | None) -> None:
    minutes = 10
    endpoint = Endpoint(uniform(1.0), rpm=Bucket(600, burst_s))
    outcome = simulate(one(endpoint), 600 * minutes, 256, rpm=configured)
    assert outcome.rate() * 60 > 0.95 * 600
    allowed = 0.01 if burst_s == 60 or configured else 0.06  # a burst of a second is found by running into it, once
    assert outcome.throttled <= allowed * outcome.answered


@pytest.mark.parametrize("estimate", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("configured", [60_000.0, None])
def test_a_limit_of_tokens_is_used_and_hardly_ever_met(estimate: float, configured: float | None) -> None:
    endpoint = Endpoint(uniform(1.0), tpm=Bucket(60_000, 60))
    outcome = simulate(one(endpoint), 1200, 256, tpm=configured, estimate=estimate)
    assert outcome.rate() * 60 * TOKENS > 0.95 * 60_000
    # nobody tells a limit before the first answers: one window may run into it, once
    assert outcome.throttled <= (0.01 * outcome.answered if configured else 256)


def test_a_limit_that_is_lower_than_configured_is_found() -> None:
    endpoint = Endpoint(uniform(1.0), rpm=Bucket(420, 1.0))
    outcome = simulate(one(endpoint), 420 * 10, 256, rpm=600)
    assert outcome.rate() * 60 > 0.93 * 420
    assert outcome.throttled <= 0.06 * outcome.answered


def test_retry_after_holds_all_calls_to_the_address_back() -> None:
    pool = Pool(["a"], 8)
    address = pool.pick(0.0, 1)
    assert address is not None
    pool.start(address, 0.0, 1)
    pool.throttled(address, 0.1, 0.0, 5.0, None)
    assert pool.pick(5.0, 1) is None
    assert pool.wait_s(1.0, 1) == pytest.approx(4.1)
    assert pool.pick(5.2, 1) is address


def test_one_of_three_addresses_dies_and_comes_back() -> None:
    endpoints = {name: Endpoint(uniform(1.0), slots=64) for name in "abc"}
    endpoints["c"].dead = (30.0, 60.0)
    outcome = simulate(endpoints, 12_000, 192)
    best = 12_000 / 192 + 30 / 3  # a third of the work of half a minute is done by the others' free slots, or later
    assert outcome.ended_s < 1.15 * best
    assert outcome.failed < 400  # what was under way is answered still, which looks like health
    assert min(outcome.by_address.values()) > 2000


def test_a_straggler_gets_less_to_do() -> None:
    endpoints = {"a": Endpoint(uniform(1.0)), "b": Endpoint(uniform(1.0)), "slow": Endpoint(uniform(5.0))}
    outcome = simulate(endpoints, 20_000, 192)
    assert outcome.by_address["slow"] < 0.2 * outcome.by_address["a"]
    assert outcome.rate() > 0.8 * 192


def test_a_single_address_that_fails_is_never_given_up_by_the_pool() -> None:
    pool = Pool(["a"], 1)
    for second in range(50):
        address = pool.pick(float(second), 1)
        assert address is not None
        pool.start(address, float(second), 1)
        pool.failed(address, second + 0.5)


def test_headers_of_limits_are_read_and_garbage_is_not() -> None:
    headers = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "599"}
    assert read_limits(headers) == RateLimits(600.0, 599.0, None, None)
    assert read_limits({}) is None
    odd = {"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "nan"}
    assert read_limits(odd) == RateLimits(None, None, None, None)
