"""Calls that gave no reply are counted, for looking only: bounded, merged, and of no weight when lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.failures import MOST_STRETCHES, NAME, SAVE_EVERY_S, FailedCalls, FailureLog, read_failed_calls
from lemma.pipeline import Options, Pipeline
from lemma.report import make_report
from lemma.status import read_status
from lemma.teacher.base import CallFailed
from tests.conftest import MockServer, example_config, files_of
from tests.report.test_writing import tables
from tests.test_endpoints import CORRECT

NOON = 1_700_000_040.0
"""The beginning of a minute."""


def test_calls_are_counted_by_minute_and_kind_beside_those_of_earlier_commands(tmp_path: Path) -> None:
    for at in (NOON, NOON + 59, NOON + 60):
        log = FailureLog(tmp_path, "analyze", lambda at=at: at)  # type: ignore[misc]
        log.count("throttled")
        log.count("timeout")
        log.save()
    calls = read_failed_calls(tmp_path, "analyze")
    minute = int(NOON) // 60
    assert calls.stretches == {minute: {"throttled": 2, "timeout": 2}, minute + 1: {"throttled": 1, "timeout": 1}}
    assert calls.kinds() == {"throttled": 3, "timeout": 3}
    assert read_failed_calls(tmp_path, "correct").stretches == {}
    assert [path.name for path in (tmp_path / "analyze").iterdir()] == [NAME]


def test_nothing_is_written_where_nothing_failed_and_seldom_where_much_does(tmp_path: Path) -> None:
    now = NOON
    log = FailureLog(tmp_path, "analyze", lambda: now)
    log.save_now_and_then()
    log.save()
    assert list(tmp_path.iterdir()) == []
    log.count("connection")
    log.save_now_and_then()
    assert list(tmp_path.iterdir()) == []
    now += SAVE_EVERY_S
    log.save_now_and_then()
    assert read_failed_calls(tmp_path, "analyze").kinds() == {"connection": 1}
    before = (tmp_path / "analyze" / NAME).stat().st_ino
    log.save()
    assert (tmp_path / "analyze" / NAME).stat().st_ino == before, "there was nothing new"


def test_weeks_of_failures_stay_a_small_file_and_none_is_lost(tmp_path: Path) -> None:
    now = NOON
    log = FailureLog(tmp_path, "analyze", lambda: now)
    for _ in range(6000):
        now += 7 * 60
        log.count("throttled")
    log.save()
    calls = read_failed_calls(tmp_path, "analyze")
    assert calls.width_s == 21_600
    assert len(calls.stretches) <= MOST_STRETCHES
    assert calls.kinds() == {"throttled": 6000}
    assert (tmp_path / "analyze" / NAME).stat().st_size < 50_000


def test_counts_of_different_widths_add_up() -> None:
    fine, coarse = FailedCalls(), FailedCalls(width_s=600)
    fine.add(NOON, "throttled", 3)
    coarse.add(NOON, "throttled", 4)
    coarse.add(NOON + 6000, "timeout", 5)
    fine.merge(coarse)
    assert fine.width_s == 600
    assert fine.stretches == {int(NOON) // 600: {"throttled": 7}, int(NOON + 6000) // 600: {"timeout": 5}}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b'{"width_s": 60, "stretches": {"1": {"throttled": 1',
        b'{"width_s": 61, "stretches": {}}',
        b'{"width_s": 60, "stretches": {"999999999999999999999": {"throttled": 1}}}',
        b'{"width_s": 60, "stretches": {"1": {"throttled": -1}}}',
        b'{"width_s": 60, "stretches": {"1": {"<script>": 1}}}',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "odd width", "no time", "negative", "unknown kind", "nested"],
)
def test_a_damaged_file_is_ignored_and_written_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "analyze" / NAME
    path.parent.mkdir()
    path.write_bytes(damage)
    assert read_failed_calls(tmp_path, "analyze") == FailedCalls()
    log = FailureLog(tmp_path, "analyze", lambda: NOON)
    log.count("other")
    log.save()
    assert read_failed_calls(tmp_path, "analyze").kinds() == {"other": 1}


def test_a_file_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "analyze" / NAME).mkdir(parents=True)
    log = FailureLog(tmp_path, "analyze")
    log.count("throttled")
    log.save()
    assert [path.name for path in (tmp_path / "analyze").iterdir()] == [NAME]


def test_a_failed_call_without_a_word_about_its_kind_is_another() -> None:
    assert CallFailed("status 308").kind == "other"


# ── a whole stage against faults ──


def analyze(run: Path, base_url: str) -> Path:
    teacher = {"backend": "openai", "model": "m", "base_url": base_url, "concurrency": 64}
    with Pipeline(run, example_config(12, teacher=teacher), Options(quiet=True), lambda line: None) as pipeline:
        pipeline.work(("sample", "analyze"))
    return run


def test_counts_equal_the_servers_own_in_status_and_report(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    rules = tmp_path / "replies.jsonl"
    rules.write_text(json.dumps(CORRECT) + "\n")
    faults = ["--fault", "0.7", "--fault-kinds", "429:2,500,503,reset,badjson", "--fault-attempts", "1"]
    server = mock_server("--reply-file", str(rules), *faults, "--fault-retry-after", "0")
    run = analyze(tmp_path / "run", server.base_url)
    stats = server.stats()
    seen = Counter(stats["faults"])
    counted = {
        "throttled": seen["429"],
        "server_error": seen["500"] + seen["503"],
        "connection": seen["reset"],
        "unreadable": seen["badjson"],
    }
    wanted = {kind: calls for kind, calls in counted.items() if calls}
    assert len(wanted) > 2
    assert stats["requests"] == sum(wanted.values()) + stats["ok"]
    stages: dict[str, Any] = {stage["stage"]: stage["failed_calls"] for stage in read_status(run)["stages"]}
    assert stages["analyze"]["kinds"] == wanted
    assert sum(sum(one["kinds"].values()) for one in stages["analyze"]["over_time"]) == sum(wanted.values())
    assert stages["sample"]["kinds"] == {}
    found = tables(make_report([run], 0)[0])
    (row,) = found["Calls without a reply"][1:]
    assert row[:4] == ["analyze", str(sum(wanted.values())), str(counted["throttled"]), str(counted["server_error"])]
    over_time = found["Calls without a reply over time"]
    at = over_time[0].index("429")
    assert sum(int(row[at]) for row in over_time[1:]) == wanted["throttled"]

    (run / "analyze" / NAME).unlink()
    analyze(run, server.base_url)
    assert server.stats()["requests"] == stats["requests"], "its loss makes nobody ask again"


def test_how_it_went_is_no_part_of_what_was_made(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    rules = tmp_path / "replies.jsonl"
    rules.write_text(json.dumps(CORRECT) + "\n")
    faults = ["--fault", "0.3", "--fault-kinds", "429,500", "--fault-attempts", "1", "--fault-retry-after", "0"]
    troubled = analyze(tmp_path / "troubled", mock_server("--reply-file", str(rules), *faults).base_url)
    calm = analyze(tmp_path / "calm", mock_server("--reply-file", str(rules)).base_url)
    assert (troubled / "analyze" / NAME).exists()
    assert not (calm / "analyze" / NAME).exists()
    assert files_of(calm) == files_of(troubled)
    assert "Calls without a reply" not in tables(make_report([calm], 0)[0])
