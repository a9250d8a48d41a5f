"""A real model measured: SmolLM2-135M on llama.cpp. It solves next to nothing; all that it says must be accounted for.

With all sets it takes minutes: two problems of one, and in the slow test more of every set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.evaluate.benchmarks import BENCHMARKS
from tests.evaluate.test_eval import items_in, results_of, write_sets
from tests.protocol.commands import run_lemma, write_config
from tests.test_smollm2 import serving

CONTEXT = 1700
"""Tokens: eight worked examples have some 800."""


def check(folder: Path, names: list[str], problems: int, timeout_s: float, **section: Any) -> None:
    with serving(4, CONTEXT) as proxy:
        student = {"model": "smollm2", "base_url": proxy.base_url, "api": "completions", "concurrency": 4}
        tree = {"student": student, "eval": {"sets": write_sets(folder, names, problems), **section}}
        config = write_config(folder / "eval.yaml", tree)
        done = run_lemma("eval", config, "-o", folder / "run", "--quiet", timeout_s=timeout_s)
        assert (done.returncode, done.stderr) == (0, "")
        asked = [exchange.words for exchange in proxy.exchanges]
    items = items_in(folder / "run")
    assert [one["set"] for one in items] == [name for name in names for _ in range(problems)]
    for one in results_of(folder / "run")["sets"]:
        own = [item for item in items if item["set"] == one["set"]]
        assert one["greedy"]["replies"] == sum(one["greedy"]["verdicts"].values()) == problems
        assert one["greedy"]["right"] == sum(item["verdict"] == "right" for item in own)
        assert all(item["text"] or item["detail"] or item["verdict"] == "empty_reply" for item in own)
    for name in names:
        wanted = section.get("shots", BENCHMARKS[name].shots)
        shown = [words for words in asked if f"Question {name} " in words]
        assert len(shown) >= problems
        assert {words.count("### Instruction:") for words in shown} == {wanted + 1}
    lines = (folder / "run/sample/replies/part-00000.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == len(asked)


def test_a_real_model_is_measured(tmp_path: Path) -> None:
    check(tmp_path, ["gsm8k"], 2, 120, shots=1, max_tokens=24)


@pytest.mark.slow
def test_a_real_model_is_measured_on_every_set(tmp_path: Path) -> None:
    check(tmp_path, list(BENCHMARKS), 4, 600, max_tokens=96)
