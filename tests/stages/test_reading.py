from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.errors import ParseError, Rejected, UnitError
from lemma.reasons import REASONS
from lemma.stages.base import Reply
from lemma.stages.forms import CORRECT
from lemma.stages.reading import (
    check_quote,
    drop_thinking,
    read_error_type,
    read_step,
    read_verdict,
)


def read(text: str) -> dict[str, str]:
    return CORRECT.read(Reply("k", text, "stop"), "tags")


@pytest.mark.parametrize(
    "text",
    [
        "<reflection>a</reflection><continuation>b</continuation>",
        "<reflection>\n\na\n</reflection>\n\n<continuation>\r\nb\r\n</continuation>",
        "<Reflection>a</REFLECTION> and <CONTINUATION> b </continuation >",
        "```\n<reflection>a</reflection>\n<continuation>b</continuation>\n```",
        "<reflection>```text\na\n```</reflection><continuation>```\nb\n```</continuation>",
        "Certainly!\n<continuation>b</continuation>\n<reflection>a</reflection>\nDone.",
        "</reflection><reflection>a</reflection><continuation>b",
        "<think>a<reflection>x</reflection></think><reflection>a</reflection><continuation>b</continuation>",
        "<reflection>a</reflection><continuation>b</continuation><reflection> a </reflection>",
        "<analysis>a <reflection>x</reflection></analysis><reflection>a</reflection><continuation>b</continuation>",
        '{"declined": null, "reflection": "a", "continuation": "b"}',
    ],
)
def test_the_same_parts_are_read_whatever_stands_around_them(text: str) -> None:
    assert read(text) == {"reflection": "a", "continuation": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<reflection>a</reflection>", "missing_tag"),
        ("<reflection>a</reflection><continuation>  </continuation>", "missing_tag"),
        ("<reflection>a<continuation>b</continuation>", "missing_tag"),
        ("<reflection>a</reflection><continuation>b</continuation><continuation>c</continuation>", "repeated_tag"),
        ("<declined>I cannot.</declined><reflection>a</reflection>", "mixed_reply"),
        ("<declined>no</declined>", "teacher_declined"),
        ("<declined></declined>", "teacher_declined"),
        ("<think>nothing but thought", "empty_reply"),
        ("thought</think>\n ", "empty_reply"),
    ],
)
def test_what_is_not_there_is_not_guessed(text: str, expected: str) -> None:
    with pytest.raises(UnitError) as caught:
        read(text)
    assert caught.value.reason == expected


def test_tags_inside_a_part_are_its_own_text() -> None:
    found = read("<reflection>a <b>bold</b> <step>3</step></reflection><continuation>x < 3 > y</continuation>")
    assert found == {"reflection": "a <b>bold</b> <step>3</step>", "continuation": "x < 3 > y"}


def test_code_inside_a_part_stays() -> None:
    text = "Compute:\n```python\nprint(1)\n```\nSo 1."
    assert read(f"<reflection>a</reflection><continuation>{text}</continuation>")["continuation"] == text


@pytest.mark.parametrize(
    "text", ["3", "Step 3", "step **3**", "3.", "#3", "(3)", "Step 3:", "[3]", "3rd step", "No. 3", "`3`"]
)
def test_a_step_number_is_read(text: str) -> None:
    assert read_step(text, 5) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "step_not_a_number"),
        ("none", "step_not_a_number"),
        ("three", "step_not_a_number"),
        ("3 and 4", "step_not_a_number"),
        ("3-4", "step_not_a_number"),
        ("3, 4", "step_not_a_number"),
        ("3.5", "step_not_a_number"),
        ("-3", "step_not_a_number"),
        ("1e3", "step_not_a_number"),
        ("٣", "step_not_a_number"),
        ("Step 3: 60 - 18 = 48", "step_not_a_number"),
        ("0", "step_out_of_range"),
        ("6", "step_out_of_range"),
        ("999999999", "step_out_of_range"),
        ("9" * 5000, "step_not_a_number"),
    ],
)
def test_anything_but_one_number_of_a_step_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        read_step(text, 5)
    assert caught.value.reason == expected


@pytest.mark.parametrize(
    ("text", "verdict"), [("wrong", "wrong"), ("**Wrong.**", "wrong"), ("incorrect", "wrong"), ("Correct", "correct")]
)
def test_a_verdict_is_read(text: str, verdict: str) -> None:
    assert read_verdict(text) == verdict


@pytest.mark.parametrize("text", ["", "not wrong", "not correct", "wrong correct", "partially correct", "wrong" * 900])
def test_anything_but_a_verdict_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="unknown_verdict"):
        read_verdict(text)


def test_a_type_is_the_name_and_nothing_else() -> None:
    known = {"calculation_error", "missing_step"}
    for text in ("calculation_error", "Calculation Error", "**calculation-error**,", "`CALCULATION_ERROR`"):
        assert read_error_type(text, known) == "calculation_error"
    for text in ("", "no calculation_error", "calculation_error or missing_step", "calculation", "error"):
        with pytest.raises(ParseError, match="unknown_error_type"):
            read_error_type(text, known)


STEP = "So **she** keeps \\(60 - 18 = 48\\) pencils, i.e. a lot of them.\n"


@pytest.mark.parametrize(
    "quote",
    [
        "she keeps",
        "60-18=48",
        "$60 - 18 = 48$",
        "“keeps 60 − 18 = 48 pencils”",
        "SHE … a lot",
        "keeps ... pencils",
        STEP,
    ],
)
def test_a_quote_is_found_whatever_its_spaces_case_and_markup(quote: str) -> None:
    check_quote(quote, STEP)


@pytest.mark.parametrize(
    "quote", ["", "...", "48", "60 - 18 = 42", "pencils ... she keeps", "he kept", "So she keeps 60 - 18 = 48 pens"]
)
def test_a_quote_that_is_not_there_or_tells_nothing_is_refused(quote: str) -> None:
    with pytest.raises(ParseError, match="quote_mismatch"):
        check_quote(quote, STEP)


def test_a_short_step_may_be_quoted_whole() -> None:
    check_quote("x=3", "x = 3")


def test_only_what_stands_behind_the_last_thought_counts() -> None:
    assert drop_thinking("<think>a</think>b<THINK>c</Think>d") == "d"
    assert drop_thinking("a</thinking>b") == "b"
    assert drop_thinking("b<think>never ended") == "b"
    assert drop_thinking("İ</think>b") == "b"


def reason_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except (ParseError, Rejected) as error:
        return error.reason
    return None


TAG_PIECES = ["<reflection>", "</reflection>", "<continuation>", "</continuation>", "<declined>", "<think>", "</think>"]
PIECES = st.sampled_from(
    [*TAG_PIECES, "<", ">", "/", "```", "3", "wrong", "{{x}}", "%s", "\\", "$", "[2] ", "\ud800", "\x00", "\n"]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_reading_never_raises_anything_but_its_reasons(text: str) -> None:
    calls = [
        lambda: read(text),
        lambda: read_step(text, 3),
        lambda: read_verdict(text),
        lambda: read_error_type(text, {"calculation_error"}),
        lambda: check_quote(text, STEP),
        lambda: check_quote("she keeps", text),
    ]
    for call in calls:
        assert reason_of(call) in {None, *REASONS}


@pytest.mark.parametrize(
    "piece",
    ["<reflection>", "</reflection>", "<think>", "</think>", "<", "< ", "```\n", "...", "step ", "3", " \n", "[1] "],
)
def test_hostile_replies_take_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    for call in (lambda: read(text), lambda: read_step(text, 3), lambda: check_quote(text, text[:50_000])):
        assert reason_of(call) in {None, *REASONS}
    assert time.process_time() - start < 2
