"""One pass over a run's records: what manifests do not count, and which records the browser shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lemma.errors import RunError
from lemma.report.lines import Line, Tree, read_lines
from lemma.report.pick import Picker

PARTS_OF_TEXT: Final = ("text", "prefix", "reflection", "continuation")
LAST_STEP: Final = 10
"""Later steps are counted with this one."""

Finished = Mapping[str, Collection[int]]
"""Stage → numbers of the parts that count."""


@dataclass(slots=True)
class Findings:
    """What was counted on the way."""

    kept: Picker
    """Of the last trajectories."""
    rejected: Picker
    """Of rejections, of whatever stage."""
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(level of the problem, what) → how many; `what` is a column of the table by level."""
    steps: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(origin, first wrong step from 1 to `LAST_STEP`) → mistakes."""
    tenths: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(origin, tenth of the solution in which its first wrong step ends, from 0 to 9) → mistakes."""
    lengths: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)
    """(strategy, one of `PARTS_OF_TEXT`) → characters → last trajectories."""
    to_correct: Counter[str] = field(default_factory=Counter)
    """Error type → mistakes of the parts that went through to the last stage."""


def scan_run(run: Path, finished: Finished, last: str, number: int) -> Findings:
    """Reads the records of a run once, part by part; memory does not grow with their number.

    Args:
        run: the folder.
        finished: the parts that count.
        last: the stage whose trajectories are the last ones.
        number: records that the browser may show.

    Raises:
        RunError: a file is damaged.
    """
    found = Findings(Picker(number), Picker(number))
    for stage, count in (("problems", _problem), ("sample", _sample), ("analyze", _mistake), ("inject", _mistake)):
        for line in _lines(run, stage, finished):
            with _known_form(run, line):
                count(found, line.tree)
                if stage in ("analyze", "inject") and line.place.part in finished.get(last, ()):
                    _count_to_correct(found, line.tree)
    for line in _lines(run, last, finished):
        with _known_form(run, line):
            _trajectory(found, line)
    for stage in finished:
        for line in _lines(run, stage, finished, is_rejected=True):
            with _known_form(run, line):
                tree = line.tree
                found.rejected.add((stage, tree["reason"], tree["unit"]["label"]), tree["id"], line.place)
    return found


def _lines(run: Path, stage: str, finished: Finished, *, is_rejected: bool = False) -> Iterator[Line]:
    for part in sorted(finished.get(stage, ())):
        yield from read_lines(run, stage, part, is_rejected=is_rejected)


@contextmanager
def _known_form(run: Path, line: Line) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError):
        place = line.place
        raise RunError(
            f"{run}: {place.stage}, part {place.part}, byte {place.offset}: a record of a form that this version does "
            "not know; any stage command with your configuration makes it anew"
        ) from None


def level_of(problem: Tree) -> str:
    """How hard its dataset calls a problem; empty where it does not say."""
    level: Any = problem["meta"].get("level")
    return str(level)[:40] if isinstance(level, str | int | float) else ""


def _problem(found: Findings, tree: Tree) -> None:
    found.levels[level_of(tree), "problems"] += 1


def _sample(found: Findings, tree: Tree) -> None:
    level = level_of(tree["problem"])
    found.levels[level, "samples"] += 1
    if tree["is_correct"]:
        found.levels[level, "right"] += 1


def _mistake(found: Findings, tree: Tree) -> None:
    origin = str(tree["origin"])
    found.levels[level_of(tree["problem"]), f"{origin} mistakes"] += 1
    found.steps[origin, min(LAST_STEP, int(tree["first_error_step"]))] += 1
    place = (int(tree["prefix_end"]) - 1) * 10 // max(1, len(tree["solution"]))
    found.tenths[origin, min(9, max(0, place))] += 1


def _count_to_correct(found: Findings, tree: Tree) -> None:
    found.to_correct[str(tree["error_type"])] += 1
    found.levels[level_of(tree["problem"]), "to correct"] += 1


def _trajectory(found: Findings, line: Line) -> None:
    tree = line.tree
    mistake = tree["mistake"]
    problem, strategy = mistake["problem"], str(tree["strategy"])
    found.levels[level_of(problem), "trajectories"] += 1
    for part in PARTS_OF_TEXT:
        found.lengths.setdefault((strategy, part), Counter())[len(tree[part])] += 1
    kind = (str(problem["dataset"]), str(mistake["error_type"]), strategy, str(mistake["origin"]))
    found.kept.add(kind, tree["id"], line.place)
