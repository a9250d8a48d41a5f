#!/usr/bin/env python3
"""Exports many trajectories in every format: time, memory, and that nothing is lost, mixed up or leaked.

    python benchmarks/export.py --trajectories 100000

The trajectories are made up: four of each problem, words and numbers drawn by hash so that few are near copies, and one
problem in fifty is a question of a test set made for this. Each size is exported twice, in processes with different
hash seeds. Checked: the bytes are equal; rows and rejections add up; the splits share no question; no question of the
test set stands in any file. The table shows wall time, processor time and the largest resident memory of one export.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lemma.config import Config
from lemma.exporting import finder_of_test_sets
from lemma.exports import FORMATS, CardFacts, SourceFacts, export_run
from lemma.records import MadeBy, Mistake, Problem, Trajectory, make_id
from lemma.stages.base import Gold

EACH = 4
TEST_EVERY = 50
TEST_SET = "test-set.jsonl"
TYPES = ("calculation_error", "question_misinterpretation", "missing_step", "operator_error")
WORDS = (
    "apples", "boats", "cards", "doors", "eggs", "figs", "goats", "hats", "inks", "jars", "kites", "lamps", "maps",
    "nuts", "owls", "pens", "quills", "rings", "seeds", "toys", "urns", "vases", "wheels", "yarns", "zippers",
    "bricks", "chairs", "desks", "flutes", "gloves", "hens", "irons", "jackets", "kegs", "ladders", "masks",
)  # fmt: skip
MADE_BY = MadeBy(stage="correct", model="made-up", prompt_hash="", request_key="", config_hash="")


def drawn(*parts: object) -> int:
    """A number that depends on the parts alone."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def question(number: int) -> str:
    """A word problem of forty words or so."""
    thing, other, third = (WORDS[drawn(number, place) % len(WORDS)] for place in range(3))
    kind = "TESTQUESTION" if number % TEST_EVERY == 0 else "shop"
    return (
        f"A {kind} number {number} holds {100 + number} {thing} and sells {3 + number % 90} of them on Monday. Then it "
        f"buys {7 + number % 50} {other} for {2 + number % 9} dollars each, and {third} for the rest. How many {thing} "
        f"are left at the end of the week in shop {number}?"
    )


def problem(number: int) -> Problem:
    """A problem with its answer."""
    left = 100 + number - (3 + number % 90)
    return Problem(
        id=make_id("p", "made-up", str(number)),
        dataset="made-up",
        question=question(number),
        reference_solution=f"{100 + number} - {3 + number % 90} = {left} are left.",
        answer=str(left),
    )


def trajectories(count: int) -> Iterator[Trajectory]:
    """So many, problem by problem."""
    for index in range(count):
        number, variant = divmod(index, EACH)
        one = problem(number)
        words = " ".join(WORDS[drawn(index, place) % len(WORDS)] for place in range(12))
        wrong = f"Let us look at the {words}.\nThen {int(one.answer) + 1 + variant} are left."
        solution = f"{wrong}\nThe answer is: {int(one.answer) + 1 + variant}"
        strategy = "fix_continue" if variant % 2 else "fresh_restart"
        mistake = Mistake(
            id=make_id("m", one.id, str(variant)),
            problem=one,
            origin="student" if variant < 2 else "injected",
            model="made-up",
            solution=solution,
            answer=str(int(one.answer) + 1 + variant),
            error_type=TYPES[0 if variant < 2 else drawn(index) % len(TYPES)],
            prefix_end=len(wrong),
            first_error_step=2,
            explanation="",
            made_by=MADE_BY,
        )
        reflection = f"\nWait, {int(one.answer) + 1 + variant} cannot be right with {words.split()[variant]}.\n"
        continuation = f"{one.reference_solution}\nThe answer is: {one.answer}"
        yield Trajectory(
            id=make_id("t", mistake.id, strategy),
            mistake=mistake,
            strategy=strategy,
            prefix=wrong,
            reflection=reflection,
            continuation=continuation,
            text=wrong + reflection + continuation,
            answer=one.answer,
            is_smoothed=False,
            made_by=MADE_BY,
        )


def export(count: int, folder: Path) -> None:
    """One export with everything switched on; prints its figures as JSON."""
    config = Config.model_validate(
        {
            "data": [{"dataset": "jsonl", "path": "made-up"}],
            "decontaminate": [str(folder.parent / TEST_SET)],
            "export": {
                "formats": list(FORMATS),
                "validation": 0.02,
                "plain_share": 0.1,
                "max_per_problem": 3,
                "max_type_share": 0.4,
            },
        }
    )

    def plain() -> Iterator[tuple[Problem, list[Gold]]]:
        for number in range(count // EACH):
            one = problem(number)
            yield one, [Gold(f"{one.reference_solution}\nThe answer is: {one.answer}", "reference", one.id)]

    facts = CardFacts("0", (SourceFacts("made-up", count // EACH),), ("made-up",), ("made-up",), "made-up", ())
    start, busy = time.monotonic(), time.process_time()
    find = finder_of_test_sets(config.decontaminate)
    summary = export_run(lambda: trajectories(count), plain, folder, config, facts, find)
    figures = {
        "wall_s": time.monotonic() - start,
        "cpu_s": time.process_time() - busy,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "trajectories": summary.trajectories,
        "rows": summary.rows,
        "plain": summary.plain,
        "rejected": dict(summary.rejected),
    }
    print(json.dumps(figures))


def hashes(folder: Path) -> dict[str, str]:
    """Name of each file → SHA-256."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def check(count: int, folder: Path, figures: dict[str, object]) -> None:
    """What has to hold of the files."""
    sides = []
    for name in ("train.jsonl", "validation.jsonl"):
        with (folder / name).open(encoding="utf-8") as file:
            sides.append({json.loads(line)["instruction"] for line in file})
    assert not sides[0] & sides[1], "a question on both sides of the split"
    rejected = figures["rejected"]
    assert isinstance(rejected, dict)
    assert (
        figures["trajectories"]
        == count
        == int(str(figures["rows"])) - int(str(figures["plain"])) + sum(rejected.values())
    )
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".jsonl", ".json") and path.parent.name != "rejected":
            with path.open("rb") as file:
                assert not any(b"TESTQUESTION" in line for line in file), f"{path}: a test question"


def measure(count: int) -> None:
    """Exports twice at once, compares, prints a line of the table."""
    with tempfile.TemporaryDirectory() as place:
        questions = (question(number) for number in range(0, count // EACH, TEST_EVERY))
        lines = "".join(json.dumps({"question": one}) + "\n" for one in questions)
        (Path(place) / TEST_SET).write_text(lines, encoding="utf-8")
        processes = []
        for seed in ("1", "2"):
            command = [sys.executable, __file__, "--trajectories", str(count), "--to", f"{place}/{seed}"]
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        outputs = [process.communicate()[0] for process in processes]
        assert not any(process.returncode for process in processes)
        figures = json.loads(outputs[0])
        folders = [Path(place) / seed for seed in ("1", "2")]
        assert hashes(folders[0]) == hashes(folders[1]), "two exports of the same rows differ"
        check(count, folders[0], figures)
    print(
        f"| {count:,} | {figures['rows']:,} | {figures['wall_s']:.0f} | {figures['cpu_s']:.0f} "
        f"| {figures['memory_mb']:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measures a tenth of the size and the size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=100_000)
    parser.add_argument("--to", type=Path, help="one export into this folder (used by the benchmark itself)")
    arguments = parser.parse_args()
    if arguments.to:
        export(arguments.trajectories, arguments.to)
        return
    print("| trajectories | rows | wall s | processor s | memory MB |\n|---:|---:|---:|---:|---:|")
    for count in (arguments.trajectories // 10, arguments.trajectories):
        measure(count)
    print("equal bytes under two hash seeds; splits disjoint; no test question in any file")


if __name__ == "__main__":
    main()
