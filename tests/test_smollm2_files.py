"""The file round trip with a real engine: SmolLM2 on llama.cpp answers a file of requests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.batching import take_replies, write_requests
from lemma.configfile import parse_config
from tests.protocol.commands import reply_lines
from tests.test_smollm2 import PROMPTS, example_rows, serving, student

REQUESTS = 6


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving(2, 512) as proxy:
        yield proxy.base_url


def answer(base_url: str, line: bytes) -> dict[str, Any]:
    """One result, in the shape of ``vllm run-batch``."""
    asked = json.loads(line)
    call = urllib.request.Request(
        base_url.removesuffix("/v1") + asked["url"],
        json.dumps(asked["body"]).encode(),
        {"Content-Type": "application/json"},
    )
    response: dict[str, Any] = {"request_id": "vllm-batch-1", "body": None}
    fault = None
    try:
        with urllib.request.urlopen(call, timeout=100) as got:
            response |= {"status_code": got.status, "body": json.load(got)}
    except urllib.error.HTTPError as error:
        with error:
            response["status_code"], fault = error.code, json.load(error)
    return {"id": "vllm-1", "custom_id": asked["custom_id"], "response": response, "error": fault}


def test_a_real_engine_answers_a_file_of_requests_and_its_results_are_read(base_url: str, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = ({"question": row["question"], "answer": row["answer"]} for row in example_rows()[:3])
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    config = parse_config(
        {
            "data": [{"dataset": "gsm8k", "path": str(problems)}],
            "decontaminate": [],
            "prompts": str(PROMPTS),
            "student": student(base_url),
            "sample": {"num_samples": 2, "max_tokens": 48},
        },
        "test",
    )
    run, requests, replies = tmp_path / "run", tmp_path / "requests.jsonl", tmp_path / "replies.jsonl"
    assert f"sample: {REQUESTS} requests in 1 file" in write_requests(run, "sample", requests, config)
    lines = requests.read_bytes().splitlines()
    replies.write_text("".join(json.dumps(answer(base_url, line)) + "\n" for line in lines), "utf-8")
    assert f"sample: {REQUESTS} replies stored" in take_replies(run, [replies])
    assert "nothing is left to ask" in write_requests(run, "sample", requests, config)
    stored = [json.loads(line) for line in reply_lines(run)]
    assert min(reply["usage"][0] for reply in stored) > 20, "every request was read by the engine"
    assert min(len(reply["text"]) for reply in stored) > 0
    manifest = json.loads((run / "sample/part-00000.manifest").read_bytes())
    assert manifest["units"] == manifest["kept"] + manifest["rejected"] == REQUESTS
