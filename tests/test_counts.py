"""What a run is counted by agrees with its files, whatever state it is in."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.counts import (
    ASKING_STAGES,
    RunCounts,
    count_rejections,
    count_rows,
    count_run,
    expected_units,
    finished_parts,
    read_rejections,
)
from lemma.errors import RunError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.shards.folder import StageFolder
from tests.conftest import example_config

CONFIG = example_config(12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("counts") / "run"
    with Pipeline(run, CONFIG, Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    return run


def lines(run: Path, stage: str, folder: str = "") -> Iterator[dict[str, Any]]:
    for path in sorted((run / stage / folder).glob("part-*.jsonl")):
        yield from map(json.loads, path.read_bytes().splitlines())


def assert_agrees(run: Path, counts: RunCounts) -> None:
    """With the files: the rule that report, status and card rely on."""
    for stage in ASKING_STAGES:
        one = counts.stages[stage]
        assert one.kept == sum(1 for _ in lines(run, stage))
        assert one.reasons == Counter(line["reason"] for line in lines(run, stage, "rejected"))
        assert one.units == one.kept + one.rejected
        assert sum(count_rejections(run, stage).values()) == one.rejected
    assert counts.problems.kept == sum(1 for _ in lines(run, "problems"))


def test_counts_agree_with_the_files_of_a_finished_run(finished: Path) -> None:
    counts = count_run(finished)
    assert_agrees(finished, counts)
    samples = list(lines(finished, "sample"))
    assert counts.verdicts()["wrong"] == sum(one["is_correct"] is False for one in samples)
    assert sum(counts.verdicts().values()) == len(samples)
    assert set(counts.verdicts_by_student()) == {(one["problem"]["dataset"], one["model"]) for one in samples}
    rows = (finished / "export/train.jsonl").read_bytes().splitlines()
    assert counts.rows == len(rows) == sum(count_rows(finished).values())


def test_types_and_kinds_are_those_of_the_records(finished: Path) -> None:
    counts = count_run(finished)
    for stage in ("analyze", "inject"):
        found = Counter((one["problem"]["dataset"], one["model"], one["error_type"]) for one in lines(finished, stage))
        told = {(*who, name): n for who, types in counts.types(stage).items() for name, n in types.items()}
        assert told == found
    for stage in ("correct", "smooth"):
        kinds = [
            (
                one["mistake"]["problem"]["dataset"],
                one["mistake"]["origin"],
                one["strategy"],
                one["mistake"]["error_type"],
            )
            for one in lines(finished, stage)
        ]
        assert counts.trajectories(stage) == Counter(kinds)


def test_every_step_of_the_funnel_adds_up_and_goes_on_from_the_one_before(finished: Path) -> None:
    steps = {step.name: step for step in count_run(finished).funnel()}
    assert all(step.asked == step.kept + sum(step.lost.values()) for step in steps.values())
    assert steps["wrong samples"].asked == steps["samples"].kept
    assert steps["mistakes of the student"].asked == steps["wrong samples"].kept
    mistakes = steps["mistakes of the student"].kept + steps["injected mistakes"].kept
    assert steps["trajectories"].asked == mistakes * len(CONFIG.correct.strategies)
    assert steps["smoothed"].asked == steps["trajectories"].kept
    assert steps["exported"].asked == steps["smoothed"].kept
    assert [step.kept for step in count_run(finished / "nothing").funnel()] == [0] * 7


def test_rejections_come_back_whole_and_those_of_the_export_too(finished: Path) -> None:
    counts = count_run(finished)
    for stage in STAGES:
        facts = counts.export if stage == "export" else counts.stages[stage].facts()
        assert facts is not None
        assert Counter(one.reason for one in read_rejections(finished, stage)) == facts.rejected


def test_what_was_expected_is_what_came(finished: Path) -> None:
    for stage in ("sample", "analyze", "correct", "smooth"):
        for part in range(count_run(finished).parts):
            manifest = StageFolder(finished, stage).manifest(part)
            assert manifest is not None
            assert expected_units(finished, CONFIG, stage, part) == manifest.units
    assert expected_units(finished, CONFIG, "inject", 0) == 5
    assert expected_units(finished, CONFIG, "smooth", 99) is None


def test_an_interrupted_run_counts_its_finished_parts(tmp_path: Path) -> None:
    with Pipeline(tmp_path, CONFIG, Options(quiet=True)) as pipeline:
        pipeline.work(STAGES[:3])
    StageFolder(tmp_path, "analyze").reopen(1)  # as an interruption leaves it, while a part is written
    (tmp_path / "analyze/part-00001.jsonl").unlink()
    (tmp_path / "analyze/rejected/part-00001.jsonl").unlink()
    counts = count_run(tmp_path)
    assert_agrees(tmp_path, counts)
    assert counts.stages["analyze"].parts == counts.parts - 1
    assert finished_parts(StageFolder(tmp_path, "analyze")) == [0, 2]
    assert counts.export is None
    assert not count_rows(tmp_path)


def test_only_the_parts_asked_for_are_counted(finished: Path) -> None:
    counts = count_run(finished, {"sample": [0], "analyze": []})
    assert counts.stages["sample"].parts == 1
    assert counts.stages["analyze"].units == counts.stages["smooth"].units == 0


def test_parts_of_another_version_count_as_they_lie(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    for path in run.glob("*/part-*.manifest"):
        tree = json.loads(path.read_bytes())
        tree |= {"version": 1, "a_key_of_then": 5}
        path.write_text(json.dumps(tree))
    assert StageFolder(run, "correct").manifest(0) is None
    assert_agrees(run, count_run(run))
    assert count_run(run).funnel() == count_run(finished).funnel()
    (run / "correct/part-00000.manifest").write_bytes(b'{"units": "many"}')
    (run / "correct/part-00001.manifest").write_bytes(b"\xff[")
    assert count_run(run).stages["correct"].parts == 1


def test_a_damaged_row_is_told_with_its_line(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    with (run / "export/train.jsonl").open("ab") as file:
        file.write(b'{"dataset": 1}\n')
    with pytest.raises(RunError, match=r"train.jsonl, line \d+: damaged"):
        count_rows(run)
