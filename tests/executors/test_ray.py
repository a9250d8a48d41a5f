"""Real Ray, where it is installed (`scripts/test_scale.sh`): killed in the middle, nothing is lost and nothing double.

LEMMA_SCALE_COUNT says how often each thing is killed (1); the times that were seen are printed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, MockServer, files_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: scripts/test_scale.sh")

COUNT = int(os.environ.get("LEMMA_SCALE_COUNT", "1"))
UNITS = 600
CONCURRENCY = 32
WORKERS = 2
REPLY = (
    "<verdict>wrong</verdict><first_error_step>1</first_error_step><quote>First I count the apples</quote>"
    "<error_type>calculation_error</error_type><explanation>The sum is one too large.</explanation>"
)


def problem(number: int) -> dict[str, Any]:
    red, green, crates = 3 + number % 97, 5 + number % 89, 2 + number % 7
    right, wrong = red + green, red + green + 1
    text = (
        f"First I count the apples of one crate: {red} + {green} = {wrong} apples.\n"
        f"Then I take {crates} crates: {wrong} * {crates} = {wrong * crates} apples.\nThe answer is {wrong * crates}."
    )
    return {
        "question": f"Crate {number} holds {red} red and {green} green apples. How many apples do {crates} hold?",
        "answer": f"A crate holds {red} + {green} = {right}.\nAll hold {right} * {crates}.\n#### {right * crates}",
        "gt": str(right * crates),
        "samples": [{"text": text, "model": "student"}],
    }


class Bench:
    """A run whose samples are scored, an endpoint, and what the local executor makes of both."""

    def __init__(self, folder: Path, server: MockServer) -> None:
        self.folder = folder
        self.server = server
        (folder / "problems.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(UNITS)))
        tree = {
            "data": [{"dataset": "rollouts", "path": "problems.jsonl"}],
            "decontaminate": [],
            "shards": {"size": 20},
            "teacher": {"backend": "openai", "model": "m", "base_url": server.base_url, "concurrency": CONCURRENCY},
        }
        (folder / "config.yaml").write_text(json.dumps(tree))
        self.done = self.made("local", "run")
        assert self.command("analyze", self.done, backend="local").wait() == 0

    def made(self, name: str, stage: str) -> Path:
        """A run of its own, with the samples scored."""
        assert self.command("sample", self.folder / name, backend="local").wait() == 0
        return self.folder / name

    def command(
        self,
        stage: str,
        run: Path,
        backend: str = "ray",
        workers: int = WORKERS,
        more: Sequence[str] = (),
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """``lemma STAGE`` in a process of its own."""
        options = [f"executor.backend={backend}", f"executor.workers={workers}", *more]
        executor = [word for option in options for word in ("--set", option)]
        code = "from lemma.cli import main; main()"
        with (self.folder / "stderr").open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, "-c", code, stage, "config.yaml", "-o", run.name, "--quiet", *executor],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def wait_for_calls(self, calls: int) -> None:
        """Until the endpoint has answered so many more."""
        before = self.server.stats()["ok"]
        wait_until(lambda: self.server.stats()["ok"] >= before + calls, "calls are made", self)

    def check(self, run: Path, stats: dict[str, Any], in_flight: int) -> None:
        """Nothing lost, nothing double, the same bytes, nothing repeated but what was in flight."""
        keys = keys_of(run)
        assert len(keys) == len(set(keys)) == UNITS
        assert files_of(run) == files_of(self.done)
        assert stats["repeats"] <= in_flight
        assert not (run / ".leases").exists()


def keys_of(run: Path) -> list[str]:
    """Of all replies on disk."""
    lines = [line for path in run.glob("analyze/replies/*") for line in path.read_text().splitlines()]
    return [json.loads(line)["key"] for line in lines]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("ray")
    rules = folder / "rules.jsonl"
    rules.write_text(json.dumps({"match": "", "reply": REPLY}) + "\n")
    server = MockServer("--latency-ms", "400", "--jitter", "0.5", "--reply-file", str(rules), "--dup-key", "body")
    try:
        yield Bench(folder, server)
    finally:
        server.stop()


def reset(server: MockServer) -> None:
    import urllib.request

    urllib.request.urlopen(
        urllib.request.Request(server.base_url.removesuffix("/v1") + "/stats/reset", method="POST")
    ).close()


# ── processes ──


def processes() -> dict[int, tuple[int, str]]:
    """Number of each process → (its parent's, its command line)."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                if stat[0] != "Z":
                    found[int(folder.name)] = (int(stat[1]), (folder / "cmdline").read_text().replace("\0", " "))
    return found


def below(root: int) -> dict[int, tuple[int, str]]:
    """All that descend from a process."""
    everything = processes()
    found = {root: everything.get(root, (0, ""))}
    while more := {pid: one for pid, one in everything.items() if one[0] in found and pid not in found}:
        found |= more
    return found


def workers(root: int) -> list[int]:
    """Workers that are asking: their derive process is there."""
    there = below(root)
    parents = {parent for parent, _ in there.values()}
    return [pid for pid, (_, line) in there.items() if line.startswith("ray::Worker") and pid in parents]


def wait_until(is_true: Callable[[], Any], what: str, bench: Bench, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := is_true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}: {(bench.folder / 'stderr').read_text()[-2000:]}")


def kill_all(process: subprocess.Popen[bytes]) -> None:
    there = below(process.pid)
    process.kill()
    process.wait()
    for pid in there:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def command(bench: Bench) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(stage: str, run: Path, **options: Any) -> subprocess.Popen[bytes]:
        started.append(bench.command(stage, run, **options))
        return started[-1]

    yield start
    for process in started:
        kill_all(process)


# ── on one machine ──


@pytest.mark.parametrize("turn", range(COUNT))
def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    bench: Bench, command: Callable[..., subprocess.Popen[bytes]], turn: int
) -> None:
    run = bench.made(f"worker{turn}", "sample")
    reset(bench.server)
    process = command("analyze", run)
    before = wait_until(lambda: (there := workers(process.pid)) and len(there) == WORKERS and there, "all ask", bench)
    bench.wait_for_calls(100)
    os.kill(before[turn % WORKERS], signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: set(workers(process.pid)) - set(before), "there is another", bench)
    print(f"another asks after {time.monotonic() - killed:.2f} s")
    assert process.wait() == 0
    bench.check(run, bench.server.stats(), CONCURRENCY // WORKERS)


@pytest.mark.parametrize("turn", range(COUNT))
def test_workers_end_with_a_command_that_was_killed(
    bench: Bench, command: Callable[..., subprocess.Popen[bytes]], turn: int
) -> None:
    run = bench.made(f"driver{turn}", "sample")
    reset(bench.server)
    process = command("analyze", run)
    wait_until(lambda: len(workers(process.pid)) == WORKERS, "all ask", bench)
    bench.wait_for_calls(100)
    # two helpers of Ray's wait for its other processes for a while before they end; they call nobody
    there = {pid for pid, (_, line) in below(process.pid).items() if "Agent" not in line}
    process.kill()
    killed = time.monotonic()
    process.wait()
    wait_until(lambda: not there & processes().keys(), "all have ended", bench)
    print(f"all have ended after {time.monotonic() - killed:.2f} s")
    assert command("analyze", run).wait() == 0
    bench.check(run, bench.server.stats(), CONCURRENCY)


def test_ctrl_c_keeps_what_is_in_flight_and_the_same_command_goes_on(
    bench: Bench, command: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run = bench.made("interrupted", "sample")
    reset(bench.server)
    process = command("analyze", run)
    wait_until(lambda: len(workers(process.pid)) == WORKERS, "all ask", bench)
    bench.wait_for_calls(100)
    there = below(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not there.keys() & processes().keys()
    asked = bench.server.stats()["requests"]
    assert len(keys_of(run)) == asked  # what was in flight was awaited
    assert command("analyze", run).wait() == 0
    bench.check(run, bench.server.stats(), 0)


@pytest.mark.parametrize("has_plugin", [False, True])
def test_a_whole_run_makes_the_bytes_that_one_process_makes(tmp_path: Path, has_plugin: bool) -> None:
    tree: dict[str, Any] = {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 30}],
        "decontaminate": [],
        "shards": {"size": 4},
    }
    if has_plugin:
        tree["plugins"] = [str(ROOT / "examples/plugin.py")]
        tree["inject"] = {"types": {"rounding_error": 1, "calculation_error": 1}}
        tree["correct"] = {"strategies": ["check_back", "fix_continue"]}
    (tmp_path / "config.yaml").write_text(json.dumps(tree))
    code = "from lemma.cli import main; main()"
    for backend in ("local", "ray"):
        command = [sys.executable, "-c", code, "run", "config.yaml", "-o", backend, "--quiet"]
        command += ["--set", f"executor.backend={backend}", "--set", "executor.workers=3"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")


def test_the_budget_is_exceeded_by_one_reply_at_most_and_used_up(
    bench: Bench, command: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run = bench.made("budget", "sample")
    reset(bench.server)
    limit = 400_000
    assert command("analyze", run, more=[f"budget.max_tokens={limit}", "teacher.max_tokens=100"]).wait() == 3
    stats = bench.server.stats()
    used = stats["prompt_tokens"] + stats["completion_tokens"]
    largest = used / stats["ok"] * 1.2
    assert limit - 2 * largest < used < limit + largest


def test_a_wrong_model_is_told_in_one_line(bench: Bench, command: Callable[..., subprocess.Popen[bytes]]) -> None:
    run = bench.made("refused", "sample")
    url = bench.server.base_url.removesuffix("/v1") + "/nowhere"
    assert command("analyze", run, more=[f"teacher.base_url={url}"]).wait() == 1
    assert "lemma: the teacher endpoint" in (bench.folder / "stderr").read_text().splitlines()[-1]


# ── a node goes ──


@pytest.fixture
def cluster() -> Iterator[subprocess.Popen[str]]:
    script = str(ROOT / "tests/executors/node_cluster.py")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", script, "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        there = below(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        for pid in there:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()


def told(cluster: subprocess.Popen[str], word: str) -> list[str]:
    assert cluster.stdout is not None
    for line in cluster.stdout:
        if line.startswith(word):
            return line.split()[1:]
    raise AssertionError(f"the cluster ended without {word}")


@pytest.mark.parametrize("turn", range(COUNT))
def test_what_a_removed_node_had_in_hand_is_done_by_others(
    bench: Bench, command: Callable[..., subprocess.Popen[bytes]], cluster: subprocess.Popen[str], turn: int
) -> None:
    address, *raylets = told(cluster, "lemma-cluster")
    run = bench.made(f"node{turn}", "sample")
    reset(bench.server)
    # one more than there are other nodes: not all can be on the first one
    process = command("analyze", run, workers=3, RAY_ADDRESS=address, RAY_AUTH_MODE="disabled")
    before = wait_until(lambda: (there := workers(cluster.pid)) and len(there) == 3 and there, "all ask", bench)
    bench.wait_for_calls(100)
    parents = {pid: str(parent) for pid, (parent, _) in processes().items()}
    node = next(raylet for raylet in raylets if any(parents[pid] == raylet for pid in before))
    gone = [pid for pid in before if parents[pid] == node]
    assert cluster.stdin is not None
    cluster.stdin.write(f"{node}\n")
    cluster.stdin.flush()
    removed = time.monotonic()
    wait_until(lambda: set(workers(cluster.pid)) - set(before), "there is another", bench)
    print(f"another asks after {time.monotonic() - removed:.2f} s")
    assert process.wait() == 0
    assert not set(gone) & processes().keys()
    bench.check(run, bench.server.stats(), -(-CONCURRENCY // 3) * len(gone))
