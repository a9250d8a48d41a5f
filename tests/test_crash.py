"""Crashes: killed at any moment, a run goes on to the very bytes of an undisturbed one and pays for nothing twice."""

from __future__ import annotations

import contextlib
import json
import random
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config, ShardsConfig
from lemma.errors import DiskError, RunError, TeacherError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.stages.base import Reply, Request
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import MockServer, example_config, files_of
from tests.protocol.cases import whole_run
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.protocol.rules import good_rules, write_rules

CONCURRENCY = 32
PROBLEMS = 210
"""With one wrong sample each: 210 analyses, 210 injections, 840 corrections, 840 smoothings."""


# ── kill -9 ──


def config_tree(folder: Path, base_url: str) -> dict[str, Any]:
    return whole_run(folder, base_url, PROBLEMS, concurrency=CONCURRENCY, size=60)


@dataclass
class Log:
    """What happened to a run that was killed."""

    kills: int = 0
    lost: list[int] = field(default_factory=list)
    """Replies that were on their way when a kill came: answered by the server, not on disk."""


def settled_stats(server: MockServer) -> dict[str, Any]:
    """The server's counters once it has noticed that its caller is gone."""
    deadline = time.monotonic() + TIMEOUT_S
    while (stats := server.stats())["inflight"] and time.monotonic() < deadline:
        time.sleep(0.005)
    return stats


def keys_on_disk(run: Path) -> list[str]:
    return [json.loads(line)["key"] for line in reply_lines(run)]


def run_until(config: Path, run: Path, server: MockServer, calls: int, more_s: float) -> bool:
    """Starts the run and kills it once the server has given so many replies, and a little later; or it ends."""
    process = start_lemma("run", config, "-o", run, "--quiet")
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while process.poll() is None and server.stats()["ok"] < calls:
            assert time.monotonic() < deadline
            time.sleep(0.004)
        time.sleep(more_s)
        is_killed = process.poll() is None
    finally:
        process.kill()
        _, error = process.communicate()
    assert is_killed or process.returncode == 0, error
    return is_killed


def kill_often(config: Path, run: Path, server: MockServer, moments: list[tuple[int, float]]) -> Log:
    """Runs to the end, killed at every moment (replies given, seconds after that)."""
    log, paid = Log(), 0
    for calls, more_s in moments:
        before = set(keys_on_disk(run))
        log.kills += run_until(config, run, server, calls, more_s)
        answered = settled_stats(server)["ok"]
        keys = keys_on_disk(run)
        assert len(keys) == len(set(keys)), "a reply on disk was asked for again"
        assert before <= set(keys), "a reply on disk vanished"
        log.lost.append(answered - paid - (len(keys) - len(before)))
        paid = answered
    ended = run_lemma("run", config, "-o", run, "--quiet")
    assert ended.returncode == 0, ended.stderr
    return log


def check_kills(tmp_path: Path, mock_server: Callable[..., MockServer], kills: int, seed: int) -> None:
    rules = write_rules(tmp_path / "rules.jsonl", good_rules())
    server = mock_server("--reply-file", str(rules), "--latency-ms", "4", "--jitter", "0.8")
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, server.base_url))
    started = time.monotonic()
    ended = run_lemma("run", config, "-o", tmp_path / "undisturbed", "--quiet")
    assert ended.returncode == 0, ended.stderr
    wall_s = time.monotonic() - started
    total = server.stats()["ok"]
    assert total == len(reply_lines(tmp_path / "undisturbed")) >= 2000
    with urllib.request.urlopen(urllib.request.Request(server.base_url[:-3] + "/stats/reset", method="POST")):
        pass

    source = random.Random(seed)
    # spread over the calls; every fourth a while later, when parts or the export are being written
    moments = [
        (calls, source.uniform(0, 0.4 if number % 4 == 3 else 0.03))
        for number, calls in enumerate(sorted(source.sample(range(1, total), kills - 1)))
    ]
    moments.append((total, source.uniform(0, 0.5)))
    log = kill_often(config, tmp_path / "killed", server, moments)

    stats = server.stats()
    print(
        f"{kills} kills: {log.kills} hit, {total} calls undisturbed in {wall_s:.1f} s, {stats['ok']} with kills", end=""
    )
    print(f", lost in flight {log.lost}, asked twice {stats['duplicates']}, {time.monotonic() - started:.1f} s in all")
    assert log.kills >= kills - 2  # the last ones may come when all is done
    assert all(0 <= lost <= CONCURRENCY for lost in log.lost)
    # exactly what was lost on its way was asked for again
    assert stats["duplicates"] == sum(log.lost) == stats["ok"] - total
    assert sorted(keys_on_disk(tmp_path / "killed")) == sorted(keys_on_disk(tmp_path / "undisturbed"))
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")


def test_a_run_killed_at_five_random_moments_ends_as_if_it_had_not_been(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    check_kills(tmp_path, mock_server, 5, seed=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_killed_at_twenty_random_moments_ends_as_if_it_had_not_been(
    tmp_path: Path, mock_server: Callable[..., MockServer], seed: int
) -> None:
    check_kills(tmp_path, mock_server, 20, seed)


# ── stopped at every append ──


def tiny_config(problems: int = 2) -> Config:
    return example_config(
        problems,
        teacher={"backend": "openai", "model": "rules", "base_url": "http://127.0.0.1:9/v1", "concurrency": 3},
        shards={"size": 1},
        export={"formats": ["alpaca"]},
    )


def work_until(run: Path, stop_after: int | None, problems: int = 2) -> list[str]:
    """Works until so many replies have come; returns their keys."""
    rules, seen = RulesTeacher(), 0

    def script(request: Request, asked_before: int) -> Reply | TeacherError:
        nonlocal seen
        seen += 1
        return TeacherError("stop") if stop_after is not None and seen > stop_after else rules.answer_now(request)

    teacher = ScriptedTeacher(script)
    options = Options(quiet=True)
    try:
        with Pipeline(run, tiny_config(problems), options, lambda line: None, lambda role: teacher) as pipeline:
            pipeline.work(STAGES)
    except TeacherError:
        assert stop_after is not None
    return teacher.answered


@pytest.mark.parametrize("problems", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_stopping_at_any_append_and_going_on_gives_the_same_files(tmp_path: Path, problems: int) -> None:
    paid_undisturbed = work_until(tmp_path / "undisturbed", None, problems)
    undisturbed = files_of(tmp_path / "undisturbed")
    assert len(paid_undisturbed) > 8
    for stop_after in range(len(paid_undisturbed)):
        run = tmp_path / f"run-{stop_after}"
        first = work_until(run, stop_after, problems)
        assert len(first) == stop_after == len(keys_on_disk(run))
        second = work_until(run, None, problems)
        assert sorted(first + second) == sorted(paid_undisturbed)
        assert files_of(run) == undisturbed


def test_stopping_at_every_append_of_one_run_gives_the_same_files(tmp_path: Path) -> None:
    paid_undisturbed = work_until(tmp_path / "undisturbed", None)
    paid: list[str] = []
    while len(paid) < len(paid_undisturbed):
        came = work_until(tmp_path / "run", 1)
        assert len(came) == 1
        paid += came
    assert work_until(tmp_path / "run", None) == []
    assert sorted(paid) == sorted(paid_undisturbed)
    assert files_of(tmp_path / "run") == files_of(tmp_path / "undisturbed")


def test_a_line_that_was_cut_short_costs_one_call_and_no_other(tmp_path: Path) -> None:
    """As a power cut leaves it: half a line at the end of a replies file, no parts after it."""
    paid = work_until(tmp_path / "undisturbed", None)
    for stop_after in range(len(paid) // 2, len(paid)):
        run = tmp_path / f"run-{stop_after}"
        work_until(run, stop_after)
        cut = max(run.glob("*/replies/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        if not (cut.parent.parent / f"{cut.stem}.manifest").exists():
            break
    raw = cut.read_bytes()
    cut.write_bytes(raw[:-20])
    assert len(work_until(run, None)) == len(paid) - stop_after + 1
    assert files_of(run) == files_of(tmp_path / "undisturbed")


# ── trouble while calls are in flight ──


def test_damage_found_while_calls_are_in_flight_loses_none_of_them(tmp_path: Path) -> None:
    rules = RulesTeacher()
    teacher = ScriptedTeacher(lambda request, asked_before: rules.answer_now(request), latency_s=0.2)
    config = tiny_config(problems=3).model_copy(update={"seed": 1})
    endpoint = config.teacher.model_copy(update={"concurrency": 100})
    config = config.model_copy(update={"teacher": endpoint})
    with Pipeline(tmp_path / "run", config, Options(quiet=True), lambda line: None, lambda role: teacher) as pipeline:
        pipeline.work(["sample"])
        damaged = tmp_path / "run/sample/part-00002.jsonl"
        damaged.write_bytes(b"{broken\n")
        with pytest.raises(RunError, match=r"part-00002\.jsonl: was changed after it was written"):
            pipeline.work(["analyze"])
    assert sum(teacher.asked.values()) == len(teacher.answered) == len(keys_on_disk(tmp_path / "run")) > 5


@pytest.mark.parametrize("name", [".strays.json", ".part-00000.jsonl", ".part-00003.jsonl", ".summary.json"])
@pytest.mark.parametrize("size", [3, 7])
def test_a_change_of_layout_that_breaks_off_pays_for_nothing_twice(tmp_path: Path, name: str, size: int) -> None:
    """Problems move to other parts; the replies stay where they were written, and have to be found."""
    rules = RulesTeacher()
    teacher = ScriptedTeacher(lambda request, asked_before: rules.answer_now(request))

    def work(run: Path, size: int) -> None:
        config = tiny_config(11).model_copy(update={"shards": ShardsConfig(size=size)})
        with Pipeline(run, config, Options(quiet=True), lambda line: None, lambda role: teacher) as pipeline:
            pipeline.work(STAGES)

    work(tmp_path / "run", 5)
    paid = len(teacher.answered)
    obstacle = tmp_path / "run/problems" / f"{name}.tmp"
    obstacle.mkdir()  # a file cannot be written there
    with contextlib.suppress(DiskError):
        work(tmp_path / "run", size)
    obstacle.rmdir()
    work(tmp_path / "run", size)
    assert len(teacher.answered) == paid
    work(tmp_path / "whole", size)
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")
