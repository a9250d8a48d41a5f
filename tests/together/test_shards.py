"""`--shard i/n`: several processes on one run make what one makes, and pay for nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MockServer
from tests.together.runs import Processes, end_of, make_case


@pytest.mark.parametrize(
    ("problems", "shards"),
    [
        pytest.param(12, ["1/2", "2/2", "2/2"], id="two, one of them twice"),
        pytest.param(80, ["1/4", "2/4", "3/4", "4/4"], id="four", marks=pytest.mark.slow),
        pytest.param(80, ["3/4", "1/4", "3/4", "2/4", "4/4"], id="four, one of them twice", marks=pytest.mark.slow),
    ],
)
def test_shards_at_once_make_what_a_single_process_makes(
    tmp_path: Path, mock_server: Callable[..., MockServer], problems: int, shards: list[str]
) -> None:
    case = make_case(tmp_path, mock_server, problems=problems, size=3)
    with Processes() as group:
        started = [group.start("run", case.config, "-o", tmp_path / "run", "--shard", shard) for shard in shards]
        ends = [end_of(process) for process in started]
    assert [status for status, _, _ in ends] == [0] * len(shards), [err for _, _, err in ends]
    assert all("export" in out for _, out, _ in ends)
    case.check(tmp_path / "run")
