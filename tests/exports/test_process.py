"""Process labels follow `prefix_end`; of a pair the steps differ, and the chosen one leads to the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.answers import Verdict, compare, extract_answer
from lemma.errors import Rejected
from lemma.exports import export_run
from lemma.exports.process import mistake_steps, pair_of
from lemma.exports.templates import TEMPLATES
from lemma.records import Trajectory
from tests.conftest import example_config
from tests.exports.builders import HOSTILE, config_of, facts_of, many, plain_of, problem_of, trajectory_of


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def made(folder: Path, trajectories: list[Trajectory], **export: Any) -> Path:
    config = config_of(formats=["steps", "pairs"], shuffle=False, near_duplicates=None, **export)
    export_run(lambda: iter(trajectories), plain_of(50), folder, config, facts_of())
    return folder


def test_every_step_before_the_first_wrong_one_is_right_and_that_one_wrong_and_none_follows(tmp_path: Path) -> None:
    trajectory = trajectory_of(problem_of(3))
    wrong, right = lines(made(tmp_path, [trajectory]) / "steps.jsonl")
    assert wrong["prompt"] == trajectory.mistake.problem.question
    assert wrong["completions"] == ["Let us add (try 0).", "That makes 99."]
    assert wrong["labels"] == [True, False]
    assert right["completions"] == ["Let us add (try 0).", "Adding gives 5.\nThe answer is: 5"]
    assert right["labels"] == [True, True]


def test_a_pair_is_the_corrected_step_against_the_wrong_one_after_the_same_right_steps(tmp_path: Path) -> None:
    [pair] = lines(made(tmp_path, [trajectory_of(problem_of(3))]) / "pairs.jsonl")
    question = problem_of(3).question
    assert pair["prompt"] == TEMPLATES["paper"].format(instruction=question) + " Let us add (try 0)."
    assert (pair["chosen"], pair["rejected"]) == ("\nAdding gives 5.\nThe answer is: 5", "\nThat makes 99.")


def test_words_that_lead_into_a_correction_are_no_step_of_it() -> None:
    trajectory = trajectory_of(problem_of(3))
    longer = "Going on from there:\n" + trajectory.continuation
    whole = trajectory.prefix + trajectory.reflection + longer
    led = trajectory.model_copy(update={"continuation": longer, "text": whole})
    assert pair_of(led) == pair_of(trajectory)


@pytest.mark.parametrize(
    ("continuation", "reason"),
    [
        ("That makes 99.\nThe answer is: 5", "same_step"),
        ("Instead of 99 it makes 5. So it is.\nThe answer is: 5", "looks_back"),
        ("Adding gives 6.\nThe answer is: 6", "wrong_answer"),
    ],
)
def test_a_pair_that_fails_a_check_is_left_out_and_counted(continuation: str, reason: str, tmp_path: Path) -> None:
    trajectory = trajectory_of(problem_of(3))
    text = trajectory.prefix + trajectory.reflection + continuation
    other = trajectory.model_copy(update={"continuation": continuation, "text": text})
    with pytest.raises(Rejected, match=reason):
        pair_of(other)
    folder = made(tmp_path, [other])
    assert (folder / "pairs.jsonl").read_bytes() == b""
    assert f"| `pairs` | `{reason}` | 1 |" in (folder / "README.md").read_text()


def test_labels_that_do_not_end_where_the_first_wrong_step_does_are_not_made() -> None:
    mistake = trajectory_of(problem_of(3)).mistake
    with pytest.raises(Rejected, match="labels_off"):
        mistake_steps(mistake.model_copy(update={"first_error_step": 1}))


def test_a_mistake_corrected_twice_is_labelled_once_and_a_plain_solution_is_right_in_all_steps(tmp_path: Path) -> None:
    fix, fresh = (trajectory_of(problem_of(3), strategy=name) for name in ("fix_continue", "fresh_restart"))
    fresh = fresh.model_copy(update={"text": fresh.text + " ", "continuation": fresh.continuation + " "})
    folder = made(tmp_path, [fix, fresh, *many(20, 1)], plain_share=0.5)
    steps = lines(folder / "steps.jsonl")
    assert sum(not all(one["labels"]) for one in steps) == 20  # problem 3 of `many` is the mistake of the first two
    plain = [one for one in steps if one["origin"] is None]
    assert len(plain) == 20
    assert all(all(one["labels"]) for one in plain)
    assert len({one["id"] for one in steps}) == len(steps)


@pytest.mark.parametrize("question", HOSTILE)
def test_hostile_questions_pass_through_every_template_as_they_are(question: str, tmp_path: Path) -> None:
    for name, template in TEMPLATES.items():
        folder = made(tmp_path / name, [trajectory_of(problem_of(1, question))], prompt=name)
        [pair] = lines(folder / "pairs.jsonl")
        assert pair["prompt"].startswith(template.replace("{instruction}", question))


def test_of_real_mistakes_every_label_follows_prefix_end_and_every_chosen_step_reaches_the_reference(
    example_run: Path, tmp_path: Path
) -> None:
    found = [
        Trajectory.model_validate_json(line)
        for part in sorted((example_run / "smooth").glob("part-*.jsonl"))
        for line in part.read_bytes().splitlines()
    ]
    folder = made(tmp_path, found)
    prefixes = {one.mistake.prefix for one in found}
    steps, pairs = lines(folder / "steps.jsonl"), lines(folder / "pairs.jsonl")
    assert len(pairs) > 3
    for one in steps:
        assert len(one["labels"]) == len(one["completions"])
        if not all(one["labels"]):
            assert one["labels"].index(False) == len(one["labels"]) - 1
            squeezed = "".join("".join(one["completions"]).split())
            assert squeezed in {"".join(prefix.split()) for prefix in prefixes}
    for pair in pairs:
        assert pair["chosen"] != pair["rejected"]
        answer = extract_answer(pair["prompt"] + pair["chosen"] + pair["rest"])
        assert answer is not None
        assert compare(answer, pair["answer"]) is Verdict.EQUAL
        assert any((pair["prompt"] + pair["rejected"]).endswith(prefix.rstrip()) for prefix in prefixes)


@pytest.fixture(scope="module")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the first problems of the bundled example."""
    from lemma.pipeline import STAGES, Options, Pipeline

    run = tmp_path_factory.mktemp("labels") / "run"
    with Pipeline(run, example_config(limit=10), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    return run
