r"""Plan one million problems: parts, files, bytes, processor time, memory, and each stage's time at 1 to 100 endpoints.

    python benchmarks/million.py               # a table in Markdown, about a minute

Measured here: bytes of records and replies on disk and processor time to derive them, by a run over the bundled example
(170 problems with real student samples, the embedded teacher); memory of injection's plan, for 100,000 problems. Units,
calls and tokens are `lemma plan`'s for the example's problems. All of it is extrapolated in proportion. Simulated: how
1,000 parts are shared out among as many workers as endpoints, whose speeds differ by a tenth. Assumed: what an endpoint
answers (`TOKENS_A_SECOND`).
"""

from __future__ import annotations

import heapq
import json
import pickle
import random
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calls

from lemma.configfile import parse_config
from lemma.injection import _by_problem, _Place
from lemma.plan import StagePlan, make_plan
from lemma.records import Problem
from lemma.shards import StageFolder, part_number, read_records
from lemma.stages.inject import Assignment
from lemma.stages.rounds import Slot

PROBLEMS = 1_000_000
PART = 1000
ENDPOINTS = (1, 10, 100)
TOKENS_A_SECOND = 10_000
"""That an endpoint writes, all its calls together: about a small model on one present accelerator."""
CALLS_A_PROCESS = 1_100
"""A second, at most (`benchmarks/calls.py`: 1,165 to 1,193 at 256 calls of 200 ms, on two cores beside its server)."""
CHARS_A_TOKEN = 4
FILES_A_PART = 4
"""Of a stage: records, rejections, manifest, replies."""
PLACES = 100_000
STAGES = ("sample", "analyze", "inject", "correct", "smooth")


@dataclass
class Measured:
    """Of one stage, for each of its units."""

    record_bytes: float
    reply_overhead: float
    """Bytes of a reply's line beside its text."""
    derive_ms: float


def lemma(folder: Path, *arguments: str) -> dict[str, Any]:
    """The command in a process of its own; returns its figures."""
    command = [sys.executable, "-c", calls.LAUNCH, *arguments, "config.yaml", "-o", "run", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=calls.environment())
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(folder: Path) -> dict[str, Measured]:
    """Bytes and processor time of each stage, by a run over the bundled example."""
    tree = {"data": [{"dataset": "rollouts", "path": "example:gsm8k"}], "decontaminate": [], "shards": {"size": 1000}}
    (folder / "config.yaml").write_text(json.dumps(tree))
    lemma(folder, "run")
    found = {}
    for name in STAGES:
        stage = StageFolder(folder / "run", name)
        manifests = [stage.manifest(part_number(path) or 0) for path in stage.path.glob("part-*.manifest")]
        units = sum(manifest.units for manifest in manifests if manifest is not None)
        records = [path for path in stage.path.rglob("part-*") if "replies" not in path.parts]
        lines = [line for path in stage.path.glob("replies/*") for line in path.read_bytes().splitlines()]
        overhead = sum(len(line) - len(json.dumps(json.loads(line)["text"])) for line in lines) / max(1, len(lines))
        idle = lemma(folder, name)
        busy = lemma(folder, name, "--rederive")
        cpu_s = busy["cpu_s"] + busy["children_s"] - idle["cpu_s"] - idle["children_s"]
        found[name] = Measured(
            sum(path.stat().st_size for path in records) / units, overhead, max(0.0, cpu_s) / units * 1e3
        )
    return found


def planned(folder: Path) -> tuple[int, dict[str, StagePlan]]:
    """`lemma plan` for the example's problems, sampled and taught by models; problems and stages."""
    problems = [
        problem
        for path in sorted((folder / "run/problems").glob("part-*.jsonl"))
        for problem in read_records(path, Problem)
    ]
    rows = [{"question": one.question, "solution": one.reference_solution, "answer": one.answer} for one in problems]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    endpoint = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    tree = {
        "data": [{"dataset": "jsonl", "path": str(folder / "problems.jsonl")}],
        "decontaminate": [],
        "student": endpoint,
        "teacher": endpoint,
    }
    plan = make_plan(parse_config(tree, "million"), None)
    return plan.problems, {stage.stage: stage for stage in plan.stages}


def plan_memory() -> tuple[float, float]:
    """Bytes a problem that the rounds of injection hold in the command, and their plan in each worker of Ray."""
    tracemalloc.start()
    places = [_Place(f"{number:016x}", "d", 0, Slot(f"{number:016x}/0")) for number in range(PLACES)]
    for place in places:
        place.asked = (Assignment(0, 1, "calculation_error"),)
    plan = _by_problem(places)
    held, _ = tracemalloc.get_traced_memory()
    sent = pickle.loads(pickle.dumps(plan))
    both, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sent) == PLACES
    return held / PLACES, (both - held) / PLACES


def makespan(parts: int, workers: int, seed: int = 0) -> float:
    """How much longer the parts take than if they could be shared out evenly, 1 being no longer.

    Workers differ in speed by a tenth, and so do parts; each takes the next part when it has done with one.
    """
    source = random.Random(seed)
    speeds = [source.uniform(0.95, 1.05) for _ in range(workers)]
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    sizes = [source.uniform(0.95, 1.05) for _ in range(parts)]
    end = 0.0
    for size in sizes:
        at, worker = heapq.heappop(free)
        heapq.heappush(free, (at + size / speeds[worker], worker))
        end = max(end, at + size / speeds[worker])
    return end / (sum(sizes) / sum(speeds))


def hours(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def table(
    measured: dict[str, Measured], plan: dict[str, StagePlan], scale: float, held: tuple[float, float]
) -> list[str]:
    """The plan as lines of Markdown."""
    spread = {count: makespan(PROBLEMS // PART, count) for count in ENDPOINTS}
    lines = [
        "| stage | units | calls | tokens written | on disk | to derive | "
        + " | ".join(f"{count} endpoint{'s' if count > 1 else ''}" for count in ENDPOINTS)
        + " |",
        "|---|" + "---|" * (5 + len(ENDPOINTS)),
    ]
    sums = {"calls": 0.0, "tokens": 0.0, "bytes": 0.0, "derive_s": 0.0}
    totals = dict.fromkeys(ENDPOINTS, 0.0)
    for name, stage in plan.items():
        one = measured[name]
        overhead = (
            one.reply_overhead or measured["analyze"].reply_overhead
        )  # the example's samples came without replies
        units, asked, tokens = stage.units * scale, stage.calls * scale, stage.output_tokens * scale
        size = units * one.record_bytes + asked * overhead + tokens * CHARS_A_TOKEN
        derive_s = units * one.derive_ms / 1e3
        times = {}
        for count in ENDPOINTS:
            by_endpoints = tokens / (TOKENS_A_SECOND * count)
            times[count] = max(by_endpoints, asked / (CALLS_A_PROCESS * count)) * spread[count]
            totals[count] += times[count]
        for key, value in zip(sums, (asked, tokens, size, derive_s), strict=True):
            sums[key] += value
        lines.append(
            f"| `{name}` | {units / 1e6:.1f} M | {asked / 1e6:.1f} M | {tokens / 1e9:.2f} G | {size / 1e9:.1f} GB | "
            f"{derive_s / 3600:.1f} core hours | " + " | ".join(hours(times[count]) for count in ENDPOINTS) + " |"
        )
    lines.append(
        f"| all | | {sums['calls'] / 1e6:.1f} M | {sums['tokens'] / 1e9:.2f} G | {sums['bytes'] / 1e9:.1f} GB | "
        f"{sums['derive_s'] / 3600:.1f} core hours | " + " | ".join(hours(totals[count]) for count in ENDPOINTS) + " |"
    )
    files = (PROBLEMS // PART) * (2 + FILES_A_PART * len(plan))
    lines += [
        "",
        f"{PROBLEMS // PART:,} parts of {PART:,} problems; {files:,} files; the last parts make a stage "
        + ", ".join(f"{spread[count] - 1:.1%} longer at {count}" for count in ENDPOINTS)
        + f"; the rounds of injection hold {held[0] * PROBLEMS / 1e9:.2f} GB in the command, and "
        f"{held[1] * PROBLEMS / 1e9:.2f} GB in each worker of Ray.",
    ]
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lemma-million-") as name:
        folder = Path(name)
        measured = measure(folder)
        problems, plan = planned(folder)
        for line in table(measured, plan, PROBLEMS / problems, plan_memory()):
            print(line)
        for stage, one in measured.items():
            print(
                f"{stage}: {one.record_bytes:.0f} bytes of records and {one.derive_ms:.2f} ms a unit, "
                f"{one.reply_overhead:.0f} bytes a reply beside its text",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
