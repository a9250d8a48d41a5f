from __future__ import annotations

from pathlib import Path

import pytest

from lemma.configfile import load_config
from lemma.datasets import DATASETS, TEST_SETS
from lemma.exports import formats_of
from lemma.strategies import STRATEGIES

FILES = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def test_there_is_one_for_each_way_to_begin() -> None:
    assert {path.stem for path in FILES} >= {"quickstart", "gpt-4o-gsm8k", "gpt-4o-math", "vllm-self-hosted", "eval"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_loads_and_every_name_in_it_is_known(path: Path) -> None:
    config = load_config(path)
    assert {source.dataset for source in config.data} <= set(DATASETS)
    assert set(config.decontaminate) <= set(TEST_SETS)
    assert set(config.correct.strategies) <= set(STRATEGIES)
    assert list(formats_of(config.export.formats)) == config.export.formats


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_training_questions_are_kept_apart_from_the_test_sets_unless_it_is_the_demonstration(path: Path) -> None:
    config = load_config(path)
    is_demonstration = any(source.path.startswith("example:") for source in config.data)
    is_measurement = config.eval is not None  # the test sets are what is asked
    assert is_demonstration or is_measurement or {"gsm8k-test", "math-test"} <= set(config.decontaminate)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_stands_in_it(path: Path) -> None:
    assert "sk-" not in path.read_text("utf-8")
