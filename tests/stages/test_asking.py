from __future__ import annotations

import pytest

from lemma.errors import ConfigError
from lemma.stages.asking import pick, require_readable


@pytest.mark.parametrize(
    "form",
    [
        "The answer is: {answer}",
        "#### {answer}",
        "A: {answer}",
        "The final answer is $\\boxed{{answer}}$.",
        "**Answer:** {answer}",
    ],
)
def test_usual_answer_forms_can_be_read_back(form: str) -> None:
    require_readable(form)


@pytest.mark.parametrize(
    "form", ["{answer}!", "Resultat {answer}", "In the end she has {answer} of them, which is a lot."]
)
def test_a_form_that_cannot_be_read_back_is_told_before_anything_is_paid(form: str) -> None:
    with pytest.raises(ConfigError, match="answer_form"):
        require_readable(form)


def test_a_pick_is_the_same_for_the_same_seeds_and_spread_over_others() -> None:
    assert pick(10, "a", "b") == pick(10, "a", "b")
    assert {pick(10, str(seed)) for seed in range(200)} == set(range(10))
