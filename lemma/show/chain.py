"""What a record came from and what became of it, gathered from the files of its part."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from lemma.errors import RunError
from lemma.groups import RECORD_TYPES
from lemma.records import Mistake, Problem, Record, Rejection, Sample, Trajectory, make_id
from lemma.replies import read_reply
from lemma.shards.folder import StageFolder
from lemma.show.finding import SOURCES, Line, find, lines_of
from lemma.stages.base import Reply

R = TypeVar("R", bound=Record)


@dataclass(slots=True)
class Chain:
    """From a problem onwards, as far as it goes."""

    id: str
    """Of the record that was asked for."""
    stage: str
    part: int
    problem: Problem
    sample: Sample | None = None
    mistake: Mistake | None = None
    corrected: Trajectory | None = None
    smoothed: Trajectory | None = None
    rejection: Rejection | None = None
    replies: list[Reply] = field(default_factory=list)
    """To the rejected unit, in their order on disk."""
    onward: list[str] = field(default_factory=list)
    """What became of it, a line each."""


def verdict_of(sample: Sample) -> str:
    """Right, wrong or undecided."""
    return {True: "right", False: "wrong", None: "undecided"}[sample.is_correct]


def chain_of(run: Path, line: Line) -> Chain:
    """Gathers a line's chain.

    Raises:
        RunError: a line that is part of it is damaged.
    """
    if line.is_rejection:
        return _of_rejection(run, line, parse(line, Rejection))
    record = parse(line, RECORD_TYPES[line.stage])
    chain = Chain(line.id, line.stage, line.part, _problem_of(record))
    _put(chain, record)
    if isinstance(record, Problem):
        _add_samples(run, chain)
    elif isinstance(record, Sample):
        _add_mistake(run, chain, record)
    elif isinstance(record, Mistake):
        _add_trajectories(run, chain, record)
    elif isinstance(record, Trajectory):
        _add_twin(run, chain, record)
        _add_export(run, chain)
    return chain


def parse(line: Line, kind: type[R]) -> R:
    """The line's record.

    Raises:
        RunError: it is damaged.
    """
    try:
        return kind.model_validate_json(line.raw)
    except ValidationError as error:
        raise RunError(
            f"{line.stage}, part {line.part}: the line of {line.id} is damaged, or of another version "
            f"({error.errors()[0]['msg']})"
        ) from None


def _problem_of(record: Record) -> Problem:
    if isinstance(record, Trajectory):
        return record.mistake.problem
    if isinstance(record, Mistake | Sample):
        return record.problem
    assert isinstance(record, Problem)
    return record


def _put(chain: Chain, record: Record) -> None:
    if isinstance(record, Sample):
        chain.sample = record
    elif isinstance(record, Mistake):
        chain.mistake = record
    elif isinstance(record, Trajectory):
        chain.mistake = record.mistake
        if record.is_smoothed:
            chain.smoothed = record
        else:
            chain.corrected = record


# ── what became of it ──


def _rejected(run: Path, stage: str, part: int | None, parent: str) -> list[Rejection]:
    """The rejections of units that worked on a record."""
    needle = parent.encode()
    every = (line for line in lines_of(run, stage, is_rejection=True, part=part) if needle in line.raw)
    return [one for one in (parse(line, Rejection) for line in every) if one.unit.parent == parent]


def _told(rejections: list[Rejection]) -> list[str]:
    return [f"{one.stage} {one.unit.label}: rejected, {one.reason} ({one.id})" for one in rejections]


def _add_samples(run: Path, chain: Chain) -> None:
    needle = chain.problem.id.encode()
    for line in lines_of(run, "sample", part=chain.part):
        if needle in line.raw:
            sample = parse(line, Sample)
            if sample.problem.id == chain.problem.id:
                chain.onward.append(f"sample by {sample.model}: {verdict_of(sample)} ({sample.id})")
    for line in lines_of(run, "inject", part=chain.part):
        if needle in line.raw and (mistake := parse(line, Mistake)).problem.id == chain.problem.id:
            chain.onward.append(f"injected mistake: {mistake.error_type} ({mistake.id})")
    for stage in ("sample", "inject"):
        chain.onward += _told(_rejected(run, stage, chain.part, chain.problem.id))


def _add_mistake(run: Path, chain: Chain, sample: Sample) -> None:
    for line in lines_of(run, "analyze", part=chain.part):
        if sample.problem.id.encode() in line.raw:
            mistake = parse(line, Mistake)
            # a mistake holds its sample's words, not its id; where two samples have the same, so have their mistakes
            if (mistake.problem.id, mistake.solution) == (sample.problem.id, sample.text):
                chain.mistake = mistake
                chain.onward.append(f"mistake: {mistake.error_type} ({mistake.id})")
                break
    chain.onward += _told(_rejected(run, "analyze", chain.part, sample.id))


def _add_trajectories(run: Path, chain: Chain, mistake: Mistake) -> None:
    for line in lines_of(run, "correct", part=chain.part):
        if mistake.id.encode() in line.raw and (one := parse(line, Trajectory)).mistake.id == mistake.id:
            chain.onward.append(f"trajectory: {one.strategy} ({one.id})")
    chain.onward += _told(_rejected(run, "correct", chain.part, mistake.id))


def _add_twin(run: Path, chain: Chain, record: Trajectory) -> None:
    """The same trajectory before or after smoothing."""
    other = "correct" if record.is_smoothed else "smooth"
    for line in lines_of(run, other, part=chain.part):
        if record.mistake.id.encode() in line.raw:
            one = parse(line, Trajectory)
            if (one.mistake.id, one.strategy) == (record.mistake.id, record.strategy):
                _put(chain, one)
                break
    if chain.corrected is not None:
        chain.onward += _told(_rejected(run, "smooth", chain.part, chain.corrected.id))


def _add_export(run: Path, chain: Chain) -> None:
    last = chain.smoothed or chain.corrected
    assert last is not None
    left_out = _rejected(run, "export", None, last.id)
    chain.onward += _told(left_out)
    if not left_out and (run / "export" / "export.manifest").exists():
        chain.onward.append(f"row of the dataset ({make_id('r', last.id)})")


# ── what a rejection came from ──


def _of_rejection(run: Path, line: Line, rejection: Rejection) -> Chain:
    chain = Chain(line.id, line.stage, line.part, rejection.unit.problem, rejection=rejection)
    parent = rejection.unit.parent
    if line.stage == "export":
        with contextlib.suppress(RunError):  # of trajectories that are there no more
            found = find(run, parent)
            chain.part = found.part
            record = parse(found, Trajectory)
            _put(chain, record)
            _add_twin(run, chain, record)
        return chain
    for source in SOURCES.get(line.stage, ()):
        for candidate in lines_of(run, source, part=line.part):
            if candidate.id == parent:
                _put(chain, parse(candidate, RECORD_TYPES[source]))
    chain.replies = _replies_to(run, line.stage, line.part, rejection.unit.id)
    return chain


def _replies_to(run: Path, stage: str, part: int, unit: str) -> list[Reply]:
    needle = unit.encode()
    replies = []
    for path in reversed(StageFolder(run, stage).reply_files(part)):
        with path.open("rb") as file:
            for raw in file:
                if needle in raw and _unit_of(raw) == unit and (reply := read_reply(raw)) is not None:
                    replies.append(reply)
    return replies


def _unit_of(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)["unit"]
    except (ValueError, KeyError, TypeError):
        return None
