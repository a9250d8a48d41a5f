"""Every reply of an evaluation, graded: one line of ``eval/items.jsonl`` each, so that errors can be looked at.

Example::

    {"set":"gsm8k","problem":"p-…","row":3,"by":{},"model":"my-sft","mode":"greedy","draw":0,"verdict":"wrong",
     "answer":"38","reference":"28","claimed":null,"reflections":1,"start":"wrong","phrase":"Wait","before":"10",
     "after":"26","question":"…","text":"…","detail":""}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lemma.errors import RunError
from lemma.evaluate.benchmarks import BREAKDOWNS
from lemma.evaluate.reflections import find_reflections, judge_start
from lemma.evaluate.stage import GREEDY_DRAW, EvalStage
from lemma.groups import read_groups
from lemma.records import Problem, Record, Rejection, Sample
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder
from lemma.stages.base import SampleUnit
from lemma.stages.sample import SampleStage

Mode = Literal["greedy", "sampled", "given"]


class EvalItem(Record):
    """One reply, graded."""

    set: str
    problem: str
    """The problem's id."""
    row: int
    """Of the file that it was read from, from 1."""
    by: dict[str, str]
    """Level, subject, type, topic: those that the problem has."""
    model: str
    mode: Mode
    draw: int
    verdict: str
    """`right`, `wrong`, `undecided`, `no_answer`; or for no solution `cut_short`, `empty_reply`, `refused`."""
    answer: str | None
    reference: str
    claimed: bool | None
    """What the source of a given solution says of it."""
    reflections: int
    start: str | None
    """Whether what stood before the first reflection was `right`, `wrong` or `unknown`; null without one."""
    phrase: str | None
    before: str | None
    after: str | None
    question: str
    text: str
    detail: str
    """Of a reply that gave no solution: its end, or the endpoint's words."""

    @property
    def is_right(self) -> bool:
        """All but `right` counts as wrong."""
        return self.verdict == "right"


def grade_part(run: Path, part: int, stage: SampleStage) -> Iterator[EvalItem]:
    """The items of a finished part, in the order of its units.

    Raises:
        RunError: a file is damaged.
    """
    folder = StageFolder(run, stage.name)
    folder.verify(part)
    samples = read_records(folder.part(part), Sample)
    rejections = read_records(folder.rejected(part), Rejection)
    rejection = next(rejections, None)
    for group in read_groups(run, part, ()):
        for unit in stage.units(group):
            if rejection is not None and rejection.unit.id == unit.id:
                yield _item(unit, stage, None, rejection)
                rejection = next(rejections, None)
                continue
            sample = next(samples, None)
            if sample is None or sample.problem.id != unit.problem.id:
                raise RunError(
                    f"{folder.part(part)}: does not fit its problems; remove the part's .manifest and run again"
                )
            yield _item(unit, stage, sample, None)


def _item(unit: SampleUnit, stage: SampleStage, sample: Sample | None, rejection: Rejection | None) -> EvalItem:
    problem = unit.problem
    text = sample.text if sample is not None else ""
    reflections = find_reflections(text, problem.question)
    first = reflections[0] if reflections else None
    return EvalItem(
        set=problem.dataset,
        problem=problem.id,
        row=_row(problem),
        by={name: str(problem.meta[name]) for name in BREAKDOWNS if problem.meta.get(name) is not None},
        model=_model(unit, stage),
        mode=_mode(unit, stage),
        draw=unit.draw,
        verdict=rejection.reason if rejection is not None else _verdict(sample),
        answer=sample.answer if sample is not None else None,
        reference=problem.answer,
        claimed=unit.given.claimed_correct if unit.given else None,
        reflections=len(reflections),
        start=judge_start(text, first, problem) if first is not None else None,
        phrase=first.phrase if first is not None else None,
        before=first.before if first is not None else None,
        after=first.after if first is not None else None,
        question=problem.question,
        text=text,
        detail=rejection.detail if rejection is not None else "",
    )


def _model(unit: SampleUnit, stage: SampleStage) -> str:
    if unit.given is not None:
        return unit.given.model
    return stage.config.student.model if stage.config.student is not None else ""


def _mode(unit: SampleUnit, stage: SampleStage) -> Mode:
    if unit.given is not None:
        return "given"
    return "greedy" if isinstance(stage, EvalStage) and unit.draw == GREEDY_DRAW else "sampled"


def _row(problem: Problem) -> int:
    row = problem.meta.get("row")
    return row if isinstance(row, int) else 0


def _verdict(sample: Sample | None) -> str:
    assert sample is not None
    if sample.answer is None:
        return "no_answer"
    return {True: "right", False: "wrong", None: "undecided"}[sample.is_correct]
