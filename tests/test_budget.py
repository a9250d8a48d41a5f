"""The budget: whatever calls cost and in whatever order they end, a limit is exceeded by one reply at most."""

from __future__ import annotations

import heapq
import random

import pytest

from lemma.budget import Budget, Reservation, Spent, cost_usd
from lemma.config import Prices
from lemma.configfile import parse_config
from lemma.errors import ConfigError
from lemma.stages.base import Usage

PRICES = Prices(input_usd_per_mtok=2.5, cached_input_usd_per_mtok=1.25, output_usd_per_mtok=10)


def limited(max_cost_usd: float | None = None, max_tokens: int | None = None, spent: Spent | None = None) -> Budget:
    return Budget(max_cost_usd, max_tokens, PRICES, spent or Spent())


# ── prices ──


def test_cached_input_is_priced_by_itself() -> None:
    assert cost_usd(Usage(1_000_000, 400_000, 100_000), PRICES) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25 + 1.0)


def test_cached_input_without_a_price_of_its_own_costs_the_full_one() -> None:
    prices = Prices(input_usd_per_mtok=2, output_usd_per_mtok=0)
    assert cost_usd(Usage(1_000_000, 900_000, 5), prices) == pytest.approx(2.0)


@pytest.mark.parametrize("known", [{"input_usd_per_mtok": 1}, {"output_usd_per_mtok": 1}, {}])
def test_an_unknown_price_is_unknown_and_not_0(known: dict[str, float]) -> None:
    assert cost_usd(Usage(1, 0, 1), Prices(**known)) is None


# ── one call after the other ──


def test_without_a_limit_every_call_may_go() -> None:
    budget = limited()
    for _ in range(100):
        call = budget.reserve(10**9, 10**9)
        assert call is not None
        budget.settle(call, Usage(10**9, 0, 10**9))
    assert not budget.is_exhausted


def test_a_call_that_does_not_fit_beside_those_in_flight_waits() -> None:
    budget = limited(max_tokens=1000)
    first = budget.reserve(400, 700)
    assert first is not None
    assert budget.reserve(400, 700) is None
    assert not budget.is_exhausted  # one is in flight: it may turn out cheap
    budget.settle(first, Usage(100, 0, 50))
    assert budget.reserve(400, 600) is not None


def test_the_last_call_may_go_alone_while_anything_is_left() -> None:
    budget = limited(max_tokens=1000, spent=Spent(tokens=999))
    call = budget.reserve(400, 700)
    assert call is not None
    budget.settle(call, Usage(100, 0, 300))
    assert budget.is_exhausted
    assert budget.reserve(1, 1) is None


def test_a_failed_call_costs_nothing() -> None:
    budget = limited(max_cost_usd=0.01)
    for _ in range(50):
        call = budget.reserve(2000, 2048)
        assert call is not None
        budget.settle(call, None)
    assert (budget.tokens, budget.cost_usd, budget.in_flight) == (0, 0.0, 0)


def test_what_was_spent_before_counts() -> None:
    assert limited(max_cost_usd=5.0, spent=Spent(10, 5.0)).is_exhausted
    assert limited(max_tokens=10, spent=Spent(10, 0.0)).is_exhausted
    assert not limited(max_cost_usd=5.0, max_tokens=11, spent=Spent(10, 4.99)).is_exhausted


def test_a_cautious_guess_gives_way_to_what_was_seen() -> None:
    budget = limited(max_tokens=10**9)
    for number in range(40):
        call = budget.reserve(1000, 0)
        assert call is not None
        assert call.tokens == (501 if number < 32 else 251)
        budget.settle(call, Usage(250, 0, 0))
    dense = budget.reserve(1000, 0)
    assert dense is not None
    budget.settle(dense, Usage(900, 0, 0))
    following = budget.reserve(1000, 0)
    assert following is not None
    assert following.tokens == 901


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        (
            limited(max_cost_usd=5, spent=Spent(1, 5.012)),
            "the budget is reached: $5.01 of budget.max_cost_usd 5.00; raise it with --set budget.max_cost_usd=10.02",
        ),
        (
            limited(max_tokens=1000, max_cost_usd=5, spent=Spent(1000, 1.0)),
            "the budget is reached: 1000 of budget.max_tokens 1000 tokens; raise it with --set budget.max_tokens=2000",
        ),
    ],
)
def test_the_line_names_the_limit_that_was_reached_and_one_that_goes_on(budget: Budget, line: str) -> None:
    assert budget.is_exhausted
    assert budget.line() == line


# ── many at once ──


def simulate(budget: Budget, source: random.Random, concurrency: int) -> float:
    """Calls that end in any order, until the budget is exhausted; returns the dearest reply's cost."""
    flying: list[tuple[float, int, Reservation, Usage | None]] = []
    now, number, dearest = 0.0, 0, 0.0
    while True:
        chars, cap = source.randint(500, 6000), source.choice([64, 1024, 2048])
        call = budget.reserve(chars, cap) if len(flying) < concurrency else None
        if call is not None:
            output = cap if source.random() < 0.5 else source.randint(1, cap)
            sent = int(chars * source.uniform(0.2, 0.33))
            usage = None if source.random() < 0.1 else Usage(sent, source.randint(0, sent), output)
            number += 1
            heapq.heappush(flying, (now + source.expovariate(1.0), number, call, usage))
            continue
        if not flying:
            assert budget.is_exhausted
            return dearest
        now, _, call, usage = heapq.heappop(flying)
        budget.settle(call, usage)
        if usage is not None:
            dearest = max(dearest, cost_usd(usage, PRICES) or 0.0)


@pytest.mark.parametrize("seed", range(40))
def test_a_limit_is_used_up_and_exceeded_by_one_reply_at_most(seed: int) -> None:
    source = random.Random(seed)
    limit = source.choice([0.05, 0.5, 2.0])
    budget = limited(max_cost_usd=limit, spent=Spent(0, source.choice([0.0, 0.9 * limit])))
    dearest = simulate(budget, source, concurrency=source.choice([1, 16, 256]))
    assert limit <= budget.cost_usd <= limit + dearest
    assert budget.in_flight == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_limit_of_tokens_is_used_up_and_exceeded_by_one_reply_at_most(seed: int) -> None:
    budget = limited(max_tokens=200_000)
    simulate(budget, random.Random(seed), concurrency=64)
    assert 200_000 <= budget.tokens <= 200_000 + 6000 * 0.33 + 2048


# ── configuration ──


def config_tree(**more: object) -> dict[str, object]:
    return {"data": [{"dataset": "gsm8k", "path": "x.jsonl"}], "budget": {"max_cost_usd": 5}} | more


def test_a_limit_in_dollars_needs_the_prices_of_every_role_that_is_asked() -> None:
    priced = {"backend": "openai", "model": "m", "prices": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}}
    half = {"backend": "openai", "model": "m", "prices": {"input_usd_per_mtok": 1}}
    with pytest.raises(ConfigError, match=r"`budget` .*teacher\.prices\.output_usd_per_mtok .*max_tokens"):
        parse_config(config_tree(teacher=half), "c.yaml")
    with pytest.raises(ConfigError, match=r"student\.prices\.input_usd_per_mtok"):
        parse_config(config_tree(teacher=priced, student={"model": "s"}), "c.yaml")
    assert parse_config(config_tree(teacher=priced), "c.yaml").budget.max_cost_usd == 5
    assert parse_config(config_tree(), "c.yaml").budget.max_cost_usd == 5  # the rules cost nothing


@pytest.mark.parametrize("budget", [{"max_cost_usd": 0}, {"max_tokens": -1}, {"max_tokens": 1.5}, {"max_usd": 3}])
def test_a_limit_that_is_none_is_refused(budget: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="budget"):
        parse_config(config_tree(budget=budget), "c.yaml")


def test_the_budget_is_operational() -> None:
    few, many = (parse_config(config_tree(budget={"max_tokens": number}), "c") for number in (1, 2))
    assert few.content() == many.content()


# ── shares ──


def spend(budget: Budget, cap: int, used: int) -> int:
    """Calls one after the other until no more may go; returns the tokens they used."""
    before = budget.tokens
    while (call := budget.reserve(0, cap)) is not None:
        budget.settle(call, Usage(0, 0, used))
    assert budget.is_exhausted
    return budget.tokens - before


def test_shares_keep_within_their_limit_and_the_last_one_takes_one_reply_more() -> None:
    whole = limited(max_tokens=1000, spent=Spent(100))
    parts = [spend(whole.share(3), cap=70, used=40) for _ in range(3)]
    assert all(300 - 70 < part <= 300 for part in parts)
    rest = limited(max_tokens=1000, spent=Spent(100 + sum(parts)))
    assert 0 <= 100 + sum(parts) + spend(rest.share(1), cap=70, used=40) - 1000 < 40


def test_what_others_may_still_spend_is_not_shared_out_again() -> None:
    whole = limited(max_cost_usd=1.0, max_tokens=1000)
    share = whole.share(1, tokens=700, cost_usd=0.5)
    assert share.left() == (300, 0.5)
    assert spend(share, cap=200, used=200) == 200  # and not one reply more: others are at work


def test_a_share_that_could_not_be_used_is_not_exhausted_while_a_call_may_turn_out_cheap() -> None:
    share = limited(max_tokens=2000).share(2)
    first = share.reserve(0, 900)
    assert first is not None
    assert share.reserve(0, 900) is None
    assert not share.is_exhausted
    share.settle(first, Usage(0, 0, 10))
    assert share.reserve(0, 900) is not None
