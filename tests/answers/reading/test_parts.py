from __future__ import annotations

from lemma.answers.reading.parts import MAX_DEPTH, PartReader
from lemma.answers.values import Unread, Value


def test_a_part_is_read_one_level_deeper_and_a_shallow_one_near_the_limit() -> None:
    def read(text: str, depth: int) -> Value:
        return Unread(f"{text} at {depth}")

    read_part = PartReader(read, 3)
    assert read_part("x") == Unread("x at 4")
    assert read_part.shallow("x") == Unread(f"x at {MAX_DEPTH - 1}")
