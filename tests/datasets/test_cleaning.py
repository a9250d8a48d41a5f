from __future__ import annotations

import time

import pytest

from lemma.datasets.cleaning import answer_behind_sign, boxed, final_answer, take_out_marks
from lemma.datasets.decontamination import normalise


def test_marks_are_taken_out_and_kept_with_their_offset() -> None:
    text, marks = take_out_marks("  She sold 48/2 = <<48/2=24>>24 in May.\nIn all <<48+24=72>>72.\n#### 72\n")
    assert text == "She sold 48/2 = 24 in May.\nIn all 72.\n#### 72"
    assert marks == [(16, "48/2=24"), (34, "48+24=72")]
    assert [text[at : at + 2] for at, _ in marks] == ["24", "72"]


def test_marks_at_the_ends_keep_their_offsets_inside() -> None:
    text, marks = take_out_marks("<<1+1=2>> two and <<2+2=4>>")
    assert text == "two and"
    assert marks == [(0, "1+1=2"), (7, "2+2=4")]


@pytest.mark.parametrize(
    "text", ["cut here 5*3 = <<5*3=1", "if a << b: cin >> c", "1 < 2 and 3 >> 2", "<<a\nb>>", "<<>>", "<< a >>"]
)
def test_what_is_no_mark_stays(text: str) -> None:
    assert take_out_marks(text) == (text, [])


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so 72.\n#### 72", "72"),
        ("…\n#### 1,450,000  \n", "1450000"),
        ("…\n#### -5", "-5"),
        ("####   $10", "$10"),
        ("#### Step 1\nwe add\n#### Step 2\nto get \\boxed{5}", "5"),
        (r"$\boxed{1}$ and then $\boxed{\frac{1}{\sqrt{2}}}$.", r"\frac{1}{\sqrt{2}}"),
        (r"$\boxed{ \{1, 2\} }$", r"\{1, 2\}"),
        (r"$\boxed{\left\{ 1 \right.}$", r"\left\{ 1 \right."),
        (r"is $\boxed 9$.", "9"),
        (r"is $\fbox{C}$", "C"),
        (r"\boxed{10{,}000}", "10{,}000"),
        (r"\boxed{}", ""),
        (r"\boxed{never closed", ""),
        (r"\boxed", ""),
        (r"\boxedly{5}", ""),
        ("the answer is 72", ""),
        ("", ""),
        ("#### ", ""),
    ],
)
def test_final_answer_is_behind_the_sign_or_in_the_last_box(solution: str, answer: str) -> None:
    assert final_answer(solution) == answer


def test_only_thousands_commas_are_taken_out() -> None:
    assert answer_behind_sign("#### 1,2") == "1,2"
    assert answer_behind_sign("#### 12,345,6789") == "12,345,6789".replace("12,345", "12345")


@pytest.mark.parametrize(
    "piece",
    ["<<", ">>", "<<1", "<<1=1>>", "\\boxed{", "\\boxed", "{", "}", "\\", "#### ", "1,", "\\text{", "$", " ", "\n"],
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    start = time.process_time()
    take_out_marks(text)
    final_answer(text)
    boxed(text)
    normalise(text)
    assert time.process_time() - start < 3
