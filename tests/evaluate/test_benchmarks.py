from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lemma.configfile import load_config
from lemma.datasets import ReadProblem, read_problems
from lemma.errors import ConfigError
from lemma.evaluate.benchmarks import BENCHMARKS

META = {"type": "Addition", "solution_type": "Sum", "data_topic": "algebra"}
ROWS: dict[str, dict[str, Any]] = {
    "gsm8k": {"question": "How many?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"},
    "math": {"problem": "What?", "solution": "It is $\\boxed{2}$.", "level": "Level 1", "type": "Algebra"},
    "math500": {"problem": "What?", "solution": "It is $\\boxed{2}$.", "level": 1, "subject": "Algebra"},
}
BY: dict[str, dict[str, Any]] = {
    "math": {"level": "Level 1", "type": "Algebra"},
    "math500": {"level": 1, "subject": "Algebra"},
    "svamp": {"type": "Addition"},
    "asdiv": {"type": "Sum"},
    "mawps": {"type": "Addition"},
    "college_math": {"topic": "algebra"},
}


def load(folder: Path, *sets: Any, limit: int | None = None, **more: Any) -> Any:
    path = folder / "eval.yaml"
    path.write_text(yaml.safe_dump({"eval": {"sets": list(sets)}, **more}), encoding="utf-8")
    return load_config(path, limit=limit)


def rows_of(name: str) -> list[dict[str, Any]]:
    """Two rows that are equal but for their number: neither may be lost."""
    row = ROWS.get(name)
    if row is not None:
        return [row]
    return [{"idx": n, "dataset": name, "question": "How many?", "answer": "2", "meta": META} for n in range(2)]


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_set_reads_its_rows_whole_and_keeps_what_they_are_broken_down_by(name: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows_of(name)), encoding="utf-8")
    config = load(tmp_path, {"set": name, "path": str(file)})
    read = list(read_problems(config.data))
    assert [type(one) for one in read] == [ReadProblem] * len(rows_of(name))
    for one in read:
        assert isinstance(one, ReadProblem)
        assert (one.problem.dataset, one.problem.answer) == (name, "2")
        assert BY.get(name, {}).items() <= one.problem.meta.items()


def test_a_folder_is_read_as_the_hub_is(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "test.jsonl").write_text(json.dumps(ROWS["gsm8k"]) + "\n", encoding="utf-8")
    config = load(tmp_path, {"set": "gsm8k", "path": str(folder), "hub": True})
    (one,) = read_problems(config.data)
    assert isinstance(one, ReadProblem)
    assert (one.problem.dataset, one.problem.answer) == ("gsm8k", "2")


def test_a_set_without_a_path_comes_from_the_hub(tmp_path: Path) -> None:
    (source,) = load(tmp_path, {"set": "math500"}).data
    assert (source.dataset, source.path, source.split) == ("hub", "HuggingFaceH4/MATH-500", "test")
    (source,) = load(tmp_path, {"set": "gsm8k"}).data
    assert (source.path, source.subset) == ("openai/gsm8k", "main")


def test_rows_of_another_form_are_read_by_fields(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"Q": "How many?", "A": 2}\n{"Q": "How few?", "A": "1.0"}\n', encoding="utf-8")
    fields = {"question": "Q", "answer": "A", "reference_solution": "Q"}
    config = load(tmp_path, {"set": "svamp", "path": str(file), "fields": fields})
    assert [one.problem.answer for one in read_problems(config.data) if isinstance(one, ReadProblem)] == ["2", "1.0"]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"set": "gsm8"}, "did you mean `gsm8k`?"),
        ({"set": "college-math", "path": "x"}, "did you mean `college_math`?"),
        ({"set": "MATH-500"}, "did you mean `math500`?"),
        ({"set": "zzz"}, "known are gsm8k, math,"),
        ({"set": ["math"]}, "unknown set"),
        ({"set": "svamp"}, "`svamp` needs a `path:`"),
        ({"set": "svamp", "path": "x", "shots": 3}, "unknown key `eval.sets.0.shots`"),
    ],
)
def test_a_wrong_set_is_told_with_the_nearest(one: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, one)
    assert said in str(raised.value)


def test_sets_are_not_decontaminated_and_limits_reach_them(tmp_path: Path) -> None:
    own = {"dataset": "jsonl", "path": "mine.jsonl"}
    config = load(tmp_path, {"set": "gsm8k", "path": "a", "limit": 3}, {"set": "math", "path": "b"}, data=[own])
    assert config.decontaminate == []
    assert [source.limit for source in config.data] == [None, 3, None]
    assert [source.path for source in config.data] == ["mine.jsonl", "a", "b"]
    assert [source.limit for source in load(tmp_path, {"set": "gsm8k", "limit": 3}, limit=7).data] == [7]


def test_an_evaluation_that_asks_for_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("eval: {greedy: false, sets: [{set: gsm8k}]}", encoding="utf-8")
    with pytest.raises(ConfigError, match="asks for nothing"):
        load_config(tmp_path / "e.yaml")
