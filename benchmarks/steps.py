"""Split real solutions into steps: without loss, and where people who labelled steps split them.

    python benchmarks/steps.py --data DATA

Every text of ``student/`` and ``labelled/`` is split and joined again. For each labelled set its own boundaries are
compared with ours by character offsets: *recall* is the share of its boundaries that are ours too, *precision* the
share of ours that are its. Of its first wrong steps, *one* are exactly one of ours, *finer* are several of ours (each
of them can be named), *coarser* share one of ours with another of its steps. A bare answer at the end (``#### 72``),
in some sets a step of its own, belongs to the step before it by design and counts as no boundary. Exit status 1 if a
text is not lossless.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lemma.endings import is_bare_answer
from lemma.steps import locate_steps, map_steps, split_steps, step_spans


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, compressed or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in content.splitlines():
        yield json.loads(line)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".jsonl" in path.name)


def texts(row: dict[str, Any]) -> Iterator[str]:
    """Every solution of a row."""
    solutions = [row.get("solution"), row.get("reference_solution"), row.get("answer")]
    solutions += [sample["text"] for sample in row.get("samples", [])]
    yield from (text for text in solutions if text)


def check_lossless(data: Path) -> int:
    """Prints how many texts there are, and returns how many are not split as they must be."""
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    for path in files(data / "student") + files(data / "labelled"):
        for row in rows(path):
            for text in texts(row):
                steps = split_steps(text)
                counts["texts"] += 1
                counts["characters"] += len(text)
                counts["steps"] += len(steps)
                counts["lossy"] += "".join(steps) != text
                counts["empty steps"] += any(not step.strip() for step in steps)
    wall_s = time.perf_counter() - start
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()), f"({wall_s:.1f} s with reading)\n")
    return counts["lossy"] + counts["empty steps"]


def compare(path: Path) -> Counter[str]:
    """Boundaries and first wrong steps of one labelled set, counted."""
    counts: Counter[str] = Counter()
    for row in rows(path):
        text, segments = row["solution"], row["steps"]
        try:
            theirs = locate_steps(text, segments)
        except ValueError:
            counts["not located"] += 1
            continue
        counts["rows"] += 1
        # a boundary is where the first sign of the next step stands; space before it belongs to either
        spans = [text[start:end] for start, end in step_spans(text)]
        our_starts, place = set(), 0
        for span in spans:
            our_starts.add(place + len(span) - len(span.lstrip()))
            place += len(span)
        while len(theirs) > 1 and is_bare_answer(text[theirs[-1][0] : theirs[-1][1]]):
            theirs.pop()
        their_starts = {start for start, end in theirs if end > start}
        ours, labelled = our_starts - {min(our_starts)}, their_starts - {min(their_starts)}
        counts["ours"] += len(ours)
        counts["theirs"] += len(labelled)
        counts["both"] += len(ours & labelled)
        if row["first_error_step"] is not None:
            mapped = map_steps(text, segments)
            first, last = mapped[row["first_error_step"] - 1]
            others = [pair for number, pair in enumerate(mapped[: len(theirs)], 1) if number != row["first_error_step"]]
            is_shared = any(low <= last and first <= high for low, high in others)
            counts["coarser" if is_shared else "one" if first == last else "finer"] += 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description="Split real solutions into steps and compare with labelled ones.")
    parser.add_argument("--data", type=Path, required=True, help="folder with student/ and labelled/")
    data = parser.parse_args().data
    failures = check_lossless(data)
    print(
        f"{'set':<42}{'rows':>5}{'theirs':>8}{'ours':>7}{'recall':>8}{'prec.':>8}{'one':>8}{'finer':>8}{'coarser':>9}"
    )
    for path in files(data / "labelled"):
        counts = compare(path)
        errors = max(1, counts["one"] + counts["finer"] + counts["coarser"])
        print(
            f"{path.name.split('.')[0]:<42}{counts['rows']:>5}{counts['theirs']:>8,}{counts['ours']:>7,}"
            f"{counts['both'] / max(1, counts['theirs']):>8.1%}{counts['both'] / max(1, counts['ours']):>8.1%}"
            f"{counts['one'] / errors:>8.1%}{counts['finer'] / errors:>8.1%}{counts['coarser'] / errors:>9.1%}"
            + (f"  ({counts['not located']} not located)" if counts["not located"] else "")
        )
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
