"""Types are kept in the shares they were analysed in, though one of them is rejected more often than not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import example_config, files_of
from tests.protocol.cases import problem, write_problems
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.protocol.rules import GOOD, by_rules, rule
from tests.protocol.server import Answer, Answering, Call, StubServer

TARGET = {"calculation_error": 0.5, "operator_error": 0.2, "missing_step": 0.2, "counting_error": 0.1}
HARD = "operator_error"


def rejecting(share: float) -> Answering:
    """Good replies, but for `HARD` the given share of them leaves the step as it was."""
    good = by_rules([rule("inject", GOOD["inject"]), rule("analyze", GOOD["analyze"])])
    vain = GOOD["inject"].replace("\\g<first_step> Together with the rest that makes 999900.", "\\g<first_step>")
    bad = by_rules([rule("inject", vain)])

    def answering(call: Call) -> Answer:
        is_hard = f"\n{HARD} (" in f"\n{call.user}" and "<altered_step>" in str(call.body["messages"])
        return (bad if is_hard and call.body["seed"] % 1000 < 1000 * share else good)(call)

    return answering


def config_tree(folder: Path, base_url: str, problems: int) -> dict[str, Any]:
    data = write_problems(folder / "problems.jsonl", (problem(f"p{number}", number) for number in range(problems)))
    return example_config(
        data=[{"dataset": "rollouts", "path": str(data)}],
        teacher={"backend": "openai", "model": "mock", "base_url": base_url, "concurrency": 16},
        inject={"types": TARGET},
        shards={"size": 500},
    ).model_dump(mode="json")


def check_shares(run: Path, slots: int, most_variation: float) -> None:
    [came_to] = json.loads((run / "inject/distribution.json").read_text())["datasets"].values()
    mistakes = [
        json.loads(line) for path in (run / "inject").glob("part-*.jsonl") for line in path.read_text().splitlines()
    ]
    kept = {name: sum(one["error_type"] == name for one in mistakes) for name in TARGET}
    rejected = sum(len(path.read_text().splitlines()) for path in (run / "inject/rejected").glob("part-*.jsonl"))
    assert came_to["slots"] == came_to["kept"] == len(mistakes) == slots
    assert came_to["shortfall"] == 0
    assert {name: entry["kept"] for name, entry in came_to["types"].items()} == kept
    assert sum(entry["drawn"] for entry in came_to["types"].values()) == slots + rejected
    variation = sum(abs(kept[name] / slots - share) for name, share in TARGET.items()) / 2
    assert came_to["total_variation"] == pytest.approx(variation, abs=1e-5)
    assert variation <= most_variation


def test_a_type_rejected_in_three_of_five_asks_is_kept_in_its_share(tmp_path: Path) -> None:
    with StubServer(rejecting(0.6)) as server:
        config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, server.base_url, 120))
        for stage in ("sample", "analyze", "inject"):
            ended = run_lemma(stage, config, "-o", tmp_path / "run", "--quiet")
            assert ended.returncode == 0, ended.stderr
    check_shares(tmp_path / "run", 120, 0.05)


@pytest.mark.slow
def test_two_thousand_are_kept_in_their_shares_by_a_run_that_is_killed_in_each_round(tmp_path: Path) -> None:
    with StubServer(rejecting(0.6)) as server:
        config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, server.base_url, 2000))
        for run in ("undisturbed", "killed"):
            for stage in ("sample", "analyze"):
                assert run_lemma(stage, config, "-o", tmp_path / run, "--quiet").returncode == 0
        before = len(server.calls)
        ended = run_lemma("inject", config, "-o", tmp_path / "undisturbed", "--quiet")
        assert ended.returncode == 0, ended.stderr
        asked = len(server.calls) - before
        for calls in (200, 450, 1200, 1950, asked - 150, asked - 20):  # the rounds ask 500, about 1,550, 400 and 100
            process = start_lemma("inject", config, "-o", tmp_path / "killed", "--quiet")
            try:
                deadline = time.monotonic() + TIMEOUT_S
                while process.poll() is None and len(reply_lines(tmp_path / "killed")) - 2000 < calls:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                assert process.poll() is None
            finally:
                process.kill()
                process.communicate()
        ended = run_lemma("inject", config, "-o", tmp_path / "killed", "--quiet")
        assert ended.returncode == 0, ended.stderr
    check_shares(tmp_path / "killed", 2000, 0.02)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")
    keys = [json.loads(line)["key"] for line in reply_lines(tmp_path / "killed")]
    assert len(keys) == len(set(keys)) == asked + 2000
