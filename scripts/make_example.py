"""Chooses the bundled example from GSM8K's own model solutions.

    python scripts/make_example.py student/gsm8k.jsonl

Reads rollouts (`question`, `answer`, `gt`, `samples` with `text`, `correct`, `model`) on the test split and writes
lemma/data/example/gsm8k.jsonl. Only the four models of openai/grade-school-math's `example_model_solutions.jsonl` are
taken (MIT). The choice is fixed: by how many of a problem's samples are right, then by a hash of its question.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

MODELS = ("gpt3-6b-finetuning", "gpt3-6b-verification", "gpt3-175b-finetuning", "gpt3-175b-verification")
SHARES = {1: 60, 2: 55, 3: 35, 0: 20}
"""How many problems to take by the number of right samples: mostly problems with both kinds."""
MAX_CHARS = 900
"""Longer samples are mostly loops, which a demonstration can spare."""
TARGET = Path(__file__).resolve().parent.parent / "lemma" / "data" / "example" / "gsm8k.jsonl"

_MARK = re.compile(r"<<[-+*/().\d ]{3,60}=-?\d+(\.\d+)?>>")
_ENDING = re.compile(r"\nA: -?[\d.,]+$")


def is_readable(sample: dict[str, Any]) -> bool:
    """Whether the sample works in steps, each with its arithmetic marked, to a number."""
    text = sample["text"]
    return text.count("<<") == len(_MARK.findall(text)) >= 2 and _ENDING.search(text) is not None


def choose(problem: dict[str, Any]) -> dict[str, Any] | None:
    """The problem with its MIT samples; None where they do not suit."""
    samples = [
        {"text": sample["text"], "correct": sample["correct"], "model": sample["model"]}
        for sample in problem["samples"]
        if sample["model"] in MODELS
    ]
    wrong = [sample for sample in samples if not sample["correct"]]
    if len(samples) != len(MODELS) or any(len(sample["text"]) > MAX_CHARS for sample in samples):
        return None
    if not wrong or not all(is_readable(sample) for sample in wrong):
        return None
    kept = {name: problem[name] for name in ("idx", "dataset", "split", "question", "answer", "gt")}
    return {**kept, "samples": samples}


def main(path: str) -> None:
    by_share: dict[int, list[tuple[str, dict[str, Any]]]] = {right: [] for right in SHARES}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            problem = choose(json.loads(line))
            if problem is not None:
                right = sum(sample["correct"] for sample in problem["samples"])
                key = hashlib.sha256(problem["question"].encode()).hexdigest()
                by_share[right].append((key, problem))
    chosen = [
        problem
        for right, count in SHARES.items()
        for _, problem in sorted(by_share[right], key=lambda pair: pair[0])[:count]
    ]
    chosen.sort(key=lambda problem: problem["idx"])
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(problem, ensure_ascii=False) + "\n" for problem in chosen)
    TARGET.write_text(text, encoding="utf-8")
    wrong = sum(not sample["correct"] for problem in chosen for sample in problem["samples"])
    print(f"{TARGET}: {len(chosen)} problems, {wrong} wrong and {4 * len(chosen) - wrong} right samples")


if __name__ == "__main__":
    main(sys.argv[1])
