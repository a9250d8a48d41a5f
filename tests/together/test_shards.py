"""`--shard i/n`: several processes on one run make what one makes, and pay for nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import MockServer
from tests.together.runs import Processes, end_of, make_case


def test_four_shards_at_once_and_two_claims_of_one_make_what_a_single_process_makes(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    case = make_case(tmp_path, mock_server, problems=24, size=3)
    shards = ["1/4", "2/4", "3/4", "4/4", "2/4"]
    with Processes() as group:
        started = [group.start("run", case.config, "-o", tmp_path / "run", "--shard", shard) for shard in shards]
        ends = [end_of(process) for process in started]
    assert [status for status, _, _ in ends] == [0] * 5, [err for _, _, err in ends]
    assert all("export" in out for _, out, _ in ends)
    case.check(tmp_path / "run")
