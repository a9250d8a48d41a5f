from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.audit.rows import Stratum, allocate, draw, find, stratum_of
from lemma.errors import RunError
from lemma.records import Trajectory
from tests.audit.builders import STAGE, write_part, write_run
from tests.exports.builders import many


def ids(rows: list[Trajectory]) -> list[str]:
    return [row.id for row in rows]


@given(
    counts=st.dictionaries(
        st.tuples(st.text("abc", max_size=3), st.just("s"), st.just("o")), st.integers(1, 500), min_size=1
    ),
    number=st.integers(1, 300),
)
def test_shares_are_whole_quotas_or_one_more_and_add_up(counts: dict[Stratum, int], number: int) -> None:
    total = sum(counts.values())
    drawn = allocate(counts, number)
    assert sum(drawn.values()) == min(number, total)
    for stratum, count in counts.items():
        assert drawn[stratum] <= count
        if number < total:
            assert number * count // total <= drawn[stratum] <= number * count // total + 1


def test_the_largest_remainders_get_what_is_left_over() -> None:
    counts = {("a", "s", "o"): 47, ("b", "s", "o"): 16, ("c", "s", "o"): 36, ("d", "s", "o"): 1}
    # quotas 4.7, 1.6, 3.6, 0.1: whole 4, 1, 3, 0; two are left over, for a and for b (before c by name)
    assert list(allocate(counts, 10).values()) == [5, 2, 3, 0]


def test_a_sample_has_each_stratum_in_proportion(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", many(60, each=6))
    every = Counter(map(stratum_of, many(60, each=6)))
    drawn = Counter(map(stratum_of, draw(run, STAGE, 90, seed=0)))
    assert len(every) >= 6
    assert drawn == allocate(every, 90)


def test_the_seed_decides_and_the_order_of_the_files_does_not(tmp_path: Path) -> None:
    rows = list(many(30))
    run = write_run(tmp_path / "run", rows)
    other = write_run(tmp_path / "other", rows[31:])
    write_part(other, 1, rows[:31])
    first = ids(draw(run, STAGE, 20, seed=0))
    assert ids(draw(run, STAGE, 20, seed=0)) == first
    assert ids(draw(other, STAGE, 20, seed=0)) == first
    assert ids(draw(run, STAGE, 20, seed=1)) != first


def test_where_there_are_fewer_rows_all_are_drawn_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert sorted(ids(draw(run, STAGE, 1000, seed=0))) == sorted(row.id for row in many(20))


def test_unfinished_parts_are_not_drawn_from(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", list(many(20))[:10])
    write_part(run, 1, list(many(20))[10:], is_finished=False)
    assert len(draw(run, STAGE, 1000, seed=0)) == 10


def test_a_run_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished trajectories yet"):
        draw(write_run(tmp_path / "run", []), STAGE, 10, seed=0)


def test_rows_are_found_by_id(tmp_path: Path) -> None:
    rows = list(many(20))
    run = write_run(tmp_path / "run", rows)
    assert find(run, STAGE, {rows[3].id, rows[30].id, "t-none"}) == {row.id: row for row in (rows[3], rows[30])}
    assert find(run, STAGE, set()) == {}
