"""What trainers do with the folder: `datasets.load_dataset`, offline."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.exports import FORMATS, export_run
from lemma.records import TrainingRow, Trajectory
from tests.exports.builders import HOSTILE, config_of, facts_of, many, plain_of, problem_of, trajectory_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "export"
    hostile = [trajectory_of(problem_of(900 + n, text)) for n, text in enumerate(HOSTILE)]

    def trajectories() -> Iterator[Trajectory]:
        yield from many(40)
        yield from hostile

    config = config_of(plain_share=0.5, validation=0.25, formats=list(FORMATS))
    export_run(trajectories, plain_of(100), path, config, facts_of())
    return path


def load(cache: Path, *args: str, **keywords: Any) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when datasets is imported: no test may ask the hub
    import datasets  # type: ignore[import-untyped]

    datasets.disable_progress_bars()
    return datasets.load_dataset(*args, cache_dir=str(cache), **keywords)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_folder_loads_with_its_splits_and_rows(folder: Path, tmp_path: Path) -> None:
    loaded = load(tmp_path, str(folder))
    assert set(loaded) == {"train", "validation"}
    assert loaded["train"].column_names == list(TrainingRow.model_fields)
    for split in loaded:
        assert loaded[split].to_list() == written(folder / f"{split}.jsonl")


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.is_json])
def test_every_json_format_loads_by_its_name(folder: Path, tmp_path: Path, name: str) -> None:
    loaded = load(tmp_path, str(folder), name)
    form = FORMATS[name]
    for split, path in (("train", form.train), ("validation", form.validation)):
        rows = written(folder / path) if form.labels else written(folder / f"{split}.jsonl")
        assert len(loaded[split]) == len(rows) > 0
    assert loaded["train"].column_names[0] in form.columns


def test_the_parquet_files_load_with_the_same_rows(folder: Path, tmp_path: Path) -> None:
    files = {split: str(folder / f"{split}.parquet") for split in ("train", "validation")}
    loaded = load(tmp_path, "parquet", data_files=files)
    for split in files:
        assert loaded[split].to_list() == written(folder / f"{split}.jsonl")


def test_a_file_that_opens_with_more_plain_rows_than_a_reader_looks_ahead_loads(tmp_path: Path) -> None:
    export_run(lambda: many(1), plain_of(1), tmp_path / "export", config_of(formats=[]), facts_of())
    path = tmp_path / "export/train.jsonl"
    row = written(path)[0]
    plain = row | {"strategy": None, "error_type": None, "origin": None, "spans": None, "output": "x" * 100_000}
    with path.open("w") as file:
        for one in [plain] * 250 + [row]:  # 25 MB of nulls: the json reader looks at 10 MB a time
            file.write(json.dumps(one) + "\n")
    loaded = load(tmp_path / "cache", str(tmp_path / "export"))["train"]
    assert (loaded[0]["spans"], loaded[250]["spans"]) == (None, row["spans"])
