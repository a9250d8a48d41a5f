"""The real command against real servers that fault, throttle, die and come back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import MockServer, example_config, files_of

KEY = "sk-a-key-that-must-stay-here"
TIMEOUT_S = 150
FAULTS = ("500", "503", "429", "timeout", "reset", "badjson", "empty", "length", "content_filter")
CORRECT = {"match": "", "reply": "<verdict>correct</verdict>"}


@pytest.fixture
def reply_file(tmp_path: Path) -> str:
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps(CORRECT) + "\n")
    return str(path)


class Command:
    """``lemma analyze`` on scored samples of the bundled example."""

    def __init__(self, folder: Path, base_url: str | list[str], limit: int = 12, **teacher: Any) -> None:
        settings = {
            "backend": "openai",
            "model": "m",
            "base_url": base_url,
            "concurrency": 16,
            "timeout_s": 3,
        } | teacher
        config = example_config(limit, teacher=settings).model_dump(mode="json")
        self.config, self.run = folder / "config.yaml", folder / "run"
        self.config.write_text(yaml.safe_dump(config))
        assert self("sample").returncode == 0

    def start(self, stage: str = "analyze", *more: str) -> subprocess.Popen[str]:
        code = "from lemma.cli import main; main()"
        command = [sys.executable, "-c", code, stage, str(self.config), "-o", str(self.run), "--quiet", *more]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": KEY},
            start_new_session=True,
        )

    def __call__(self, stage: str = "analyze", *more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(stage, *more)
        try:
            out, error = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)

    def replies(self) -> list[dict[str, Any]]:
        """All that was paid for."""
        paths = sorted(self.run.glob("analyze/replies/*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]

    def counts(self) -> tuple[int, int]:
        """(units, kept and rejected) of the finished parts."""
        trees = [json.loads(path.read_bytes()) for path in self.run.glob("analyze/*.manifest")]
        return sum(tree["units"] for tree in trees), sum(tree["kept"] + tree["rejected"] for tree in trees)


@contextmanager
def stopping(server: MockServer) -> Iterator[int]:
    """Stops a server; yields its port, where another may start."""
    port = int(server.base_url.rsplit(":", 1)[1].split("/")[0])
    server.stop()
    yield port


@pytest.mark.parametrize(
    "kind", [kind if kind in ("reset", "length") else pytest.param(kind, marks=pytest.mark.slow) for kind in FAULTS]
)
def test_every_unit_completes_whatever_a_tenth_of_the_calls_meet(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, kind: str
) -> None:
    server = mock_server(
        *("--reply-file", reply_file, "--fault", "0.1", "--fault-kinds", kind, "--fault-attempts", "2"),
        *("--hang-s", "0.5", "--fault-retry-after", "0"),
    )
    command = Command(tmp_path, server.base_url)
    done = command()
    assert done.returncode == 0, done.stderr
    stats = server.stats()
    units, settled = command.counts()
    assert units == settled > 20
    assert stats["requests"] <= units + sum(stats["faults"].values())  # a raised cap follows a fault, and counts as one
    keys = [reply["key"] for reply in command.replies()]
    assert len(keys) == len(set(keys))


def test_every_unit_completes_though_a_third_of_the_calls_meet_all_sorts_of_faults(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    server = mock_server(
        *("--reply-file", reply_file, "--fault", "0.3", "--fault-attempts", "2"),
        *("--hang-s", "0.5", "--fault-retry-after", "0"),
    )
    command = Command(tmp_path, server.base_url, limit=40)
    done = command()
    assert done.returncode == 0, done.stderr
    units, settled = command.counts()
    stats = server.stats()
    assert units == settled > 80
    assert stats["requests"] <= units + sum(stats["faults"].values())


@pytest.mark.parametrize("told", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_limit_of_requests_a_minute_is_kept_to(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, told: bool
) -> None:
    server = mock_server("--reply-file", reply_file, "--rpm", "1200", "--burst-s", "2")
    command = Command(tmp_path, server.base_url, limit=80, **({"rpm": 1200} if told else {}))
    done = command()
    assert done.returncode == 0, done.stderr
    stats = server.stats()
    assert stats["ok"] >= 150
    allowed = 0.01 * stats["ok"] if told else 16  # untold, the first window may run into it
    assert stats["limited"] <= allowed
    assert stats["ok"] / (stats["window_s"] + 2) > 0.8 * 20  # the bucket of two seconds is full at first


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("name", "limit"), [("rpm", 600), ("tpm", 1_500_000)])
def test_a_limit_is_used_to_the_full_over_a_minute(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, name: str, limit: int, told: bool
) -> None:
    burst_s = 2
    server = mock_server("--reply-file", reply_file, f"--{name}", str(limit), "--burst-s", str(burst_s))
    command = Command(tmp_path, server.base_url, limit=200, **({name: limit} if told else {}))
    done = command()
    assert done.returncode == 0, done.stderr
    stats = server.stats()
    used = stats["ok"] if name == "rpm" else stats["prompt_tokens"] + stats["completion_tokens"]
    assert stats["window_s"] > 20
    assert used / stats["window_s"] > 0.95 * limit / 60
    assert stats["limited"] <= (0.01 * stats["ok"] if told else 16)  # untold, the first window may run into it


def test_one_of_three_addresses_dies_in_the_middle(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    servers = [mock_server("--reply-file", reply_file, "--latency-ms", "60") for _ in range(3)]
    command = Command(tmp_path, [server.base_url for server in servers], limit=80)
    process = command.start()
    try:
        while servers[2].stats()["ok"] < 5:
            time.sleep(0.02)
        servers[2].stop()
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 0, error
    units, settled = command.counts()
    assert units == settled == len(command.replies())
    assert min(server.stats()["ok"] for server in servers[:2]) > 10


def test_three_addresses_that_all_die_end_the_run_with_their_last_words(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    servers = [mock_server("--reply-file", reply_file, "--latency-ms", "60") for _ in range(3)]
    command = Command(tmp_path, [server.base_url for server in servers], limit=80, patience_s=2)
    process = command.start()
    try:
        wait_for(lambda: servers[0].stats()["ok"] > 3)
        for server in servers:
            server.stop()
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 3, error
    last = error.strip().splitlines()[-1]
    assert "no call succeeded for" in last
    assert "Connect call failed" in last
    assert "the same command goes on" in last
    assert "Traceback" not in error


def test_a_server_that_hangs_ends_the_run_and_costs_nothing_once_it_answers(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    hung = mock_server("--fault", "1", "--fault-kinds", "timeout", "--fault-attempts", "99", "--hang-s", "60")
    command = Command(tmp_path, hung.base_url, patience_s=1, timeout_s=1)
    done = command()
    assert done.returncode == 3, done.stderr
    assert "no call succeeded for" in done.stderr
    assert command.replies() == []
    server = mock_server("--reply-file", reply_file)
    assert command("analyze", "--set", f"teacher.base_url={server.base_url}").returncode == 0
    units, settled = command.counts()
    assert units == settled == server.stats()["requests"]


@pytest.mark.parametrize("outage_s", [1.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_a_server_that_stops_and_starts_again_costs_no_unit(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, outage_s: float
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "100")
    command = Command(tmp_path, server.base_url, limit=60)
    process = command.start()
    try:
        while server.stats()["ok"] < 10:
            time.sleep(0.02)
        with stopping(server) as port:
            time.sleep(outage_s)
            second = mock_server("--reply-file", reply_file, "--port", str(port))
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 0, error
    units, settled = command.counts()
    assert units == settled
    assert second.stats()["ok"] > 10


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:{port}/v1",
        pytest.param("http://no-such-host.invalid/v1", marks=pytest.mark.slow),
        pytest.param("http://127.0.0.1:1/v1", marks=pytest.mark.slow),
    ],
)
def test_an_address_that_never_answers_ends_the_run_with_its_last_words(
    tmp_path: Path, mock_server: Callable[..., MockServer], address: str
) -> None:
    port = mock_server().base_url.rsplit(":", 1)[1].split("/")[0]
    command = Command(tmp_path, address.format(port=port), patience_s=1)
    done = command()
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert "no call succeeded for" in last
    assert "the same command goes on" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("hard", "status"), [(1024, 0), (300, 1)])
def test_more_connections_than_a_process_may_open_are_allowed_for_or_told(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, hard: int, status: int
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "400")
    command = Command(tmp_path, server.base_url, limit=60, concurrency=250)
    arguments = ["-c", "from lemma.cli import main; main()", "analyze", str(command.config), "-o", str(command.run)]
    limited = ["bash", "-c", f'ulimit -Sn 80; ulimit -Hn {hard}; exec "$@"', "-", sys.executable, *arguments, "--quiet"]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == status, done.stderr
    assert (server.stats()["inflight_max"] > 80) == (status == 0)
    if status:
        (line,) = done.stderr.splitlines()
        assert "teacher.concurrency is 250" in line
        assert "set it to 172" in line


def test_the_key_stays_where_it_is(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    rules = [
        {"match": "cookies", "status": 400, "reply": f"the key {KEY} may not ask this"},
        {"match": "eggs", "reply": "I would rather not say."},
        CORRECT,
    ]
    path = tmp_path / "rules.jsonl"
    path.write_text("".join(json.dumps(rule) + "\n" for rule in rules))
    server = mock_server("--reply-file", str(path), "--fault", "0.3", "--fault-attempts", "1", "--hang-s", "0.3")
    command = Command(tmp_path, server.base_url, limit=30, headers={"X-Team": KEY})
    done = command("analyze")
    process = command.start("analyze", "--rederive")
    _, error = process.communicate(timeout=TIMEOUT_S)
    for text in (done.stdout, done.stderr, error):
        assert KEY not in text
    for file in command.run.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_the_key_is_in_nothing_that_a_crash_leaves_behind(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "100")
    command = Command(tmp_path, server.base_url, limit=60, headers={"X-Team": KEY})
    code = "from lemma.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", code, "analyze", str(command.config), "-o", str(command.run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"},
    )
    try:
        wait_for(lambda: server.stats()["ok"] > 10)
        process.send_signal(signal.SIGABRT)
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error" in printed
    assert KEY not in printed
    for file in command.run.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    assert command().returncode == 0


# ── the derive process ──


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")
@pytest.mark.parametrize("victim", ["derive process", "main process"])
def test_a_killed_process_leaves_no_other_behind_and_loses_nothing(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str, victim: str
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "50")
    command = Command(tmp_path, server.base_url, limit=60)
    process = command.start()
    try:
        child = wait_for(lambda: children_of(process.pid))[0]
        wait_for(lambda: server.stats()["ok"] > 10)
        os.kill(child if victim == "derive process" else process.pid, signal.SIGKILL)
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    wait_for(lambda: not is_alive(child))
    if victim == "derive process":
        assert process.returncode == 1
        assert error.strip().splitlines()[-1].startswith("lemma: the process that derives finished parts was killed")
    paid = {reply["key"] for reply in command.replies()}
    assert command().returncode == 0
    keys = [reply["key"] for reply in command.replies()]
    assert paid <= set(keys)
    assert len(keys) == len(set(keys))
    assert server.stats()["duplicates"] <= 16


def test_an_interrupt_of_the_whole_group_awaits_what_is_in_flight(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "100")
    command = Command(tmp_path, server.base_url, limit=80)
    process = command.start()
    try:
        wait_for(lambda: server.stats()["ok"] > 20)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert len(command.replies()) == server.stats()["ok"]
    assert command().returncode == 0
    assert server.stats()["duplicates"] == 0


@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_nothing(
    tmp_path: Path, mock_server: Callable[..., MockServer], reply_file: str
) -> None:
    server = mock_server("--reply-file", reply_file, "--latency-ms", "1000", "--dup-key", "body")
    command = Command(tmp_path, server.base_url, limit=170, concurrency=8)
    source = random.Random(3)
    for _ in range(50):
        asked = server.stats()["requests"]
        process = command.start()
        try:
            # some while it starts, most after its first calls went out, however busy the machine is
            is_early = source.random() < 0.1
            while not is_early and server.stats()["requests"] == asked and process.poll() is None:
                time.sleep(0.02)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(source.random() * 1.5)
                raise AssertionError("the run ended before it was killed")
        finally:
            process.kill()
            process.communicate()
    before = {reply["key"] for reply in command.replies()}
    assert len(before) > 50
    assert command().returncode == 0
    keys = [reply["key"] for reply in command.replies()]
    assert before <= set(keys)
    assert len(keys) == len(set(keys))
    assert server.stats()["duplicates"] <= 8 * 50
    server = mock_server("--reply-file", reply_file)
    (tmp_path / "fresh").mkdir()
    fresh = Command(tmp_path / "fresh", server.base_url, limit=170)
    assert fresh().returncode == 0
    assert files_of(fresh.run / "analyze") == files_of(command.run / "analyze")
