"""Measure what the embedded teacher `rules` says: is it right where it answers, and how often does it answer?

    python benchmarks/quality.py --data ../shared/data --json quality.json
    python benchmarks/quality.py --data ../shared/data --inject [--read inject50.md]

The first compares its analyses with labelled first errors (``labelled/*.jsonl``). *coverage* is the share of wrong
solutions for which it names a step at all; *exact* and *near* (at most one step off) are shares of those, in the
steps of the set: the words that it quotes are looked up in the set's own segmentation by character offsets. *type* is
the share, of the exact ones, whose type is the set's. Each set is split by a hash of the question: rules were tuned
on the half *tune*, the half *report* was only ever measured. `f1` is ProcessBench's: the harmonic mean of the shares of
wrong solutions whose first error is found and of right ones that are called correct; what is declined counts as
missed.

The second injects every type into every problem of ``gsm8k/train.jsonl`` and confirms each label by reading the text
anew, with code that shares nothing with lemma's reader: every equation before the altered step holds, the altered
step is the only departure, what follows is consistent with the wrong value. ``--read`` writes some of them for a
person to read.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lemma.answers import extract_answer
from lemma.datasets import take_out_marks
from lemma.records import MadeBy, Problem, Sample
from lemma.stages.base import AnalyzeUnit, Request
from lemma.steps import locate_steps, step_spans
from lemma.teacher.rules import RulesTeacher

TYPES: Final[dict[str, frozenset[str]]] = {
    "confusing_formula_error": frozenset({"formula_confusion", "concept_confusion"}),
    "Misunderstanding of a question": frozenset({"question_misinterpretation", "referencing_context_value_error"}),
    "Extra quantity or Missing quantity": frozenset({"missing_step", "adding_irrelevant_information"}),
    "Missing / Wrong factual knowledge": frozenset({"concept_confusion", "formula_confusion", "counting_error"}),
    "Calculation error easily solved by a calculator": frozenset({"calculation_error"}),
    "Reached correct solution but proceeded further": frozenset({"adding_irrelevant_information"}),
    "Unit conversion error": frozenset({"unit_conversion_error"}),
}
"""A set's label -> ours that say the same; a label that is not here is its own name."""
MADE_BY: Final = MadeBy(stage="sample", model="labelled", prompt_hash="", request_key="", config_hash="")


# ------------------------------------------------------------------------------------------ labelled first errors


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, compressed or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in content.splitlines():
        yield json.loads(line)


def half_of(question: str) -> str:
    """Which half a question belongs to; all rows of a question stay together."""
    return "tune" if hashlib.sha256(question.encode()).digest()[0] % 2 else "report"


def unit_of(row: dict[str, Any]) -> AnalyzeUnit:
    """The row as the analysis stage would ask about it."""
    reference = take_out_marks(row["reference_solution"] or "")[0]
    problem = Problem(
        id="p-" + hashlib.sha256(row["question"].encode()).hexdigest()[:20],
        dataset=row["source"],
        question=row["question"],
        reference_solution=reference,
        answer=row["gt"] or "",
    )
    text = row["solution"]
    unit_id = "u-" + hashlib.sha256(f"{problem.id} {text}".encode()).hexdigest()[:20]
    sample = Sample(
        id=unit_id,
        problem=problem,
        model="labelled",
        text=text,
        answer=extract_answer(text),
        is_correct=False,
        made_by=MADE_BY,
    )
    return AnalyzeUnit(unit_id, sample)


def part(reply: str, name: str) -> str:
    """The content of one tag of a reply; empty if it is not there."""
    found = re.search(rf"<{name}>(.*?)</{name}>", reply, re.DOTALL)
    return found[1] if found else ""


def answered_step(row: dict[str, Any], reply: str) -> int | None:
    """The step that a reply names, from 1, in the row's own segmentation; null if it names none."""
    number = part(reply, "first_error_step")
    if not number:
        return None
    text = row["solution"]
    start, end = step_spans(text)[int(number) - 1]
    at = text.find(part(reply, "quote"), start, end)
    at = start if at < 0 else at
    place = 0
    for index, (left, _) in enumerate(locate_steps(text, row["steps"])):
        if left <= at:
            place = index
    return place + 1


def tally(path: Path, teacher: RulesTeacher) -> dict[str, dict[str, Counter[str]]]:
    """Counts of one set: half -> type (and ``all``) -> what happened."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows(path):
        unit = unit_of(row)
        reply = teacher.answer_now(Request(unit, (), "rules", {}, "")).text
        half, label = half_of(row["question"]), row["error_type"] or "-"
        outcome = Counter({"rows": 1})
        step, wanted = answered_step(row, reply), row["first_error_step"]
        if wanted is None:
            outcome = Counter({"right": 1, "right_kept": int(part(reply, "verdict") == "correct"),
                               "right_accused": int(step is not None)})  # fmt: skip
        elif step is not None:
            kind = part(reply, "error_type")
            is_type = kind in TYPES.get(label, {label})
            outcome.update(answered=1, exact=int(step == wanted), near=int(abs(step - wanted) <= 1),
                           type=int(is_type), exact_type=int(is_type and step == wanted))  # fmt: skip
            found[half][f"said {kind}"].update(outcome)
        else:
            outcome.update(missed=int(part(reply, "verdict") == "correct"))
        for name in ("all", label):
            found[half][name].update(outcome)
    return found


def share(part_of: int, whole: int) -> float | None:
    """A share, rounded; null of nothing."""
    return round(part_of / whole, 4) if whole else None


def shares(count: Counter[str]) -> dict[str, float | int | None]:
    """What is reported of some rows."""
    kept, caught = share(count["right_kept"], count["right"]), share(count["exact"], count["rows"])
    f1 = 2 * kept * caught / (kept + caught) if kept and caught else None
    return {
        "rows": count["rows"],
        "coverage": share(count["answered"], count["rows"]),
        "exact": share(count["exact"], count["answered"]),
        "near": share(count["near"], count["answered"]),
        "type": share(count["exact_type"], count["exact"]),
        "recall": share(count["exact_type"], count["rows"]),
        "right_rows": count["right"],
        "right_kept": kept,
        "right_accused": share(count["right_accused"], count["right"]),
        "f1": round(f1, 4) if f1 is not None else None,
    }


def report_labelled(data: Path, names: list[str]) -> dict[str, Any]:
    """Prints and returns the shares of every set, half and type."""
    teacher = RulesTeacher()
    found: dict[str, Any] = {}
    columns = ("coverage", "exact", "near", "type", "recall", "right_kept", "right_accused", "f1")
    print(f"{'set':<26}{'half':<8}{'type':<48}{'rows':>5}" + "".join(f"{c:>14}" for c in columns))
    for path in sorted((data / "labelled").iterdir()):
        name = path.name.split(".")[0]
        if ".jsonl" not in path.name or (names and name not in names):
            continue
        counted = tally(path, teacher)
        both: dict[str, Counter[str]] = defaultdict(Counter)
        for kinds in counted.values():
            for kind, count in kinds.items():
                both[kind].update(count)
        found[name] = {}
        for half, by_kind in (*sorted(counted.items()), ("whole", both)):
            found[name][half] = {kind: shares(count) for kind, count in sorted(by_kind.items())}
            for kind, values in found[name][half].items():
                if kind == "-" or (kind != "all" and half != "whole"):
                    continue
                cells = "".join(f"{'' if values[c] is None else format(values[c], '.1%'):>14}" for c in columns)
                print(f"{name[:25]:<26}{half:<8}{kind:<48}{values['rows']:>5}{cells}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the embedded teacher says.")
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled/ and gsm8k/")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--set", action="append", default=[], help="only this labelled set (repeatable)")
    options = parser.parse_args()
    numbers = report_labelled(options.data, options.set)
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
