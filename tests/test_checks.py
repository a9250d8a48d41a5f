from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lemma import checks
from lemma.errors import Rejected
from lemma.reasons import CHECKS
from lemma.records import Mistake, Trajectory
from tests.stages.builders import PENCILS, WRONG, mistake, trajectory


def reason(call: Callable[[], object]) -> str | None:
    try:
        call()
    except Rejected as error:
        return next(known for known in CHECKS if known == error.reason)
    return None


def test_a_good_trajectory_keeps_every_guarantee() -> None:
    checks.check_trajectory(trajectory(), 12000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is: 21", None),
        ("#### 21.00", None),
        ("The answer is: 20", "wrong_answer"),
        ("Who knows.", "no_answer"),
        ("", "no_answer"),
    ],
)
def test_the_answer_is_decided_not_guessed(text: str, expected: str | None) -> None:
    assert reason(lambda: checks.reaches_answer(text, "21")) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("24", None), ("21", "answer_equals_reference"), ("42/2", "answer_equals_reference"), (None, "no_answer")],
)
def test_a_mistake_has_a_wrong_answer(answer: str | None, expected: str | None) -> None:
    assert reason(lambda: checks.misses_answer(answer, "21")) == expected


def test_the_prefix_is_kept_character_for_character() -> None:
    checks.keeps_prefix(trajectory())
    assert reason(lambda: checks.keeps_prefix(trajectory(prefix=mistake().prefix + " "))) == "prefix_changed"
    assert (
        reason(lambda: checks.keeps_prefix(trajectory(prefix=mistake().prefix.replace("She", "she"))))
        == "prefix_changed"
    )


def test_the_wrong_step_is_the_text_of_the_step_that_the_prefix_ends_in() -> None:
    assert checks.wrong_step(mistake()) == "She keeps 60 - 18 = 48 pencils to sell."
    middle = mistake(WRONG, "60 - 18 = 48")
    assert checks.wrong_step(middle) == "She keeps 60 - 18 = 48"
    assert checks.wrong_step(mistake(WRONG, "A: 24")) == "Selling them brings 48 * 0.50 = $24.\nA: 24"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("Nora has 60 pencils. To sell she keeps 60 - 18 = 48 pencils.", None),
        ("60 - 18 pencils are 48 pencils, which she keeps.", None),
        ("Nora has 60 pencils. To sell she keeps 60 - 18 = 42 pencils.", "error_removed"),
        ("48 is a nice number.", "error_removed"),
        ("", "error_removed"),
    ],
)
def test_in_new_words_the_wrong_claim_still_stands(prefix: str, expected: str | None) -> None:
    assert reason(lambda: checks.error_still_stands(prefix, mistake())) == expected


@pytest.mark.parametrize("text", ["", "\n", "...", "42! 42!", "Hmm, no.", "1 + 1 = 2 + 3"])
def test_signs_and_sighs_are_no_reflection(text: str) -> None:
    assert reason(lambda: checks.has_reflection(text)) == "no_reflection"


def of(reflection: str, continuation: str, one: Mistake | None = None) -> Trajectory:
    return trajectory(reflection, continuation, one)


def test_a_correction_that_begins_again_is_told() -> None:
    again = of(" No, that cannot be it.", f"\n{WRONG[:29]}\nShe keeps 42.")
    assert reason(lambda: checks.repeats_no_prefix(again)) == "prefix_repeated"
    other_spaces = of(" No, that cannot be it.", "\nNora  has **5 * 12 = 60** pencils, so she keeps 42.")
    assert reason(lambda: checks.repeats_no_prefix(other_spaces)) == "prefix_repeated"
    checks.repeats_no_prefix(of(" No, that cannot be it.", "\nNora has 42 pencils to sell."))
    mended = of(
        " It is ten times 48.", "\nSelling them all brings $480.", mistake("Selling them all brings $48.", "$48.")
    )
    checks.repeats_no_prefix(mended)
    checks.repeats_no_prefix(of(" 60 - 18 = 48? That cannot be it.", "\nShe keeps 42."))


def test_the_wrong_step_stands_nowhere_in_the_continuation() -> None:
    again = of(" No, it is 42.", "\nShe keeps 60-18=48 pencils to sell, and so $21.")
    assert reason(lambda: checks.repeats_no_error(again)) == "error_repeated"
    checks.repeats_no_error(of(" She keeps 60 - 18 = 48 pencils to sell? No, 42.", "\nShe keeps 42 pencils to sell."))
    checks.repeats_no_error(of(" No.", "\nIt costs $480.", mistake("So it costs $48.\nThe end.", "costs $48.")))
    checks.repeats_no_error(of(" No.", "\nx = 3 again.", mistake("So\nx = 3.\nThe end.", "x = 3.")))


@pytest.mark.parametrize(
    "text",
    [
        "<reflection>So it is 42.",
        "So it is 42.</continuation>",
        "So it is 42.\n**Continuation:** They bring $21.",
        "### Reflection\nSo it is 42.",
        "Response: it is 42.",
        "[3] They bring $21.",
        "<think>So it is 42.",
    ],
)
def test_the_prompts_tags_and_headings_are_found(text: str) -> None:
    assert reason(lambda: checks.has_no_tags(text)) == "section_tags"


@pytest.mark.parametrize(
    "text",
    [
        "If 3 < x and x > 2, then <x, y> is a reflection: about the axis.",
        "The reflection of the point is (1, 2). The next step: add.",
        "### Finding the continuation of the line",
        "The interval [3] and [1, 2].",
    ],
)
def test_mathematics_is_no_heading(text: str) -> None:
    checks.has_no_tags(text)


@pytest.mark.parametrize(
    "text",
    [
        "This agrees with the reference solution.",
        "The ground-truth answer is 42.",
        "In my previous attempt I took 48.",
        "The provided solution says 42.",
        "The earlier solution had 48.",
        "According to the correct answer it is 42.",
        "The student's mistake is in the second line.",
        "Your calculation is off.",
        "Here you made a slip.",
        "As an AI language model I see that it is 42.",
        "This is a calculation_error.",
        "The answer key says 42.",
    ],
)
def test_talk_of_what_a_solver_cannot_know_is_found(text: str) -> None:
    assert reason(lambda: checks.leaks_no_reference(text)) == "leaked_reference"


@pytest.mark.parametrize(
    "text",
    [
        "The solution to the equation is x = 3, and the reference angle is 30 degrees.",
        "From the previous step, x = 3; the correct answer is then 42.",
        "The solution set is given by x > 3. The teacher has 5 pens and each student gets one.",
        "The expected value is 3. The model train costs $5.",
        "My first guess was too low; that was a mistake in the sum.",
        "The correct number is 42, not 48.",
        "The original price was $5 and the last digit is 3.",
    ],
)
def test_words_of_ordinary_solutions_are_no_leak(text: str) -> None:
    checks.leaks_no_reference(text)


def test_what_the_question_says_itself_is_no_leak() -> None:
    question = "A chemist mixes the previous solution with water. On the first attempt it boils. How hot is it?"
    checks.leaks_no_reference("The previous solution is at 20 degrees, on the first attempt at 100.", question)


@pytest.mark.parametrize(
    ("text", "is_announced"),
    [
        ("She deliberately takes 48.", True),
        ("This is wrong, but we go on with 48.", True),
        ("(error: should be 42)", False),
        ("An intentional error gives 48.", True),
        ("We use the wrong value 48.", True),
        ("Here the mistake is made.", True),
        ("She keeps 48 and should be happy.", False),
        ("There are 48, instead of 60 as before.", False),
    ],
)
def test_an_announced_mistake_is_told_from_plain_words(text: str, is_announced: bool) -> None:
    assert reason(lambda: checks.announces_no_error(text, PENCILS.question, "")) == (
        "announced_error" if is_announced else None
    )


@pytest.mark.parametrize(
    "text",
    [
        "It is half of that. " * 30,
        "Let me check whether this sum is right once more, please.\nIt is 3.\n" * 9,
        "0." + "3" * 400,
        "so 1 + 1 = 2, " * 40,
        "\\frac{1}{2} = " * 50,
    ],
)
def test_loops_are_found(text: str) -> None:
    assert reason(lambda: checks.has_no_loop(text)) == "loop"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "For $d = 1$: $7000/1 = 7000$\n" + "\n".join(f"For $d = {d}$: $7000/{d} = {7000 // d}$" for d in range(2, 40)),
        "1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 = 12",
        "| a | b |\n|" + "-" * 120 + "|\n",
        "\\sqrt{2 + \\sqrt{2 + \\sqrt{2 + \\sqrt{2 + \\sqrt{2}}}}}",
        "The pair does not work since a must be positive.\n" * 5,
    ],
)
def test_lists_and_nested_roots_are_no_loops(text: str) -> None:
    checks.has_no_loop(text)


def test_length_is_counted_in_characters() -> None:
    checks.is_short_enough("é" * 10, 10)
    assert reason(lambda: checks.is_short_enough("a" * 11, 10)) == "too_long"


@pytest.mark.parametrize(
    "piece",
    ["<", "a ", "the ", "A: ", "previous ", "\n#", "* ", "1,", "3", "$", ". ", "this is ", "[1] ", "the student's "],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    one = of(" No, that cannot be it.", text)
    start = time.process_time()
    for call in (
        lambda: checks.has_no_tags(text),
        lambda: checks.leaks_no_reference(text, text),
        lambda: checks.announces_no_error(text, "", ""),
        lambda: checks.has_no_loop(text),
        lambda: checks.error_still_stands(text, mistake()),
        lambda: checks.repeats_no_prefix(one),
        lambda: checks.repeats_no_error(one),
        lambda: checks.has_reflection(text),
    ):
        reason(call)
    assert time.process_time() - start < 4
