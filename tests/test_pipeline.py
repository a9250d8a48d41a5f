"""The stages over a run's folder: equal bytes, what is reopened by what, and the rounds of injection."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.errors import ConfigError, RunError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.stages.base import InjectUnit, Reply, Request
from lemma.teacher.rules import RulesTeacher
from tests.conftest import ROOT, example_config, files_of


class Counting:
    """The embedded teacher, counting what it is asked."""

    def __init__(self) -> None:
        self._rules = RulesTeacher()
        self.stages: Counter[str] = Counter()
        self.problems: set[str] = set()

    def answer_now(self, request: Request) -> Reply:
        self.stages[type(request.unit).__name__.removesuffix("Unit").lower()] += 1
        self.problems.add(request.unit.problem.id)
        return self._rules.answer_now(request)


def work(
    run: Path, config: Config, *stages: str, say: list[str] | None = None, teacher: Any = None, **options: Any
) -> Counting:
    teacher = teacher or Counting()
    lines = say if say is not None else []
    with Pipeline(run, config, Options(quiet=True, **options), lines.append, lambda role: teacher) as pipeline:
        pipeline.work(stages or STAGES)
    return teacher  # type: ignore[no-any-return]


def changed(config: Config, **more: Any) -> Config:
    return Config.model_validate(config.model_dump() | more)


def records(run: Path, stage: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for part in sorted((run / stage).glob("part-*.jsonl"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]


def test_the_stages_one_by_one_give_the_bytes_of_a_whole_run(tmp_path: Path) -> None:
    work(tmp_path / "whole", example_config())
    for stage in STAGES:
        work(tmp_path / "single", example_config(), stage)
    assert files_of(tmp_path / "single") == files_of(tmp_path / "whole")


def test_another_folder_with_the_same_seed_gets_the_same_bytes_and_another_seed_other_draws(tmp_path: Path) -> None:
    work(tmp_path / "a", example_config())
    work(tmp_path / "b", example_config())
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    for seed in (1, 2, 3):  # two of so few draws may fall alike
        work(tmp_path / str(seed), example_config(seed=seed), "sample", "analyze", "inject")
    drawn = [
        tuple((one["problem"]["id"], one["error_type"], one["solution"]) for one in records(tmp_path / run, "inject"))
        for run in ("a", "1", "2", "3")
    ]
    assert len(set(drawn)) > 1


def test_a_finished_run_asks_nothing_and_changes_nothing(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config())
    before = files_of(tmp_path / "run", with_replies=True)
    assert not work(tmp_path / "run", example_config()).stages
    assert files_of(tmp_path / "run", with_replies=True) == before


def test_rederiving_costs_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config())
    before = files_of(tmp_path / "run", with_replies=True)
    assert not work(tmp_path / "run", example_config(), rederive=True).stages
    assert files_of(tmp_path / "run", with_replies=True) == before


def test_raising_the_limit_asks_only_about_new_problems(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(12))
    old = {one["id"] for one in records(tmp_path / "run", "problems")}
    teacher = work(tmp_path / "run", example_config(17))
    assert teacher.problems
    assert not teacher.problems & old


def test_lowering_the_limit_and_raising_it_again_pays_nothing_twice(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(12))
    before = files_of(tmp_path / "run")
    assert not work(tmp_path / "run", example_config(4)).stages
    assert len(records(tmp_path / "run", "problems")) == 4
    assert not work(tmp_path / "run", example_config(12)).stages
    assert files_of(tmp_path / "run") == before


def test_a_changed_part_size_moves_problems_but_pays_nothing_twice(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config())
    rows = (tmp_path / "run/export/train.jsonl").read_bytes()
    assert not work(tmp_path / "run", changed(example_config(), shards={"size": 3})).stages
    assert (tmp_path / "run/export/train.jsonl").read_bytes() == rows


def test_a_dataset_put_in_front_pays_only_for_its_own_problems(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} + {n}?", "answer": f"{n} + {n} = {2 * n}\n#### {2 * n}"} for n in range(20, 27)]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = example_config()
    work(tmp_path / "run", config)
    old = {one["id"] for one in records(tmp_path / "run", "problems")}
    spec = {"dataset": "gsm8k", "path": str(tmp_path / "new.jsonl"), "name": "mine"}
    teacher = work(tmp_path / "run", changed(config, data=[spec, *config.model_dump()["data"]]))
    assert not teacher.problems & old


def test_a_changed_content_key_is_told_and_reopens_its_stage_and_those_after(tmp_path: Path) -> None:
    said: list[str] = []
    work(tmp_path / "run", example_config())
    config = changed(example_config(), correct={"strategies": ["fix_continue"]})
    teacher = work(tmp_path / "run", config, say=said)
    assert not teacher.stages  # the replies are all there
    assert {one["strategy"] for one in records(tmp_path / "run", "smooth")} == {"fix_continue"}
    assert any("correct.strategies.1 fresh_restart → none" in line for line in said)
    assert any(line.startswith("reopened: correct, smooth, export") for line in said)


def test_an_operational_key_reopens_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    work(tmp_path / "run", example_config())
    before = files_of(tmp_path / "run")
    config = changed(example_config(), teacher={"concurrency": 3, "timeout_s": 5})
    assert not work(tmp_path / "run", config, say=said).stages
    assert not said
    assert files_of(tmp_path / "run") == before


def test_a_changed_prompt_reopens_its_stage_and_pays_only_for_it(tmp_path: Path) -> None:
    said: list[str] = []
    work(tmp_path / "run", example_config())
    (tmp_path / "prompts").mkdir()
    own = (ROOT / "lemma/prompts/smooth_joint.md").read_text(encoding="utf-8").replace("Rewrite reflection", "Reword")
    (tmp_path / "prompts/smooth_joint.md").write_text(own, encoding="utf-8")
    teacher = work(tmp_path / "run", changed(example_config(), prompts=str(tmp_path / "prompts")), say=said)
    assert set(teacher.stages) == {"smooth"}
    assert teacher.stages["smooth"] == len(records(tmp_path / "run", "correct"))
    assert any("prompts or plugins have changed" in line for line in said)


def test_a_stage_whose_input_is_not_finished_says_what_to_run(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(), "sample")
    with pytest.raises(RunError, match=r"analyze is not finished .* run `lemma analyze`"):
        work(tmp_path / "run", example_config(), "correct")


def test_a_stage_whose_input_is_out_of_date_says_what_to_run(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config())
    config = changed(example_config(), analyze={"votes": 3})
    with pytest.raises(RunError, match="analyze is not finished"):
        work(tmp_path / "run", config, "smooth")


def test_counts_add_up_in_every_manifest(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config())
    for path in (tmp_path / "run").rglob("part-*.manifest"):
        manifest = json.loads(path.read_text())
        assert manifest["units"] == manifest["kept"] + manifest["rejected"]
        assert sum(manifest["reasons"].values()) == manifest["rejected"]
        stage = path.parent
        assert len((stage / path.with_suffix(".jsonl").name).read_bytes().splitlines()) == manifest["kept"]


def test_smoothing_can_be_left_out(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(smooth={"scope": "off"}, export={"near_duplicates": None, "shuffle": False}))
    rows = [json.loads(line) for line in (tmp_path / "run/export/train.jsonl").read_text().splitlines()]
    assert [row["output"] for row in rows] == [one["text"] for one in records(tmp_path / "run", "correct")]


def test_a_program_without_a_state_answers_in_several_processes_to_the_same_bytes(tmp_path: Path) -> None:
    config = example_config(20, shards={"size": 3})
    work(tmp_path / "one", config)  # `Counting` has a state: it is asked in this process
    work(tmp_path / "several", config, teacher=RulesTeacher())
    assert files_of(tmp_path / "several", with_replies=True) == files_of(tmp_path / "one", with_replies=True)


def test_a_file_changed_behind_our_back_is_told(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(), "sample")
    part = tmp_path / "run/sample/part-00000.jsonl"
    part.write_bytes(part.read_bytes().replace(b'"is_correct":false', b'"is_correct":true', 1))
    with pytest.raises(RunError, match=r"part-00000\.jsonl: was changed after it was written"):
        work(tmp_path / "run", example_config(), "analyze")


class Declining(Counting):
    """Declines one type of injection everywhere, and fails another at the first time of asking."""

    def answer_now(self, request: Request) -> Reply:
        unit = request.unit
        if isinstance(unit, InjectUnit) and unit.error_type == "missing_step":
            return Reply(request.key, "<declined>no step can go</declined>", "stop")
        return super().answer_now(request)


def test_a_declined_slot_gets_another_type_in_the_next_round(tmp_path: Path) -> None:
    types = {"calculation_error": 0.5, "missing_step": 0.5}
    work(tmp_path / "run", example_config(20, inject={"types": types}), teacher=Declining())
    kept = Counter(one["error_type"] for one in records(tmp_path / "run", "inject"))
    assert set(kept) == {"calculation_error"}
    assert kept["calculation_error"] > 10


def test_types_are_drawn_by_largest_remainder(tmp_path: Path) -> None:
    types = {"calculation_error": 3, "operator_error": 1}
    work(tmp_path / "run", example_config(20, inject={"types": types}), "sample", "analyze", "inject")
    asked = Counter[str]()
    for path in (tmp_path / "run/inject").glob("part-*.jsonl"):
        asked.update(json.loads(line)["error_type"] for line in path.read_text().splitlines())
    rejected = Counter[str]()
    for path in (tmp_path / "run/inject/rejected").glob("part-*.jsonl"):
        rejected.update(json.loads(line)["unit"]["label"] for line in path.read_text().splitlines())
    first_round = asked + rejected
    assert first_round["calculation_error"] >= 15
    assert first_round["operator_error"] >= 5


def test_the_target_is_frozen_until_it_is_renewed(tmp_path: Path) -> None:
    said: list[str] = []
    work(tmp_path / "run", example_config(6))
    frozen = (tmp_path / "run/inject/target.json").read_bytes()
    work(tmp_path / "run", example_config(17), say=said)
    assert (tmp_path / "run/inject/target.json").read_bytes() == frozen
    assert any("--retarget renews it" in line for line in said)
    work(tmp_path / "run", example_config(17), retarget=True)
    assert (tmp_path / "run/inject/target.json").read_bytes() != frozen


def test_without_mistakes_to_learn_from_injection_asks_for_shares(tmp_path: Path) -> None:
    (tmp_path / "plain.jsonl").write_text(json.dumps({"question": "What is 2 + 2?", "answer": "2+2=4\n#### 4"}) + "\n")
    config = example_config(data=[{"dataset": "gsm8k", "path": str(tmp_path / "plain.jsonl")}])
    with pytest.raises(ConfigError, match=r"inject\.types is `analysed`, but the analysis found no mistake"):
        work(tmp_path / "run", config)


def test_an_unfinished_analysis_bars_injection_unless_partial(tmp_path: Path) -> None:
    work(tmp_path / "run", example_config(), "sample", "analyze")
    (tmp_path / "run/analyze/part-00001.manifest").unlink()
    with pytest.raises(RunError, match="analyze is not finished"):
        work(tmp_path / "run", example_config(), "inject")
    assert work(tmp_path / "run", example_config(), "inject", partial=True).stages["inject"]
