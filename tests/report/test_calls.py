from __future__ import annotations

from pathlib import Path

from lemma.report.calls import MOST_BINS, Bin, Calls, read_calls
from tests.report.builders import problem, reply, write_run


def test_replies_are_counted_when_they_came(tmp_path: Path) -> None:
    lines = [reply("u-1", created_s=1_700_000_000.5), reply("u-2", created_s=1_700_000_003.0, attempt=1)]
    lines += [reply("u-3", created_s=1_700_000_003.1, finish_reason="refused"), reply("u-4")]
    lines += [reply("u-5", created_s=1_700_000_003.2) | {"copy": True}]
    run = write_run(tmp_path / "run", [{"problems": [problem(0)]}], replies={"analyze": lines})
    calls = read_calls(run, ["sample", "analyze"])
    assert calls.bins == {1_700_000_000: Bin(1, 0, 0, 100, 20), 1_700_000_003: Bin(2, 1, 1, 200, 40)}
    assert calls.timeless == 1


def test_lines_that_are_no_whole_reply_are_passed_over(tmp_path: Path) -> None:
    broken: list[dict[str, object]] = [{"key": "a"}, {"created_s": "x"}, {"created_s": 1e99, "usage": [1]}]
    run = write_run(tmp_path / "run", [{"problems": [problem(0)]}], replies={"analyze": broken})
    path = run / "analyze" / "replies" / "part-00000.jsonl"
    path.write_bytes(path.read_bytes() + b'[1]\n{"key":"cut')
    assert read_calls(run, ["analyze"]).bins == {}


def test_weeks_of_calls_are_held_in_few_stretches() -> None:
    calls = Calls()
    for hour in range(24 * 60):
        calls.add(1_700_000_000 + 3600 * hour, Bin(calls=1, input_tokens=2))
    assert len(calls.bins) <= 8 * MOST_BINS
    calls.settle()
    assert len(calls.bins) <= MOST_BINS
    assert sum(one.calls for one in calls.bins.values()) == 24 * 60
    assert sum(one.input_tokens for one in calls.bins.values()) == 48 * 60
