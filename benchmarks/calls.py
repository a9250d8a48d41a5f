r"""Measure calls: the whole pipeline's analyze stage beside raw aiohttp, the openai package and the published way.

    python benchmarks/calls.py                # every row, three rounds: about 15 minutes
    python benchmarks/calls.py --quick        # one row, one round, about 40 s; status 1 where a goal is missed
    python benchmarks/calls.py --memory       # 100,000 and 1,000,000 units without latency: long

Needs aiohttp for the peers (``pip install -e '.[bench]'``).

The endpoint is ``mock_teacher.py`` on loopback (``--jitter 0.5``). lemma is the real command in a process of its own,
on a run whose samples are scored; peers send the very same bodies (`benchmarks/calls_peers.py`). Calls a second are the
server's own count, from the first request to the last reply. CPU is that of the calling process alone: lemma's derive
process is told apart. Rounds are interleaved, ratios are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "tests" / "tools" / "mock_teacher.py"
LAUNCH = """
import json, resource, sys
sys.argv = ["lemma", *sys.argv[1:]]
status = 0
try:
    from lemma.cli import main
    main()
except SystemExit as end:
    status = end.code or 0
own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"cpu_s": own.ru_utime + own.ru_stime, "children_s": others.ru_utime + others.ru_stime,
                  "rss_mb": own.ru_maxrss / 1024, "status": status}))
"""
REPLY = """<analysis>
Step by step: the first step adds the two kinds of apples of one crate; the sum that it names is one too large, since
the two counts add up to one less. The later steps go on from that sum and are carried out soundly. So the first step is
the first wrong one, and it is a slip in the arithmetic.
</analysis>
<verdict>wrong</verdict>
<first_error_step>1</first_error_step>
<quote>First I count the apples of one crate</quote>
<error_type>calculation_error</error_type>
<explanation>The sum of the red and the green apples of one crate is one too large; adding them rightly gives one \
apple less, and the later steps carry the slip on.</explanation>"""


@dataclass
class Measured:
    """One run of one caller."""

    calls_a_second: float
    cpu_ms: float
    """A call, of the calling process."""
    children_ms: float = 0.0
    first_call_s: float = 0.0
    rss_mb: float = 0.0


@contextmanager
def server(folder: Path, latency_ms: float, *more: str, command: Sequence[str] = (str(SERVER),)) -> Iterator[str]:
    """The mock endpoint with these further options; yields its base URL. `command`: Python's own arguments."""
    rules = folder / "rules.jsonl"
    rules.write_text(json.dumps({"match": "", "reply": REPLY}) + "\n")
    options = ["--port", "0", "--latency-ms", str(latency_ms), "--jitter", "0.5", "--reply-file", str(rules)]
    process = subprocess.Popen([sys.executable, *command, *options, *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def ask_server(base_url: str, path: str, method: str = "GET") -> dict[str, Any]:
    """The server's counters."""
    request = urllib.request.Request(base_url.removesuffix("/v1") + path, method=method)
    with urllib.request.urlopen(request) as response:
        return dict(json.load(response))


def problem(number: int) -> dict[str, Any]:
    """A problem with one wrong sample."""
    red, green, crates = 3 + number % 97, 5 + number % 89, 2 + number % 7
    right, wrong = red + green, red + green + 1
    question = (
        f"Crate {number} holds {red} red apples and {green} green ones. A grocer buys {crates} such crates. "
        "How many apples does the grocer buy?"
    )
    reference = (
        f"A crate holds {red} + {green} = {right} apples.\n"
        f"The grocer buys {right} * {crates} = {right * crates} apples.\n#### {right * crates}"
    )
    text = (
        f"First I count the apples of one crate: {red} + {green} = {wrong} apples.\n"
        f"Then I take {crates} crates: {wrong} * {crates} = {wrong * crates} apples.\nThe answer is {wrong * crates}."
    )
    samples = [{"text": text, "model": "student"}]
    return {"question": question, "answer": reference, "gt": str(right * crates), "samples": samples}


def prepare(folder: Path, units: int) -> Path:
    """A run whose sample stage is done; returns its folder."""
    run, data = folder / f"run-{units}", folder / f"problems-{units}.jsonl"
    if run.exists():
        return run
    with data.open("wb") as file:
        for number in range(units):
            file.write(orjson.dumps(problem(number), option=orjson.OPT_APPEND_NEWLINE))
    lemma(folder, "sample", config(folder, units, "http://127.0.0.1:9/v1", 1), run)
    return run


def config(folder: Path, units: int, base_url: str, concurrency: int) -> Path:
    """A configuration file."""
    path = folder / "config.yaml"
    tree = {
        "data": [{"dataset": "rollouts", "path": str(folder / f"problems-{units}.jsonl")}],
        "decontaminate": [],
        "teacher": {"backend": "openai", "model": "m", "base_url": base_url, "concurrency": concurrency},
    }
    path.write_text(json.dumps(tree))  # JSON is YAML
    return path


def lemma(folder: Path, stage: str, path: Path, run: Path) -> dict[str, Any]:
    """The real command; returns its process's figures."""
    command = [sys.executable, "-c", LAUNCH, stage, str(path), "-o", str(run), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment())
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"lemma {stage} failed: {done.stderr}")
    figures = json.loads(done.stdout.splitlines()[-1])
    if figures["status"]:
        raise SystemExit(f"lemma {stage} ended with status {figures['status']}: {done.stderr}")
    return dict(figures)


def environment() -> dict[str, str]:
    """This checkout first."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def measure_lemma(folder: Path, base_url: str, units: int, concurrency: int) -> Measured:
    """The analyze stage, from a finished sample stage."""
    run = prepare(folder, units)
    shutil.rmtree(run / "analyze", ignore_errors=True)
    path = config(folder, units, base_url, concurrency)
    ask_server(base_url, "/stats/reset", "POST")
    began = time.time()
    figures = lemma(folder, "analyze", path, run)
    stats = ask_server(base_url, "/stats")
    assert stats["ok"] == units == stats["requests"], stats
    return Measured(
        stats["ok"] / stats["window_s"],
        figures["cpu_s"] / units * 1e3,
        figures["children_s"] / units * 1e3,
        stats["first_request_at"] - began,
        figures["rss_mb"],
    )


def measure_peer(name: str, folder: Path, base_url: str, bodies: Path, units: int, concurrency: int) -> Measured:
    """A peer with the same bodies."""
    ask_server(base_url, "/stats/reset", "POST")
    command = [sys.executable, str(ROOT / "benchmarks" / "calls_peers.py"), name, base_url, str(bodies)]
    command += [str(concurrency), str(units), str(folder / "out.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    figures = json.loads(done.stdout)
    stats = ask_server(base_url, "/stats")
    return Measured(stats["ok"] / stats["window_s"], figures["cpu_s"] / figures["calls"] * 1e3)


def write_bodies(folder: Path, units: int) -> Path:
    """The bodies that lemma's analyze stage sends."""
    from lemma.configfile import load_config
    from lemma.groups import read_groups
    from lemma.prompts import Prompts
    from lemma.shards.folder import StageFolder
    from lemma.stages.analyze import AnalyzeStage
    from lemma.taxonomy import load_taxonomy
    from lemma.teacher.openai import encode_body

    path = folder / f"bodies-{units}.jsonl"
    run = prepare(folder, units)
    if not path.exists():
        settings = load_config(config(folder, units, "http://127.0.0.1:9/v1", 1), (), None)
        stage = AnalyzeStage(settings, Prompts(None), load_taxonomy(None))
        with path.open("wb") as file:
            for part in StageFolder(run, "sample").parts():
                for group in read_groups(run, part, stage.reads):
                    for unit in stage.units(group):
                        file.write(encode_body(stage.request(unit, 0, 0, False)) + b"\n")
    return path


@dataclass(frozen=True)
class Row:
    """A setting with its goals."""

    latency_ms: int
    concurrency: int
    peers: tuple[str, ...]
    of_raw: float


ROWS = (
    Row(1000, 256, ("raw", "published"), 0.99),
    Row(1000, 1024, ("raw",), 0.99),
    Row(200, 256, ("raw", "lean", "default"), 0.95),
)


class Goals:
    """Prints each goal with what was seen."""

    def __init__(self) -> None:
        self.missed = 0

    def check(self, what: str, seen: float, goal: float, at_least: bool) -> None:
        """One goal."""
        holds = seen >= goal if at_least else seen <= goal
        self.missed += not holds
        sign = "≥" if at_least else "≤"
        print(f"    {'ok  ' if holds else 'MISS'} {what}: {seen:.3f} (goal {sign} {goal:g})", flush=True)


def run_row(row: Row, folder: Path, rounds: int, goals: Goals, times: int = 40) -> None:
    """Measures one setting, callers interleaved."""
    units = times * row.concurrency
    bodies = write_bodies(folder, units)
    seen: dict[str, list[Measured]] = {name: [] for name in ("lemma", *row.peers)}
    with server(folder, row.latency_ms) as base_url:
        for number in range(rounds):
            for name, results in seen.items():
                if name == "published" and number:
                    continue
                if name == "lemma":
                    results.append(measure_lemma(folder, base_url, units, row.concurrency))
                else:
                    results.append(measure_peer(name, folder, base_url, bodies, units, row.concurrency))
    print(f"{row.latency_ms} ms, {row.concurrency} at once, {units} calls, load {os.getloadavg()[0]:.1f}", flush=True)
    for name, results in seen.items():
        rates = ", ".join(f"{one.calls_a_second:.0f}" for one in results)
        cpu = median(one.cpu_ms for one in results)
        print(f"  {name:<10}{rates} calls/s; {cpu:.3f} ms CPU a call", end="")
        children = median(one.children_ms for one in results)
        print(f" (derive process {children:.3f})" if name == "lemma" else "")
    ours = seen["lemma"]

    def ratio(peer: str) -> float:
        pairs = zip(ours, seen[peer], strict=False)
        return median(one.calls_a_second / other.calls_a_second for one, other in pairs)

    goals.check("calls/s of raw aiohttp's", ratio("raw"), row.of_raw, True)
    goals.check("seconds to the first call", median(one.first_call_s for one in ours), 1.0, False)
    cpu = median(one.cpu_ms for one in ours)
    if "lean" in seen:
        goals.check("CPU a call of the lean client's", cpu / median(one.cpu_ms for one in seen["lean"]), 2.0, False)
    if "default" in seen:
        goals.check("CPU a call of openai's default", cpu / median(one.cpu_ms for one in seen["default"]), 0.6, False)
    if "published" in seen:
        goals.check("times the published way", ratio("published"), 25.0, True)


def run_memory(folder: Path, sizes: tuple[int, int], goals: Goals) -> None:
    """Peak memory of the main process, and how soon a finished run is seen as such."""
    peaks = []
    with server(folder, 0) as base_url:
        for units in sizes:
            one = measure_lemma(folder, base_url, units, 256)
            peaks.append(one.rss_mb)
            print(f"{units} units, no latency: {one.calls_a_second:.0f} calls/s, peak {one.rss_mb:.0f} MB", flush=True)
        began = time.monotonic()
        lemma(folder, "analyze", config(folder, sizes[1], base_url, 256), prepare(folder, sizes[1]))
        goals.check(f"seconds to see {sizes[1]} units as finished", time.monotonic() - began, 10, False)
    goals.check("peak MB", peaks[1], 160, False)
    goals.check("MB more than with the smaller one", peaks[1] - peaks[0], 40, False)


def main() -> None:
    """Measures and prints; status 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--sizes", type=int, nargs=2, default=(100_000, 1_000_000), help="units for --memory")
    parser.add_argument("--rows", type=int, nargs="*", default=None, help="numbers of rows, from 0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="kept, so that preparing is done once")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    goals = Goals()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="lemma-calls-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.memory:
            run_memory(folder, tuple(arguments.sizes), goals)
        elif arguments.quick:
            run_row(Row(200, 256, ("raw", "lean"), 0.95), folder, 1, goals)
        else:
            for number in arguments.rows if arguments.rows is not None else range(len(ROWS)):
                run_row(ROWS[number], folder, arguments.rounds, goals)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if goals.missed else 0)


if __name__ == "__main__":
    main()
