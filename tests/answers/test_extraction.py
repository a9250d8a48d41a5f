from __future__ import annotations

import json
from pathlib import Path

import pytest

from lemma.answers import answers_equal, extract_answer

_CASES = Path(__file__).parent.parent / "fixtures" / "answers" / "extraction.jsonl"


def _bare(answer: str) -> str:
    return "".join(answer.replace("$", "").replace("*", "").split()).rstrip(".")


@pytest.mark.parametrize("split", ["dev", "report"])
def test_extracted_answers_agree_with_the_labels(split: str) -> None:
    cases = [json.loads(line) for line in _CASES.read_text(encoding="utf-8").splitlines()]
    cases = [case for case in cases if case["split"] == split]
    wrong = []
    for case in cases:
        found, wanted = extract_answer(case["text"]), case["answer"]
        is_right = found is wanted is None
        if found is not None and wanted is not None:
            is_right = _bare(found) == _bare(wanted) or answers_equal(found, wanted)
        if not is_right:
            wrong.append(case["id"])
    assert len(cases) > 150
    assert len(wrong) <= len(cases) * 0.01, wrong


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1}. Wait, the answer is 2.", "2"),
        (r"The answer is 2. So \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("The answer is 3.5. It took 4 days.", "3.5"),
        (r"\boxed{1} but in fact \boxed{2", None),
        ("The answer is 1. No: the answer is", None),
        ("There are 42 left.", None),
        ("#### Step 1\nAdd.\n#### 7", "7"),
        ("A: 12\n", "12"),
    ],
)
def test_the_last_marker_wins_and_nothing_is_guessed(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    assert extract_answer("The answer is 5. " * 20_000 + r"\boxed{6}") == "6"
    assert extract_answer("x" * 2_000_000 + "\n#### 6") == "6"
