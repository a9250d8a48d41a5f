from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.endings import finish, is_bare_answer, strip_answer

FORM = "The answer is: {answer}"


@pytest.mark.parametrize(
    "ending",
    [
        "\n#### 72",
        "\nA: 72",
        "\n A:72 \n",
        "\nThe answer is: 72",
        "\nThe answer is 72 clips.",
        " The answer is 72.",
        " So the final answer is $\\boxed{72}$.",
        "\nThe final answer is \\boxed{72}.",
        "\n\n**Answer:** 72",
        "\n**Final Answer: 72**",
        "\nFinal answer: $72$",
        "\n\n\\[\n\\boxed{72}\n\\]",
        "\n$\\boxed{\\frac{1}{2}}$.",
        "\n72",
        "\n $1,072.50",
        "\nThe answer is: $x = 3$.",
        "\nTherefore, the answer is: \\(\\boxed{15}\\)\n#### 15",
        "\nStep 6: #### 72\nStep 7: The answer is: 72",
        "\nThe answer is: $x + 2y - 9 = 0$",
        "\n#### AB=9, CD=4",
        " The final answer is: $72$. I hope it is correct.",
    ],
)
def test_a_bare_answer_at_the_end_is_taken_away(ending: str) -> None:
    assert strip_answer("She sold 48 + 24 = 72 clips." + ending) == "She sold 48 + 24 = 72 clips."


@pytest.mark.parametrize(
    "text",
    [
        "So she sold 48 + 24 = 72 clips.",
        "So $a+b = -3+3 = \\boxed{0}$.",
        "Half of it.\nThe answer is 12 + 3 = 15.",
        "Half of it. The answer is the sum of all the numbers that were found before this line.",
        "A: 5 * 3 = 15",
        "x = 3\ny = 4",
        "The answer is no. She keeps 5.",
        "",
    ],
)
def test_what_still_reasons_stays(text: str) -> None:
    assert strip_answer(text) == text


def test_the_ending_is_put_into_the_form_whatever_the_answer_holds() -> None:
    for answer in ("72", "{answer}", "\\text{%s {0} {{x}}}", "\\1\\g<0>", ""):
        assert finish("So 72.\n#### 72", answer, FORM) == f"So 72.\nThe answer is: {answer}"
    for answer in ("34\\text{ sq. units}", "0.56 = 56\\%", "5 * 3"):
        assert finish(f"So it is.\nThe answer is: {answer}\n", answer, FORM) == f"So it is.\nThe answer is: {answer}"
    assert finish("#### 72", "72", FORM) == "The answer is: 72"
    assert finish("", "72", "#### {answer}") == "#### 72"


@given(
    st.text(max_size=60), st.sampled_from(["", "\n#### 7", "\nThe answer is: 7", " The answer is 7.", "\n$\\boxed{7}$"])
)
def test_finishing_twice_is_finishing_once(text: str, ending: str) -> None:
    once = finish(text + ending, "7", FORM)
    assert finish(once, "7", FORM) == once
    assert once.endswith("The answer is: 7")


@pytest.mark.parametrize(
    "piece", ["The answer is: ", "answer is ", "#### ", "\\boxed{", "A: ", "\n", "so ", "7 ", ". "]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    strip_answer(text)
    is_bare_answer(text)
    assert time.process_time() - start < 1
