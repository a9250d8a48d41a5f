from __future__ import annotations

import random
import tracemalloc

import pytest

from lemma.exports.digests import DigestSet, digest64, kth_smallest, normalised


def test_white_space_is_levelled_and_signs_are_not() -> None:
    assert normalised(" a\t b\r\n\u2003c ") == "a b c"
    assert normalised("e\u0301") == normalised("\u00e9")
    assert len({normalised(text) for text in ("x+1", "x-1", "X+1", "x + 1", "x²")}) == 5


def test_a_digest_tells_where_one_text_ends_and_the_next_begins() -> None:
    assert digest64("ab", "c") != digest64("a", "bc")
    assert 1 <= digest64("\ud800") < 2**64


def test_the_set_agrees_with_a_plain_set_also_when_it_grows() -> None:
    draw = random.Random(0)
    # small numbers collide in their low bits, which is what addresses a slot
    values = [
        draw.choice([draw.randrange(1, 5000), draw.randrange(1, 2**64), draw.randrange(1, 90) << 40])
        for _ in range(20_000)
    ]
    ours, plain = DigestSet(), set[int]()
    for value in values:
        assert (value in ours) == (value in plain)
        assert ours.add(value) == (value not in plain)
        plain.add(value)
    assert len(ours) == len(plain)
    assert all(value in ours for value in plain)


@pytest.mark.slow
def test_a_hundred_thousand_digests_need_less_than_four_megabytes() -> None:
    tracemalloc.start()
    try:
        digests = DigestSet()
        for number in range(100_000):
            digests.add(digest64(str(number)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(digests) == 100_000
    assert peak_bytes < 4e6


@pytest.mark.parametrize("k", [1, 2, 500, 999, 1000])
def test_kth_smallest_is_that_of_the_sorted_list(k: int) -> None:
    draw = random.Random(k)
    values = [draw.randrange(1, 2**64) for _ in range(990)] + list(range(1, 11))
    assert kth_smallest(values, values, k) == sorted(values)[k - 1]
