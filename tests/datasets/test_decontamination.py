from __future__ import annotations

import json
from pathlib import Path

import pytest

from lemma.datasets import TEST_SETS, Decontaminator
from lemma.datasets.decontamination import Fingerprints, Match, in_words, normalise
from lemma.datasets.overlap import grams_of
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
        assert known.match(json.loads(line)["question"]) == Match("gsm8k-test", "exact", 1.0)
    in_both_splits = json.loads((FIXTURES / "math.jsonl").read_text("utf-8").splitlines()[3])["problem"]
    assert known.match(in_both_splits) == Match("math-test", "exact", 1.0)
    for line in (FIXTURES / "gsm8k.jsonl").read_text("utf-8").splitlines():
        assert known.match(json.loads(line)["question"]) is None


QUESTION = (
    "A bakery sells 12 trays of rolls every morning, each with $3\\frac{1}{2}$ dozen rolls. How many rolls does the"
    " bakery sell in a week in which it stays closed on Sunday and sells half as many trays on Saturday?"
)


def known_of(*questions: str) -> Decontaminator:
    return Decontaminator({"mine": Fingerprints.of(questions)})


@pytest.mark.parametrize(
    "question",
    [
        "Solve this with care, please. " + QUESTION,
        QUESTION + " Give your answer as a whole number, and show how you found it.",
        QUESTION.replace("3\\frac{1}{2}", "3 \\tfrac 12") + " Show why.",
        QUESTION.replace(" on Saturday?", " on Friday?"),
    ],
)
def test_a_question_that_shares_most_of_its_13_grams_is_in_the_test_set(question: str) -> None:
    match = known_of(QUESTION).match(question)
    assert match is not None
    assert (match.test_set, match.how) == ("mine", "overlap")
    assert 0.5 <= match.share < 1
    assert str(match).endswith("% of the question's 13-grams stand in mine")


def test_shared_boilerplate_condemns_nothing() -> None:
    boilerplate = " Express your answer as a common fraction in lowest terms, with numerator and denominator positive."
    other = "A die is thrown four times; find the probability that the sum of all throws is a prime number above ten."
    known = known_of(QUESTION + boilerplate)
    assert grams_of(in_words(other + boilerplate)) & grams_of(in_words(QUESTION + boilerplate))
    assert known.match(other + boilerplate) is None


def test_the_same_template_with_other_numbers_all_over_is_another_question() -> None:
    template = (
        "Ann has {} pens and buys {} more. Bob has {} pens and gives away {}. How many do both have after {} days?"
    )
    assert known_of(template.format(1, 2, 3, 4, 5)).match(template.format(6, 7, 8, 9, 10)) is None


def test_a_question_of_less_than_13_words_is_known_as_a_whole_only() -> None:
    known = known_of("What is $2 + 2$?")
    assert known.match("what is 2+2") == Match("mine", "exact", 1.0)
    assert known.match("What is $2 + 3$?") is None
    assert known.match("") is None


def test_the_largest_overlap_names_the_test_set_the_first_among_equals() -> None:
    part, whole = Fingerprints.of([QUESTION[:140]]), Fingerprints.of([QUESTION])
    longer = QUESTION + " Say why."
    assert (match := Decontaminator({"part": part, "whole": whole}).match(longer)) is not None
    assert match.test_set == "whole"
    assert (match := Decontaminator({"one": whole, "two": whole}).match(longer)) is not None
    assert match.test_set == "one"


def test_only_the_test_sets_named_count() -> None:
    question = json.loads((FIXTURES / "gsm8k_test.jsonl").read_text("utf-8").splitlines()[0])["question"]
    assert Decontaminator.load(["math-test"]).match(question) is None
    assert Decontaminator.load([]).match(question) is None


def test_a_file_of_questions_is_a_test_set_too() -> None:
    path = str(FIXTURES / "gsm8k*.jsonl")
    known = Decontaminator.load([path])
    assert len(known) == 5
    question = json.loads((FIXTURES / "gsm8k.jsonl").read_text("utf-8").splitlines()[0])["question"]
    assert known.match(question.upper()) == Match(path, "exact", 1.0)


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
