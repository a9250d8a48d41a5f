r"""Plan one million problems: parts, files, bytes, processor time, memory, and each stage's time at 1 to 100 endpoints.

    python benchmarks/million.py               # a table in Markdown, about a minute

Measured here: bytes of records and replies on disk and processor time to derive them, by a run over the bundled example
(170 problems with real student samples, the embedded teacher); memory of injection's plan, for 100,000 problems. Units,
calls and tokens are `lemma plan`'s for the example's problems. All of it is extrapolated in proportion. Simulated, part
by part: stage after stage with as many workers as endpoints (`simulate`). Assumed: what an endpoint answers
(`TOKENS_A_SECOND`, `CALL_S`), and that speeds differ by a tenth.
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
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder, part_number
from lemma.stages.inject import Assignment
from lemma.stages.rounds import MAX_ROUNDS, Slot

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
CALL_S = 15.0
"""That a call takes where an endpoint is full: some 200 tokens at a tenth of what one call alone would get."""
RETRIED = 0.15
"""Of a round of injection's problems, in the next (`lemma plan`: 85 % kept)."""
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


@dataclass
class Load:
    """A stage, or a round of one, for all problems."""

    tokens: float
    """That endpoints write."""
    calls: float
    derive_s: float
    """Of one core."""

    def times(self, share: float) -> Load:
        """A part of it."""
        return Load(self.tokens * share, self.calls * share, self.derive_s * share)

    def asking_s(self, endpoints: float) -> float:
        """Seconds until the last reply, were it shared out evenly to the end."""
        return max(self.tokens / TOKENS_A_SECOND, self.calls / CALLS_A_PROCESS) / endpoints


def simulate(load: Load, parts: int, workers: int, seed: int = 0) -> float:
    """Seconds until the last part of a stage is on disk.

    One worker an endpoint. Each takes the next part when it has asked all of the one before, so that its endpoint is
    never idle, and derives parts in turn on a core of its own. Endpoints differ in speed by a tenth, and so do parts.
    The last reply of all takes `CALL_S`.
    """
    source = random.Random(seed)
    drawn = [source.uniform(0.95, 1.05) for _ in range(workers)]
    speeds = [speed * workers / sum(drawn) for speed in drawn]
    asking = [(0.0, worker) for worker in range(workers)]
    deriving = [0.0] * workers
    heapq.heapify(asking)
    part_s, derive_s = load.asking_s(1) / parts, load.derive_s / parts
    for _ in range(parts):
        size = source.uniform(0.95, 1.05)
        at, worker = heapq.heappop(asking)
        asked_at = at + size * part_s / speeds[worker]
        heapq.heappush(asking, (asked_at, worker))
        deriving[worker] = max(deriving[worker], asked_at) + size * derive_s
    return max(deriving) + CALL_S


def simulate_stage(name: str, load: Load, parts: int, workers: int) -> float:
    """Seconds of a stage; a round of injection begins when all parts of the one before are done."""
    if name != "inject":
        return simulate(load, parts, workers)
    shares = [RETRIED**number for number in range(MAX_ROUNDS)]
    return sum(simulate(load.times(share / sum(shares)), parts, workers) for share in shares)


def hours(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def table(
    measured: dict[str, Measured], plan: dict[str, StagePlan], scale: float, held: tuple[float, float]
) -> list[str]:
    """The plan as lines of Markdown."""
    parts = PROBLEMS // PART
    lines = [
        "| stage | units | calls | tokens written | on disk | to derive | "
        + " | ".join(f"{count} endpoint{'s' if count > 1 else ''}" for count in ENDPOINTS)
        + " |",
        "|---|" + "---|" * (5 + len(ENDPOINTS)),
    ]
    sums = {"calls": 0.0, "tokens": 0.0, "bytes": 0.0, "derive_s": 0.0}
    totals, evenly, smaller = ({count: 0.0 for count in ENDPOINTS} for _ in range(3))
    for name, stage in plan.items():
        one = measured[name]
        overhead = (
            one.reply_overhead or measured["analyze"].reply_overhead
        )  # the example's samples came without replies
        units, asked, tokens = stage.units * scale, stage.calls * scale, stage.output_tokens * scale
        size = units * one.record_bytes + asked * overhead + tokens * CHARS_A_TOKEN
        derive_s = units * one.derive_ms / 1e3
        load = Load(tokens, asked, derive_s)
        times = {count: simulate_stage(name, load, parts, count) for count in ENDPOINTS}
        for count in ENDPOINTS:
            totals[count] += times[count]
            evenly[count] += load.asking_s(count)
            smaller[count] += simulate_stage(name, load, 4 * parts, count)
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
    files = parts * (2 + FILES_A_PART * len(plan))
    longer = ", ".join(f"{totals[count] / evenly[count] - 1:.1%} longer at {count}" for count in ENDPOINTS)
    most = ENDPOINTS[-1]
    lines += [
        "",
        f"{parts:,} parts of {PART:,} problems; {files:,} files. The last parts, deriving, and the rounds of injection "
        f"make the whole {longer} ({smaller[most] / evenly[most] - 1:.1%} there with parts of {PART // 4}). The rounds "
        f"of injection hold {held[0] * PROBLEMS / 1e9:.2f} GB in the command, and {held[1] * PROBLEMS / 1e9:.2f} GB in "
        "each worker of Ray.",
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
