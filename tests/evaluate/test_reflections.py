"""What is a reflection and what is none; how well the rule does on texts of known kind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from lemma.evaluate.reflections import find_reflections, judge_start
from lemma.pipeline import Pipeline
from lemma.records import Problem, Trajectory
from lemma.shards.files import read_records
from tests.conftest import ROOT, example_config

QUESTION = "Sue ate 4 times as many cookies as her sister, who ate 5 on Monday and 13 on Tuesday. How many did Sue eat?"
WORKED = "On Monday Sue ate 4*5 = 20 cookies. On Tuesday she ate 4*13 = 52. In all she ate 20 + 52 = 72.\n#### 72"
START = "On Monday Sue ate 4*5 = 20 cookies. On Tuesday Sue ate 4*5 = 20 cookies. "
END = " In all she ate 20 + 52 = 72.\nThe answer is: 72"

REFLECTING = [
    "Wait, I took the wrong day: on Tuesday her sister ate 13, so Sue ate 4*13 = 52.",
    "Hold on. The sister's number changed; it is 4*13 = 52.",
    "Hmm, that is not right, since she ate 13 then. So 4*13 = 52.",
    "I made a mistake in the last line: Tuesday is 4*13 = 52.",
    "I think I misread the problem. Tuesday has 13, so 4*13 = 52.",
    "Oh no, I forgot that the sister ate 13 on Tuesday, which gives 52.",
    "Let me reconsider Tuesday. It has to be 4*13 = 52.",
    "On second thought, Tuesday is about 13 cookies, so 4*13 = 52.",
    "That can't be right: Tuesday is not Monday. It should be 4*13 = 52.",
    "Actually, on Tuesday Sue ate 4*13 = 52 cookies.",
    "Let me double-check Tuesday. On Tuesday Sue ate 4*13 = 52 cookies.",
    "This is incorrect because the sister ate 13. Tuesday gives 52.",
    "Let's start over. On Monday it is 20, and on Tuesday 4*13 = 52.",
    "There's an error in that step; I should have used 13. So it is 52.",
    "Oops: 13, not 5. That makes 4*13 = 52.",
    "I need to correct this: Tuesday gives 4*13 = 52.",
    "Something doesn't add up here. Tuesday is 4*13 = 52.",
    "I used the 5 by mistake. With 13 it is 4*13 = 52.",
    "But 20 would be Monday's number once more. On Tuesday Sue ate 4*13 = 52 cookies.",
    "The 20 cannot be the same on Tuesday: that day Sue ate 4*13 = 52 cookies on Tuesday.",
]
PLAIN = [
    WORKED,
    "He has 3*4 = 12 apples. Let me check: 3*4 = 12. The answer is: 12",
    "Let me verify the result by adding: 20 + 52 = 72, which agrees.\nThe answer is: 72",
    "He waits 5 minutes and then 7 more. He waited 5 + 7 = 12 minutes. The answer is: 12",
    "No matter who sits first there are 5 choices. Then there are 4 choices. So 5*4 = 20. The answer is: 20",
    "We have counted each pair twice, so there are 30/2 = 15 pairs. The answer is: 15",
    "If x = 3 then 2x + 1 = 7, which is not 9. So x = 4 and 2x + 1 = 9. The answer is: 4",
    "This is true for n = 1. Let us check n = 2: 2 + 2 = 4. Let us check n = 3: 3 + 3 = 6. The answer is: 6",
    "We should have 12 eggs in each box. 24/12 = 2 boxes. The answer is: 2",
    "4 + 3 = 7 students are on varsity.\n12 - 7 = 5 students are not on varsity.\nThe answer is: 5",
    "A box costs $100 and is 10% off, so 100*.10 = 10.\nThe box is $10 off, so it costs 100-10 = 90.\nA: 90",
    "",
    "Wait, this begins with a word and goes nowhere",
]


@pytest.mark.parametrize("words", REFLECTING)
def test_words_that_take_something_back_are_a_reflection(words: str) -> None:
    text = START + words + END
    (found,) = find_reflections(text, QUESTION)
    assert text[found.start :].lstrip().startswith(words[:4])
    assert found.step == 3


@pytest.mark.parametrize("text", PLAIN)
def test_what_goes_straight_on_or_only_looks_back_is_none(text: str) -> None:
    assert find_reflections(text, QUESTION) == []


def test_words_of_the_question_are_no_reflection() -> None:
    question = "Tom says: I made a mistake of 3 in my sum of 10. What is right?"
    text = "His sum is 10. Tom says that I made a mistake of 3. So 10 - 3 = 7.\nThe answer is: 7"
    assert find_reflections(text, question) == []
    assert find_reflections(text, "") != []


def test_another_final_answer_makes_a_check_a_reflection() -> None:
    text = "Adding up gives 38.\nThe answer is: 38\nLet me check this.\nOn paper one sees more.\nThe answer is: 72"
    (found,) = find_reflections(text, QUESTION)
    assert (found.before, found.after) == ("38", "72")
    assert find_reflections(text.replace("72", "38"), QUESTION) == []


def test_the_claim_that_changes_is_told() -> None:
    (found,) = find_reflections(START + "Wait: on Tuesday Sue ate 4*13 = 52 cookies." + END)
    assert (found.before, found.after) == ("20", "52")


def problem(solution: str = WORKED) -> Problem:
    return Problem(id="p-1", dataset="gsm8k", question=QUESTION, reference_solution=solution, answer="72")


@pytest.mark.parametrize(
    ("before", "solution", "start"),
    [
        ("So it is 38.\nThe answer is: 38\n", "72", "wrong"),  # a final answer is compared, worked solution or not
        ("So it is 72.\nThe answer is: 72\n", "72", "right"),
        ("On Monday Sue ate 4*5 = 21 cookies. ", "72", "wrong"),  # a false equation
        ("On Tuesday Sue ate 4*13 = 52 cookies. ", WORKED, "right"),
        ("On Tuesday Sue ate 3*13 = 39 cookies. ", WORKED, "wrong"),
        ("On Tuesday Sue ate 3*13 = 39 cookies. ", "72", "unknown"),
    ],
)
def test_what_stood_before_is_judged_by_what_is_known(before: str, solution: str, start: str) -> None:
    text = before + "Wait, let me redo this. It is 4*13 = 52, and 72 in all.\nThe answer is: 72"
    (found,) = find_reflections(text, QUESTION)
    assert judge_start(text, found, problem(solution)) == start


def test_lemmas_own_trajectories_reflect_and_the_solutions_that_they_are_made_from_do_not(tmp_path: Path) -> None:
    """The quickstart's whole run: 97 % of its rows are found, and 89 % of their starts are known to be wrong."""
    with Pipeline(tmp_path, example_config(limit=14)) as pipeline:
        pipeline.work(["sample", "analyze", "inject", "correct"])
    made = [
        row for path in sorted((tmp_path / "correct").glob("part-*.jsonl")) for row in read_records(path, Trajectory)
    ]
    assert len(made) > 25
    found = [(one, find_reflections(one.text, one.mistake.problem.question)) for one in made]
    hits = [(one, some[0]) for one, some in found if some]
    assert len(hits) >= 0.93 * len(made)
    assert all(len(one.prefix) - 2 <= first.start for one, first in hits)
    wrong = [judge_start(one.text, first, one.mistake.problem) == "wrong" for one, first in hits]
    assert sum(wrong) >= 0.8 * len(hits)
    prefixes = [one for one in made if find_reflections(one.prefix, one.mistake.problem.question)]
    assert prefixes == []


def test_plain_solutions_of_people_and_models_hold_none() -> None:
    """Of 2,500 GSM8K and 1,500 MATH reference solutions 0.3 % and 0.1 % are taken for reflecting."""
    lines = (ROOT / "lemma/data/example/gsm8k.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [(row["question"], row["answer"]) for row in rows]
    texts += [(row["question"], sample["text"]) for row in rows for sample in row["samples"]]
    flagged = [text for question, text in texts if find_reflections(text, question)]
    assert len(texts) > 700
    assert len(flagged) <= 0.005 * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "Wait, " * 8000,
        "I made a " + "very " * 9000,
        "let me check. 1 + 1 = 2. " * 2000,
        "I used " + "x" * 40_000,
        "actually " + "a" * 40_000,
        " \n" * 30_000,
        "that the my a " * 3000,
        "- * _ > (" * 5000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    find_reflections(text)
    assert time.process_time() - started < 4.0
