from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lemma.config import Config
from lemma.errors import ConfigError, DiskError
from lemma.exports import CardFacts, ExportSummary, export_run
from lemma.records import Rejection, TrainingRow, Trajectory
from tests.exports.builders import HOSTILE, config_of, facts_of, many, plain_of, problem_of, trajectory_of


def export(
    folder: Path,
    trajectories: Callable[[], Iterator[Trajectory]] = lambda: many(10),
    config: Config | None = None,
    facts: CardFacts | None = None,
) -> ExportSummary:
    return export_run(trajectories, plain_of(100), folder, config or config_of(), facts or facts_of())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_in(path: Path) -> list[TrainingRow]:
    return [TrainingRow.model_validate_json(line) for line in path.read_bytes().splitlines()]


def test_every_format_holds_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    hostile = [trajectory_of(problem_of(n, text), reflection=f"\n{text}\n") for n, text in enumerate(HOSTILE)]
    export(tmp_path, lambda: iter(hostile), config_of(shuffle=False))
    rows = rows_in(tmp_path / "train.jsonl")
    assert [row.instruction for row in rows] == HOSTILE
    pairs = [(row.instruction, row.output) for row in rows]
    alpaca = json.loads((tmp_path / "alpaca.json").read_bytes())
    assert alpaca == [{"instruction": question, "input": "", "output": text} for question, text in pairs]
    lines = (tmp_path / "messages.jsonl").read_bytes().splitlines()
    messages = [json.loads(line)["messages"] for line in lines]
    assert [tuple(turn["content"] for turn in one) for one in messages] == pairs
    assert {tuple(turn["role"] for turn in one) for one in messages} == {("user", "assistant")}
    conversations = [one["conversations"] for one in json.loads((tmp_path / "sharegpt.json").read_bytes())]
    assert [tuple(turn["value"] for turn in one) for one in conversations] == pairs
    assert {tuple(turn["from"] for turn in one) for one in conversations} == {("human", "gpt")}
    columns = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert columns == [json.loads(row.model_dump_json()) for row in rows]


def test_equal_arguments_give_equal_bytes_at_any_time_in_any_folder(tmp_path: Path) -> None:
    config = config_of(plain_share=0.2, validation=0.2, max_per_problem=1)
    export(tmp_path / "one", lambda: many(50), config)
    time.sleep(0.01)
    export(tmp_path / "another", lambda: many(50), config)
    export(tmp_path / "another", lambda: many(50), config)  # over itself
    assert contents(tmp_path / "one") == contents(tmp_path / "another")


def test_another_seed_gives_another_choice(tmp_path: Path) -> None:
    config = config_of(max_per_problem=1)
    export(tmp_path / "one", config=config)
    export(tmp_path / "another", config=config.model_copy(update={"seed": 1}))
    assert (tmp_path / "one/train.jsonl").read_bytes() != (tmp_path / "another/train.jsonl").read_bytes()


def test_the_summary_adds_up_and_tells_what_is_on_disk(tmp_path: Path) -> None:
    config = config_of(plain_share=0.25, validation=0.3, max_per_problem=2)
    summary = export(tmp_path, lambda: (one for n in range(30) for one in [*many_of(n), *many_of(n)]), config)
    train, held_out = rows_in(tmp_path / "train.jsonl"), rows_in(tmp_path / "validation.jsonl")
    assert summary.rows == len(train) + len(held_out)
    assert summary.trajectories == 240 == summary.rows - summary.plain + sum(summary.rejected.values())
    assert summary.rejected == {"duplicate": 120, "over_cap": 60}
    assert summary.plain == 20 == sum(row.origin is None for row in train + held_out)
    assert summary.counts.splits == {"train": len(train), "validation": len(held_out)}
    assert set(summary.files) == set(contents(tmp_path))
    assert not {row.instruction for row in train} & {row.instruction for row in held_out}
    lines = (tmp_path / "rejected/part-00000.jsonl").read_bytes().splitlines()
    assert len(lines) == 180
    assert {Rejection.model_validate_json(line).stage for line in lines} == {"export"}


def many_of(number: int) -> list[Trajectory]:
    return [trajectory_of(problem_of(number), variant) for variant in range(4)]


def test_near_copies_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    def twins() -> Iterator[Trajectory]:
        for number in range(10):
            for words in ("\nWait, that sum is wrong. ", "\nHold on, that sum is wrong. "):
                yield trajectory_of(problem_of(number), strategy=words.split()[0], reflection=words)

    assert export(tmp_path, twins).rejected == {"near_duplicate": 10}
    first = contents(tmp_path)
    assert "no near copy before it" in first["README.md"].decode()
    assert export(tmp_path, twins).rows == 10
    assert contents(tmp_path) == first
    assert export(tmp_path, twins, config_of(near_duplicates=None)).rejected == {}
    assert "near copy" not in (tmp_path / "README.md").read_text()


def test_files_of_another_configuration_go(tmp_path: Path) -> None:
    export(tmp_path, lambda: many(50), config_of(validation=0.5))
    (tmp_path / "notes.txt").write_text("mine")
    assert (tmp_path / "alpaca_validation.json").exists()
    export(tmp_path, lambda: many(50), config_of(formats=["messages"]))
    assert set(contents(tmp_path)) == {
        "train.jsonl",
        "messages.jsonl",
        "README.md",
        "rejected/part-00000.jsonl",
        "notes.txt",
    }


def test_an_unknown_format_ends_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known are parquet"):
        export(tmp_path / "export", config=config_of(formats=["parket"]))
    assert not (tmp_path / "export").exists()


def test_a_failure_midway_leaves_the_earlier_export_whole(tmp_path: Path) -> None:
    export(tmp_path)
    before = contents(tmp_path)

    def broken() -> Iterator[Trajectory]:
        yield from many(3)
        raise DiskError("the disk is gone")

    with pytest.raises(DiskError):
        export(tmp_path, broken)
    assert contents(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["train.jsonl", "alpaca.json", "train.parquet", "README.md"])
@pytest.mark.parametrize("problems", [3, 2000])  # the disk is full at the end, and midway
def test_a_full_disk_is_one_clear_line_and_no_other_noise(
    tmp_path: Path, name: str, problems: int, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f".{name}.tmp").symlink_to("/dev/full")
    with pytest.raises(DiskError, match=r"^[^\n]*No space left[^\n]*$"):
        export(tmp_path, lambda: many(problems))
    gc.collect()
    assert contents(tmp_path) == {}
    assert capfd.readouterr().err == ""


def test_a_run_without_trajectories_gives_empty_files_and_a_card(tmp_path: Path) -> None:
    summary = export(tmp_path, lambda: iter([]), config_of(plain_share=0.5, validation=0.5))
    assert summary.rows == 0
    assert json.loads((tmp_path / "alpaca.json").read_bytes()) == []
    assert (tmp_path / "train.jsonl").read_bytes() == b""
    assert "0 rows to train on" in (tmp_path / "README.md").read_text()
