from __future__ import annotations

from collections import Counter

import pytest

from lemma.exports.digests import DigestSet
from lemma.exports.near import NearCopies
from lemma.exports.rows import is_validation, row_of, rows_of
from lemma.reasons import EXPORT
from lemma.records import Rejection, TrainingRow, Trajectory, make_id
from tests.exports.builders import HOSTILE, many, problem_of, trajectory_of


def split(
    trajectories: list[Trajectory], cap: int | None = None, seed: int = 0, near: NearCopies | None = None
) -> tuple[list[TrainingRow], list[Rejection]]:
    made = list(rows_of(trajectories, max_per_problem=cap, seed=seed, seen=DigestSet(), near=near))
    rows = [one[0] for one in made if not isinstance(one, Rejection)]
    return rows, [one for one in made if isinstance(one, Rejection)]


@pytest.mark.parametrize("question", HOSTILE)
def test_spans_cut_the_output_into_the_parts_character_for_character(question: str) -> None:
    trajectory = trajectory_of(problem_of(1, question), reflection=f"\n{question}\n🧮 ")
    row = row_of(trajectory)
    assert row.spans is not None
    parts = [row.output[slice(*span)] for span in (row.spans.prefix, row.spans.reflection, row.spans.continuation)]
    assert parts == [trajectory.prefix, trajectory.reflection, trajectory.continuation]
    assert "".join(parts) == row.output == trajectory.text
    assert (row.instruction, row.input, row.id) == (question, "", make_id("r", trajectory.id))
    assert (row.dataset, row.strategy, row.error_type, row.origin) == (
        "gsm8k",
        "fix_continue",
        "calculation_error",
        "student",
    )


def test_an_identical_row_is_kept_once_whatever_its_white_space_and_id() -> None:
    first = trajectory_of(problem_of(1))
    again = trajectory_of(problem_of(1), strategy="fresh_restart")  # the same text under another id
    spaced = trajectory_of(problem_of(2, problem_of(1).question.replace(" ", "  ")), reflection=first.reflection)
    spaced = spaced.model_copy(update={"text": first.text.replace("\n", "\n\n")})
    rows, rejections = split([first, again, spaced])
    assert [row.id for row in rows] == [make_id("r", first.id)]
    assert [(one.reason, one.unit.parent) for one in rejections] == [("duplicate", again.id), ("duplicate", spaced.id)]


def test_questions_that_differ_in_one_sign_are_no_duplicates() -> None:
    rows, _ = split([trajectory_of(problem_of(n, q)) for n, q in enumerate(["2 + x", "2 - x", "2 * x"])])
    assert len(rows) == 3


def test_the_cap_holds_for_every_problem_and_everything_left_out_has_its_reason() -> None:
    trajectories = list(many(problems=20, each=5))
    rows, rejections = split(trajectories, cap=2)
    assert set(Counter(row.instruction for row in rows).values()) == {2}
    assert len(rows) + len(rejections) == len(trajectories)
    assert {one.reason for one in rejections} == {"over_cap"} <= EXPORT.keys()
    order = [make_id("r", one.id) for one in trajectories]
    assert [row.id for row in rows] == sorted((row.id for row in rows), key=order.index)


def test_the_seed_decides_which_rows_the_cap_keeps_and_it_leans_to_no_position() -> None:
    trajectories = list(many(problems=60, each=4))
    ids = [[row.id for row in split(trajectories, cap=1, seed=seed)[0]] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    place = {make_id("r", one.id): index % 4 for index, one in enumerate(trajectories)}
    assert set(Counter(place[one] for one in ids[0])) == {0, 1, 2, 3}


def test_a_row_over_the_cap_does_not_make_a_later_one_a_duplicate() -> None:
    question = problem_of(1).question
    group = [trajectory_of(problem_of(1), variant) for variant in range(3)]
    rows, _ = split(group, cap=1)
    left_out = next(one for one in group if one.text != rows[0].output)
    elsewhere = trajectory_of(problem_of(7, question)).model_copy(update={"text": left_out.text})
    rows, rejections = split([*group, elsewhere], cap=1)
    assert len(rows) == 2
    assert {one.reason for one in rejections} == {"over_cap"}


def reworded(trajectory: Trajectory, number: int) -> Trajectory:
    words = ["Hm", "Oh", "Well", "Stop", "Hold on", "No"]
    changed = trajectory.reflection.replace("Wait", words[number])
    text = trajectory.prefix + changed + trajectory.continuation
    return trajectory.model_copy(
        update={"id": make_id("t", trajectory.id, str(number)), "reflection": changed, "text": text}
    )


def test_of_near_copies_the_first_in_order_is_kept_and_named() -> None:
    first = trajectory_of(problem_of(1))
    again = [reworded(first, number) for number in range(3)]
    other = trajectory_of(problem_of(2))  # nearly the same words, other numbers
    rows, rejections = split([again[0], first, other, *again[1:]], near=NearCopies(0.65))
    assert [row.id for row in rows] == [make_id("r", again[0].id), make_id("r", other.id)]
    assert {one.reason for one in rejections} == {"near_duplicate"} <= EXPORT.keys()
    assert [one.unit.parent for one in rejections] == [first.id, again[1].id, again[2].id]
    assert all(rows[0].id in one.detail for one in rejections)
    assert len(split([again[0], first, other, *again[1:]])[0]) == 5


def test_near_copies_are_known_across_problems_and_merged_runs() -> None:
    first = trajectory_of(problem_of(1))
    runs = [first, trajectory_of(problem_of(2)), reworded(first, 1), trajectory_of(problem_of(1, dataset="other"))]
    rows, rejections = split(runs, near=NearCopies(0.65))
    assert len(rows) == 2
    assert [(one.reason, rows[0].id in one.detail) for one in rejections] == [
        ("near_duplicate", True),
        ("duplicate", False),
    ]


def test_under_a_cap_the_twin_of_a_near_copy_is_kept_itself() -> None:
    first = trajectory_of(problem_of(1))
    copies = [reworded(first, number) for number in range(6)]
    others = [trajectory_of(problem_of(1), variant) for variant in range(1, 6)]
    for seed in range(10):
        rows, rejections = split([*copies, *others], cap=3, seed=seed, near=NearCopies(0.65))
        assert len(rows) == 3
        kept = {row.id for row in rows}
        twins = [one.detail.split()[1].rstrip(":") for one in rejections if one.reason == "near_duplicate"]
        assert set(twins) <= kept
        assert sum(row.id in {make_id("r", one.id) for one in copies} for row in rows) <= 1


def test_rejections_have_ids_of_their_own_that_do_not_depend_on_arrival() -> None:
    trajectories = list(many(problems=5, each=3))
    ids = {one.id for one in split(trajectories, cap=1)[1]}
    assert len(ids) == 10
    assert ids == {one.id for one in split(trajectories[6:] + trajectories[:6], cap=1)[1]}


def test_a_question_is_on_one_side_of_the_split_in_whatever_dataset_it_stands() -> None:
    rows = [row_of(trajectory_of(problem_of(n))) for n in range(2000)]
    twins = [row_of(trajectory_of(problem_of(n, dataset="other"), strategy="fresh_restart")) for n in range(2000)]
    sides = [is_validation(row, 0.1, seed=0) for row in rows]
    assert sides == [is_validation(row, 0.1, seed=0) for row in twins]
    assert 150 < sum(sides) < 250
    assert not any(is_validation(row, 0.0, seed=0) for row in rows)
    # growing the share moves nothing back into training
    assert all(is_validation(row, 0.2, seed=0) for row, side in zip(rows, sides, strict=True) if side)
