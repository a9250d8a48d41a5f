from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.config import DatasetSpec
from lemma.datasets import (
    DATASETS,
    Dataset,
    Decontaminator,
    Parsed,
    ReadProblem,
    Row,
    SetAside,
    SourceCounts,
    fingerprint_of,
    read_problems,
    text_of,
)
from lemma.errors import ConfigError, InputError
from lemma.reasons import READING

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"


def write(path: Path, *rows: dict[str, Any] | str) -> DatasetSpec:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return DatasetSpec(dataset="jsonl", path=str(path))


def row(question: str, **more: Any) -> dict[str, Any]:
    return {"question": question, "solution": "S", "answer": "4", **more}


def test_every_row_is_kept_or_set_aside_with_a_known_reason(tmp_path: Path) -> None:
    test_question = json.loads((FIXTURES / "gsm8k_test.jsonl").read_text("utf-8").splitlines()[0])["question"]
    spec = write(tmp_path / "a.jsonl", row("1"), "{", row(""), {"question": "2"}, row("3", answer=""), row("1"))
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(b'"\xff"\n')
        file.write(json.dumps(row(test_question)).encode() + b"\n")
    counts: list[SourceCounts] = []
    read = list(read_problems([spec], Decontaminator.load(["gsm8k-test"]), counts))
    asides = [one for one in read if isinstance(one, SetAside)]
    assert {one.reason for one in asides} == set(READING)
    assert [one.line for one in asides] == [2, 3, 4, 5, 6, 7, 8]
    assert (counts[0].read, counts[0].kept, counts[0].set_aside.total()) == (8, 1, 7)


def test_an_id_read_twice_over_all_sources_names_the_first(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", row("1", dataset="d"), row("2", dataset="d"))
    other = write(tmp_path / "b.jsonl", row("3", dataset="d"), row("2", dataset="d"), row("2", dataset="other"))
    read = list(read_problems([one, other, one]))
    asides = [one for one in read if isinstance(one, SetAside)]
    assert [(Path(one.file).name, one.line) for one in asides] == [("b.jsonl", 2), ("a.jsonl", 1), ("a.jsonl", 2)]
    assert asides[0].detail.endswith("a.jsonl line 2")
    assert asides[1].detail.endswith("a.jsonl line 1")


def test_the_limit_counts_problems_kept_and_a_lower_one_reads_a_prefix(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.jsonl", row("1"), "{", row("2"), row("2"), row("3"), row("4"))
    counts: list[SourceCounts] = []
    whole = list(read_problems([spec]))
    read = list(read_problems([spec.model_copy(update={"limit": 3})], None, counts))
    assert read == whole[:5]
    assert (counts[0].kept, counts[0].read) == (3, 5)


def test_a_contaminated_row_is_not_the_first_of_its_duplicates(tmp_path: Path) -> None:
    test_set = write(tmp_path / "test.jsonl", row("1"))
    spec = write(tmp_path / "a.jsonl", row("1"), row("1"), row("2"))
    read = list(read_problems([spec], Decontaminator.load([test_set.path])))
    assert [one.reason for one in read if isinstance(one, SetAside)] == ["contaminated", "contaminated"]


def test_rows_are_read_lazily(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.jsonl", row("1"))
    reading = read_problems([spec, DatasetSpec(dataset="jsonl", path=str(tmp_path / "none.jsonl"))])
    assert isinstance(next(reading), ReadProblem)
    with pytest.raises(InputError, match="no such file"):
        next(reading)


def test_an_unknown_dataset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `gsm8k`"):
        list(read_problems([DatasetSpec(dataset="gsm8", path="x")]))
    with pytest.raises(ConfigError, match="known are gsm8k, hub, jsonl, math, rollouts"):
        list(read_problems([DatasetSpec(dataset="zzz", path="x")]))


def test_fields_that_would_not_be_obeyed_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes no `fields:`"):
        list(read_problems([DatasetSpec(dataset="math", path="x", fields={"question": "q"})]))


def test_a_dataset_of_a_plugin_is_one_function(tmp_path: Path) -> None:
    def parse(row: Row, spec: DatasetSpec) -> Parsed:
        return Parsed("mine", text_of(row.value, "q"), "S", "4")

    DATASETS["mine"] = Dataset(parse)
    try:
        spec = write(tmp_path / "a.jsonl", {"q": "1"}, {"question": "2"}).model_copy(update={"dataset": "mine"})
        one, other = read_problems([spec])
    finally:
        del DATASETS["mine"]
    assert isinstance(one, ReadProblem)
    assert one.problem.question == "1"
    assert isinstance(other, SetAside)


def test_the_fingerprint_says_whether_the_problems_could_differ(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.jsonl", row("1"))
    before = fingerprint_of(spec)
    assert fingerprint_of(spec.model_copy(update={"limit": 1})) == before
    (tmp_path / "moved").mkdir()
    assert fingerprint_of(write(tmp_path / "moved" / "a.jsonl", row("1"))) == before
    assert fingerprint_of(spec.model_copy(update={"name": "x"})) != before
    assert fingerprint_of(spec.model_copy(update={"fields": {"question": "answer"}})) != before
    assert fingerprint_of(write(tmp_path / "a.jsonl", row("2"))) != before
    with pytest.raises(InputError, match="no such file"):
        fingerprint_of(spec.model_copy(update={"path": "none.jsonl"}))
