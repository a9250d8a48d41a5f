"""`lemma merge`: runs made apart become one that asks for nothing that was paid for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.distribution import merged_target
from lemma.errors import ConfigError, RunError
from lemma.manyruns import ManyRuns
from lemma.merging import merge_runs
from lemma.pipeline import STAGES as PIPELINE
from lemma.pipeline import Options, Pipeline
from lemma.report import write_report
from lemma.shards.folder import StageFolder
from lemma.status import read_status
from tests.conftest import MockServer, example_config
from tests.protocol.cases import problem, write_problems
from tests.protocol.commands import run_lemma
from tests.protocol.rules import good_rules, write_rules

STAGES = PIPELINE[:-1]
PRICES = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}


@dataclass
class Made:
    """Two runs of one configuration."""

    folder: Path
    server: MockServer
    first: Path
    second: Path

    def config(self, name: str, problems: range, **more: Any) -> Config:
        rows = (problem(f"p{number}", number) for number in problems)
        data = write_problems(self.folder / f"{name}.jsonl", rows)
        return example_config(
            data=[{"dataset": "rollouts", "path": str(data), "name": "toy"}],
            teacher={"backend": "openai", "model": "mock", "base_url": self.server.base_url, "prices": PRICES},
            inject={"types": {"calculation_error": 2, "operator_error": 1}},
            shards={"size": 3},
            export={"formats": [], "near_duplicates": None},
            **more,
        )

    def run(self, name: str, problems: range) -> Path:
        work(self.folder / name, self.config(name, problems))
        return self.folder / name


def work(run: Path, config: Config, rederive: bool = False) -> list[str]:
    """Runs all stages; returns what was said."""
    said: list[str] = []
    with Pipeline(run, config, Options(quiet=True, rederive=rederive), said.append) as pipeline:
        pipeline.work(PIPELINE)
    return said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockServer]:
    rules = write_rules(tmp_path_factory.mktemp("rules") / "rules.jsonl", good_rules())
    server = MockServer("--reply-file", str(rules), "--latency-ms", "1")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def made(server: MockServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("made")
    made = Made(folder, server, folder, folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_API_KEY", "none")
        made.first, made.second = made.run("first", range(8)), made.run("second", range(4, 13))
        yield made


def lines(run: Path, stage: str, kind: str = "") -> list[bytes]:
    return [
        line for path in sorted((run / stage / kind).glob("part-*.jsonl")) for line in path.read_bytes().splitlines()
    ]


def problem_of(line: bytes) -> str:
    tree = json.loads(line)
    while "problem" in tree or "mistake" in tree or "unit" in tree:
        tree = tree.get("mistake") or tree.get("problem") or tree["unit"]
        if isinstance(tree, str):
            return tree
    return str(tree["id"])


def test_a_merged_run_holds_what_its_runs_hold_and_a_double_problem_once(made: Made, tmp_path: Path) -> None:
    asked = made.server.stats()["ok"]
    said = merge_runs([made.first, made.second], tmp_path / "new").splitlines()
    assert said[0] == f"{tmp_path / 'new'}: 2 runs, 13 problems in 5 parts"
    assert said[1].startswith(f"{made.second}: 4 of its problems are in a run before it and were left out")
    double = {problem_of(line) for line in lines(made.first, "problems")} & {
        problem_of(line) for line in lines(made.second, "problems")
    }
    assert len(double) == 4
    for stage in ("problems", *STAGES):
        for kind in ("", "rejected"):
            kept = [line for line in lines(made.second, stage, kind) if problem_of(line) not in double]
            assert lines(tmp_path / "new", stage, kind) == lines(made.first, stage, kind) + kept, (stage, kind)
        replies = lines(made.first, stage, "replies") + lines(made.second, stage, "replies")
        assert sorted(lines(tmp_path / "new", stage, "replies")) == sorted(replies)
    assert made.server.stats()["ok"] == asked


def test_a_merged_run_goes_on_without_asking_and_every_command_reads_it(made: Made, tmp_path: Path) -> None:
    new = tmp_path / "new"
    merged = run_lemma("merge", made.first, made.second, "-o", new)
    assert (merged.returncode, merged.stdout.count("\n")) == (0, 2), merged.stderr
    asked, status = made.server.stats()["ok"], read_status(new)
    assert [(stage["parts"], stage["parts_done"], stage["left"]) for stage in status["stages"]] == [(5, 5, 0)] * 5
    runs = [read_status(run) for run in (made.first, made.second)]
    assert status["tokens"] == sum(one["tokens"] for one in runs)
    assert status["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in runs))
    assert (status["problems"], status["set_aside"]) == (13, {"duplicate_id": 4})
    assert status["warnings"] == []

    def parts() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in new.rglob("part-*") if "export" not in path.parts}

    before = parts()
    # the data of the configuration is that of one of the runs: a merged run's problems stay
    assert work(new, made.config("first", range(8))) == []
    assert work(new, made.config("first", range(8)), rederive=True) == [
        "inject: stays as it was merged; only in the runs themselves it can be made anew"
    ]
    assert parts() == before
    assert made.server.stats()["ok"] == asked
    assert write_report([new], tmp_path / "report.html", 5)
    with ManyRuns([made.first, made.second], made.config("first", range(8)), tmp_path / "both") as many:
        many.export()
    both = [f"Case p{number}:" for number in range(4, 8)]  # an export of several knows two versions of these

    def rows(path: Path) -> list[bytes]:
        lines = path.read_bytes().splitlines()
        return sorted(line for line in lines if json.loads(line)["instruction"][:8] not in both)

    assert rows(new / "export/train.jsonl") == rows(tmp_path / "both/train.jsonl") != []


def test_where_injection_would_have_to_be_made_anew_that_is_refused(made: Made, tmp_path: Path) -> None:
    new = tmp_path / "new"
    merge_runs([made.first, made.second], new)
    config = made.config("first", range(8))
    hotter = config.model_copy(update={"teacher": config.teacher.model_copy(update={"temperature": 0.1})})
    with pytest.raises(RunError, match="runs that injected apart, and 5 of its 5 parts of inject are out of date"):
        work(new, hotter)


def copied(run: Path, folder: Path) -> Path:
    shutil.copytree(run, folder / "copy")
    return folder / "copy"


def test_runs_of_other_content_are_refused_by_naming_the_keys(made: Made, tmp_path: Path) -> None:
    other = copied(made.second, tmp_path)
    runfile = other / "run.yaml"
    runfile.write_text(runfile.read_text().replace("seed: 0", "seed: 3").replace("max_chars: 12000", "max_chars: 900"))
    with pytest.raises(ConfigError, match=r"copy: was made with another .*: seed 0 → 3; checks.max_chars 12000 → 900"):
        merge_runs([made.first, other], tmp_path / "new")
    runfile.write_text((made.second / "run.yaml").read_text().replace("  analyze: ", "  analyze: 0", 1))
    with pytest.raises(ConfigError, match="prompts or plugins of analyze;"):
        merge_runs([made.first, other], tmp_path / "new")
    assert list(tmp_path.iterdir()) == [other]


def test_what_cannot_be_merged_is_told_and_nothing_is_left_behind(made: Made, tmp_path: Path) -> None:
    new = tmp_path / "new"
    with pytest.raises(RunError, match="is given twice"):
        merge_runs([made.first, made.first], new)
    with pytest.raises(RunError, match="there is no run"):
        merge_runs([made.first, tmp_path / "nothing"], new)
    with pytest.raises(RunError, match="is there already"):
        merge_runs([made.first, made.second], made.folder)
    third = copied(made.second, tmp_path)
    manifest = StageFolder(third, "smooth").manifest_path(1)
    raw = manifest.read_bytes()
    manifest.unlink()
    with pytest.raises(RunError, match="1 of 3 parts are not finished"):
        merge_runs([made.first, third], new)
    manifest.write_bytes(raw)
    part = StageFolder(third, "correct").part(2)
    part.write_bytes(part.read_bytes().replace(b"the", b"teh", 1))
    with pytest.raises(RunError, match=r"correct/part-00002.jsonl: was changed after it was written"):
        merge_runs([made.first, third], new)
    assert list(tmp_path.iterdir()) == [third]


def test_targets_of_several_runs_are_weighed_by_their_problems() -> None:
    def target(mistakes: int, **shares: float) -> dict[str, Any]:
        entry = {"target": shares, "left_out": {}, "from": "its own mistakes"}
        return {"types": "analysed", "min_share": 0.01, "mistakes": mistakes, "datasets": {"toy": entry}}

    merged = merged_target([target(4, a=1.0), target(5, a=0.5, b=0.5)], [{"toy": 10}, {"toy": 30}])
    assert merged["mistakes"] == 9
    assert merged["datasets"]["toy"]["target"] == {"a": 0.625, "b": 0.375}
    same = merged_target([target(4, a=1.0), target(4, a=1.0)], [{"toy": 1}, {"toy": 1}])
    assert same["datasets"] == target(4, a=1.0)["datasets"]
