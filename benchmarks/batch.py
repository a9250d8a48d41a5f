"""Batches at scale: memory and split of writing, and how long harvesting takes beside reading the same bytes raw.

    python benchmarks/batch.py                   200,000 requests
    python benchmarks/batch.py --requests 5000

A run's folder is made with samples of the bundled example under other questions, so that `analyze` has this many
requests; the results are made beside them, in another order in every file, and read back.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from lemma.batch.byhand import RequestWriter, read_replies
from lemma.batch.limits import Limits
from lemma.configfile import parse_config
from lemma.errors import Incomplete
from lemma.pipeline import Options, Pipeline

SAMPLES = 20
"""Wrong samples of a problem."""
ANALYSIS = "<analysis>\n" + "It has a number that stands nowhere before. " * 25 + "</analysis>"
REPLY = f"{ANALYSIS}\n<verdict>correct</verdict>"


def problems(count: int) -> Iterator[bytes]:
    """Rows of rollouts with wrong samples."""
    for number in range(count):
        question = f"In shop {number} there are {number + 3} boxes with 7 pens each. How many pens are there in all?"
        texts = [
            f"There are {number + 3} boxes.\nEach box has 7 pens.\nSo there are {number + draw} pens.\n"
            f"The answer is: {number + draw + 10**6}"
            for draw in range(SAMPLES)
        ]
        yield orjson.dumps(
            {
                "question": question,
                "answer": f"{number + 3} * 7 = {7 * (number + 3)}\n#### {7 * (number + 3)}",
                "gt": str(7 * (number + 3)),
                "samples": [{"text": text, "model": "m"} for text in texts],
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def write_results(requests: Path, results: Path, seed: int) -> None:
    """The results of a file of requests, in another order."""
    with requests.open("rb") as file:
        keys = [orjson.loads(line)["custom_id"] for line in file]
    random.Random(seed).shuffle(keys)
    message = {"role": "assistant", "content": REPLY, "refusal": None}
    body = {
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1500, "completion_tokens": 270, "total_tokens": 1770},
    }
    with results.open("wb") as file:
        for key in keys:
            response = {"status_code": 200, "request_id": key, "body": body}
            line = {"id": f"batch_req_{key}", "custom_id": key, "response": response, "error": None}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def memory_mb() -> float:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def raw_s(paths: list[Path]) -> float:
    """Seconds of processor for parsing every line with orjson, and nothing else."""
    began = time.process_time()
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
    return time.process_time() - began


def measure(folder: Path, requests: int) -> dict[str, object]:
    """Writes, answers, harvests."""
    data = folder / "rollouts.jsonl"
    with data.open("wb") as file:
        file.writelines(problems(-(-requests // SAMPLES)))
    tree = {
        "data": [{"dataset": "rollouts", "path": str(data)}],
        "decontaminate": [],
        "teacher": {"backend": "batch", "model": "m", "base_url": "http://127.0.0.1:9/v1"},
    }
    config, run, limits = parse_config(tree, "benchmark"), folder / "run", Limits()
    print(f"scoring {requests} samples …", file=sys.stderr, flush=True)
    with Pipeline(run, config, Options(quiet=True)) as pipeline:
        pipeline.work(["sample"])
    print("writing requests …", file=sys.stderr, flush=True)
    before_mb = memory_mb()
    writer = RequestWriter(run, folder / "requests.jsonl", limits)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        with Pipeline(run, config, Options(quiet=True), teacher=lambda role: writer) as pipeline:
            pipeline.work(["analyze"])
    except Incomplete as done:
        print(done, file=sys.stderr, flush=True)
    write_wall, write_cpu, written_mb = time.perf_counter() - wall, time.process_time() - cpu, memory_mb()
    print("answering …", file=sys.stderr, flush=True)
    results = []
    for number, path in enumerate(writer.files):
        results.append(folder / f"results-{number}.jsonl")
        write_results(path, results[-1], number)
    answered_mb = memory_mb()
    print("harvesting …", file=sys.stderr, flush=True)
    raw = raw_s(results)
    wall, cpu = time.perf_counter(), time.process_time()
    read = read_replies(run, results)
    harvest_wall, harvest_cpu = time.perf_counter() - wall, time.process_time() - cpu
    stored = read.stages["analyze"].stored
    assert stored == requests, (stored, requests)
    sizes = json.loads((folder / "requests.manifest.json").read_bytes())["files"]
    return {
        "requests": requests,
        "files": [(one["requests"], one["bytes"]) for one in sizes],
        "write_s": round(write_wall, 1),
        "write_cpu_s": round(write_cpu, 1),
        "memory_before_writing_mb": round(before_mb),
        "memory_after_writing_mb": round(written_mb),
        "result_bytes": sum(path.stat().st_size for path in results),
        "harvest_s": round(harvest_wall, 1),
        "harvest_cpu_s": round(harvest_cpu, 1),
        "raw_orjson_cpu_s": round(raw, 2),
        "ratio_to_raw": round(harvest_cpu / raw, 1),
        "memory_before_harvest_mb": round(answered_mb),
        "memory_after_harvest_mb": round(memory_mb()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.requests), indent=1))


if __name__ == "__main__":
    main()
