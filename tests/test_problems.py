"""Problems as read: parts, what is set aside, and what happens when the input changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.configfile import parse_config
from lemma.errors import ConfigError, DiskError, InputError, RunError
from lemma.problems import ProblemsFolder, input_fingerprint, read_into
from lemma.records import Problem
from lemma.shards.files import read_records, sha256_of, write_whole
from lemma.shards.folder import StageFolder
from tests.conftest import files_of


def row(number: int, samples: int = 0) -> dict[str, Any]:
    texts = [{"text": f"{number} and {one} is {number + one}.", "correct": one == 0} for one in range(samples)]
    return {"question": f"What is {number} + 0?", "answer": f"{number}\n#### {number}", "samples": texts}


def config(folder: Path, rows: Sequence[Mapping[str, Any] | str], size: int = 3, **more: Any) -> Config:
    path = folder / "rows.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    tree = {"data": [{"dataset": "rollouts", "path": str(path), "name": "mine"}], "decontaminate": []}
    return parse_config({**tree, "shards": {"size": size}, **more}, "test")


def read(run: Path, one: Config) -> dict[str, Any]:
    return read_into(run, one, input_fingerprint(one))


def questions(run: Path) -> list[list[str]]:
    folder = ProblemsFolder(run)
    return [[one.question for one in read_records(folder.part(part), Problem)] for part in folder.parts()]


def as_numbers(run: Path) -> list[list[int]]:
    return [[int(question.split()[2]) for question in part] for part in questions(run)]


def test_problems_are_cut_into_parts_in_their_order(tmp_path: Path) -> None:
    summary = read(tmp_path / "run", config(tmp_path, [row(n, 2) for n in range(8)]))
    assert as_numbers(tmp_path / "run") == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert {key: summary[key] for key in ("parts", "problems", "samples", "datasets")} == {
        "parts": 3, "problems": 8, "samples": 16, "datasets": {"mine": 8},
    }  # fmt: skip
    assert ProblemsFolder(tmp_path / "run").summary() == summary


def test_every_part_has_a_manifest_that_knows_its_bytes(tmp_path: Path) -> None:
    read(tmp_path / "run", config(tmp_path, [row(n, 1) for n in range(4)]))
    folder = ProblemsFolder(tmp_path / "run")
    for part, units in enumerate((3, 1)):
        manifest = folder.manifest(part)
        assert manifest is not None
        assert manifest.units == manifest.kept == units
        assert manifest.files == {
            name: sha256_of(folder.path / name)
            for name in (f"part-{part:05d}.jsonl", f"rollouts/part-{part:05d}.jsonl")
        }


def test_given_samples_stay_with_their_problems_in_order(tmp_path: Path) -> None:
    read(tmp_path / "run", config(tmp_path, [row(0, 2), row(1), row(2, 1)]))
    folder = ProblemsFolder(tmp_path / "run")
    ids = [one.id for one in read_records(folder.part(0), Problem)]
    given = list(folder.given(0))
    assert [(ids.index(problem), one.text) for problem, one in given] == [
        (0, "0 and 0 is 0."), (0, "0 and 1 is 1."), (2, "2 and 0 is 2."),
    ]  # fmt: skip
    assert [one.claimed_correct for _, one in given] == [True, False, True]
    assert {one.model for _, one in given} == {"mine"}


def test_the_very_same_input_is_not_read_again(tmp_path: Path) -> None:
    one = config(tmp_path, [row(n) for n in range(5)])
    first = read(tmp_path / "run", one)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert read(tmp_path / "run", one) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == times


def test_a_moved_file_is_the_same_input(tmp_path: Path) -> None:
    one = config(tmp_path, [row(n) for n in range(5)])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "rows.jsonl").rename(tmp_path / "elsewhere/rows.jsonl")
    tree = one.model_dump(mode="json")
    tree["data"][0]["path"] = str(tmp_path / "elsewhere/rows.jsonl")
    moved = Config.model_validate(tree)
    (tmp_path / "rows.jsonl").write_bytes((tmp_path / "elsewhere/rows.jsonl").read_bytes())
    assert input_fingerprint(one) == input_fingerprint(moved)


@pytest.mark.parametrize(
    "more", [{"shards": {"size": 2}}, {"decontaminate": ["gsm8k-test"]}], ids=["part size", "test sets"]
)
def test_how_it_is_read_and_cut_belongs_to_the_input(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [row(n) for n in range(5)]
    assert input_fingerprint(config(tmp_path, rows)) != input_fingerprint(config(tmp_path, rows, **more))
    assert input_fingerprint(config(tmp_path, rows)) == input_fingerprint(config(tmp_path, rows, seed=9))


def test_a_limit_counts_problems_not_lines(tmp_path: Path) -> None:
    rows: list[Any] = ["{half", row(0), row(0), {"question": "x"}, row(1), row(2), row(3)]
    one = config(tmp_path, rows)
    limited = one.model_copy(update={"data": [one.data[0].model_copy(update={"limit": 3})]})
    summary = read(tmp_path / "run", limited)
    assert as_numbers(tmp_path / "run") == [[0, 1, 2]]
    aside = {"broken_json": 1, "duplicate_id": 1, "missing_field": 1}
    counts = {"dataset": "rollouts", "kept": 3, "samples": 0, "set_aside": aside, "contaminated": []}
    assert summary["sources"] == [counts]


def test_test_questions_are_counted_by_test_set_and_by_how_they_were_found(tmp_path: Path) -> None:
    long = "Ann buys three bags with five apples each and gives two of all her apples to Bob; how many are left?"
    test_sets = [str(tmp_path / "test.jsonl"), str(tmp_path / "other.jsonl")]
    for name, questions in zip(test_sets, (["What is 1 + 0?", long], ["What is 4+0"]), strict=True):
        Path(name).write_text("".join(json.dumps({"question": question}) + "\n" for question in questions))
    rows = [*(row(n) for n in range(5)), {**row(5), "question": long + " Why?"}]
    summary = read(tmp_path / "run", config(tmp_path, rows, decontaminate=test_sets))
    (source,) = summary["sources"]
    assert source["set_aside"] == {"contaminated": 3}
    assert source["contaminated"] == [
        [test_sets[1], "exact", 1],
        [test_sets[0], "exact", 1],
        [test_sets[0], "overlap", 1],
    ]
    aside = [json.loads(line) for line in (tmp_path / "run/problems/set_aside.jsonl").read_text().splitlines()]
    assert [one["detail"] for one in aside] == [
        f"the question is in {test_sets[0]}",
        f"the question is in {test_sets[1]}",
        f"90 % of the question's 13-grams stand in {test_sets[0]}",
    ]


def test_a_later_source_s_twin_of_an_earlier_problem_is_set_aside(tmp_path: Path) -> None:
    one = config(tmp_path, [row(n) for n in range(3)])
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row(n)) + "\n" for n in (2, 3)))
    twin = one.data[0].model_copy(update={"path": str(tmp_path / "more.jsonl")})
    summary = read(tmp_path / "run", one.model_copy(update={"data": [*one.data, twin]}))
    assert [source["set_aside"] for source in summary["sources"]] == [{}, {"duplicate_id": 1}]
    (aside,) = (tmp_path / "run/problems/set_aside.jsonl").read_text().splitlines()
    assert json.loads(aside)["file"] == str(tmp_path / "more.jsonl")
    assert json.loads(aside)["line"] == 1


def test_a_long_detail_is_cut(tmp_path: Path) -> None:
    rows: list[Any] = [row(1), {"question": ["x"] * 9, "answer": "x" * 100_000}, '{"' + "y" * 100_000]
    read(tmp_path / "run", config(tmp_path, rows))
    lines = (tmp_path / "run/problems/set_aside.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert all(len(line) < 2000 for line in lines)


def test_reading_again_gives_the_bytes_of_reading_once(tmp_path: Path) -> None:
    rows = [row(n, 1) for n in range(10)]
    read(tmp_path / "run", config(tmp_path, rows, size=2))
    read(tmp_path / "run", config(tmp_path, rows[:3], size=4))
    read(tmp_path / "run", config(tmp_path, rows, size=3))
    read(tmp_path / "once", config(tmp_path, rows, size=3))
    assert files_of(tmp_path / "run") == files_of(tmp_path / "once")


def test_more_problems_at_the_end_leave_no_strays(tmp_path: Path) -> None:
    read(tmp_path / "run", config(tmp_path, [row(n) for n in range(4)]))
    read(tmp_path / "run", config(tmp_path, [row(n) for n in range(9)]))
    assert ProblemsFolder(tmp_path / "run").strays() == []


def test_parts_that_problems_left_are_remembered_for_good(tmp_path: Path) -> None:
    rows = [row(n) for n in range(9)]
    folder = ProblemsFolder(tmp_path / "run")
    read(tmp_path / "run", config(tmp_path, rows))
    read(tmp_path / "run", config(tmp_path, [row(99), *rows]))
    assert folder.strays() == [0, 1, 2]
    read(tmp_path / "run", config(tmp_path, rows))
    assert folder.strays() == [0, 1, 2, 3]


def test_parts_beyond_the_last_lose_what_was_made_of_them_but_not_their_replies(tmp_path: Path) -> None:
    run = tmp_path / "run"
    read(run, config(tmp_path, [row(n) for n in range(9)]))
    sample = StageFolder(run, "sample")
    for part in range(3):
        for path in (sample.part(part), sample.rejected(part), sample.replies(part), sample.manifest_path(part)):
            write_whole(path, [b"x"])
    read(run, config(tmp_path, [row(n) for n in range(4)]))
    assert sample.parts() == [0, 1]
    assert ProblemsFolder(run).parts() == [0, 1]
    assert not ProblemsFolder(run).rollouts(2).exists()
    assert [path.name for path in sorted(sample.path.glob("replies/*"))] == [f"part-0000{n}.jsonl" for n in range(3)]


# ── trouble ──


def test_an_input_of_nothing_but_bad_lines_is_told_with_its_reasons(tmp_path: Path) -> None:
    rows = [{"question": "x"}, {"answer": "?"}, {**row(1), "question": " "}]
    with pytest.raises(
        InputError, match=r"no problem is left: 2 missing_field, 1 empty_question; see .*set_aside\.jsonl"
    ) as caught:
        read(tmp_path / "run", config(tmp_path, rows))
    assert "\n" not in str(caught.value)
    assert len((tmp_path / "run/problems/set_aside.jsonl").read_text().splitlines()) == 3


def test_what_is_missing_or_unknown_is_told_without_touching_the_folder(tmp_path: Path) -> None:
    one = config(tmp_path, [row(1)])
    for update, error in (
        ({"path": str(tmp_path / "gone.jsonl")}, InputError),
        ({"dataset": "gsm9k"}, ConfigError),
        ({"path": "example:nothing"}, ConfigError),
    ):
        changed = one.model_copy(update={"data": [*one.data, one.data[0].model_copy(update=update)]})
        with pytest.raises(error):
            input_fingerprint(changed)
    with pytest.raises(ConfigError, match="did you mean `gsm8k-test`"):
        input_fingerprint(one.model_copy(update={"decontaminate": ["gsm8k-tset"]}))


@pytest.mark.parametrize("name", [".set_aside.jsonl", ".part-00000.jsonl", ".part-00002.jsonl", ".summary.json"])
def test_reading_that_breaks_off_is_begun_again(tmp_path: Path, name: str) -> None:
    one = config(tmp_path, [row(n, 1) for n in range(9)])
    obstacle = tmp_path / "run/problems" / f"{name}.tmp"
    obstacle.mkdir(parents=True)
    with pytest.raises(DiskError, match="cannot be written"):
        read(tmp_path / "run", one)
    assert ProblemsFolder(tmp_path / "run").summary() is None
    obstacle.rmdir()
    read(tmp_path / "run", one)
    read(tmp_path / "once", one)
    assert files_of(tmp_path / "run") == files_of(tmp_path / "once")


def test_a_source_that_turns_out_empty_is_told_and_the_next_reading_begins_again(tmp_path: Path) -> None:
    one = config(tmp_path, [row(n) for n in range(5)])
    (tmp_path / "empty.jsonl").touch()
    empty = one.data[0].model_copy(update={"path": str(tmp_path / "empty.jsonl")})
    with pytest.raises(InputError, match=r"empty\.jsonl is empty"):
        read(tmp_path / "run", one.model_copy(update={"data": [*one.data, empty]}))
    assert not list((tmp_path / "run/problems").glob(".*"))
    read(tmp_path / "run", one)
    assert as_numbers(tmp_path / "run") == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("damaged", ["part-00001.jsonl", "rollouts/part-00001.jsonl"])
@pytest.mark.parametrize("damage", [b"{half", b"\xff\n", b'{"id": 3}\n', b"[]\n", None])
def test_a_damaged_part_is_read_anew_once_its_manifest_is_removed(
    tmp_path: Path, damaged: str, damage: bytes | None
) -> None:
    one = config(tmp_path, [row(n, 1) for n in range(9)])
    read(tmp_path / "run", one)
    before = files_of(tmp_path / "run")
    folder = ProblemsFolder(tmp_path / "run")
    path = folder.path / damaged
    path.write_bytes(damage) if damage else path.unlink()
    with pytest.raises(RunError, match=r"part-00001\.jsonl.*remove .*manifest"):
        list(folder.given(1)) if "rollouts" in damaged else list(read_records(folder.part(1), Problem))
    folder.reopen(1)
    read(tmp_path / "run", one)
    assert files_of(tmp_path / "run") == before


def test_a_damaged_part_that_is_replaced_counts_as_one_that_problems_left(tmp_path: Path) -> None:
    rows = [row(n) for n in range(6)]
    read(tmp_path / "run", config(tmp_path, rows))
    ProblemsFolder(tmp_path / "run").part(0).write_bytes(b"\x00\x00\n")
    read(tmp_path / "run", config(tmp_path, [*rows, row(9)]))
    assert ProblemsFolder(tmp_path / "run").strays() == [0]
