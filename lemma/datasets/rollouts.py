r"""Student outputs that were sampled elsewhere: one object a problem, in either of two forms.

Samples, each with its model and a flag where known::

    {"question": "…", "answer": "…worked solution… #### 72", "gt": "72", "dataset": "gsm8k",
     "samples": [{"text": "…", "correct": false, "model": "my-sft"}]}

The form of ZubinGou/math-evaluation-harness, where ``"/"`` in `code` stands for no output::

    {"idx": 0, "question": "…", "solution": "…", "gt": "72", "code": ["…", "/"], "score": [false, false]}

The reference solution is `reference_solution`, `solution` or `answer`, the final answer `gt` (or read from
the solution). Flags are compared with our own verdict, and ours counts.

A sample's text is cleaned like a reference solution: ends stripped and calculator marks taken out, for a
mistake is trained on character for character, and marks would be imitated. Nothing that the student says
goes with them: a mark stands before the result that it computed, and the result stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lemma.datasets.base import DatasetSpec, Parsed, Row, look_up, plain
from lemma.datasets.cleaning import take_out_marks
from lemma.datasets.jsonl import parse_mapped
from lemma.errors import Rejected
from lemma.stages.base import GivenSample

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "problem"),
    "reference_solution": ("reference_solution", "solution", "answer"),
    "answer": ("gt",),
    "id": ("id",),
    "dataset": ("dataset",),
    "samples": ("samples",),
    "code": ("code",),
    "score": ("score",),
}
KEPT = ("idx", "split", "level", "type")
"""Fields that go to `meta` where they are there."""
PLACEHOLDER = "/"
DEFAULT_MODEL = "student"


def parse(row: Row, spec: DatasetSpec) -> Parsed:
    """Reads a problem with its samples."""
    parsed = parse_mapped(row, spec, DEFAULTS)
    meta = {name: plain(row.value[name]) for name in KEPT if row.value.get(name) is not None}
    return replace(parsed, meta=meta | parsed.meta, given=tuple(_given(row, spec)))


def _given(row: Row, spec: DatasetSpec) -> Iterator[GivenSample]:
    default_model = spec.name or DEFAULT_MODEL
    samples, code, score = (look_up(row.value, spec.fields.get(name, name)) for name in ("samples", "code", "score"))
    if isinstance(samples, list):
        for number, sample in enumerate(samples, start=1):
            yield _from_sample(sample, number, default_model)
    elif isinstance(code, list):
        if score is not None and (not isinstance(score, list) or len(score) != len(code)):
            raise Rejected("missing_field", "`score` is no list as long as `code`")
        for number, (text, flag) in enumerate(zip(code, score or [None] * len(code), strict=True), start=1):
            if text != PLACEHOLDER:
                yield _sample(text, default_model, flag, f"`code` {number}")
    else:
        raise Rejected("missing_field", "neither a list `samples` nor a list `code`")


def _from_sample(sample: Any, number: int, default_model: str) -> GivenSample:
    if not isinstance(sample, Mapping):
        raise Rejected("missing_field", f"sample {number} is no object")
    model = sample.get("model")
    if not isinstance(model, str | None):
        raise Rejected("missing_field", f"sample {number}: `model` is no text")
    return _sample(sample.get("text"), model or default_model, sample.get("correct"), f"sample {number}")


def _sample(text: Any, model: str, flag: Any, where: str) -> GivenSample:
    if not isinstance(text, str):
        raise Rejected("missing_field", f"{where} has no text")
    if flag is not None and flag not in (True, False):  # 0 and 1 are equal to these
        raise Rejected("missing_field", f"{where}: its flag is neither true nor false")
    cleaned, _ = take_out_marks(text)
    return GivenSample(text=cleaned, model=model, claimed_correct=None if flag is None else bool(flag))
