"""Time the whole way with the embedded teacher: inject, correct, smooth, export; set against bare orjson.

    python benchmarks/offline.py --data DATA [--limit 1000]

GSM8K's 7,473 training problems are injected with types in the shares of `TYPES`, corrected by both strategies,
smoothed and exported, one command a stage, whose peak memory is that of all its processes together, as Linux tells it
five times a second (pages that they share count once). Beside it stands what the bytes alone cost: a process that
parses with orjson every line that the four stages read, and writes again with orjson every line that they write
(records, rejections, replies, the exported JSON). *ratio* is how many times longer the stages take, Python's start
included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

STAGES: Final[dict[str, tuple[str, ...]]] = {
    "inject": ("problems", "sample"),
    "correct": ("problems", "sample", "analyze", "inject"),
    "smooth": ("problems", "correct"),
    "export": ("problems", "sample", "smooth"),
}
"""Stage -> the folders whose parts it reads."""
TYPES: Final = {
    "calculation_error": 25,
    "question_misinterpretation": 20,
    "missing_step": 20,
    "referencing_context_value_error": 12,
    "operator_error": 10,
    "referencing_previous_step_value_error": 8,
    "adding_irrelevant_information": 3,
    "unit_conversion_error": 2,
}
"""What the rules can inject, about as often as students go wrong that way."""
CONFIG: Final = """
data: [{{dataset: gsm8k, path: {path}, limit: {limit}}}]
teacher: {{backend: rules}}
inject: {{types: {{{types}}}}}
"""


def timed(command: list[str]) -> tuple[float, float]:
    """Wall time of a command in seconds, and its peak memory in MB.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    has_ended = threading.Event()
    sums = [0.0]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watcher = threading.Thread(target=watch, args=(process.pid, has_ended, sums))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - start
    has_ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return wall_s, max(*sums, usage.ru_maxrss / 1024)


def watch(pid: int, has_ended: threading.Event, sums: list[float]) -> None:
    """Adds up, now and then, the memory in MB of a process and its children; only Linux tells."""
    while not has_ended.wait(0.2):
        with contextlib.suppress(OSError):
            pids = [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            sums.append(sum(map(shared_memory, pids)))


def shared_memory(pid: str) -> float:
    """Memory of a process in MB, each page divided by the number of processes that have it."""
    with contextlib.suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def written(run: Path, stage: str) -> list[Path]:
    """The JSON files that a stage writes."""
    return sorted(path for path in (run / stage).rglob("*") if path.suffix in (".jsonl", ".json"))


def orjson_time(read: Iterable[Path], write: Iterable[Path], scratch: Path) -> tuple[float, int]:
    """Wall time in seconds of parsing the first and writing the second again, and their bytes together."""
    num_bytes = 0
    start = time.perf_counter()
    for path in read:
        content = path.read_bytes()
        num_bytes += len(content)
        for line in content.splitlines():
            orjson.loads(line)
    wall_s = time.perf_counter() - start
    for path in write:
        content = path.read_bytes()
        num_bytes += len(content)
        values = [orjson.loads(content)] if path.suffix == ".json" else [orjson.loads(x) for x in content.splitlines()]
        start = time.perf_counter()
        with scratch.open("wb") as file:
            for value in values:
                file.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
        wall_s += time.perf_counter() - start
    return wall_s, num_bytes


def count_units(run: Path, stage: str) -> int:
    """How many units a stage had, as its manifests say."""
    manifests = [json.loads(path.read_text()) for path in (run / stage).glob("*.manifest")]
    return sum(manifest["units"] for manifest in manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the embedded teacher's stages against bare orjson.")
    parser.add_argument("--data", type=Path, required=True, help="folder with gsm8k/train.jsonl")
    parser.add_argument("--limit", type=int, default=7473, help="how many problems")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.data, options.limit, Path(folder))


def measure(data: Path, limit: int, folder: Path) -> None:
    config, run = folder / "config.yaml", folder / "run"
    types = ", ".join(f"{name}: {weight}" for name, weight in TYPES.items())
    path = json.dumps(str((data / "gsm8k" / "train.jsonl").resolve()))
    config.write_text(CONFIG.format(path=path, limit=limit, types=types), encoding="utf-8")
    lemma = [sys.executable, "-c", "from lemma.cli import main; main()"]
    for stage in ("sample", "analyze"):
        timed([*lemma, stage, str(config), "-o", str(run), "--quiet"])
    print(f"{'stage':<10}{'units':>8}{'s':>8}{'units/s':>10}{'peak MB':>9}{'MB':>8}{'orjson s':>10}{'ratio':>8}")
    whole = [0.0, 0.0, 0.0, 0.0, 0.0]
    for stage, sources in STAGES.items():
        wall_s, peak_mb = timed([*lemma, stage, str(config), "-o", str(run), "--quiet"])
        reads = [path for source in sources for path in sorted((run / source).glob("part-*.jsonl"))]
        bare_s, num_bytes = orjson_time(reads, written(run, stage), folder / "scratch")
        units = count_units(run, stage)
        print(
            f"{stage:<10}{units:>8,}{wall_s:>8.2f}{units / wall_s:>10,.0f}{peak_mb:>9.0f}{num_bytes / 1e6:>8.1f}"
            f"{bare_s:>10.3f}{wall_s / bare_s:>8.1f}"
        )
        whole = [whole[0] + units, whole[1] + wall_s, max(whole[2], peak_mb), whole[3] + num_bytes, whole[4] + bare_s]
    units_all, wall_all, peak_all, bytes_all, bare_all = whole
    print(
        f"{'all':<10}{units_all:>8,.0f}{wall_all:>8.2f}{units_all / wall_all:>10,.0f}{peak_all:>9.0f}"
        f"{bytes_all / 1e6:>8.1f}{bare_all:>10.3f}{wall_all / bare_all:>8.1f}"
    )


if __name__ == "__main__":
    main()
