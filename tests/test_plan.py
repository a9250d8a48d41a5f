"""Plan, pilot and status: what is said before, while and after money is spent agrees with what lies on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lemma.config import Config
from lemma.errors import Incomplete, RunError
from lemma.pilot import project, run_pilot, show
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.plan import make_plan, plan_table
from lemma.records import Trajectory
from lemma.shards.lock import RunLock
from lemma.stages.base import Reply, Request, Usage
from lemma.status import read_status, status_table
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import MockServer, example_config, files_of

RULES = RulesTeacher()
PRICES = {"input_usd_per_mtok": 2.5, "output_usd_per_mtok": 10}
SENT_CHARS_A_TOKEN = 4
TO_INJECT = ("sample", "analyze", "inject")


def answers(request: Request, asked_before: int = 0) -> Reply:
    reply = RULES.answer_now(request)
    sent = sum(len(message["content"]) for message in request.messages) // SENT_CHARS_A_TOKEN
    return replace(reply, model="m", usage=Usage(sent, 0, len(reply.text) // 4))


def config_of(limit: int | None = 40, **more: Any) -> Config:
    teacher = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "prices": PRICES}
    return example_config(limit, **{"teacher": teacher, "shards": {"size": 15}, **more})


def work(run: Path, config: Config, *stages: str, options: Options | None = None) -> ScriptedTeacher:
    teacher = ScriptedTeacher(answers)
    with Pipeline(run, config, options or Options(quiet=True), lambda line: None, lambda role: teacher) as pipeline:
        pipeline.work(stages or STAGES)
    return teacher


# ── plan ──


def test_a_plan_measures_the_prompts_that_are_sent(tmp_path: Path) -> None:
    plan = {stage.stage: stage for stage in make_plan(config_of()).stages}
    work(tmp_path, config_of())
    spent = {stage["stage"]: stage["spent"] for stage in read_status(tmp_path)["stages"]}
    for name in ("analyze", "inject", "correct", "smooth"):
        replies = sum(outcome["replies"] for outcome in spent[name].values())
        sent = sum(outcome["input_tokens"] for outcome in spent[name].values())
        assert plan[name].input_tokens / plan[name].calls == pytest.approx(sent / replies, rel=0.1)
    assert plan["analyze"].units == read_status(tmp_path)["stages"][1]["units"]


def test_a_plan_of_a_finished_run_has_little_to_come_and_says_what_it_rests_on(tmp_path: Path) -> None:
    config = config_of()
    before = make_plan(config).cost_usd
    work(tmp_path, config)
    after = make_plan(config, tmp_path)
    assert before is not None
    assert after.cost_usd is not None
    assert after.cost_usd < 0.05 * before
    assert all("replies of this run" in stage.basis for stage in after.stages[1:])


def test_after_a_pilot_a_plan_counts_every_round_of_injection(tmp_path: Path) -> None:
    config = config_of(60)
    pilot(tmp_path / "run", config)
    planned = {stage.stage: stage.calls for stage in make_plan(config, tmp_path / "run").stages}
    work(tmp_path / "whole", config)
    done = {stage.stage: stage for stage in make_plan(config, tmp_path / "whole").stages}
    assert {name: stage.calls for name, stage in done.items()} == {n: stage.calls_done for n, stage in done.items()}
    assert sum(planned.values()) == pytest.approx(sum(stage.calls for stage in done.values()), rel=0.1)


def test_an_unknown_price_is_unknown_and_the_embedded_teacher_costs_nothing() -> None:
    teacher = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    assert make_plan(example_config(5, teacher=teacher)).cost_usd is None
    assert "unknown" in plan_table(make_plan(example_config(5, teacher=teacher)))
    assert make_plan(example_config(5)).cost_usd == 0


def test_a_plan_writes_nothing_and_asks_nobody(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    server = mock_server()
    teacher = {"backend": "openai", "model": "m", "base_url": server.base_url}
    make_plan(example_config(5, teacher=teacher), tmp_path / "run")
    assert server.stats()["requests"] == 0
    assert not (tmp_path / "run").exists()


# ── pilot ──


def pilot(run: Path, config: Config) -> tuple[str, ScriptedTeacher]:
    teacher = ScriptedTeacher(answers)
    return run_pilot(config, run, Options(quiet=True, pilot=True), lambda role: teacher), teacher


def test_a_pilots_replies_count_towards_the_run(tmp_path: Path) -> None:
    shares = {"types": {"calculation_error": 1}}
    said, first = pilot(tmp_path, config_of(50, inject=shares))
    rest = work(tmp_path, config_of(50, inject=shares))
    assert first.answered
    assert not set(first.answered) & set(rest.answered)
    assert "projected from 30 problems to 50" in said
    assert said.count("[reflection]") == 5


def test_what_a_pilot_aims_at_does_not_bind_the_run(tmp_path: Path) -> None:
    pilot(tmp_path, config_of(45))
    target = tmp_path / "inject/target.json"
    tried = json.loads(target.read_text())
    work(tmp_path, config_of(45), *TO_INJECT)
    assert tried["pilot"] is True
    assert "pilot" not in json.loads(target.read_text())
    work(tmp_path.with_name("other"), config_of(45), *TO_INJECT)
    assert target.read_bytes() == (tmp_path.with_name("other") / "inject/target.json").read_bytes()


def test_a_projection_scales_and_its_interval_covers_the_truth_as_often_as_it_says() -> None:
    import random

    source = random.Random(5)
    hits = 0
    for _ in range(40):
        everyone = [source.expovariate(1 / 8) for _ in range(1000)]
        one = project([([[cost, 0, 0, 0, 0] for cost in everyone[:60]], 1000 / 60)])["calls"]
        assert one["low"] is not None
        assert one["high"] is not None
        hits += one["low"] <= sum(everyone) <= one["high"]
    assert hits >= 30
    assert project([([[1.0, 0, 0, float("nan"), 0]], 10)])["cost"]["total"] is None
    assert project([([[1.0, 0, 0, 0, 0], [3.0, 0, 0, 0, 0]], 5)])["calls"]["total"] == 20
    few, many = [[5.0, 0.0, 0.0, 0.0, 0.0]] * 3, [[1.0, 0.0, 0.0, 0.0, 0.0]] * 3
    assert project([(few, 2), (many, 100)])["calls"] == {"total": 330, "low": 330, "high": 330}


def test_a_projection_scales_every_call_that_the_pilot_made(tmp_path: Path) -> None:
    _, teacher = pilot(tmp_path, config_of(60))
    status = read_status(tmp_path)
    estimate = status["estimate"]
    asked = sum(outcome["replies"] for stage in status["stages"] for outcome in stage["spent"].values())
    assert asked == len(teacher.answered)
    assert estimate["projection"]["calls"]["total"] == pytest.approx(2 * asked)
    assert {stage["stage"]: stage["calls"] for stage in estimate["stages"]} == {
        stage["stage"]: 2 * sum(outcome["replies"] for outcome in stage["spent"].values()) for stage in status["stages"]
    }
    assert estimate["projection"]["cost"]["total"] == pytest.approx(2 * status["cost_usd"])
    assert f"{estimate['stages'][1]['calls']} calls, $" in status_table(status)


def test_a_pilot_never_cuts_a_run_short(tmp_path: Path) -> None:
    work(tmp_path, config_of(35))
    before = files_of(tmp_path, with_replies=True)
    with pytest.raises(RunError, match=r"has 35 problems and is past a pilot; `lemma plan"):
        pilot(tmp_path, config_of(None))
    assert files_of(tmp_path, with_replies=True) == before


def test_a_pilot_shows_no_control_characters(tmp_path: Path) -> None:
    work(tmp_path, config_of(3))
    line = next(iter((tmp_path / "smooth/part-00000.jsonl").read_text().splitlines()))
    one = Trajectory.model_validate_json(line)
    hostile = one.model_copy(update={"reflection": "\x1b[2J\x9bwait,\r that\nis wrong"})
    assert "�[2J�wait,� that\nis wrong" in show(hostile)


# ── status ──


def test_status_counts_what_lies_on_disk_also_for_an_interrupted_run(tmp_path: Path) -> None:
    config = config_of(12)
    tight = config.model_copy(update={"budget": config.budget.model_copy(update={"max_tokens": 60_000})})
    with pytest.raises(Incomplete, match="budget is reached"):
        work(tmp_path, tight)
    status = read_status(tmp_path)
    lines = [json.loads(line) for path in tmp_path.glob("*/replies/*.jsonl") for line in path.read_bytes().splitlines()]
    assert status["tokens"] == sum(line["usage"][0] + line["usage"][2] for line in lines)
    for stage in status["stages"]:
        kept = sum(len(path.read_bytes().splitlines()) for path in (tmp_path / stage["stage"]).glob("part-*.jsonl"))
        assert stage["kept"] == kept
        assert stage["units"] == stage["kept"] + stage["rejected"]
    assert any(stage["parts_done"] < stage["parts"] for stage in status["stages"])
    assert "open" in status_table(status)


def test_status_tells_who_is_at_work_and_does_not_disturb_them(tmp_path: Path) -> None:
    work(tmp_path, config_of(3), "sample")
    assert read_status(tmp_path)["in_use_by"] is None
    with RunLock(tmp_path):
        assert read_status(tmp_path)["in_use_by"] == f"process {os.getpid()} on {os.uname().nodename}"


def test_status_of_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        read_status(tmp_path / "none")


# ── the commands, and the budget ──


def lemma(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from lemma.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_commands_plan_run_into_the_budget_go_on_and_say_where_they_stand(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    rules = tmp_path / "rules.jsonl"
    rules.write_text(json.dumps({"match": "", "reply": "<verdict>correct</verdict>"}) + "\n")
    server = mock_server("--reply-file", str(rules))
    config = config_of(12).model_dump(mode="json")
    config["teacher"]["base_url"] = server.base_url
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    planned = lemma("plan", path)
    assert planned.returncode == 0
    assert "analyze" in planned.stdout
    assert lemma("sample", path, "-o", tmp_path / "run", "--quiet").returncode == 0
    stopped = lemma("analyze", path, "-o", tmp_path / "run", "--quiet", "--set", "budget.max_cost_usd=0.05")
    assert stopped.returncode == 3
    assert stopped.stderr.count("\n") == 1
    assert "budget.max_cost_usd" in stopped.stderr
    spent = json.loads(lemma("status", tmp_path / "run", "--json").stdout)["cost_usd"]
    assert 0.04 < spent < 0.06
    asked = server.stats()["requests"]
    done = lemma("analyze", path, "-o", tmp_path / "run", "--quiet", "--set", "budget.max_cost_usd=5")
    assert done.returncode == 0, done.stderr
    assert server.stats()["requests"] > asked
    assert server.stats()["duplicates"] == 0
    assert "analyze" in lemma("status", tmp_path / "run").stdout
