"""The command line: exit statuses, one-line errors, interruptions; always a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, MockServer, files_of

LEMMA = [sys.executable, "-c", "from lemma.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def lemma(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*LEMMA, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, timeout=120, check=False)


def write_config(folder: Path, **more: object) -> Path:
    tree: dict[str, object] = {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 6}],
        "decontaminate": [],
        "shards": {"size": 4},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree | more), encoding="utf-8")
    return path


def is_one_clear_line(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("lemma: ") and "Traceback" not in text


def test_a_whole_run_prints_its_yield_and_ends_with_0(tmp_path: Path) -> None:
    done = lemma("run", write_config(tmp_path), "-o", tmp_path / "run")
    assert done.returncode == 0
    table = done.stdout.splitlines()
    assert table[0].split() == ["stage", "units", "kept", "rejected", "left", "yield"]
    assert [line.split()[0] for line in table[1:]] == [
        "problems", "sample", "analyze", "inject", "correct", "smooth", "export",
    ]  # fmt: skip
    for line in table[1:]:
        units, kept, rejected, left = map(int, line.split()[1:5])
        assert units == kept + rejected + left


def test_the_six_commands_give_the_bytes_of_run(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert lemma("run", config, "-o", tmp_path / "whole").returncode == 0
    for stage in ("sample", "analyze", "inject", "correct", "smooth", "export"):
        assert lemma(stage, config, "-o", tmp_path / "single").returncode == 0
    assert files_of(tmp_path / "single") == files_of(tmp_path / "whole")


def test_help_starts_as_fast_as_typer_allows() -> None:
    def fastest(command: list[str]) -> float:
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=True)
            times.append(time.perf_counter() - begin)
        return min(times)

    for _ in range(3):  # the machine may be busy with other things
        if fastest([*LEMMA, "--help"]) <= 2 * fastest([sys.executable, "-c", "import typer"]):
            return
    pytest.fail("lemma --help takes more than twice as long as importing typer")


@pytest.mark.parametrize(
    "arguments", [["runn"], ["run"], ["run", "x.yaml"], ["run", "x.yaml", "-o", "r", "--limit", "0"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert lemma(*arguments).returncode == 2


def test_overrides_and_limits_reach_the_run(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = lemma("run", config, "-o", tmp_path / "run", "--limit", "2", "--set", "correct.strategies=[fix_continue]")
    assert done.returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "run/export/train.jsonl").read_text().splitlines()]
    assert {row["strategy"] for row in rows} == {"fix_continue"}
    assert len((tmp_path / "run/problems/part-00000.jsonl").read_text().splitlines()) == 2


def test_verify_prints_the_verdict_and_how_each_side_was_read() -> None:
    done = lemma("verify", "-0.5", "-1/2")
    assert done.returncode == 0
    assert done.stdout.startswith("equal (decided by: exact)")
    assert "prediction read as" in done.stdout


def slow_config(folder: Path, server: MockServer) -> Path:
    teacher = {"backend": "openai", "model": "mock", "base_url": server.base_url, "concurrency": 4, "attempts": 1}
    return write_config(folder, teacher=teacher)


def wait_for_a_reply(run: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(path.stat().st_size for path in run.glob("analyze/replies/*.jsonl")):
            return
        time.sleep(0.02)
    pytest.fail("no reply arrived")


def start(config: Path, run: Path) -> subprocess.Popen[str]:
    command = [*LEMMA, "run", str(config), "-o", str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_an_interrupted_run_says_so_keeps_what_was_paid_for_and_goes_on(
    tmp_path: Path, mock_server: Callable[..., MockServer], number: signal.Signals, times: int
) -> None:
    server = mock_server("--latency-ms", "400", "--dup-key", "body")
    config, run = slow_config(tmp_path, server), tmp_path / "run"
    process = start(config, run)
    try:
        wait_for_a_reply(run)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.1)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "every reply is on disk; the same command goes on" in errors
    stats = server.stats()
    kept = sum(len(path.read_bytes().splitlines()) for path in run.glob("*/replies/*.jsonl"))
    if times == 1:  # what was in flight was awaited
        assert stats["aborted"] == 0
        assert kept == stats["ok"]
    done = lemma("analyze", config, "-o", run)
    assert done.returncode == 0
    assert server.stats()["duplicates"] <= (0 if times == 1 else 4)


def test_a_second_run_on_the_same_folder_is_refused_and_harms_nothing(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    server = mock_server("--latency-ms", "300")
    config, run = slow_config(tmp_path, server), tmp_path / "run"
    process = start(config, run)
    try:
        wait_for_a_reply(run)
        second = lemma("run", config, "-o", run)
        assert second.returncode == 1
        assert is_one_clear_line(second.stderr)
        assert f"in use by process {process.pid}" in second.stderr
        process.communicate(timeout=60)
    finally:
        process.kill()
    # the canned replies are unreadable: no mistakes, and so nothing that injection could aim at
    assert process.returncode == 1
    assert lemma("analyze", config, "-o", run).returncode == 0
