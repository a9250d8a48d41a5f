"""Every reason for which a unit or an input line can be set aside: the fixed short words, and what they mean.

One home, so that reports, docs and checks speak the same language. A plugin may add
its own to `REASONS`.
"""

from __future__ import annotations

from typing import Final

READING: Final[dict[str, str]] = {
    "not_utf8": "the line is not UTF-8 text",
    "broken_json": "the line is not one whole JSON object",
    "missing_field": "a field that the dataset needs is missing or of another type",
    "empty_question": "the question is empty",
    "empty_answer": "no final answer could be read from the row",
    "duplicate_id": "a problem with the same id was read before",
    "contaminated": "the question is in a test set named under `decontaminate`, as it is or by most of its 13-grams",
}
"""Input lines set aside in ``problems/set_aside.jsonl``."""

REPLIES: Final[dict[str, str]] = {
    "refused": "the endpoint would not answer (status 400 or a content filter)",
    "empty_reply": "the reply was empty",
    "cut_short": "the reply was cut at its length limit, also with the limit doubled",
    "missing_tag": "a part of the reply that the prompt asks for is missing",
    "repeated_tag": "a part of the reply stands there twice with different contents",
    "not_json": "the reply holds no JSON object of the form asked for",
    "mixed_reply": "the reply declines and answers at once, or names a wrong step of what it calls correct",
    "unknown_verdict": "the verdict is neither `wrong` nor `correct`",
    "step_not_a_number": "the step is not one number",
    "step_out_of_range": "the step does not exist",
    "quote_mismatch": "the words quoted do not stand in the step that was named",
    "unknown_error_type": "the error type is none of those offered",
    "teacher_declined": "the teacher said plainly that it cannot do this one",
}
"""About a reply: what the teacher sent could not be used."""

CHECKS: Final[dict[str, str]] = {
    "judged_correct": "the teacher calls a solution correct whose final answer is wrong",
    "no_majority": "the votes about the first wrong step and its type do not agree",
    "no_answer": "no final answer can be read from the text",
    "undecided_answer": "whether the answer equals the reference could not be decided",
    "answer_equals_reference": "the mistake's final answer equals the reference: it is no mistake",
    "wrong_answer": "the correction's final answer is not the reference",
    "prefix_changed": "the text does not begin with the mistake's own words through the first wrong step",
    "error_removed": "the wrong claim no longer stands before the reflection",
    "unchanged_step": "the altered step is the same as the original one",
    "announced_error": "the injected solution announces its own mistake",
    "no_reflection": "no reflection stands between error and correction",
    "prefix_repeated": "the correction begins by repeating the text before it",
    "error_repeated": "the wrong step is repeated instead of corrected",
    "section_tags": "tags or headings of the prompt stand in the text",
    "leaked_reference": "the text speaks of a reference solution, a previous attempt or a ground truth",
    "too_long": "the text is longer than `checks.max_chars`",
    "loop": "the text repeats itself",
}
"""About a record: what was made fails one of its guarantees."""

EXPORT: Final[dict[str, str]] = {
    "duplicate": "an identical row was exported before it",
    "near_duplicate": "a row with the same numbers and nearly the same words was exported before it",
    "over_cap": "the problem has `export.max_per_problem` rows already",
}
"""Rows left out at export."""

REASONS: Final[dict[str, str]] = READING | REPLIES | CHECKS | EXPORT
