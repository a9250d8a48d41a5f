#!/usr/bin/env python3
"""Two small training sets from one run: rows of lemma, and plain reference solutions of the same problems.

    python examples/smollm2/prepare.py RUN sets --rows 320 --max-chars 560

RUN was exported with the format `llamafactory`. Writes ``sets/lemma`` and ``sets/plain``, each a folder that
`scripts/train.sh` trains on: as many rows of the same problems, one a problem, in the same prompt. Which ones, a hash
of the row decides, among those that are short enough for a processor without an accelerator.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lemma.endings import finish
from lemma.records import Problem


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def choose(rows: Iterator[dict[str, Any]], count: int, max_chars: int) -> list[dict[str, Any]]:
    """Short rows, one a problem, drawn by hash."""
    short = [row for row in rows if len(row["prompt"]) + len(row["completion"]) <= max_chars]
    short.sort(key=lambda row: hashlib.sha256((row["prompt"] + row["completion"]).encode()).digest())
    first: dict[str, dict[str, Any]] = {}
    for row in short:
        first.setdefault(row["instruction"], row)
    return list(first.values())[:count]


def write_set(source: Path, folder: Path, rows: list[dict[str, Any]]) -> None:
    """The settings of the export, with other rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dataset_info.json", "train.yaml", "train_lora.yaml", "deepspeed.json"):
        shutil.copy(source / name, folder / name)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    print(f"{folder}: {len(rows)} rows, {sum(len(row['completion']) for row in rows)} characters to learn")


def main() -> None:
    """Reads the run, writes both sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--max-chars", type=int, default=560)
    arguments = parser.parse_args()
    source = arguments.run / "export/llamafactory"
    if not (source / "train.jsonl").exists():
        raise SystemExit(f"{source}: nothing there; export the run with --set export.formats=[llamafactory]")
    solutions = {}
    for part in sorted((arguments.run / "problems").glob("part-*.jsonl")):
        for line in lines_of(part):
            problem = Problem.model_validate(line)
            solutions[problem.question] = finish(problem.reference_solution, problem.answer, "The answer is: {answer}")
    chosen = choose(lines_of(source / "train.jsonl"), arguments.rows, arguments.max_chars)
    plain = []
    for row in chosen:
        solution = solutions[row["instruction"]]
        lead = row["completion"][: len(row["completion"]) - len(row["output"])]
        plain.append({**row, "completion": lead + solution, "output": solution})
    write_set(source, arguments.out / "lemma/llamafactory", chosen)
    write_set(source, arguments.out / "plain/llamafactory", plain)


if __name__ == "__main__":
    main()
