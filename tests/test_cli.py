"""The command line: exit statuses, one-line errors, overrides, interruptions.

What needs no process of its own calls `main` as the `lemma` script does; interruptions and locks get real processes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lemma.cli import main
from tests.conftest import ROOT, MockServer, files_of
from tests.protocol.rules import good_rules, write_rules

LEMMA = [sys.executable, "-c", "from lemma.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "a-key-for-tests"}
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str


def lemma(*arguments: str | Path) -> Ended:
    """Runs a command in this process; an exception that `main` lets pass fails the test."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["lemma", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts a command in a process of its own."""
    command = [*LEMMA, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def end(process: subprocess.Popen[str]) -> Ended:
    """Waits for a process; it and its pipes are gone afterwards, however it ends."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it did not come so far: {process.communicate()[1]}")
        time.sleep(0.005)


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
    return len(lines) == 1 and lines[0].startswith("lemma: ") and "Traceback" not in text and len(text) < 500


# ── what a command does ──


def test_a_whole_run_in_a_process_of_its_own_prints_its_yield_and_ends_with_0(tmp_path: Path) -> None:
    done = end(start("run", write_config(tmp_path), "-o", tmp_path / "run"))
    assert done.status == 0
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
    assert lemma("run", config, "-o", tmp_path / "whole").status == 0
    for stage in ("sample", "analyze", "inject", "correct", "smooth", "export"):
        assert lemma(stage, config, "-o", tmp_path / "single").status == 0
    assert files_of(tmp_path / "single") == files_of(tmp_path / "whole")


def test_a_stage_that_comes_too_early_says_what_to_run_first(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = lemma("correct", config, "-o", tmp_path / "run")
    assert done.status == 1
    assert is_one_clear_line(done.stderr)
    assert "run `lemma sample` (or `lemma run`) first" in done.stderr


def test_quiet_shows_no_progress_and_still_the_result(tmp_path: Path) -> None:
    done = lemma("run", write_config(tmp_path), "-o", tmp_path / "run", "--quiet")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("stage ")


def test_results_go_to_stdout_and_progress_to_stderr(tmp_path: Path) -> None:
    done = lemma("sample", write_config(tmp_path), "-o", tmp_path / "run")
    assert "units done" not in done.stdout
    done = lemma("analyze", write_config(tmp_path), "-o", tmp_path / "run")
    assert "analyze: 15 units done" in done.stderr


def test_overrides_and_limits_reach_the_run(tmp_path: Path) -> None:
    config, run = write_config(tmp_path), tmp_path / "run"
    done = lemma("run", config, "-o", run, "--limit", "2", "--set", "correct.strategies=[fix_continue]")
    assert done.status == 0
    rows = [json.loads(line) for line in (run / "export/train.jsonl").read_text().splitlines()]
    assert {row["strategy"] for row in rows} == {"fix_continue"}
    assert len((run / "problems/part-00000.jsonl").read_text().splitlines()) == 2


def test_an_override_comes_before_the_file_and_the_last_one_counts(tmp_path: Path) -> None:
    config = write_config(tmp_path, seed=1)
    settings = ["--set", "seed=5", "--set", "seed=7", "--set", "data.0.limit=3", "--set", "export.plain_share=0.5"]
    assert lemma("sample", config, "-o", tmp_path / "run", *settings).status == 0
    used = yaml.safe_load((tmp_path / "run/run.yaml").read_text())["config"]
    assert (used["seed"], used["data"][0]["limit"], used["export"]["plain_share"]) == (7, 3, 0.5)


def test_a_raised_limit_goes_on_with_the_same_run(tmp_path: Path) -> None:
    config, run = write_config(tmp_path), tmp_path / "run"
    assert lemma("run", config, "-o", run, "--limit", "2").status == 0
    assert lemma("run", config, "-o", run, "--limit", "3").status == 0
    lines = [line for path in run.glob("problems/part-*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == 3


def test_verify_prints_the_verdict_and_how_each_side_was_read() -> None:
    done = lemma("verify", "-0.5", "-1/2")
    assert done.status == 0
    assert done.stdout.startswith("equal (decided by: exact)")
    assert "prediction read as" in done.stdout


# ── help and usage ──


def test_help_starts_as_fast_as_typer_allows() -> None:
    def fastest(command: list[str]) -> float:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=True)
            times.append(time.perf_counter() - begin)
        return min(times)

    for _ in range(4):  # the machine may be busy with other things
        if fastest([*LEMMA, "--help"]) <= 2 * fastest([sys.executable, "-c", "import typer"]):
            return
    pytest.fail("lemma --help takes more than twice as long as importing typer")


def test_lemma_alone_prints_its_help() -> None:
    alone, asked = lemma(), lemma("--help")
    assert asked.status == 0
    assert (alone.stdout + alone.stderr).split() == asked.stdout.split()
    for command in ("run", "sample", "analyze", "inject", "correct", "smooth", "export", "verify"):
        assert f"\n  {command} " in asked.stdout


@pytest.mark.parametrize("command", ["run", "sample", "analyze", "inject", "correct", "smooth", "export", "verify"])
def test_every_command_has_help(command: str) -> None:
    done = lemma(command, "--help")
    assert done.status == 0
    assert done.stdout.startswith(f"Usage: lemma {command} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["runn"],
        ["run"],
        ["run", "x.yaml"],
        ["run", "x.yaml", "-o", "r", "--limit", "0"],
        ["run", "x.yaml", "-o", "r", "--limit", "many"],
        ["run", "x.yaml", "-o", "r", "--frobnicate"],
        ["verify", "1"],
        ["sample", "x.yaml", "-o", "r", "--retarget"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = lemma(*arguments)
    assert done.status == 2
    assert "Usage: lemma" in done.stderr


# ── interruptions ──


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good replies to every prompt."""
    return write_rules(tmp_path_factory.mktemp("rules") / "rules.jsonl", good_rules())


def endpoint_config(folder: Path, server: MockServer, concurrency: int = 6) -> Path:
    teacher = {"backend": "openai", "model": "mock", "base_url": server.base_url, "concurrency": concurrency}
    return write_config(folder, teacher=teacher)


@pytest.fixture(scope="module")
def fast_server(rules: Path) -> Iterator[MockServer]:
    """Answers well and at once."""
    server = MockServer("--reply-file", str(rules), "--latency-ms", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, fast_server: MockServer) -> dict[str, bytes]:
    """The files of a run against an endpoint that nobody interrupts, replies too."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert lemma("run", endpoint_config(folder, fast_server), "-o", folder / "run").status == 0
    return files_of(folder / "run", with_replies=True)


def without_replies(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: raw for name, raw in files.items() if "replies" not in Path(name).parts}


def go_on(config: Path, run: Path, server: MockServer) -> int:
    """Runs the same command against another endpoint; returns how many calls it made."""
    before = server.stats()["requests"]
    assert lemma("run", config, "-o", run, "--set", f"teacher.base_url={server.base_url}").status == 0
    return int(server.stats()["requests"] - before)


def replies_on_disk(run: Path) -> list[bytes]:
    return [line for path in run.glob("*/replies/*.jsonl") for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_an_interrupted_run_says_so_keeps_what_was_paid_for_and_goes_on(
    tmp_path: Path,
    mock_server: Callable[..., MockServer],
    rules: Path,
    fast_server: MockServer,
    undisturbed: dict[str, bytes],
    number: signal.Signals,
    times: int,
) -> None:
    server = mock_server("--reply-file", str(rules), "--latency-ms", "150")
    config, run = endpoint_config(tmp_path, server), tmp_path / "run"
    process = start("run", config, "-o", run, "--quiet")
    # in the midst of a stage: 15 analyses, then 6 injections, then 40 corrections
    wait_until(lambda: server.stats()["ok"] >= 28 and server.stats()["inflight"] > 0, process)
    process.send_signal(number)
    assert process.stderr is not None
    first = process.stderr.readline()  # so that the second comes after the first was understood
    for _ in range(times - 1):
        process.send_signal(number)
    done = end(process)
    assert done.status == 130
    assert first.startswith("Stopping. Waiting for ")
    assert done.stderr.strip() == "lemma: interrupted; every reply is on disk; the same command goes on"
    kept = len(replies_on_disk(run))
    assert kept >= 28
    if times == 1:  # what was in flight was awaited
        assert server.stats()["aborted"] == 0
        assert kept == server.stats()["ok"]
    total = sum(raw.count(b"\n") for name, raw in undisturbed.items() if "replies" in Path(name).parts)
    assert go_on(config, run, fast_server) == total - kept
    assert files_of(run) == without_replies(undisturbed)


def test_an_interrupted_run_of_the_embedded_teacher_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    lines = [
        json.dumps({"question": f"Ann has {n} pens and buys {n + 1} boxes of 3 pens. How many pens has she?",
                    "answer": f"The boxes hold {n + 1}*3={3 * n + 3} pens.\nShe has {n}+{3 * n + 3}={4 * n + 3} pens.\n"
                              f"#### {4 * n + 3}"})
        for n in range(5, 105)
    ]  # fmt: skip
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    data = [{"dataset": "gsm8k", "path": str(tmp_path / "train.jsonl")}]
    config = write_config(tmp_path, data=data, inject={"types": {"calculation_error": 1}}, shards={"size": 25})
    run = tmp_path / "run"
    process = start("run", config, "-o", run, "--quiet")
    wait_until(lambda: len(list(run.glob("correct/replies/*"))) > 0, process)
    process.send_signal(signal.SIGINT)
    done = end(process)
    assert done.status == 130
    assert "interrupted; every reply is on disk" in done.stderr
    assert lemma("run", config, "-o", run).status == 0
    assert lemma("run", config, "-o", tmp_path / "undisturbed").status == 0
    assert files_of(run, with_replies=True) == files_of(tmp_path / "undisturbed", with_replies=True)


def test_an_interrupted_run_shows_what_there_is_so_far(
    tmp_path: Path, mock_server: Callable[..., MockServer], rules: Path
) -> None:
    server = mock_server("--reply-file", str(rules), "--latency-ms", "150")
    config, run = endpoint_config(tmp_path, server), tmp_path / "run"
    process = start("run", config, "-o", run)
    wait_until(lambda: server.stats()["ok"] >= 20, process)
    process.send_signal(signal.SIGINT)
    done = end(process)
    assert done.status == 130
    *table, last = done.stderr.strip().splitlines()
    assert last == "lemma: interrupted; every reply is on disk; the same command goes on"
    head = next(at for at, line in enumerate(table) if line.startswith("stage "))
    assert table[head].split()[:6] == ["stage", "parts", "units", "kept", "rejected", "left"]
    spent = next(line for line in table if line.startswith("in all: "))
    assert (
        f"{sum(json.loads(line)['usage'][0] + json.loads(line)['usage'][2] for line in replies_on_disk(run))} tokens"
        in spent
    )


def test_an_interruption_before_the_work_begins_ends_with_130_too(tmp_path: Path) -> None:
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    process = start("run", pipe, "-o", tmp_path / "run")
    with pipe.open("wb"):  # opens when the other side reads, and keeps it waiting
        process.send_signal(signal.SIGINT)
        done = end(process)
    assert done.status == 130
    assert is_one_clear_line(done.stderr), done.stderr
    assert not (tmp_path / "run").exists()


def test_a_second_run_on_the_same_folder_is_refused_and_harms_nothing(
    tmp_path: Path, mock_server: Callable[..., MockServer], rules: Path, undisturbed: dict[str, bytes]
) -> None:
    server = mock_server("--reply-file", str(rules), "--latency-ms", "80")
    config, run = endpoint_config(tmp_path, server), tmp_path / "run"
    process = start("run", config, "-o", run, "--quiet")
    wait_until(lambda: server.stats()["ok"] > 0, process)
    second = lemma("run", config, "-o", run)
    assert process.poll() is None
    assert second.status == 1
    assert is_one_clear_line(second.stderr)
    assert f"in use by process {process.pid} on " in second.stderr
    first = end(process)
    assert (first.status, first.stderr) == (0, "")
    assert files_of(run) == without_replies(undisturbed)
    assert server.stats()["duplicates"] == 0


def test_a_wrong_key_ends_at_once_with_one_line(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    rule = {"match": ".", "reply": "", "status": 401}
    server = mock_server("--reply-file", str(write_rules(tmp_path / "rules.jsonl", [rule])))
    done = lemma("run", endpoint_config(tmp_path, server), "-o", tmp_path / "run", "--quiet")
    assert done.status == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert "401" in done.stderr
    assert server.stats()["requests"] <= 6


def test_an_endpoint_that_is_not_there_ends_with_3_and_the_same_command_goes_on(
    tmp_path: Path, fast_server: MockServer, undisturbed: dict[str, bytes]
) -> None:
    config, run = endpoint_config(tmp_path, fast_server), tmp_path / "run"
    gone = "teacher.base_url=http://127.0.0.1:9/v1"
    done = lemma("run", config, "-o", run, "--quiet", "--set", gone, "--set", "teacher.patience_s=0.2")
    assert done.status == 3
    assert done.stderr.splitlines()[-1].endswith("; the same command goes on")
    assert "Traceback" not in done.stderr
    assert go_on(config, run, fast_server) > 50
    assert files_of(run) == without_replies(undisturbed)
