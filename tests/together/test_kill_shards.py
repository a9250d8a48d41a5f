"""Processes of a group that are killed at any moment: nothing is lost, nothing is paid for twice, no byte differs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MockServer
from tests.together.runs import Processes, end_of, make_case, wait_until


@pytest.mark.slow
def test_a_process_that_waits_for_the_same_shard_takes_over_when_the_first_is_killed(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    case = make_case(tmp_path, mock_server, problems=16, size=4)
    paid = case.server.stats()["ok"]
    with Processes() as group:
        killed, *staying = (
            group.start("run", case.config, "-o", tmp_path / "run", "--shard", shard) for shard in ("2/2", "1/2", "2/2")
        )
        wait_until(lambda: case.server.stats()["ok"] - paid > case.calls // 3, "nothing is asked")
        killed.kill()
        ends = [end_of(process) for process in staying]
    assert [status for status, _, _ in ends] == [0, 0], ends
    case.check(tmp_path / "run", kills=1)


@pytest.mark.slow
def test_what_a_killed_shard_had_to_inject_the_others_do(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    case = make_case(tmp_path, mock_server, problems=60, size=5, latency_ms=60)
    run = tmp_path / "run"
    command: list[str | Path] = ["run", case.config, "-o", run, "--shard"]
    with Processes() as group:
        staying, killed = group.start(*command, "1/2"), group.start(*command, "2/2")
        wait_until(lambda: any((run / "inject/replies").glob("*")), "nothing is injected")
        killed.kill()
        status, _, said = end_of(staying)
        assert status == 3, said
        assert "inject: shard 1/2 is done" in said
        assert "export needs inject of all parts, and 6 of 12 are missing (1, 3, 5, 7, 9, 11)" in said
        paid = case.server.stats()["ok"]
        again = [end_of(group.start("inject", case.config, "-o", run, "--shard", shard)) for shard in ("2/2", "1/2")]
        assert [end[0] for end in again] == [0, 0], again
        assert case.server.stats()["ok"] == paid  # all that had to be asked was
        assert end_of(group.start(*command, "2/2"))[0] == 0
    case.check(run, kills=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_shards_killed_at_random_moments_end_as_if_they_had_not_been(
    tmp_path: Path, mock_server: Callable[..., MockServer], seed: int
) -> None:
    case = make_case(tmp_path, mock_server, problems=120, size=8)
    paid = case.server.stats()["ok"]
    source = random.Random(seed)
    moments = sorted(source.sample(range(1, case.calls), 12))
    commands = [("run", case.config, "-o", tmp_path / "run", "--shard", f"{index}/4") for index in range(1, 5)]
    kills = 0
    with Processes() as group:
        processes = [group.start(*command) for command in commands]
        for moment in moments:
            wait_until(lambda moment=moment: case.server.stats()["ok"] - paid >= moment, "the run stands still")  # type: ignore[misc]
            index = source.randrange(4)
            kills += processes[index].poll() is None
            processes[index].kill()
            processes[index].communicate()
            processes[index] = group.start(*commands[index])
        ends = [end_of(process) for process in processes]
    assert [status for status, _, _ in ends] == [0] * 4, ends
    print(f"{kills} kills, {case.calls} calls, {case.server.stats()['ok'] - 2 * case.calls} lost on their way", end=" ")
    assert kills >= 8
    case.check(tmp_path / "run", kills)
