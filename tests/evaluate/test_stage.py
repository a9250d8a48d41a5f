from __future__ import annotations

from typing import Any

import pytest

from lemma.answers import extract_answer
from lemma.arithmetic import Truth, read_equations
from lemma.config import Config
from lemma.configfile import parse_config
from lemma.evaluate.benchmarks import COMPETITION, WORDS
from lemma.evaluate.stage import EvalStage
from lemma.prompts import Prompts
from lemma.records import Problem
from lemma.stages.base import Group


def config(**section: Any) -> Config:
    tree = {
        "data": [{"dataset": "gsm8k", "path": "x.jsonl"}],
        "student": {"model": "m", "base_url": "http://127.0.0.1:1/v1", "extra_body": {"top_p": 0.9}},
        "eval": section,
    }
    return parse_config(tree, "test")


def stage(**section: Any) -> EvalStage:
    return EvalStage(config(**section), Prompts())


def problem(dataset: str = "gsm8k") -> Problem:
    return Problem(id="p-1", dataset=dataset, question="How {{many}}?", reference_solution="3", answer="3")


def requests(one: EvalStage) -> list[Any]:
    return [one.request(unit, 0, 0, False) for unit in one.units(Group(problem()))]


def test_without_examples_the_prompt_is_the_papers() -> None:
    (message,) = stage().messages(problem())
    assert message["role"] == "user"
    assert message["content"] == "### Instruction:\nHow {{many}}?\n\n### Response: Let's think step by step."


@pytest.mark.parametrize(
    ("dataset", "shots", "examples"),
    [
        ("svamp", "paper", 8),
        ("asdiv", "paper", 8),
        ("mawps", "paper", 8),
        ("gsm8k", "paper", 0),
        ("math", "paper", 0),
        ("college_math", "paper", 0),
        ("deepmind_mathematics", "paper", 0),
        ("my-own", "paper", 0),
        ("gsm8k", 3, 3),
        ("math", 8, 4),
        ("my-own", 8, 8),
        ("svamp", 0, 0),
    ],
)
def test_a_set_is_asked_with_as_many_examples_as_wanted(dataset: str, shots: Any, examples: int) -> None:
    (message,) = stage(shots=shots).messages(problem(dataset))
    assert message["content"].count("### Instruction:\n") == examples + 1
    assert message["content"].count("\n\n\n### Instruction:\n") == (examples and examples)
    assert message["content"].endswith("How {{many}}?\n\n### Response: Let's think step by step.")
    assert message["content"].count("The answer is: ") == examples


def test_the_worked_examples_are_true() -> None:
    template = Prompts().template("few_shot")
    assert all(extract_answer(solution) for _, solution in template.examples_for(COMPETITION))
    solutions = [solution for _, solution in template.examples_for(WORDS)]
    assert len(solutions) == 8
    for solution in solutions:
        equations = read_equations(solution)
        assert {one.truth for one in equations} == {Truth.TRUE}, solution
        assert str(equations[-1].right.value) == extract_answer(solution)


def test_the_greedy_solution_is_asked_at_temperature_0_and_samples_at_theirs() -> None:
    asked = requests(stage(num_samples=2, temperature=0.5, max_tokens=99))
    assert [one.sampling["temperature"] for one in asked] == [0.0, 0.5, 0.5]
    assert [one.draw for one in asked] == [0, 1, 2]
    assert {one.sampling["max_tokens"] for one in asked} == {99}
    assert asked[0].sampling["extra_body"] == {"top_p": 0.9}
    assert len({one.key for one in asked}) == len({one.seed for one in asked}) == 3


def test_more_samples_or_the_greedy_one_later_ask_for_nothing_twice() -> None:
    whole = {one.key for one in requests(stage(num_samples=3))}
    assert {one.key for one in requests(stage())} < whole
    assert {one.key for one in requests(stage(greedy=False, num_samples=2))} < whole


def test_no_stop_is_sent_where_none_is_wanted() -> None:
    assert requests(stage(stop=[]))[0].sampling["stop"] is None
    assert requests(stage())[0].sampling["stop"] == ["### Instruction"]
