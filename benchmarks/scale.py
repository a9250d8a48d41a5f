r"""Measure a stage done by workers of a Ray cluster, beside the same stage in one process.

    python benchmarks/scale.py                  # every row: about 12 minutes
    python benchmarks/scale.py workers limits   # some of: workers, limits, starts
    python benchmarks/scale.py --units 1500     # shorter

Needs Ray (``pip install lemma[ray]``). The endpoint is ``mock_teacher.py`` on loopback: a call takes a second (0.5 to
1.5), so that two cores are enough for server, command and workers, and what is measured is how calls are shared out.
`workers`: calls a second by the server's own count, from the first request to the last reply, at 128 calls at once,
which W workers share. `limits`: the middle of a run, between 20 and 80 % of its calls, by the server's count: how much
of its limit was used, and how many calls it turned away (429). The server that takes less than `rpm` says so in no
header. The straggler is a worker that is stopped three quarters of the time. `starts`: the first call, later than
without Ray, beside what Ray takes until the first of as many actors that do nothing has answered.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import calls

CONCURRENCY = 128
LATENCY_MS = 1000
RPM = 6000
UNTOLD = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import mock_teacher
mock_teacher.{kind}.limit_headers = lambda self: b""
mock_teacher.main()
"""
CLUSTER = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


BARE = """
import logging, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
quiet = dict(log_to_driver=False, logging_level=logging.CRITICAL)
workers = int(sys.argv[1])
if "RAY_ADDRESS" in os.environ:
    ray.init(**quiet)
else:
    ray.init(address="local", num_cpus=workers, include_dashboard=False, object_store_memory=2**27, **quiet)
@ray.remote(num_cpus=0)
class Worker:
    def answer(self):
        return 1
there = [Worker.remote() for _ in range(workers)]
ray.wait([worker.answer.remote() for worker in there], num_returns=1)
print("there", flush=True)
"""
"""Ray alone: until the first of so many actors, which load nothing, has answered."""


@dataclass
class Row:
    """What came of one run."""

    calls_a_second: float
    middle: float
    """Calls a second in the middle of the run."""
    turned_away: float
    """Share of all requests that got a 429."""
    first_call_s: float
    worker_mb: float
    driver_mb: float


def server(folder: Path, *options: str, is_telling: bool = True) -> contextlib.AbstractContextManager[str]:
    """The mock endpoint; `is_telling`: whether its headers say what its limits are."""
    command = [str(calls.SERVER)] if is_telling else ["-c", UNTOLD.format(kind="Teacher"), str(calls.SERVER.parent)]
    return calls.server(folder, LATENCY_MS, *options, command=command)


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """A Ray cluster to join; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield next(line.split()[1] for line in process.stdout if line.startswith("address"))
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


class Watch(threading.Thread):
    """Looks at the server and at the processes twice a second."""

    def __init__(self, base_url: str) -> None:
        super().__init__(daemon=True)
        self._base_url = base_url
        self._is_over = threading.Event()
        self.seen: list[tuple[float, int]] = []
        self.worker_mb = 0.0

    def run(self) -> None:
        """Until `end`."""
        while not self._is_over.wait(0.5):
            self.seen.append((time.monotonic(), calls.ask_server(self._base_url, "/stats")["ok"]))
            self.worker_mb = max([self.worker_mb, *(memory_mb(pid) for pid in worker_pids())])

    def end(self) -> float:
        """Calls a second between 20 and 80 % of all."""
        self._is_over.set()
        self.join()
        total = self.seen[-1][1] if self.seen else 0
        middle = [one for one in self.seen if 0.2 * total <= one[1] <= 0.8 * total]
        if len(middle) < 2:
            return 0.0
        return (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])


def worker_pids() -> list[int]:
    """Processes of workers, whoever started them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().startswith(b"ray::Worker"):
                found.append(int(path.parent.name))
    return sorted(found)


def memory_mb(pid: int) -> float:
    """Resident memory of a process that is not shared with others."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def analyze(
    folder: Path, run: Path, base_url: str, workers: int, address: str | None = None, more: tuple[str, ...] = ()
) -> Row:
    """``lemma analyze`` on a run whose samples are scored; `workers` 0: in one process, without Ray."""
    shutil.rmtree(run / "analyze", ignore_errors=True)
    calls.ask_server(base_url, "/stats/reset", "POST")
    options = [f"teacher.base_url={base_url}", *more]
    options += [f"executor.workers={workers}", "executor.backend=ray"] if workers else []
    command = [sys.executable, "-c", calls.LAUNCH, "analyze", str(folder / "config.yaml"), "-o", str(run), "--quiet"]
    environment = calls.environment() | ({"RAY_ADDRESS": address} if address else {})
    watch = Watch(base_url)
    watch.start()
    began = time.time()
    sets = [word for option in options for word in ("--set", option)]
    done = subprocess.run([*command, *sets], capture_output=True, text=True, check=False, cwd=folder, env=environment)
    middle = watch.end()
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["status"]:
        raise SystemExit(f"lemma analyze failed: {done.stderr}")
    stats = calls.ask_server(base_url, "/stats")
    return Row(
        calls_a_second=stats["rps"],
        middle=middle,
        turned_away=stats["limited"] / stats["requests"],
        first_call_s=stats["first_request_at"] - began,
        worker_mb=watch.worker_mb,
        driver_mb=json.loads(done.stdout.splitlines()[-1])["rss_mb"],
    )


def prepare(folder: Path, units: int) -> Path:
    """A run whose samples are scored, in parts of 100 problems."""
    with (folder / f"problems-{units}.jsonl").open("w") as file:
        for number in range(units):
            file.write(json.dumps(calls.problem(number)) + "\n")
    tree = json.loads(calls.config(folder, units, "http://127.0.0.1:9/v1", CONCURRENCY).read_text())
    tree["shards"] = {"size": 100}
    (folder / "config.yaml").write_text(json.dumps(tree))
    calls.lemma(folder, "sample", folder / "config.yaml", folder / "run")
    return folder / "run"


def measure_workers(folder: Path, units: int, rounds: int) -> None:
    """Calls a second with 1, 2 and 4 workers, beside one process."""
    run = prepare(folder, units)
    rows: dict[int, list[Row]] = {0: [], 1: [], 2: [], 4: []}
    with server(folder) as base_url:
        for _ in range(rounds):
            for workers, found in rows.items():
                found.append(analyze(folder, run, base_url, workers))
    alone = median(row.calls_a_second for row in rows[0])
    for workers, found in rows.items():
        speed = median(row.calls_a_second for row in found)
        name = f"{workers} workers" if workers else "one process"
        memory = f"; {median(row.worker_mb for row in found):.0f} MB a worker" if workers else ""
        print(f"{name:12} {speed:7.1f} calls/s  {speed / alone:6.1%}{memory}", flush=True)


@contextlib.contextmanager
def straggler() -> Iterator[None]:
    """Stops one worker three quarters of the time."""
    is_over = threading.Event()

    def hold() -> None:
        held = None
        while not is_over.is_set():
            there = worker_pids()
            held = held if held in there else there[0] if len(there) >= 4 else None
            if held is None:
                is_over.wait(0.2)
                continue
            with contextlib.suppress(OSError):
                os.kill(held, signal.SIGSTOP)
                is_over.wait(0.75)
                os.kill(held, signal.SIGCONT)
            is_over.wait(0.25)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def measure_limits(folder: Path, units: int) -> None:
    """How much of a limit four workers use together, and how many calls are turned away."""
    run = prepare(folder, units)
    more = (f"teacher.rpm={RPM}", "teacher.concurrency=256")

    def row(name: str, limit: float, is_telling: bool = True, slow: Callable[[], Any] = contextlib.nullcontext) -> None:
        with server(folder, "--rpm", f"{limit:g}", "--burst-s", "1", is_telling=is_telling) as base_url, slow():
            found = analyze(folder, run, base_url, 4, more=more)
        print(
            f"{name:34} {found.middle * 60 / limit:6.1%} of the limit used, {found.turned_away:.2%} turned away",
            flush=True,
        )

    row(f"rpm {RPM}, four workers", RPM)
    row("the same, one a straggler", RPM, slow=straggler)
    row("30 % less than rpm says, untold", 0.7 * RPM, is_telling=False)


def bare(workers: int, address: str | None = None) -> float:
    """Seconds that Ray alone takes, from the start of Python to an answer of the first of so many actors."""
    environment = os.environ | ({"RAY_ADDRESS": address} if address else {})
    began = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-c", BARE, str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        there_s = time.monotonic() - began
    if line.strip() != b"there":
        raise SystemExit("Ray alone failed")
    return there_s


def measure_starts(folder: Path, rounds: int) -> None:
    """The first call's delay by Ray, joined or started, beside what Ray takes by itself."""
    run = prepare(folder, 200)
    with server(folder) as base_url:
        alone = median(analyze(folder, run, base_url, 0).first_call_s for _ in range(rounds))
        print(f"first call without Ray after {alone:.2f} s", flush=True)

        def row(workers: int, how: str, address: str | None = None) -> None:
            found = [
                (analyze(folder, run, base_url, workers, address).first_call_s, bare(workers, address))
                for _ in range(rounds)
            ]
            later = median(one for one, _ in found) - alone
            itself = median(one for _, one in found)
            print(f"{workers} workers, a cluster {how}: {later:.2f} s later; Ray alone {itself:.2f} s", flush=True)

        for workers in (1, 4):
            row(workers, "started here")
        with cluster() as address:
            for workers in (1, 4):
                analyze(folder, run, base_url, workers, address)
                row(workers, "joined", address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=["workers", "limits", "starts", []], help="default: all")
    parser.add_argument("--units", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = options.rows or ["workers", "limits", "starts"]
    with tempfile.TemporaryDirectory(prefix="lemma-scale-") as name:
        folder = Path(name)
        if "workers" in rows:
            measure_workers(folder, options.units, options.rounds)
        if "limits" in rows:
            measure_limits(folder, options.units)
        if "starts" in rows:
            measure_starts(folder, options.rounds)


if __name__ == "__main__":
    main()
