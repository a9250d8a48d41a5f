"""Every reason for which a unit or an input line can be set aside: the fixed short words, what they mean, what helps.

One home, so that reports, docs and checks speak the same language: ``docs/rejections.md`` is made from it. A plugin
may add its own to `REASONS`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """Why something was set aside, and what to do about it."""

    meaning: str
    """A clause without a full stop, to stand in a table."""
    advice: str
    """Sentences."""


_ATTEMPTS: Final = "It was asked for `teacher.attempts` times."
_FORM: Final = f"{_ATTEMPTS} Where frequent, the teacher is too weak for the form: try `teacher.reply_form: json`."

READING: Final[dict[str, Reason]] = {
    "not_utf8": Reason("the line is not UTF-8 text", "Save the file as UTF-8: `iconv -f latin1 -t utf-8 OLD > NEW`."),
    "broken_json": Reason(
        "the line is not one whole JSON object",
        "Write one object a line, without line breaks inside; a cut last line says that the file is not whole.",
    ),
    "missing_field": Reason(
        "a field that the dataset needs is missing or of another type",
        "The detail names it. Where your file calls it otherwise, say so under `fields:` of the dataset.",
    ),
    "empty_question": Reason("the question is empty", "Mend the row, or leave it out."),
    "empty_answer": Reason(
        "no final answer could be read from the row",
        "Give the answer in a field of its own (`gt` in rollouts, `answer` in jsonl), or end the solution with "
        "`#### 72` or `\\boxed{72}`.",
    ),
    "duplicate_id": Reason(
        "a problem with the same id was read before",
        "Nothing, where it is a copy. Rows of rollouts about one problem belong in one object, with all their samples.",
    ),
    "contaminated": Reason(
        "the question is in a test set named under `decontaminate`, as it is or by most of its 13-grams",
        "Nothing: that is what keeps your evaluation honest. Only a demonstration sets `decontaminate: []`.",
    ),
}
"""Input lines set aside in ``problems/set_aside.jsonl``."""

REPLIES: Final[dict[str, Reason]] = {
    "refused": Reason(
        "the endpoint would not answer (status 400 or a content filter)",
        "The detail holds its words. Where all are refused, a parameter is wrong, such as a `max_tokens` beyond the "
        "model's context or a `temperature` that it does not take; single ones are content filters.",
    ),
    "empty_reply": Reason(
        "the reply was empty",
        f"{_ATTEMPTS} A reasoning model that spends its limit on thinking needs a higher `teacher.max_tokens`.",
    ),
    "cut_short": Reason(
        "the reply was cut at its length limit; a teacher's also with the limit doubled",
        "Raise `teacher.max_tokens`, or `sample.max_tokens` where it is the student's; samples that never end are a "
        "fault of the student.",
    ),
    "missing_tag": Reason("a part of the reply that the prompt asks for is missing", _FORM),
    "repeated_tag": Reason("a part of the reply stands there twice with different contents", _FORM),
    "not_json": Reason(
        "the reply holds no JSON object of the form asked for",
        f"{_ATTEMPTS} See that the endpoint has `response_format: json_schema`; otherwise `teacher.reply_form: tags`.",
    ),
    "mixed_reply": Reason(
        "the reply declines and answers at once, or names a wrong step of what it calls correct",
        f"{_ATTEMPTS} A stronger teacher contradicts itself less.",
    ),
    "unknown_verdict": Reason("the verdict is neither `wrong` nor `correct`", _FORM),
    "step_not_a_number": Reason("the step is not one number", _FORM),
    "step_out_of_range": Reason("the step does not exist", f"{_ATTEMPTS} A stronger teacher counts better."),
    "quote_mismatch": Reason(
        "the words quoted do not stand in the step that was named",
        f"{_ATTEMPTS} The quote guards the label: where it often fails, take a stronger teacher.",
    ),
    "unknown_error_type": Reason(
        "the error type is none of those offered",
        f"{_ATTEMPTS} Where one name keeps coming, your data may want that type: add a file for it (see the guide).",
    ),
    "teacher_declined": Reason(
        "the teacher said plainly that it cannot do this one",
        "Honest, and better than a guess. `rules` declines all that it cannot compute: a language model reads more. "
        "An injection that is declined is made up for with another problem in the next round.",
    ),
}
"""About a reply: what the teacher sent could not be used."""

CHECKS: Final[dict[str, Reason]] = {
    "judged_correct": Reason(
        "the teacher calls a solution correct whose final answer is wrong",
        "Look at some: either the reference answer is wrong, or the teacher overlooks the error (take a stronger one, "
        "or `analyze.votes: 3`).",
    ),
    "no_majority": Reason(
        "the votes about the first wrong step and its type do not agree",
        "Such labels are doubtful, so they are dropped. More `analyze.votes` (an odd number) decide more of them.",
    ),
    "no_answer": Reason(
        "no final answer can be read from the text",
        "In `analyze`: the student did not say its answer in a form that can be read; try it with `lemma verify`. "
        "In later stages: the teacher did not end in your `answer_form`.",
    ),
    "undecided_answer": Reason(
        "whether the answer equals the reference could not be decided",
        "Try the pair with `lemma verify PREDICTION REFERENCE`: it tells how each was read. References that are no "
        "values (sentences, proofs) cannot be decided; leave them out.",
    ),
    "answer_equals_reference": Reason(
        "the mistake's final answer equals the reference: it is no mistake",
        "Nothing in `inject`: the altered step did not change the result.",
    ),
    "wrong_answer": Reason(
        "the correction's final answer is not the reference",
        "The teacher could not solve it, or the reference is wrong. Where frequent, take a stronger teacher.",
    ),
    "prefix_changed": Reason(
        "the text does not begin with the mistake's own words through the first wrong step",
        "Nothing where it is rare. A changed prompt of yours must leave the beginning alone.",
    ),
    "error_removed": Reason(
        "the wrong claim no longer stands before the reflection",
        "Comes with `smooth.scope: whole`, where the teacher mends the error while rewriting; not with `joint`.",
    ),
    "unchanged_step": Reason(
        "the altered step is the same as the original one", "Nothing: another problem takes its place."
    ),
    "announced_error": Reason(
        "the injected solution announces its own mistake",
        "Nothing where it is rare; where frequent, take a stronger teacher or sharpen `inject.md` in your `prompts`.",
    ),
    "no_reflection": Reason(
        "no reflection stands between error and correction",
        "Nothing where it is rare; where frequent, sharpen the prompt of the strategy in your `prompts`.",
    ),
    "prefix_repeated": Reason(
        "the correction begins by repeating the text before it",
        "Nothing where it is rare; small teachers do it: take a stronger one.",
    ),
    "error_repeated": Reason(
        "the wrong step is repeated instead of corrected", "The teacher did not see the error: take a stronger one."
    ),
    "claim_repeated": Reason(
        "the wrong claim stands in the continuation again, in another spelling",
        "The teacher did not mend the error: take a stronger one.",
    ),
    "vague_reflection": Reason(
        "the reflection names nothing of what was wrong: no number, operation or word of the problem",
        "Nothing where it is rare; where frequent, sharpen the prompt of the strategy in your `prompts`.",
    ),
    "false_equation": Reason(
        "the correction holds an equation that is false",
        "The teacher miscalculates: take a stronger one. The detail quotes the equation; try its sides with "
        "`lemma verify LEFT RIGHT`.",
    ),
    "started_over": Reason(
        "a correction that is to go on from the wrong step starts over",
        "Nothing where it is rare; where frequent, sharpen `fix_continue.md` in your `prompts`.",
    ),
    "not_restarted": Reason(
        "a correction that is to start over computes with what the dropped attempt had found",
        "Nothing where it is rare; where frequent, sharpen the `fresh_restart` prompts in your `prompts`.",
    ),
    "same_path": Reason(
        "a fresh start says the steps before the error again, word for word",
        "Nothing where it is rare. More correct samples (`sample.num_samples`) offer more other paths.",
    ),
    "numbers_lost": Reason(
        "smoothing has lost numbers of the correction",
        "Nothing where it is rare; where frequent, take a stronger teacher, or `smooth.scope: off`.",
    ),
    "order_changed": Reason(
        "after smoothing, error, reflection and correction no longer follow in this order",
        "Comes with `smooth.scope: whole` more than with `joint`.",
    ),
    "gibberish": Reason(
        "the text holds broken characters, or words that are none",
        "Broken characters point to a wrong encoding at the endpoint; noise to a damaged or overheated model: lower "
        "`teacher.temperature`.",
    ),
    "other_language": Reason(
        "the correction is in another language than the question",
        "Say the language in the prompts of your `prompts` folder, or take a teacher that keeps to it.",
    ),
    "section_tags": Reason(
        "tags or headings of the prompt stand in the text",
        "Nothing where it is rare; where frequent, try `teacher.reply_form: json`.",
    ),
    "leaked_reference": Reason(
        "the text speaks of a reference solution, a previous attempt or a ground truth",
        "Nothing where it is rare; where frequent, sharpen the manners in `manners.md` of your `prompts`.",
    ),
    "too_long": Reason("the text is longer than `checks.max_chars`", "Raise `checks.max_chars` if you want such rows."),
    "loop": Reason(
        "the text repeats itself",
        "A student's solution that loops is no mistake to learn from; a lower `sample.temperature` or another "
        "checkpoint loops less. In later stages it is the teacher's text.",
    ),
}
"""About a record: what was made fails one of its guarantees."""

EXPORT: Final[dict[str, Reason]] = {
    "duplicate": Reason("an identical row was exported before it", "Nothing."),
    "near_duplicate": Reason(
        "a row with the same numbers and nearly the same words was exported before it",
        "Raise `export.near_duplicates` to keep more of them; null keeps all but identical rows.",
    ),
    "over_cap": Reason(
        "the problem has `export.max_per_problem` rows already", "Raise `export.max_per_problem`, or set it to null."
    ),
    "over_share": Reason(
        "its error type has `export.max_type_share` of the rows already",
        "Raise `export.max_type_share`, or set it to null; or make more mistakes of the other types.",
    ),
    "labels_off": Reason(
        "the solution's steps do not end where its first wrong step does, so they get no labels",
        "Nothing; its row is exported, only `steps` lacks it. Tell us if it happens.",
    ),
    "same_step": Reason("the corrected step has the words of the wrong one, so they make no pair", "Nothing."),
    "looks_back": Reason(
        "the corrected step speaks of another that was tried before it, so it makes no pair",
        "Nothing; its row is exported, only `pairs` lacks it.",
    ),
    "no_claim": Reason(
        "the wrong step says a number and the step that should correct it says none, so they make no pair", "Nothing."
    ),
}
"""Rows left out at export, and what gives no process labels."""

REASONS: Final[dict[str, str]] = {
    reason: one.meaning for kind in (READING, REPLIES, CHECKS, EXPORT) for reason, one in kind.items()
}
"""Reason → what it means."""
