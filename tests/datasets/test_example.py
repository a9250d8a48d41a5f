from __future__ import annotations

from lemma.config import DatasetSpec
from lemma.datasets import Decontaminator, ReadProblem, SourceCounts, fingerprint_of, read_problems

SPEC = DatasetSpec(dataset="rollouts", path="example:gsm8k")


def test_the_bundled_example_is_read_whole() -> None:
    counts: list[SourceCounts] = []
    read = [one for one in read_problems([SPEC], None, counts) if isinstance(one, ReadProblem)]
    assert counts[0].kept == counts[0].read == len(read) == 170
    assert counts[0].samples == 680
    assert {one.problem.dataset for one in read} == {"gsm8k"}
    assert {given.model for one in read for given in one.given} == {
        "gpt3-6b-finetuning",
        "gpt3-6b-verification",
        "gpt3-175b-finetuning",
        "gpt3-175b-verification",
    }
    assert all(any(given.claimed_correct is False for given in one.given) for one in read)
    assert sum(any(given.claimed_correct for given in one.given) for one in read) == 150
    assert len(fingerprint_of(SPEC)) == 64


def test_the_bundled_example_is_all_test_questions() -> None:
    counts: list[SourceCounts] = []
    list(read_problems([SPEC], Decontaminator.load(["gsm8k-test"]), counts))
    assert counts[0].set_aside == {"contaminated": 170}
