from __future__ import annotations

from collections import Counter

import pytest

from lemma.exports.digests import DigestSet
from lemma.exports.plain import plain_count, plain_rows
from lemma.exports.rows import digest_of
from lemma.records import TrainingRow
from tests.exports.builders import PlainPass, golds_of, plain_of, problem_of


def drawn(source: PlainPass, count: int, seed: int = 0) -> list[TrainingRow]:
    return list(plain_rows(source, count, seed=seed, seen=DigestSet()))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("trajectories", [1, 7, 100, 12345])
def test_the_share_is_met_within_one_row(trajectories: int, share: float) -> None:
    count = plain_count(trajectories, share)
    assert abs(count - share * (trajectories + count)) <= 1


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 299, 300])
def test_exactly_as_many_come_as_are_wanted(count: int) -> None:
    rows = drawn(plain_of(100, students=2), count)
    assert len(rows) == count
    assert len({row.id for row in rows}) == count


def test_no_problem_gives_a_second_before_every_problem_gave_one() -> None:
    rows = drawn(plain_of(100, students=2), 130)
    assert Counter(Counter(row.instruction for row in rows).values()) == {1: 70, 2: 30}


def test_fewer_come_where_there_are_no_more() -> None:
    assert len(drawn(plain_of(10, students=1), 1000)) == 20
    assert drawn(lambda: iter([]), 5) == []


def test_a_plain_row_names_no_mistake_and_is_a_solution_of_its_problem() -> None:
    for row in drawn(plain_of(5), 5):
        assert (row.strategy, row.error_type, row.origin, row.spans) == (None, None, None, None)
        number = int(row.instruction.split()[2])
        assert row.output in {gold.text for gold in golds_of(problem_of(number))}


def test_the_students_own_solution_comes_before_the_reference() -> None:
    first = drawn(plain_of(50), 50)
    assert all(row.output.startswith("By way") for row in first)
    references = drawn(plain_of(50, students=0), 50)
    assert not any(row.output.startswith("By way") for row in references)


def test_the_seed_decides_and_the_order_is_that_of_the_problems() -> None:
    picks = [[row.instruction for row in drawn(plain_of(200), 20, seed)] for seed in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]
    order = [problem_of(n).question for n in range(200)]
    assert picks[0] == sorted(picks[0], key=order.index)


def test_more_rows_hold_the_fewer_ones() -> None:
    small = {row.id for row in drawn(plain_of(200), 20)}
    assert small < {row.id for row in drawn(plain_of(200), 60)}


def test_a_question_that_comes_twice_gives_as_if_it_came_once() -> None:
    def twice() -> PlainPass:
        problems = [problem_of(n, f"Question  {n % 10}?") for n in range(20)]
        return lambda: ((problem, golds_of(problem, 0)) for problem in problems)

    assert len(drawn(twice(), 20)) == 10


def test_a_text_that_was_given_out_before_does_not_come_again() -> None:
    seen = DigestSet()
    row = drawn(plain_of(3, students=0), 3)[1]
    seen.add(digest_of(row))
    rows = list(plain_rows(plain_of(3, students=0), 3, seed=0, seen=seen))
    assert len(rows) == 2
    assert row not in rows
