from __future__ import annotations

from pathlib import Path

from lemma.config import DatasetSpec
from lemma.datasets import Decontaminator, ReadProblem, SetAside, read_problems

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"
SPEC = DatasetSpec(dataset="math", path=str(FIXTURES / "math.jsonl"))


def test_the_answer_is_the_last_box_as_it_is_and_level_and_type_are_kept() -> None:
    nested, bare, *_ = [one.problem for one in read_problems([SPEC]) if isinstance(one, ReadProblem)]
    assert nested.answer == r"\frac{2}{25} - \frac{14}{25}i"
    assert nested.dataset == "math"
    assert set(nested.meta) == {"row", "level", "type"}
    assert nested.meta["row"] == 1
    assert bare.answer in ("2", "9")


def test_an_empty_box_is_set_aside() -> None:
    aside = [one for one in read_problems([SPEC]) if isinstance(one, SetAside)]
    assert [(one.line, one.reason) for one in aside] == [(3, "empty_answer")]


def test_a_train_question_that_is_in_the_test_split_is_set_aside() -> None:
    decontaminator = Decontaminator.load(["gsm8k-test", "math-test"])
    aside = [one for one in read_problems([SPEC], decontaminator) if isinstance(one, SetAside)]
    assert [(one.line, one.reason) for one in aside] == [(3, "empty_answer"), (4, "contaminated")]
    assert "math-test" in aside[1].detail
