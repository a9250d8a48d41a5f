"""Groups: one problem with all that earlier stages made of it, joined from files in one order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from lemma.configfile import parse_config
from lemma.errors import RunError
from lemma.groups import RECORD_TYPES, read_groups
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.problems import ProblemsFolder, input_fingerprint, read_into
from lemma.records import Mistake, Problem, Record, Sample, Trajectory
from lemma.shards.files import read_records, to_line, write_whole
from lemma.shards.folder import StageFolder
from tests.conftest import example_config
from tests.stages.builders import mistake, sample, trajectory

N = 5


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five problems in one part; the second and the last came with samples."""
    rows = [
        {
            "question": f"What is {n} + 0?",
            "answer": f"{n}\n#### {n}",
            "samples": [{"text": f"A: {n + one}"} for one in range(2 * (n in (1, 4)))],
        }
        for n in range(N)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = parse_config({"data": [{"dataset": "rollouts", "path": str(path)}], "decontaminate": []}, "test")
    read_into(tmp_path / "run", config, input_fingerprint(config))
    return tmp_path / "run"


def problems(run: Path) -> list[Problem]:
    return list(read_records(ProblemsFolder(run).part(0), Problem))


def write(run: Path, stage: str, records: Iterable[Record]) -> None:
    write_whole(StageFolder(run, stage).part(0), map(to_line, records))


def test_every_problem_has_its_group_in_order(run: Path) -> None:
    groups = list(read_groups(run, 0, ()))
    assert [group.problem for group in groups] == problems(run)
    assert [len(group.given) for group in groups] == [0, 2, 0, 0, 2]
    assert [one.text for one in groups[4].given] == ["A: 4", "A: 5"]
    assert not any(group.samples or group.mistakes or group.trajectories for group in groups)


def test_records_go_to_their_problems_whichever_of_these_have_any(run: Path) -> None:
    each = problems(run)
    samples = [sample(f"text {n} {one}", each[n]) for n in (0, 2, 4) for one in range(n + 1)]
    write(run, "sample", samples)
    groups = list(read_groups(run, 0, ("sample",)))
    assert [len(group.samples) for group in groups] == [1, 0, 3, 0, 5]
    assert [one for group in groups for one in group.samples] == samples
    assert all(one.problem == group.problem for group in groups for one in group.samples)
    assert all(group.given == () for group in groups)


def test_a_stage_sees_only_what_it_reads(run: Path) -> None:
    each = problems(run)
    write(run, "sample", [sample("x", each[0])])
    write(run, "analyze", [mistake(problem=each[0])])
    (group, *_) = read_groups(run, 0, ("analyze",))
    assert (len(group.samples), len(group.mistakes)) == (0, 1)


def test_the_student_s_mistakes_come_before_injected_ones(run: Path) -> None:
    each = problems(run)
    write(run, "analyze", [mistake(problem=each[1], id="m-student", explanation=str(n)) for n in range(2)])
    write(run, "inject", [mistake(problem=each[n], id="m-injected", origin="injected") for n in (0, 1)])
    groups = list(read_groups(run, 0, ("analyze", "inject")))
    assert [one.id for one in groups[1].mistakes] == ["m-student", "m-student", "m-injected"]
    assert [one.id for one in groups[0].mistakes] == ["m-injected"]


def test_trajectories_go_to_the_problem_of_their_mistake(run: Path) -> None:
    each = problems(run)
    made = [trajectory(of=mistake(problem=each[n])) for n in (1, 3)]
    write(run, "correct", made)
    groups = list(read_groups(run, 0, ("correct",)))
    assert [list(group.trajectories) for group in groups] == [[], [made[0]], [], [made[1]], []]


@pytest.mark.parametrize("order", [[1, 0], [0, 9], [9], [0, 0, 9]])
def test_records_that_fit_no_problem_are_told_and_never_dropped(run: Path, order: list[int]) -> None:
    each = [*problems(run), *[problems(run)[0].model_copy(update={"id": "p-elsewhere"})] * 9]
    write(run, "sample", [sample("x", each[n]) for n in order])
    with pytest.raises(RunError, match=r"sample/part-00000\.jsonl: holds records of problems that are not in the part"):
        list(read_groups(run, 0, ("sample",)))


def test_a_missing_or_damaged_file_is_told(run: Path) -> None:
    with pytest.raises(RunError, match=r"sample/part-00000\.jsonl: the file is missing"):
        list(read_groups(run, 0, ("sample",)))
    write(run, "sample", [mistake()])
    with pytest.raises(RunError, match=r"sample/part-00000\.jsonl, line 1: damaged"):
        list(read_groups(run, 0, ("sample",)))
    ProblemsFolder(run).rollouts(0).unlink()
    with pytest.raises(RunError, match=r"rollouts/part-00000\.jsonl: missing or damaged"):
        list(read_groups(run, 0, ()))


def test_given_samples_that_fit_no_problem_are_told(run: Path) -> None:
    path = ProblemsFolder(run).rollouts(0)
    path.write_bytes(path.read_bytes().replace(problems(run)[4].id.encode(), b"p-elsewhere"))
    with pytest.raises(
        RunError, match=r"rollouts/part-00000\.jsonl: holds records of problems that are not in the part"
    ):
        list(read_groups(run, 0, ()))


def test_one_group_is_read_at_a_time(run: Path) -> None:
    """What stands behind a group is not looked at before it is needed."""
    whole = problems(run)
    with ProblemsFolder(run).part(0).open("ab") as file:
        file.write(b"{damaged\n")
    groups = read_groups(run, 0, ())
    assert [next(groups).problem for _ in range(N)] == whole
    with pytest.raises(RunError, match=f"line {N + 1}: damaged"):
        next(groups)


def test_the_groups_of_a_whole_run_hold_every_record_once(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "run", example_config(7), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES[:-1])
    run, reads = tmp_path / "run", ("sample", "analyze", "inject", "correct")
    parts = ProblemsFolder(run).parts()
    groups = [group for part in parts for group in read_groups(run, part, reads)]
    held = {
        "problems": [group.problem for group in groups],
        "sample": [one for group in groups for one in group.samples],
        "correct": [one for group in groups for one in group.trajectories],
    }
    for stage, records in held.items():
        folder = StageFolder(run, stage)
        assert records == [one for part in parts for one in read_records(folder.part(part), RECORD_TYPES[stage])]
    for stage, origin in (("analyze", "student"), ("inject", "injected")):
        folder = StageFolder(run, stage)
        mistakes = [one for group in groups for one in group.mistakes if one.origin == origin]
        assert mistakes == [one for part in parts for one in read_records(folder.part(part), Mistake)]
        assert mistakes


def test_every_stage_s_records_have_a_known_kind() -> None:
    assert set(RECORD_TYPES) == {"problems", *STAGES} - {"export"}
    assert (RECORD_TYPES["sample"], RECORD_TYPES["smooth"]) == (Sample, Trajectory)
