from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lemma.stages.rounds import Slot, plan_round

TARGET = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}


def slots(num: int) -> list[Slot]:
    return [Slot(f"p-{number}/0") for number in range(num)]


@given(st.integers(0, 300), st.integers(0, 50))
def test_the_draws_follow_the_target_by_largest_remainder(num: int, seed: int) -> None:
    counts = Counter(plan_round(TARGET, slots(num), seed=seed))
    assert all(abs(counts[name] - num * share) <= 2 for name, share in TARGET.items())


def test_more_problems_never_change_the_draws_before() -> None:
    assert plan_round(TARGET, slots(500), seed=3)[:123] == plan_round(TARGET, slots(123), seed=3)


def test_another_seed_gives_other_draws() -> None:
    assert plan_round(TARGET, slots(50), seed=1) != plan_round(TARGET, slots(50), seed=2)
    assert plan_round(TARGET, slots(50), seed=1) == plan_round(TARGET, slots(50), seed=1)


def test_what_was_kept_counts_and_is_not_asked_for_again() -> None:
    first = plan_round(TARGET, slots(100), seed=0)
    # every "a" failed: the second round asks for what is short, "a" among all
    kept = [Slot(f"p-{number}/0", kept=None if name == "a" else name) for number, name in enumerate(first)]
    second = plan_round(TARGET, kept, seed=0)
    assert all((drawn is None) == (slot.kept is not None) for drawn, slot in zip(second, kept, strict=True))
    total = Counter(drawn or slot.kept for drawn, slot in zip(second, kept, strict=True))
    assert all(abs(total[name] - 100 * share) <= 3 for name, share in TARGET.items())


def test_a_declined_type_is_not_asked_of_the_same_slot() -> None:
    stubborn = [Slot(f"p-{number}/0", declined=frozenset({"a", "b"})) for number in range(40)]
    assert set(plan_round(TARGET, stubborn, seed=0)) == {"c", "d"}


def test_a_slot_that_declined_everything_is_closed() -> None:
    closed = [Slot("p-0/0", declined=frozenset(TARGET)), *slots(3)]
    drawn = plan_round(TARGET, closed, seed=0)
    assert drawn[0] is None
    assert None not in drawn[1:]


def test_a_type_without_a_share_is_never_drawn() -> None:
    assert set(plan_round({"a": 3, "b": 0}, slots(20), seed=0)) == {"a"}
