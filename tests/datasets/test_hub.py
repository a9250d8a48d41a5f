from __future__ import annotations

from pathlib import Path

import pytest

from lemma.config import DatasetSpec
from lemma.datasets import ReadProblem, fingerprint_of, read_problems
from lemma.errors import InputError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local dataset; the library's cache is kept out of the home, and its network off."""
    import datasets  # type: ignore[import-untyped]
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    data = tmp_path / "grade_school"
    data.mkdir()
    (data / "train.jsonl").write_bytes((FIXTURES / "gsm8k.jsonl").read_bytes())
    (data / "test.jsonl").write_bytes((FIXTURES / "gsm8k_test.jsonl").read_bytes())
    return data


def spec(path: Path | str, split: str = "train") -> DatasetSpec:
    return DatasetSpec(dataset="hub", path=str(path), split=split, fields={"reference_solution": "answer"})


def test_a_local_folder_is_read_by_split(folder: Path) -> None:
    train = [one for one in read_problems([spec(folder)]) if isinstance(one, ReadProblem)]
    assert [one.problem.answer for one in train] == ["72", "10", "850000"]
    assert {one.problem.dataset for one in train} == {"grade_school"}
    assert (train[0].file, train[0].line) == (str(folder), 1)
    assert train[0].problem.meta["row"] == 1
    assert list(read_problems([spec(folder, "train[:2]")])) == train[:2]
    assert len(list(read_problems([spec(folder, "test")]))) == 2


def test_a_hub_row_has_the_id_that_the_file_gives(folder: Path) -> None:
    named = spec(folder).model_copy(update={"name": "gsm8k"})
    file = DatasetSpec(dataset="gsm8k", path=str(folder / "train.jsonl"))
    ids = [
        [one.problem.id for one in read_problems([source]) if isinstance(one, ReadProblem)] for source in (named, file)
    ]
    assert ids[0] == ids[1]


def test_the_fingerprint_is_the_librarys(folder: Path) -> None:
    assert fingerprint_of(spec(folder)) == fingerprint_of(spec(folder))
    assert fingerprint_of(spec(folder)) != fingerprint_of(spec(folder, "test"))


@pytest.mark.parametrize("split", ["nope", "train[:0]"])
def test_a_split_that_is_not_there_is_one_clear_line(folder: Path, split: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_problems([spec(folder, split)]))
    assert split in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_cannot_be_reached_is_one_clear_line(folder: Path) -> None:
    with pytest.raises(InputError, match=r"nobody/nothing .* cannot be loaded"):
        list(read_problems([spec("nobody/nothing")]))
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be loaded"):
        list(read_problems([spec(folder / "empty")]))
