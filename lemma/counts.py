"""How many of what a run has: the one place that status, reports and the dataset card count by.

Everything but the exported rows and the rejections is added up from the parts' manifests, one at a time: memory and
time grow with the number of parts, not of records. Only finished parts count, so for every stage, however it ended,

    units = kept + rejected,    kept = lines of its part files,    rejected = lines of its rejected files

It reads without the lock, also while a run is going on and in folders that another version wrote.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from lemma.config import Config
from lemma.distribution import read_injected
from lemma.errors import RunError
from lemma.exports.facts import StageFacts
from lemma.problems import ProblemsFolder
from lemma.records import Rejection
from lemma.shards.files import read_json, read_records
from lemma.shards.folder import StageFolder, part_number
from lemma.shards.manifest import Manifest

TRAJECTORY_STAGES: Final = ("correct", "smooth")
ASKING_STAGES: Final = ("sample", "analyze", "inject", "correct", "smooth")
"""Those that work part by part, in order; the export follows them."""
VERDICTS: Final = ("right", "wrong", "undecided", "no_answer")
"""Of samples; each has one."""


class TrajectoryKind(NamedTuple):
    """What trajectories and rows are counted by."""

    dataset: str
    origin: str
    strategy: str
    error_type: str


class FunnelStep(NamedTuple):
    """One step on the way from problems to rows: asked = kept + the sum of `lost`."""

    name: str
    asked: int
    """How many of what the step before left, or units, this step looked at in its finished parts."""
    kept: int
    """How many came through."""
    lost: Mapping[str, int]
    """Why the others did not → how many."""


@dataclass(slots=True)
class StageCounts:
    """One stage, as far as its parts are finished."""

    stage: str
    parts: int = 0
    """Finished ones that were counted."""
    units: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    tally: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Kept records by what the stage's manifests count them by: see `RunCounts`."""

    @property
    def rejected(self) -> int:
        """Units that gave no record."""
        return self.reasons.total()

    def facts(self) -> StageFacts:
        """As a line of the yield table."""
        return StageFacts(self.stage, self.units, self.kept, dict(self.reasons.most_common()))


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What a run's folder holds."""

    parts: int
    """How many parts the problems are cut into."""
    problems: StageFacts
    """Lines of the input: kept as problems, or set aside."""
    datasets: Mapping[str, int]
    """Dataset → problems."""
    stages: Mapping[str, StageCounts]
    """Every stage of `ASKING_STAGES`, begun or not."""
    injected: Mapping[str, Any]
    """Dataset → what injection aimed at, asked and got: see `lemma.injection`."""
    export: StageFacts | None
    """None where nothing was exported. Whether it is of the present trajectories, `lemma export` knows."""
    rows: int
    """Rows in the exported files, plain solutions among them."""

    def verdicts(self) -> Counter[str]:
        """Samples by verdict (`VERDICTS`)."""
        return sum(self.verdicts_by_student().values(), Counter())

    def verdicts_by_student(self) -> dict[tuple[str, str], Counter[str]]:
        """(dataset, student) → samples by verdict."""
        found: dict[tuple[str, str], Counter[str]] = {}
        for key, count in self.stages["sample"].tally.items():
            if len(key) == 3 and key[2] in VERDICTS:  # other keys speak of samples that are counted already
                found.setdefault((key[0], key[1]), Counter())[key[2]] += count
        return found

    def types(self, stage: str) -> dict[tuple[str, str], Counter[str]]:
        """(dataset, who wrote the solutions) → mistakes by error type; `stage` is `analyze` or `inject`."""
        found: dict[tuple[str, str], Counter[str]] = {}
        for key, count in self.stages[stage].tally.items():
            if len(key) == 3:  # longer ones tell how the votes about a mistake split
                found.setdefault((key[0], key[1]), Counter())[key[2]] += count
        return found

    def trajectories(self, stage: str) -> Counter[TrajectoryKind]:
        """Kept trajectories by kind; `stage` is `correct` or `smooth`."""
        found: Counter[TrajectoryKind] = Counter()
        for key, count in self.stages[stage].tally.items():
            if len(key) == len(TrajectoryKind._fields):
                found[TrajectoryKind(*key)] += count
        return found

    def funnel(self) -> list[FunnelStep]:
        """From problems to rows, in order; stages that have made nothing yet stand with zeros."""
        verdicts = self.verdicts()
        sample = self.stages["sample"]
        steps = [
            _step("problems", self.problems),
            _step("samples", sample.facts()),
            FunnelStep(
                "wrong samples",
                sample.kept,
                verdicts["wrong"],
                {verdict: verdicts[verdict] for verdict in VERDICTS if verdict != "wrong" and verdicts[verdict]},
            ),
            _step("mistakes of the student", self.stages["analyze"].facts()),
            _step("injected mistakes", self.stages["inject"].facts()),
            _step("trajectories", self.stages["correct"].facts()),
        ]
        if self.stages["smooth"].parts:
            steps.append(_step("smoothed", self.stages["smooth"].facts()))
        steps.append(_step("exported", self.export or StageFacts("export", 0, 0, {})))
        return steps


def _step(name: str, facts: StageFacts) -> FunnelStep:
    return FunnelStep(name, facts.units, facts.kept, facts.rejected)


Finished = Mapping[str, Collection[int]]
"""Stage → numbers of its parts."""


def count_run(run: Path, only: Finished | None = None) -> RunCounts:
    """Counts a run's folder.

    Args:
        run: the folder.
        only: the parts to count of each stage, such as those that are of the present configuration; None counts every
            finished part as it lies there, also what another configuration or version made.

    Raises:
        RunError: what was read of the problems is damaged.
    """
    summary: Mapping[str, Any] = ProblemsFolder(run).summary() or {"parts": 0, "problems": 0, "sources": []}
    parts = int(summary["parts"])
    aside: Counter[str] = Counter()
    for source in summary["sources"]:
        aside.update(source["set_aside"])
    problems = int(summary["problems"])
    stages = {}
    for stage in ASKING_STAGES:
        numbers = range(parts) if only is None else sorted(only.get(stage, ()))
        stages[stage] = count_parts(run, stage, numbers)
    export: Mapping[str, Any] | None = read_json(run / "export" / "export.manifest")
    return RunCounts(
        parts=parts,
        problems=StageFacts("problems", problems + aside.total(), problems, dict(aside.most_common())),
        datasets=dict(summary.get("datasets", {})),
        stages=stages,
        injected=read_injected(run),
        export=None if export is None else StageFacts("export", export["units"], export["kept"], export["rejected"]),
        rows=0 if export is None else int(export["rows"]),
    )


def count_parts(run: Path, stage: str, numbers: Collection[int] | range) -> StageCounts:
    """Adds up the finished ones among some parts of a stage."""
    counts = StageCounts(stage)
    folder = StageFolder(run, stage)
    for number in numbers:
        manifest = read_counts(folder, number)
        if manifest is None:
            continue
        counts.parts += 1
        counts.units += int(manifest["units"])
        counts.kept += int(manifest["kept"])
        counts.reasons.update(manifest["reasons"])
        for key, count in manifest["tally"].items():
            counts.tally[tuple(json.loads(key))] += count
    return counts


_COUNTED: Final = {"units": int, "kept": int, "reasons": dict, "tally": dict}


def read_counts(folder: StageFolder, number: int) -> dict[str, Any] | None:
    """The counts in a part's manifest, of whatever version it is; None where the part is not finished."""
    manifest = folder.manifest(number)
    if manifest is not None:
        return manifest.model_dump(include=set(_COUNTED))
    try:
        tree = orjson.loads(folder.manifest_path(number).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(tree, dict) or not folder.part(number).is_file():
        return None
    counts = {name: tree.get(name, kind()) for name, kind in _COUNTED.items()}
    return counts if all(isinstance(counts[name], kind) for name, kind in _COUNTED.items()) else None


# ── what has to be read line by line ──


def read_rejections(run: Path, stage: str) -> Iterator[Rejection]:
    """Streams the rejections of a stage's finished parts, or of the export, in order.

    Raises:
        RunError: a line is damaged.
    """
    folder = StageFolder(run, stage)
    for number in [0] if stage == "export" else finished_parts(folder):
        if folder.rejected(number).is_file():
            yield from read_records(folder.rejected(number), Rejection)


def finished_parts(folder: StageFolder) -> list[int]:
    """Numbers of a stage's parts that are whole, in order."""
    numbers = {part_number(path) for path in folder.path.glob("part-*.manifest")}
    return sorted(number for number in numbers if number is not None and read_counts(folder, number) is not None)


def count_rejections(run: Path, stage: str) -> Counter[tuple[str, str, str]]:
    """(dataset, label, reason) → rejections; the label is the strategy (correct, smooth) or error type (inject)."""
    return Counter((one.unit.problem.dataset, one.unit.label, one.reason) for one in read_rejections(run, stage))


def count_rows(run: Path) -> Counter[TrajectoryKind]:
    """Exported rows by kind, over all splits; a plain solution counts under origin, strategy and type `plain`.

    Raises:
        RunError: a line is damaged.
    """
    found: Counter[TrajectoryKind] = Counter()
    for name in ("train.jsonl", "validation.jsonl"):
        path = run / "export" / name
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    found[_kind_of_row(path, number, line)] += 1
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}; `lemma export` makes it anew") from None
    return found


def _kind_of_row(path: Path, number: int, line: bytes) -> TrajectoryKind:
    try:
        row = orjson.loads(line)
        return TrajectoryKind(row["dataset"], *(row[key] or "plain" for key in ("origin", "strategy", "error_type")))
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}, line {number}: damaged; remove the file, `lemma export` makes it anew") from None


# ── what is still to come ──


def expected_units(run: Path, config: Config, stage: str, part: int, *, is_given_counted: bool = True) -> int | None:
    """How many units a part of a stage has; None where an earlier stage has not finished it.

    For `inject` these are its slots: those in which nothing came out are asked about again, in later rounds.

    Args:
        run: the run's folder.
        config: its configuration.
        stage: one of `ASKING_STAGES`.
        part: number of the part.
        is_given_counted: count samples that came with the problems, about which nobody is asked.
    """

    def before(name: str) -> Manifest | None:
        return StageFolder(run, name).manifest(part)

    problems = before("problems")
    if problems is None:
        return None
    if stage == "sample":
        given = Counter(problem for problem, _ in ProblemsFolder(run).given(part))
        asked = problems.kept - len(given) if config.student is not None else 0
        return (given.total() if is_given_counted else 0) + asked * config.draws
    if stage == "inject":
        return problems.kept * config.inject.per_problem
    if stage == "analyze":
        sampled = before("sample")
        if sampled is None:
            return None
        return sum(count for key, count in sampled.tally.items() if json.loads(key)[-1] == "wrong")
    if stage == "smooth":
        corrected = before("correct")
        return None if corrected is None else corrected.kept
    mistakes = [before("analyze"), before("inject")]
    kept = [manifest.kept for manifest in mistakes if manifest is not None]
    return sum(kept) * len(config.correct.strategies) if len(kept) == len(mistakes) else None
