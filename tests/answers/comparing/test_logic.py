from __future__ import annotations

import pytest

from lemma.answers.comparing.logic import either, every


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [(False, True, True), (None, True, True), (False, False, False), (None, False, None), (False, None, None)],
)
def test_either_is_open_only_where_none_is_true(first: bool | None, second: bool | None, result: bool | None) -> None:
    assert either(first, lambda: second) is result


def test_either_asks_no_second_where_the_first_is_true() -> None:
    def second() -> bool:
        raise AssertionError

    assert either(True, second) is True


@pytest.mark.parametrize(
    ("found", "result"), [([], True), ([True, True], True), ([True, None], None), ([None, False], False)]
)
def test_every_is_false_where_any_is_and_else_open_where_any_is(found: list[bool | None], result: bool | None) -> None:
    assert every(found) is result
