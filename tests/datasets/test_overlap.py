from __future__ import annotations

import pytest

from lemma.datasets.overlap import GramSet, grams_of

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def test_13_words_are_one_gram_and_what_stands_between_them_does_not_count() -> None:
    assert len(grams_of(WORDS)) == 2
    assert grams_of(WORDS) == grams_of(WORDS.replace(" ", ", \n$"))
    assert grams_of(" ".join(WORDS.split()[:12])) == set()
    assert grams_of("") == set()


def test_the_digests_are_the_same_on_every_machine() -> None:
    assert sorted(grams_of(WORDS)) == [9341398653249855050, 13727092566369838884]


def test_ideographs_are_words_each() -> None:
    assert len(grams_of("小明有三个苹果他又买了五个苹果")) == 3


def test_lone_surrogates_are_words_like_others() -> None:
    assert len(grams_of(WORDS.replace("ten", "\ud800"))) <= 2


def test_a_set_survives_its_bytes() -> None:
    grams = GramSet([5, 2**64 - 1, 0, 5])
    again = GramSet.from_bytes(grams.to_bytes())
    assert len(again) == len(grams) == 3
    assert again.to_bytes() == grams.to_bytes() == bytes(8) + b"\x05" + bytes(7) + b"\xff" * 8
    assert [number in again for number in (0, 1, 5, 6, 2**64 - 1)] == [True, False, True, False, True]
    assert again.share_of({0, 1, 2, 5}) == 0.5
    assert again.share_of(set()) == 0.0
    with pytest.raises(ValueError, match="multiple"):
        GramSet.from_bytes(b"123")
