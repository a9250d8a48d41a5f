from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.exports import export_run
from lemma.shards.files import to_line, write_whole
from tests.exports.builders import HOSTILE, config_of, facts_of, many, plain_of, problem_of, trajectory_of

SCRIPT = Path(__file__).parent.parent / "scripts" / "recheck.py"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run's folder, as far as the script reads it."""
    trajectories = [*many(12), *(trajectory_of(problem_of(50 + n, text)) for n, text in enumerate(HOSTILE))]
    write_whole(tmp_path / "correct/part-00000.jsonl", map(to_line, trajectories[:9]))
    write_whole(tmp_path / "correct/part-00001.jsonl", map(to_line, trajectories[9:]))
    write_whole(tmp_path / "problems/part-00000.jsonl", (to_line(problem_of(number)) for number in range(20)))
    (tmp_path / "run.yaml").write_text("config:\n  smooth:\n    scope: 'off'\n")
    config = config_of(plain_share=0.3, validation=0.3)
    export_run(lambda: iter(trajectories), plain_of(20), tmp_path / "export", config, facts_of())
    return tmp_path


def recheck(run: Path) -> tuple[int, str]:
    # -I -S: neither lemma nor any other package can be imported
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(run / "export"), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def test_an_honest_export_passes_and_every_row_is_counted(run: Path) -> None:
    status, words = recheck(run)
    assert (status, "all of it holds" in words) == (0, True), words
    assert "29  rows with a mistake" in words
    assert "12  rows that are plain" in words
    assert "29  prefix is verbatim" in words
    assert "6  other formats" in words


Row = dict[str, Any]


def replace_end(row: Row, end: str) -> None:
    row["output"] = row["output"].rpartition("The answer is:")[0] + end
    row["spans"]["continuation"][1] = len(row["output"])


def put_in_reflection(row: Row, words: str) -> None:
    start, end = row["spans"]["reflection"]
    row["output"] = row["output"][:start] + words + row["output"][end:]
    shift = len(words) - (end - start)
    row["spans"]["reflection"] = [start, end + shift]
    row["spans"]["continuation"] = [end + shift, len(row["output"])]


def put_in_continuation(row: Row, words: str) -> None:
    start = row["spans"]["continuation"][0]
    row["output"] = row["output"][:start] + words + row["output"][start:]
    row["spans"]["continuation"][1] = len(row["output"])


TAMPERINGS: dict[str, tuple[Callable[[Row], object], str]] = {
    "wrong answer": (lambda row: replace_end(row, "The answer is: 98"), "answer is right"),
    "no answer form": (lambda row: replace_end(row, "So that is it."), "answer is right"),
    "prefix": (lambda row: row.update(output="X" + row["output"][1:]), "prefix is verbatim"),
    "spans": (lambda row: row["spans"].update(continuation=[0, 5]), "spans add up"),
    "hole": (lambda row: row["spans"]["reflection"].__setitem__(0, 1 + row["spans"]["reflection"][0]), "spans add up"),
    "question": (lambda row: row.update(instruction="Another?"), "question is the problems"),
    "label": (lambda row: row.update(origin="injected"), "labels are the mistakes"),
    "id": (lambda row: row.update(id="r-0"), "the run has no trajectory"),
    "reflection": (lambda row: put_in_reflection(row, "\nHm, no.\n"), "reflection has words"),
    "tag": (lambda row: put_in_reflection(row, "<reflection>Wait, that is not right."), "no tags or leaks"),
    "leak": (lambda row: put_in_reflection(row, "Wait, the Ground Truth says else."), "no tags or leaks"),
    "error again": (lambda row: put_in_continuation(row, "That makes 99. "), "error is not repeated"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_row_that_was_tampered_with_is_named(run: Path, name: str) -> None:
    tamper, words_of_it = TAMPERINGS[name]
    path = run / "export/train.jsonl"
    lines = path.read_text("utf-8").split("\n")
    number = next(n for n, line in enumerate(lines) if '"student"' in line and "Ann has" in line and n > 0)
    row = json.loads(lines[number])
    tamper(row)
    lines[number] = json.dumps(row)
    path.write_text("\n".join(lines), "utf-8")
    status, words = recheck(run)
    assert status == 1
    assert f"FAILED  train.jsonl, line {number + 1} ({row['id']}): " in words
    assert words_of_it in words


def test_a_wrong_step_that_is_only_the_beginning_of_a_number_is_no_repetition(run: Path) -> None:
    path = run / "export/train.jsonl"
    row = json.loads(path.read_text("utf-8").split("\n")[0])
    put_in_continuation(row, "So that makes 99.5 or That makes 99.25 in all. ")
    path.write_text(json.dumps(row) + "\n", "utf-8")
    assert "not so: error is not repeated" not in recheck(run)[1]


def test_a_mistake_whose_answer_equals_the_reference_is_named(run: Path) -> None:
    path = run / "correct/part-00000.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first.replace(b'"answer":"99"', b'"answer":"$ 2.0 $"') + b"\n" + rest)
    status, words = recheck(run)
    assert (status, "mistake is wrong" in words.partition("FAILED")[2]) == (1, True), words


def test_a_row_that_stands_there_twice_is_named(run: Path) -> None:
    path = run / "export/train.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes().split(b"\n")[0] + b"\n")
    status, words = recheck(run)
    assert (status, "stands there twice" in words) == (1, True)


def test_another_format_that_lacks_a_row_is_named(run: Path) -> None:
    path = run / "export/alpaca.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())[1:]))
    status, words = recheck(run)
    assert (status, "alpaca.json: does not hold the rows" in words) == (1, True)


def test_an_empty_export_does_not_pass(run: Path) -> None:
    for path in (run / "export").glob("*.json*"):
        path.write_text("[]" if path.suffix == ".json" else "")
    assert recheck(run)[0] == 1


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    status, words = recheck(tmp_path)
    assert (status, "there is no such file" in words, "Traceback" in words) == (2, True, False)


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        ("1,234", "1234", True), ("$1{,}234.50", "1234.5", True), ("\\frac{1}{2}", "0.5", True),
        ("-\\dfrac12", "-0.50", True), ("3/4.", "0.75", True), ("50\\%", "50", True), ("(1, 2)", "(1,2)", True),
        ("\\text{Tuesday}", "Tuesday", True), ("1/0", "1/0", True), ("x+1", "x-1", False), ("1,23", "123", False),
        ("12", "12.01", False), ("", "0", False), ("x", "X", False), ("9" * 100_000, "9", False),
        ("\\text{" * 20_000, "1", False), ("\\frac" * 20_000, "1", False), ("," * 100_000, "1", False),
    ],
)  # fmt: skip
def test_answers_are_compared_as_numbers_where_they_are_some(one: str, other: str, is_equal: bool) -> None:
    import runpy

    value_of = runpy.run_path(str(SCRIPT))["value_of"]
    assert (value_of(one) == value_of(other)) is is_equal
