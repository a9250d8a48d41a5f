"""Solutions that were sampled elsewhere, graded: our verdict beside the source's label; and runs of lemma compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.errors import InputError
from lemma.evaluate.command import regrade
from lemma.pipeline import Pipeline
from tests.conftest import ROOT, example_config
from tests.protocol.commands import run_lemma

EXAMPLE = ROOT / "lemma/data/example/gsm8k.jsonl"


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EXAMPLE.read_text("utf-8").splitlines()][:40]


def write(path: Path, some: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
    return path


def test_every_label_that_is_not_ours_is_listed_and_no_other(tmp_path: Path) -> None:
    some = rows()
    some[3]["samples"][1]["correct"] ^= True
    some[7]["samples"][0]["correct"] ^= True
    done = run_lemma("eval", "--from-samples", write(tmp_path / "s.jsonl", some), "-o", tmp_path / "run", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "run/eval/results.json").read_bytes())
    samples = sum(len(row["samples"]) for row in some)
    assert (results["agreement"]["labelled"], results["agreement"]["agreed"]) == (samples, samples - 2)
    listed = [(one["row"], one["draw"]) for one in results["agreement"]["disagreements"]]
    assert listed == [(4, 1), (8, 0)]
    assert "| gsm8k 4, sample 2 |" in done.stdout
    assert sum(one["samples"]["replies"] for one in results["sets"]) == samples
    assert {one["model"] for one in results["sets"]} == {one["model"] for row in some for one in row["samples"]}


def test_without_a_folder_nothing_is_left_behind(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", rows()[:5])
    done = run_lemma("eval", "--from-samples", path, "--limit", "2")
    assert done.returncode == 0
    assert "Agreement with the labels: 8 of 8" in done.stdout
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_and_one_without_samples_are_told(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.jsonl", [{"question": "How many?", "answer": "#### 2"}])
    for path, said in ((tmp_path / "nowhere.jsonl", "no such file"), (bare, "no problem is left")):
        with pytest.raises(InputError, match=said):
            regrade(path, None, None, True)


def test_runs_of_the_pipeline_are_compared_with_their_error_types(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with Pipeline(tmp_path / name, example_config(limit=6)) as pipeline:
            pipeline.work(["sample", "analyze"])
    done = run_lemma("eval", "--compare", tmp_path / "first", tmp_path / "second", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    tree = json.loads(done.stdout)
    (one,) = tree["sets"]
    assert (one["problems"], one["difference"], one["low"], one["high"]) == (6, 0.0, 0.0, 0.0)
    assert (one["mcnemar_p"], tree["is_greedy"]) == (None, False)
    assert tree["error_types"]
    assert all(kind["first"] == kind["second"] for kind in tree["error_types"])
    assert sum(kind["first"]["share"] for kind in tree["error_types"]) > 0.99
