"""`lemma eval` against a mock endpoint whose correctness is planted, and against all that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.configfile import load_config
from lemma.errors import RunError
from lemma.evaluate.benchmarks import BENCHMARKS
from lemma.evaluate.command import compare, measure
from lemma.plan import make_plan
from lemma.records import content_hash
from lemma.status import read_status
from tests.conftest import MockServer
from tests.protocol.commands import run_lemma, write_config

PROBLEMS = 20
Start = Callable[..., MockServer]


def question(name: str, row: int) -> str:
    return f"Question {name} {row}: how many are {row} and {row + 1}?"


def answer(row: int) -> str:
    return str(2 * row + 1)


def row_of(name: str, row: int) -> dict[str, Any]:
    """A row in the benchmark's own form."""
    asked, right = question(name, row), answer(row)
    if name == "gsm8k":
        return {"question": asked, "answer": f"{row} + {row + 1} = {right}\n#### {right}"}
    if name in ("math", "math500"):
        level = 1 + row % 2
        return {"problem": asked, "solution": f"It is $\\boxed{{{right}}}$.", "level": level, "type": "Algebra"}
    return {"idx": row, "dataset": name, "question": asked, "answer": right, "meta": {"type": f"T{row % 2}"}}


def write_sets(folder: Path, names: list[str], problems: int = PROBLEMS) -> list[dict[str, str]]:
    sets = []
    for name in names:
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row_of(name, row)) + "\n" for row in range(problems)), encoding="utf-8")
        sets.append({"set": name, "path": str(path)})
    return sets


def write_replies(path: Path, replies: dict[tuple[str, int], Any], **more: Any) -> str:
    """Rules of the mock: the reply (or replies, by seed) to each question."""
    rules = [{"match": f"Question {name} {row}:", "reply": reply, **more} for (name, row), reply in replies.items()]
    path.write_text("".join(json.dumps(rule) + "\n" for rule in rules), encoding="utf-8")
    return str(path)


def right(row: int) -> str:
    return f"Adding them gives {row} + {row + 1} = {answer(row)}.\nThe answer is: {answer(row)}"


def wrong(row: int) -> str:
    return "I guess.\nThe answer is: 1000001"


def eval_config(folder: Path, url: str, sets: list[dict[str, str]], name: str = "eval.yaml", **section: Any) -> Path:
    student = {"model": "m", "base_url": url, "patience_s": 0.5, "concurrency": 8}
    return write_config(folder / name, {"student": student, "eval": {"sets": sets, **section}})


def measured(config: Path, run: Path, *overrides: str) -> str:
    """As the command does it, in this process."""
    return measure(config, run, overrides, None, True)


def results_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "eval/results.json").read_bytes()))


def items_in(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "eval/items.jsonl").read_bytes().splitlines()]


def test_the_accuracy_of_every_set_is_exactly_the_planted_one(tmp_path: Path, mock_server: Start) -> None:
    names = list(BENCHMARKS)
    planted = {name: 3 + 2 * place for place, name in enumerate(names)}
    replies = {(name, row): (right if row < planted[name] else wrong)(row) for name in names for row in range(PROBLEMS)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    config = eval_config(tmp_path, server.base_url, write_sets(tmp_path, names))
    done = run_lemma("eval", config, "-o", tmp_path / "run", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    results = results_of(tmp_path / "run")
    assert {one["set"]: (one["problems"], one["greedy"]["right"]) for one in results["sets"]} == {
        name: (PROBLEMS, planted[name]) for name in names
    }
    assert [one["greedy"]["share"] for one in results["sets"]] == [planted[name] / PROBLEMS for name in names]
    assert results["averages"][0]["greedy"] == pytest.approx(sum(planted.values()) / PROBLEMS / len(names), abs=1e-6)
    by_level = next(one for one in results["sets"] if one["set"] == "math")["by"]["level"]
    assert sum(one["problems"] for one in by_level.values()) == PROBLEMS
    assert "| GSM8K " in done.stdout
    assert done.stdout.strip() == (tmp_path / "run/eval/results.md").read_text(encoding="utf-8").strip()
    items = items_in(tmp_path / "run")
    assert len(items) == PROBLEMS * len(names) == server.stats()["ok"]
    assert {(one["set"], one["row"] - 1) for one in items if one["verdict"] == "right"} == {
        (name, row) for name in names for row in range(planted[name])
    }
    before = (tmp_path / "run/eval/results.json").read_bytes()
    again = run_lemma("eval", config, "-o", tmp_path / "run", "--quiet")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert server.stats()["requests"] == len(items)
    assert (tmp_path / "run/eval/results.json").read_bytes() == before


def seed_of(problem: str, draw: int) -> int:
    """The seed that a draw is asked with: it picks the mock's text."""
    kind = content_hash("u", problem, "eval", "0", str(draw))
    return int(content_hash(f"u-{kind[:20]}", str(draw), "0")[:8], 16) >> 1


def test_mean_and_majority_over_samples_are_exactly_the_planted_ones(tmp_path: Path, mock_server: Start) -> None:
    replies = {("svamp", row): [right(row), right(row), wrong(row)] for row in range(PROBLEMS)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    config = eval_config(tmp_path, server.base_url, write_sets(tmp_path, ["svamp"]), num_samples=5)
    measured(config, tmp_path / "run")
    problems = dict.fromkeys(one["problem"] for one in items_in(tmp_path / "run"))
    planted = {key: [seed_of(key, draw) % 3 < 2 for draw in range(6)] for key in problems}
    (one,) = results_of(tmp_path / "run")["sets"]
    assert one["greedy"]["right"] == sum(draws[0] for draws in planted.values())
    assert one["samples"]["right"] == sum(sum(draws[1:]) for draws in planted.values())
    assert one["samples"]["share"] == one["samples"]["right"] / (5 * PROBLEMS)
    assert one["majority"]["right"] == sum(sum(draws[1:]) > 2 for draws in planted.values())
    assert (one["samples"]["per_problem"], one["majority"]["k"]) == (5, 5)
    assert one["samples"]["low"] < one["samples"]["share"] < one["samples"]["high"]
    asked = server.stats()["requests"]
    measured(config, tmp_path / "run", "eval.num_samples=6")
    assert server.stats()["requests"] == asked + PROBLEMS


def test_reflections_are_counted_by_what_they_come_to(tmp_path: Path, mock_server: Start) -> None:
    def reflecting(row: int, first: str, last: str) -> str:
        return f"It comes to {first}.\nThe answer is: {first}\nWait, let me redo this.\nThe answer is: {last}"

    ends = [("9999", None), (None, "9999"), ("9999", "8888"), (None, None)]
    replies = {
        ("gsm8k", row): reflecting(row, ends[row // 5][0] or answer(row), ends[row // 5][1] or answer(row))
        for row in range(16)
    }
    replies |= {("gsm8k", row): right(row) for row in range(16, PROBLEMS)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    config = eval_config(tmp_path, server.base_url, write_sets(tmp_path, ["gsm8k"]))
    measured(config, tmp_path / "run")
    found = results_of(tmp_path / "run")["sets"][0]["greedy"]["reflections"]
    assert (found["replies"], found["share"]) == (16, 0.8)
    assert found["turns"] == {"wrong_to_right": 5, "right_to_wrong": 5, "wrong_to_wrong": 5, "right_to_right": 1}
    assert (found["wrong_turned_right"]["count"], found["wrong_turned_right"]["of"]) == (5, 10)
    assert (found["right_turned_wrong"]["count"], found["right_turned_wrong"]["of"]) == (5, 6)


def test_a_model_that_never_stops_is_wrong_and_it_is_told(tmp_path: Path, mock_server: Start) -> None:
    endless = "and so on " * 200 + "The answer is: 1"
    replies = {("gsm8k", row): right(row) if row < 5 else endless for row in range(PROBLEMS)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    config = eval_config(tmp_path, server.base_url, write_sets(tmp_path, ["gsm8k"]), max_tokens=50)
    said = measured(config, tmp_path / "run")
    assert "| cut at the limit " in said
    assert "| 75.0 % (15 of 20) " in said
    assert "eval.max_tokens: 50" in said
    greedy = results_of(tmp_path / "run")["sets"][0]["greedy"]
    assert (greedy["right"], greedy["replies"], greedy["verdicts"]) == (5, PROBLEMS, {"cut_short": 15, "right": 5})
    assert (greedy["share"], greedy["cut_short"]) == (0.25, {"replies": 15, "share": 0.75})
    assert server.stats()["requests"] == PROBLEMS  # none is asked again with a raised limit
    compared = compare(tmp_path / "run", tmp_path / "run", False)
    assert compared.count("| 75.0 % (15) ") == 2


def test_the_share_of_cut_replies_is_told_by_set_and_for_all_ways_of_asking(tmp_path: Path, mock_server: Start) -> None:
    replies = {("gsm8k", row): "and so on " * 200 for row in range(5)}
    replies |= {(name, row): right(row) for name, row in (("gsm8k", 5), *(("math", row) for row in range(6)))}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    sets = write_sets(tmp_path, ["gsm8k", "math"], 6)
    said = measured(eval_config(tmp_path, server.base_url, sets, num_samples=1, max_tokens=50), tmp_path / "run")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.split("\n\n")[0].splitlines()]
    cut = {row[0]: row[cells[0].index("cut at the limit")] for row in cells[2:]}
    assert cut == {"GSM8K": "83.3 % (10 of 12)", "MATH": "0.0 % (0 of 12)", "average": "41.7 % (10 of 24)"}


def test_two_models_are_compared_on_the_same_problems(tmp_path: Path, mock_server: Start) -> None:
    sets = write_sets(tmp_path, ["gsm8k", "svamp"])
    for side, solved in (("a", range(8)), ("b", range(4, 18))):
        replies = {
            (one["set"], row): (right if row in solved else wrong)(row) for one in sets for row in range(PROBLEMS)
        }
        server = mock_server("--reply-file", write_replies(tmp_path / f"{side}.jsonl", replies))
        config = eval_config(tmp_path, server.base_url, sets, f"{side}.yaml")
        measured(config, tmp_path / side, f"student.model=model-{side}")
    done = run_lemma("eval", "--compare", tmp_path / "a", tmp_path / "b", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    tree = json.loads(done.stdout)
    assert (tree["first"], tree["second"], tree["unpaired"]) == (["model-a"], ["model-b"], [0, 0])
    one = tree["sets"][0]
    assert [one[key] for key in ("problems", "first", "second", "difference")] == [PROBLEMS, 0.4, 0.7, 0.3]
    assert (one["first_better"], one["second_better"], one["mcnemar_p"]) == (4, 10, 0.1796)
    assert one["low"] < 0.3 < one["high"]
    assert [pair["set"] for pair in tree["sets"]] == ["gsm8k", "svamp", "all"]
    text = compare(tmp_path / "a", tmp_path / "b", False)
    assert "first: model-a; second: model-b; greedy" in text
    assert "+30.0 [" in text


@pytest.mark.parametrize(
    ("sets", "said", "status"),
    [
        ([{"set": "gsm8k", "path": "nowhere.jsonl"}], "nowhere.jsonl: no such file", 1),
        ([{"set": "gsmk8", "path": "x"}], "did you mean `gsm8k`?", 1),
    ],
    ids=["missing", "unknown"],
)
def test_a_set_that_is_not_there_is_told_before_anybody_is_asked(
    sets: list[dict[str, str]], said: str, status: int, tmp_path: Path
) -> None:
    done = run_lemma("eval", eval_config(tmp_path, "http://127.0.0.1:9/v1", sets), "-o", tmp_path / "run")
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_endpoint_that_is_down_ends_with_3_and_the_same_command_goes_on(tmp_path: Path, mock_server: Start) -> None:
    sets = write_sets(tmp_path, ["gsm8k"])
    down = run_lemma("eval", eval_config(tmp_path, "http://127.0.0.1:9/v1", sets), "-o", tmp_path / "run", "--quiet")
    assert (down.returncode, down.stdout) == (3, "")
    assert "the same command goes on" in down.stderr
    assert not (tmp_path / "run/eval").exists()
    replies = {("gsm8k", row): right(row) for row in range(PROBLEMS)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    measured(eval_config(tmp_path, server.base_url, sets), tmp_path / "run")
    assert results_of(tmp_path / "run")["sets"][0]["greedy"]["share"] == 1.0


def test_an_empty_run_or_two_that_share_nothing_cannot_be_compared(tmp_path: Path, mock_server: Start) -> None:
    (tmp_path / "empty").mkdir()
    for first in ("empty", "nowhere"):
        with pytest.raises(RunError, match="no run"):
            compare(tmp_path / first, tmp_path / "empty", False)
    replies = {(name, row): right(row) for name in ("gsm8k", "math") for row in range(2)}
    server = mock_server("--reply-file", write_replies(tmp_path / "rules.jsonl", replies))
    for name in ("gsm8k", "math"):
        config = eval_config(tmp_path, server.base_url, write_sets(tmp_path, [name], 2), f"{name}.yaml")
        measured(config, tmp_path / name)
    done = run_lemma("eval", "--compare", tmp_path / "gsm8k", tmp_path / "math")
    assert done.returncode == 1
    assert "no problem in common" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["x.yaml"], ["x.yaml", "-o", "run", "--compare", "a", "b"], ["--from-samples", "a", "--json"]],
    ids=["nothing", "no-run", "two-things", "json"],
)
def test_what_goes_not_together_is_a_fault_of_usage(arguments: list[str]) -> None:
    assert run_lemma("eval", *arguments).returncode == 2


def test_a_configuration_without_an_evaluation_is_told(tmp_path: Path) -> None:
    config = write_config(tmp_path / "run.yaml", {"data": [{"dataset": "rollouts", "path": "example:gsm8k"}]})
    done = run_lemma("eval", config, "-o", tmp_path / "run")
    assert done.returncode == 1
    assert "no `eval:` section; configs/eval.yaml is an example" in done.stderr


@pytest.mark.parametrize("section", [{}, {"num_samples": 2}, {"greedy": False, "num_samples": 3}], ids=repr)
def test_a_plan_counts_the_solutions_that_the_evaluation_asks_for_and_nothing_else(
    section: dict[str, Any], tmp_path: Path, mock_server: Start
) -> None:
    server = mock_server()
    path = eval_config(tmp_path, server.base_url, write_sets(tmp_path, ["gsm8k", "svamp"], 5), max_tokens=50, **section)
    config = load_config(path, ["sample.num_samples=7"])
    (planned,) = make_plan(config).stages
    measured(path, tmp_path / "run", "sample.num_samples=7")
    assert (planned.stage, planned.units, planned.calls) == ("sample", config.draws * 10, server.stats()["ok"])
    assert planned.output_tokens == planned.calls * 50, "no reply is longer than its limit"
    (after,) = make_plan(config, tmp_path / "run").stages
    assert (after.calls, after.calls_done, after.input_tokens) == (planned.calls, planned.calls, 0)


def test_progress_and_status_know_how_many_solutions_are_asked_for(tmp_path: Path, mock_server: Start) -> None:
    sets = write_sets(tmp_path, ["gsm8k"], 6)
    down = eval_config(tmp_path, "http://127.0.0.1:9/v1", sets, num_samples=1)
    assert run_lemma("eval", down, "-o", tmp_path / "run", "--quiet").returncode == 3
    status = read_status(tmp_path / "run")
    assert [(stage["stage"], stage["left"]) for stage in status["stages"]] == [("sample", 12)]
    server = mock_server()
    done = run_lemma("eval", eval_config(tmp_path, server.base_url, sets, num_samples=1), "-o", tmp_path / "run")
    assert done.returncode == 0
    assert "sample: 12 units done" in done.stderr
