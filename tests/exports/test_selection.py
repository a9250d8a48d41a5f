"""Which rows are exported, and in which order: shuffling, shares of error types, test questions, what is learnt."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from lemma.config import ExportConfig
from lemma.errors import ConfigError
from lemma.exports import export_run, formats_of
from lemma.exports.rows import row_of
from lemma.exports.spool import largest_level
from lemma.exports.templates import TEMPLATES, template_of
from lemma.records import Rejection, TrainingRow
from tests.exports.builders import config_of, facts_of, many, plain_of, problem_of, trajectory_of


def rows_in(path: Path) -> list[TrainingRow]:
    return [TrainingRow.model_validate_json(line) for line in path.read_bytes().splitlines()]


def test_the_seed_alone_decides_the_order_not_that_of_arrival(tmp_path: Path) -> None:
    config = config_of(plain_share=0.3)
    forward = list(many(40))
    for name, found in (("one", forward), ("other", sorted(forward, key=lambda one: one.mistake.problem.id))):
        export_run(lambda found=found: iter(found), plain_of(60), tmp_path / name, config, facts_of())  # type: ignore[misc]
    one = (tmp_path / "one/train.jsonl").read_bytes()
    assert one == (tmp_path / "other/train.jsonl").read_bytes()
    seeded = config.model_copy(update={"seed": 1})
    export_run(lambda: iter(forward), plain_of(60), tmp_path / "seeded", seeded, facts_of())
    assert one != (tmp_path / "seeded/train.jsonl").read_bytes()
    rows = rows_in(tmp_path / "one/train.jsonl")
    plain = [number for number, row in enumerate(rows) if row.origin is None]
    assert min(plain) < len(rows) / 4 < 3 * len(rows) / 4 < max(plain), "plain rows stand among the others"


def test_no_error_type_has_more_than_its_share_and_what_is_too_much_has_its_reason(tmp_path: Path) -> None:
    counts = {"calculation_error": 60, "missing_step": 12, "operator_error": 8}
    found = [
        trajectory_of(problem_of(number), error_type=name)
        for number, name in enumerate(name for name, count in counts.items() for _ in range(count))
    ]
    summary = export_run(
        lambda: iter(found), plain_of(200), tmp_path, config_of(max_type_share=0.5, plain_share=0.5), facts_of()
    )
    rows = rows_in(tmp_path / "train.jsonl")
    assert Counter(row.error_type for row in rows) == {
        "calculation_error": 20,
        "missing_step": 12,
        "operator_error": 8,
        None: 40,
    }
    assert summary.rejected == {"over_share": 40}
    lines = (tmp_path / "rejected/part-00000.jsonl").read_bytes().splitlines()
    assert {Rejection.model_validate_json(line).reason for line in lines} == {"over_share"}


@pytest.mark.parametrize(
    ("counts", "share", "level"),
    [
        ([60, 12, 8], 0.5, 20),
        ([60, 12, 8], 1.0, 60),
        ([60, 12, 8], 0.1, 8),  # three types cannot each have a tenth: equal shares
        ([5, 5, 5], 1 / 3, 5),
        ([7], 0.2, 7),
        ([], 0.5, 0),
    ],
)
def test_the_largest_level_that_keeps_every_share(counts: list[int], share: float, level: int) -> None:
    assert largest_level(counts, share) == level


def test_no_question_of_a_test_set_gives_a_row_plain_or_not(tmp_path: Path) -> None:
    known = problem_of(3).question

    def find(question: str) -> str | None:
        return "the question is in a-test" if question == known else None

    summary = export_run(
        lambda: many(10), plain_of(10), tmp_path, config_of(plain_share=0.4, formats=["messages"]), facts_of(), find
    )
    assert summary.rejected == {"contaminated": 2}
    for path in ("train.jsonl", "messages.jsonl"):
        assert json.dumps(known)[1:-1] not in (tmp_path / path).read_text()


def test_what_is_learnt_is_the_solution_or_what_follows_the_mistake(tmp_path: Path) -> None:
    trajectory = trajectory_of(problem_of(3))
    row = row_of(trajectory)
    texts = set()
    for loss_on in ("solution", "correction"):
        config = config_of(formats=["completion", "llamafactory"], loss_on=loss_on)
        export_run(lambda: iter([trajectory]), plain_of(0), tmp_path / loss_on, config, facts_of())
        one = json.loads((tmp_path / loss_on / "completion.jsonl").read_bytes())
        same = json.loads((tmp_path / loss_on / "llamafactory/train.jsonl").read_bytes())
        assert one == {name: same[name] for name in ("prompt", "completion")}
        learnt = " " + row.output if loss_on == "solution" else trajectory.reflection + trajectory.continuation
        assert one["completion"] == learnt
        texts.add(one["prompt"] + one["completion"])
    assert texts == {TEMPLATES["paper"].format(instruction=row.instruction) + " " + row.output}


def test_a_template_is_a_known_name_or_a_text_that_holds_the_place_once() -> None:
    own = template_of("Q: {instruction}\nA:")
    assert (own.prompt("{braces} %s"), own.lead) == ("Q: {braces} %s\nA:", " ")
    assert template_of("question").lead == ""
    for wrong in ("papr", "{instruction} {instruction}", ""):
        with pytest.raises(ConfigError, match=r"export\.prompt: unknown .*; known are .*paper"):
            formats_of(["completion"], ExportConfig(prompt=wrong))


def test_the_llamafactory_folder_names_its_own_files_and_holds_the_papers_settings(tmp_path: Path) -> None:
    config = config_of(formats=["pairs", "llamafactory"], validation=0.3)
    export_run(lambda: many(30), plain_of(0), tmp_path, config, facts_of())
    folder = tmp_path / "llamafactory"
    info = json.loads((folder / "dataset_info.json").read_bytes())
    names = ["lemma", "lemma_chat", "lemma_pairs"]
    assert sorted(info) == sorted(names + [f"{name}_validation" for name in names])
    for dataset in info.values():
        first = json.loads((folder / dataset["file_name"]).read_bytes().splitlines()[0])
        assert set(dataset["columns"].values()) <= set(first)
    full, lora = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("train", "train_lora"))
    assert (folder / full["deepspeed"]).exists()
    assert "deepspeed" not in lora
    for settings, tuning in ((full, "full"), (lora, "lora")):
        assert settings["finetuning_type"] == tuning
        assert settings["dataset"] in info
        assert settings["eval_dataset"] in info
        assert settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"] == 32
        assert (settings["num_train_epochs"], settings["lr_scheduler_type"]) == (3, "cosine")
        assert (settings["warmup_ratio"], settings["cutoff_len"], settings["bf16"]) == (0.03, 4096, True)
    assert full["learning_rate"] == 1e-5
    export_run(lambda: many(30), plain_of(0), tmp_path, config_of(formats=[]), facts_of())
    assert not any(path.is_file() for path in folder.rglob("*")), "of another configuration"
