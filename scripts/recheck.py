#!/usr/bin/env python3
"""Checks every exported row of a finished run again, with none of lemma's code: the standard library alone.

    python scripts/recheck.py RUN/export RUN

Each row is joined with the trajectory it was made from (``RUN/smooth`` or ``RUN/correct``), a plain one with its
problem. Prints what was checked how often; ends with 1 and the first failures where something does not hold.
What it cannot see as equal (two ways to write one root, say) it calls a failure: look at those by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

FAILURES_SHOWN = 10
MIN_REFLECTION_WORDS = 3
MIN_STEP_CHARS = 10
ANSWER_FORM = "The answer is:"
SPLITS = {"train": "", "validation": "_validation"}

Row = dict[str, Any]
Source = dict[str, Any]

NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
FRACTION = re.compile(r"([+-]?)\\frac(?:\{(-?\d+)\}\{(-?\d+)\}|(\d)(\d))")
TEXT_BOX = re.compile(r"\\(?:text|textbf|mbox|mathrm)\{([^{}]*)\}")
TAG = re.compile(
    r"</?(?:reflection|continuation|prefix|step|rest|think|solution|explanation|correction)>", re.IGNORECASE
)
LEAK = re.compile(
    r"ground[- ]truth|reference (?:solution|answer)|(?:previous|earlier|prior) (?:attempt|solution)|answer key",
    re.IGNORECASE,
)


def row_id(parent: str) -> str:
    """The id of the row made from a record: a hash of kind and parent, each with its length before it."""
    digest = hashlib.sha256()
    for part in ("r", parent):
        raw = part.encode()
        digest.update(str(len(raw)).encode() + b":" + raw)
    return "r-" + digest.hexdigest()[:20]


def value_of(answer: str) -> Fraction | str:
    """An answer as a number where it is one, else as a text without spaces and typesetting."""
    text = TEXT_BOX.sub(r"\1", answer)
    for old, new in (("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("{,}", ",")):
        text = text.replace(old, new)
    for sign in (
        "\\left",
        "\\right",
        "\\$",
        "$",
        "\\!",
        "\\,",
        "\\;",
        "\\ ",
        "\\%",
        "%",
        "^\\circ",
        "^{\\circ}",
        "\\(",
        "\\)",
    ):
        text = text.replace(sign, "")
    text = "".join(text.split()).rstrip(".")
    found = FRACTION.fullmatch(text)
    if found:
        text = f"{found[1]}{found[2] or found[4]}/{found[3] or found[5]}"
    over, slash, under = text.partition("/")
    parts = [over, under] if slash else [over]
    if len(text) > 1000 or not all(any(one.isdigit() for one in part) and NUMBER.fullmatch(part) for part in parts):
        return text
    numbers = [Fraction(part.replace(",", "")) for part in parts]
    if len(numbers) == 2 and numbers[1] == 0:
        return text
    return numbers[0] / numbers[1] if slash else numbers[0]


def final_answer(text: str) -> str | None:
    """What stands behind the last answer form, to the end of its line."""
    _, form, rest = text.rpartition(ANSWER_FORM)
    return rest.strip().split("\n")[0].strip() if form else None


def last_sentence(text: str) -> str:
    """The last sentence of the last line that is not empty: the end of the wrong step."""
    line = text.rstrip().rpartition("\n")[2].strip()
    return re.split(r"(?<=[.!?])(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.) ", line)[-1]


def part(row: Row, name: str) -> str:
    start, end = row["spans"][name]
    return str(row["output"][start:end])


def spans_add_up(row: Row, _: Source) -> bool:
    ends = [offset for name in ("prefix", "reflection", "continuation") for offset in row["spans"][name]]
    return (
        ends[0] == 0
        and ends[1] == ends[2]
        and ends[3] == ends[4]
        and ends[5] == len(row["output"])
        and ends == sorted(ends)
    )


def prefix_is_verbatim(row: Row, source: Source) -> bool:
    mistake = source["mistake"]
    return bool(part(row, "prefix") == mistake["solution"][: mistake["prefix_end"]] and part(row, "prefix"))


def labels_are_the_mistakes(row: Row, source: Source) -> bool:
    mistake = source["mistake"]
    theirs = (mistake["problem"]["dataset"], source["strategy"], mistake["error_type"], mistake["origin"])
    return (row["dataset"], row["strategy"], row["error_type"], row["origin"]) == theirs


def answer_is_right(row: Row, source: Source) -> bool:
    answer = final_answer(row["output"])
    return answer is not None and value_of(answer) == value_of(problem_of(source)["answer"])


def mistake_is_wrong(_: Row, source: Source) -> bool:
    mistake = source["mistake"]
    return value_of(mistake["answer"]) != value_of(mistake["problem"]["answer"])


def reflection_has_words(row: Row, _: Source) -> bool:
    return len(re.findall(r"[^\W\d_]+", part(row, "reflection"))) >= MIN_REFLECTION_WORDS


def error_is_not_repeated(row: Row, _: Source) -> bool:
    step = last_sentence(part(row, "prefix"))
    if len(step) < MIN_STEP_CHARS:
        return True
    # "The answer is: 130" does not stand in "The answer is: 130000"
    return not re.search(rf"(?<!\w){re.escape(step)}(?!\w|[.,]\d)", part(row, "continuation"))


def has_no_tags_or_leaks(row: Row, source: Source) -> bool:
    question = problem_of(source)["question"].lower()
    text = part(row, "reflection") + part(row, "continuation")
    return not any(found[0].lower() not in question for pattern in (TAG, LEAK) for found in pattern.finditer(text))


def question_is_the_problems(row: Row, source: Source) -> bool:
    return bool(row["instruction"] == problem_of(source)["question"] and row["input"] == "")


def problem_of(source: Source) -> dict[str, Any]:
    problem = source["mistake"]["problem"] if "mistake" in source else source
    return dict(problem)


Check = Callable[[Row, Source], bool]
CHECKS_OF_ALL: list[Check] = [question_is_the_problems, answer_is_right]
CHECKS_OF_MISTAKES: list[Check] = [
    spans_add_up,
    labels_are_the_mistakes,
    prefix_is_verbatim,
    mistake_is_wrong,
    reflection_has_words,
    error_is_not_repeated,
    has_no_tags_or_leaks,
]


class Lines:
    """Lines of JSON found again by a key, of which only the place is held in memory."""

    def __init__(self, paths: list[Path], key: Callable[[dict[str, Any]], str]) -> None:
        self._places: dict[str, tuple[Path, int]] = {}
        for path in paths:
            with path.open("rb") as file:
                place = 0
                for line in file:
                    self._places[key(json.loads(line))] = (path, place)
                    place += len(line)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> dict[str, Any] | None:
        """The line under a key, read again from its file."""
        if key not in self._places:
            return None
        path, place = self._places[key]
        with path.open("rb") as file:
            file.seek(place)
            return dict(json.loads(file.readline()))


def rows_in(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def same_in_other_formats(export: Path, split: str, suffix: str) -> Iterator[tuple[str, bool]]:
    """(file name, whether it holds the split's questions and solutions in their order), for the files there are."""
    rows = export / f"{split}.jsonl"
    for name, pair in (
        (f"alpaca{suffix}.json", lambda one: (one["instruction"], one["output"])),
        (f"messages{suffix}.jsonl", lambda one: tuple(turn["content"] for turn in one["messages"])),
        (f"sharegpt{suffix}.json", lambda one: tuple(turn["value"] for turn in one["conversations"])),
    ):
        path = export / name
        if path.exists():
            with path.open("rb") as file:
                there = list(map(pair, json.load(file) if path.suffix == ".json" else map(json.loads, file)))
            yield name, there == [(row["instruction"], row["output"]) for row in rows_in(rows)]


def recheck(export: Path, run: Path) -> tuple[Counter[str], list[str]]:
    """Checks a folder; returns how often each check was made, and what failed, a line each."""
    folder = next((run / stage for stage in ("smooth", "correct") if any((run / stage).glob("part-*.jsonl"))), run)
    # by the row's id: that of a trajectory is hashed into it
    trajectories = Lines(sorted(folder.glob("part-*.jsonl")), lambda one: row_id(one["id"]))
    problems = Lines(sorted((run / "problems").glob("part-*.jsonl")), lambda one: str(one["question"]))
    is_whole = bool(re.search(r"^\s+scope: whole$", (run / "run.yaml").read_text("utf-8"), re.MULTILINE))
    made, failures = Counter[str](), list[str]()
    ids, texts = set[str](), set[bytes]()
    for split, suffix in SPLITS.items():
        path = export / f"{split}.jsonl"
        if not path.exists() and split != "train":
            continue
        for number, row in enumerate(rows_in(path), 1):
            where = f"{path.name}, line {number} ({row['id']})"
            is_plain = row["origin"] is None
            source = problems.get(row["instruction"]) if is_plain else trajectories.get(row["id"])
            made["rows that are plain" if is_plain else "rows with a mistake"] += 1
            digest = hashlib.sha256(json.dumps([row["instruction"], row["output"]]).encode()).digest()
            if row["id"] in ids or digest in texts:
                failures.append(f"{where}: stands there twice")
            ids.add(row["id"])
            texts.add(digest)
            if source is None:
                failures.append(f"{where}: the run has no {'problem' if is_plain else 'trajectory'} of this row")
                continue
            for check in CHECKS_OF_ALL + (CHECKS_OF_MISTAKES if not is_plain else []):
                if check is prefix_is_verbatim and is_whole:
                    continue  # the whole text was smoothed: its prefix has new words
                name = check.__name__.replace("_", " ")
                made[name] += 1
                if not check(row, source):
                    failures.append(f"{where}: not so: {name}")
        for name, is_same in same_in_other_formats(export, split, suffix):
            made["other formats"] += 1
            if not is_same:
                failures.append(f"{name}: does not hold the rows of {path.name}")
    return made, failures


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    export, run = map(Path, arguments)
    for path in (export / "train.jsonl", run / "run.yaml"):
        if not path.exists():
            print(f"{path}: there is no such file", file=sys.stderr)
            return 2
    made, failures = recheck(export, run)
    for name, count in made.items():
        print(f"{count:>9,}  {name}")
    if not made["rows that are plain"] + made["rows with a mistake"]:
        failures.append("train.jsonl: no rows")
    for failure in failures[:FAILURES_SHOWN]:
        print(f"FAILED  {failure}")
    print(f"{len(failures):,} failures" if failures else "all of it holds")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
