from __future__ import annotations

import json
from pathlib import Path

import pytest

from lemma.datasets import TEST_SETS, Decontaminator
from lemma.datasets.decontamination import normalise
from lemma.errors import ConfigError, InputError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "datasets"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"Compute $\dfrac{1}{2}$.", r"compute  \(\frac12\)"),
        (r"Find $\left( x + 1 \right)\,$ now", r"Find (x+1) now."),
        (r"is $2x^{2}+3x-5=0$?", r"is \[2x^2 + 3x - 5 = 0\]"),
        ("Janet’s ducks lay “16” eggs", 'Janet\'s ducks lay "16" eggs'),
        (r"where $p\ne 0$", "where $p\\neq\n0$"),
        (r"costs \$100 today", "costs $100 today"),
        ("3 × 4 − 2 ≤ 5", r"3 \times 4 - 2 \leq 5"),
        (r"$10{,}000$ m", r"$10,\!000$ m"),
        (r"in $\text{cm}$", r"in $\mathrm{cm}$"),
        (r"5\text{ cm}", "5 cm"),
        (r"\begin{pmatrix} 1 \\ -3 \end{pmatrix}", r"\begin{pmatrix}1\\-3\end{pmatrix}"),
        ("x² + √2", r"$x^2 + \sqrt{2}$"),
        ("zero\u200bwidth", "zerowidth"),
    ],
)
def test_looks_do_not_count(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $x^2 - 2x$", "Find $x^2 + 2x$"),
        (r"Compute $\sin 60^\circ$", r"Compute $\cos 60^\circ$"),
        (r"$\frac{12}{3}$", r"$\frac{1}{23}$"),
        ("Find $5!$", "Find $5$"),
        ("$x < 3$", r"$x \le 3$"),
        ("16 eggs", "17 eggs"),
        ("$1.5", "$15"),
        (r"$\arcsin 1$", r"$\arcsin (-1)$"),
        (r"$\left(\frac{t+1}{t}\right)$", r"$\left(t+\frac{1}{t}\right)$"),
        (r"$\leftarrow$", r"$\rightarrow$"),
        ("$x_1$", "$x^1$"),
    ],
)
def test_near_twins_stay_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_the_shipped_fingerprints_are_of_this_normalisation() -> None:
    known = Decontaminator.load(TEST_SETS)
    assert len(known) == 1319 + 4999  # two of MATH's 5000 are one question, written twice
    for line in (FIXTURES / "gsm8k_test.jsonl").read_text("utf-8").splitlines():
        assert known.test_set_of(json.loads(line)["question"]) == "gsm8k-test"
    in_both_splits = json.loads((FIXTURES / "math.jsonl").read_text("utf-8").splitlines()[3])["problem"]
    assert known.test_set_of(in_both_splits) == "math-test"
    for line in (FIXTURES / "gsm8k.jsonl").read_text("utf-8").splitlines():
        assert known.test_set_of(json.loads(line)["question"]) is None


def test_only_the_test_sets_named_count() -> None:
    question = json.loads((FIXTURES / "gsm8k_test.jsonl").read_text("utf-8").splitlines()[0])["question"]
    assert Decontaminator.load(["math-test"]).test_set_of(question) is None
    assert Decontaminator.load([]).test_set_of(question) is None


def test_a_file_of_questions_is_a_test_set_too() -> None:
    path = str(FIXTURES / "gsm8k*.jsonl")
    known = Decontaminator.load([path])
    assert len(known) == 5
    question = json.loads((FIXTURES / "gsm8k.jsonl").read_text("utf-8").splitlines()[0])["question"]
    assert known.test_set_of(question.upper()) == path


def test_a_line_without_a_question_is_an_error_for_it_would_let_its_question_through(tmp_path: Path) -> None:
    for line in ('{"text":"Q"}', '{"question":5}', "{"):
        (tmp_path / "test.jsonl").write_text(f'{{"question":"Q"}}\n{line}\n')
        with pytest.raises(InputError, match="line 2"):
            Decontaminator.load([str(tmp_path / "test.jsonl")])


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `gsm8k-test`"):
        Decontaminator.load(["gsm8k_test"])
    with pytest.raises(ConfigError, match="known are gsm8k-test, math-test"):
        Decontaminator.load(["zzz"])
    with pytest.raises(InputError, match="no such file"):
        Decontaminator.load(["none/test.jsonl"])


def test_the_fingerprint_changes_with_what_is_known() -> None:
    both = Decontaminator.load(TEST_SETS).fingerprint
    assert both == Decontaminator.load(TEST_SETS).fingerprint
    assert both != Decontaminator.load(["gsm8k-test"]).fingerprint
