"""Runs written by hand, so that any text can stand in any field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma.config import Config
from lemma.configfile import parse_config
from lemma.records import (
    MadeBy,
    Mistake,
    Problem,
    Record,
    Rejection,
    Sample,
    Trajectory,
    UnitRef,
    content_hash,
    make_id,
)
from lemma.runfile import write_runfile
from lemma.shards.files import to_line, write_json, write_whole
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.stages.base import SampleUnit
from lemma.stagework import tally_keys

QUESTION = "Tom has 3 bags of 4 apples. How many apples has he?"
SOLUTION = "Each bag holds 4 apples.\n3 bags hold 3 * 4 = 14 apples.\nThe answer is: 14"


def config_of(**more: Any) -> Config:
    """A configuration for a run of one dataset."""
    tree: dict[str, Any] = {"data": [{"dataset": "jsonl", "path": "problems.jsonl"}], "teacher": {"backend": "rules"}}
    return parse_config(tree | more, "test")


def made_by(stage: str, model: str = "teacher") -> MadeBy:
    return MadeBy(stage=stage, model=model, prompt_hash="", request_key="", config_hash="")


def problem(number: int, question: str = QUESTION, **more: Any) -> Problem:
    fields: dict[str, Any] = {"dataset": "toys", "reference_solution": "3 * 4 = 12\n#### 12", "answer": "12"} | more
    return Problem(id=make_id("p", str(number)), question=question, **fields)


def sample(of: Problem, text: str = SOLUTION, *, is_correct: bool = False, model: str = "student") -> Sample:
    identity = make_id("s", of.id, text, model)
    made = made_by("sample", model)
    return Sample(id=identity, problem=of, model=model, text=text, answer="14", is_correct=is_correct, made_by=made)


def mistake(of: Problem, solution: str = SOLUTION, prefix_end: int = 0, **more: Any) -> Mistake:
    fields: dict[str, Any] = {
        "origin": "student",
        "model": "student",
        "answer": "14",
        "error_type": "calculation_error",
        "explanation": "3 * 4 is 12.",
        "first_error_step": 2,
        "made_by": made_by("analyze"),
    } | more
    end = prefix_end or solution.rindex("\n") if "\n" in solution else prefix_end or len(solution)
    identity = make_id("m", of.id, solution, str(fields["origin"]), str(fields["error_type"]))
    return Mistake(id=identity, problem=of, solution=solution, prefix_end=end, **fields)


def trajectory(
    of: Mistake,
    strategy: str = "fix_continue",
    reflection: str = "\nWait, 3 * 4 is 12.",
    continuation: str = "\n3 bags hold 12 apples.\nThe answer is: 12",
    *,
    is_smoothed: bool = True,
) -> Trajectory:
    stage = "smooth" if is_smoothed else "correct"
    return Trajectory(
        id=make_id("t", of.id, strategy, stage),
        mistake=of,
        strategy=strategy,
        prefix=of.prefix,
        reflection=reflection,
        continuation=continuation,
        text=of.prefix + reflection + continuation,
        answer="12",
        is_smoothed=is_smoothed,
        made_by=made_by(stage),
    )


def rejection(stage: str, of: Problem, parent: str, reason: str, detail: str = "", label: str = "") -> Rejection:
    unit = UnitRef(id=make_id("u", parent, stage, label), problem=of, parent=parent, label=label)
    return Rejection(id=make_id("x", unit.id), stage=stage, unit=unit, reason=reason, detail=detail)


def write_run(
    run: Path,
    parts: Sequence[Mapping[str, Sequence[Record]]],
    rejected: Sequence[Mapping[str, Sequence[Rejection]]] = (),
    replies: dict[str, Iterable[dict[str, Any]]] | None = None,
    config: Config | None = None,
) -> Path:
    """Writes a run's folder: for each part, stage → records; a stage that is not named is not finished."""
    write_runfile(run, config or config_of(), {})
    problems = [one for part in parts for one in part["problems"]]
    for number, part in enumerate(parts):
        lost = rejected[number] if number < len(rejected) else {}
        for stage in {*part, *lost}:
            _write_part(run, stage, number, part.get(stage, ()), lost.get(stage, ()))
    for stage, lines in (replies or {}).items():
        path = StageFolder(run, stage).replies(0)
        write_whole(path, (json.dumps(line).encode() + b"\n" for line in lines))
    datasets = {name: sum(one.dataset == name for one in problems) for name in {one.dataset for one in problems}}  # type: ignore[attr-defined]
    write_json(
        run / "problems" / "summary.json",
        {"parts": len(parts), "problems": len(problems), "sources": [], "datasets": dict(sorted(datasets.items()))},
    )
    return run


def _write_part(run: Path, stage: str, number: int, records: Sequence[Record], lost: Sequence[Rejection]) -> None:
    folder = StageFolder(run, stage)
    tally: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for record in records:
        unit = SampleUnit("u", record.problem, 0) if isinstance(record, Sample) else None
        for key in tally_keys(unit, record):
            tally[key] = tally.get(key, 0) + 1
    for one in lost:
        reasons[one.reason] = reasons.get(one.reason, 0) + 1
    files = {
        folder.part(number).name: write_whole(folder.part(number), map(to_line, records)),
        f"rejected/{folder.rejected(number).name}": write_whole(folder.rejected(number), map(to_line, lost)),
    }
    folder.write_manifest(
        Manifest(
            stage=stage,
            part=number,
            fingerprint="",
            inputs={},
            files=files,
            units=len(records) + len(lost),
            kept=len(records),
            rejected=len(lost),
            reasons=reasons,
            tally=tally,
        )
    )


def reply(unit: str, text: str = "", created_s: float = 0.0, attempt: int = 0, **more: Any) -> dict[str, Any]:
    """A line of ``replies/``."""
    return {
        "key": content_hash(unit, str(attempt))[:32],
        "unit": unit,
        "draw": 0,
        "attempt": attempt,
        "text": text,
        "finish_reason": "stop",
        "model": "teacher",
        "reasoning": "",
        "usage": [100, 0, 20],
        "detail": "",
        "created_s": created_s,
    } | more


def small_run(run: Path, **fields: Any) -> Path:
    """One problem all the way through, and a rejection of each stage."""
    of = problem(0, **fields)
    wrong = mistake(of)
    before, after = (trajectory(wrong, is_smoothed=one) for one in (False, True))
    injected = mistake(of, origin="injected", error_type="missing_step", made_by=made_by("inject"))
    wrong_sample = sample(of)
    other = sample(of, "I do not know. The answer is: 7")
    return write_run(
        run,
        [
            {
                "problems": [of],
                "sample": [wrong_sample, other, sample(of, "3 * 4 = 12\nThe answer is: 12", is_correct=True)],
                "analyze": [wrong],
                "inject": [injected],
                "correct": [before],
                "smooth": [after],
            }
        ],
        [
            {
                "analyze": [rejection("analyze", of, other.id, "teacher_declined", "No step can be read.")],
                "inject": [rejection("inject", of, of.id, "unchanged_step", "", "missing_step")],
                "correct": [rejection("correct", of, injected.id, "wrong_answer", "it is 13", "fix_continue")],
                "smooth": [rejection("smooth", of, before.id, "numbers_lost", "12", "fix_continue")],
            }
        ],
    )
