from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.stages.rounds import MAX_ROUNDS, Slot, plan_round

TARGET = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}


def slots(num: int) -> list[Slot]:
    return [Slot(f"p-{number}/0") for number in range(num)]


def play(
    target: Mapping[str, float], chances: Mapping[str, float], num: int, seed: int
) -> tuple[list[Slot], list[list[str | None]]]:
    """All rounds, with a teacher whose mistakes of a type are kept by chance; the same for a slot, type and round."""
    now, plans = slots(num), []
    for number in range(1, MAX_ROUNDS + 1):
        plans.append(plan_round(target, now, seed=seed, number=number))
        for place, name in enumerate(plans[-1]):
            if name is None:
                continue
            if random.Random(f"{seed}/{place}/{name}/{number}").random() < chances.get(name, 1.0):
                now[place] = replace(now[place], kept=name)
            else:
                now[place] = replace(now[place], failed=(*now[place].failed, name))
    return now, plans


@given(st.integers(0, 300), st.integers(0, 50))
def test_where_all_is_kept_the_types_follow_the_target_by_largest_remainder(num: int, seed: int) -> None:
    filled, plans = play(TARGET, {}, num, seed)
    counts = Counter(slot.kept for slot in filled)
    assert all(abs(counts[name] - num * share) <= 2 for name, share in TARGET.items())
    assert sum(name is not None for plan in plans for name in plan) == num


@pytest.mark.parametrize("share", [0.05, 0.15, 0.3, 0.45])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_type_that_is_rejected_more_often_than_not_is_kept_in_its_share_all_the_same(share: float, seed: int) -> None:
    target = {"hard": share, "b": 0.6 * (1 - share), "c": 0.3 * (1 - share), "d": 0.1 * (1 - share)}
    filled, plans = play(target, {"hard": 0.4}, 2000, seed)
    kept = Counter(slot.kept for slot in filled if slot.kept is not None)
    assert kept.total() >= 1998
    assert sum(abs(kept[name] / kept.total() - target[name]) for name in target) / 2 <= 0.02
    # as many asks as it takes: one for each easy one, 1 / 0.4 for each hard one
    asks = sum(name is not None for plan in plans for name in plan)
    assert asks < 1.1 * 2000 * (1 - share + share / 0.4)


def test_more_problems_never_change_the_draws_before() -> None:
    _, many = play(TARGET, {"b": 0.4}, 500, 3)
    _, few = play(TARGET, {"b": 0.4}, 123, 3)
    assert [plan[:123] for plan in many] == few


def test_another_seed_gives_other_draws() -> None:
    assert plan_round(TARGET, slots(50), seed=1, number=2) != plan_round(TARGET, slots(50), seed=2, number=2)
    assert plan_round(TARGET, slots(50), seed=1, number=2) == plan_round(TARGET, slots(50), seed=1, number=2)


def test_what_was_kept_counts_and_is_not_asked_for_again() -> None:
    names = ["b", "b", "b", "c", "d"] * 20
    kept = [Slot(f"p-{number}/0", kept=name if number % 2 else None) for number, name in enumerate(names)]
    second = plan_round(TARGET, kept, seed=0, number=2)
    assert all((drawn is None) == (slot.kept is not None) for drawn, slot in zip(second, kept, strict=True))
    # half of the slots hold none of "a", which is to be half of all
    assert Counter(second)["a"] >= 45


def test_the_first_round_asks_a_quarter_and_so_learns_what_is_hard() -> None:
    first = plan_round(TARGET, slots(200), seed=0, number=1)
    assert sum(name is not None for name in first) == 50


def test_the_last_round_fills_with_what_is_kept_most_surely() -> None:
    asked = [Slot(f"p-{number}/0", failed=("a", "a", "b")) for number in range(50)]
    done = [Slot(f"p-{number}/0", kept="c") for number in range(50, 60)]
    assert "a" not in plan_round(TARGET, done + asked, seed=0, number=MAX_ROUNDS)


def test_a_declined_type_is_not_asked_of_the_same_slot() -> None:
    stubborn = [Slot(f"p-{number}/0", declined=frozenset({"a", "b"})) for number in range(40)]
    assert set(plan_round(TARGET, stubborn, seed=0, number=2)) == {"c", "d"}


def test_a_slot_that_declined_everything_is_closed() -> None:
    closed = [Slot("p-0/0", declined=frozenset(TARGET)), *slots(3)]
    drawn = plan_round(TARGET, closed, seed=0, number=2)
    assert drawn[0] is None
    assert None not in drawn[1:]


def test_a_type_without_a_share_is_never_drawn() -> None:
    assert set(plan_round({"a": 3, "b": 0}, slots(20), seed=0, number=2)) == {"a"}
