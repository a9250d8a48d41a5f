"""``lemma merge RUN… -o NEW``: runs over different problems, made apart, become one run.

Parts, records, rejections and replies are taken over byte for byte; only their numbers change, and with them the
manifests. A problem that an earlier run has as well is left out with all that was made of it (its replies stay, they
were paid for), and its part is derived anew from the replies that are there. Nobody is asked.

The merged run goes on like any other, but what it is made of is settled: its problems are those of its runs, whatever
`data` says, and the rounds of injection, which follow from all problems of a run, are not gone through again.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from lemma.config import Config
from lemma.distribution import merged_target, read_injected, write_distribution, write_injected
from lemma.errors import ConfigError, RunError
from lemma.failures import NAME as FAILURES
from lemma.failures import read_failed_calls
from lemma.injection import Injection, came_to
from lemma.pipeline import STAGES, Pipeline
from lemma.problems import MERGED, ProblemsFolder
from lemma.prompts import Prompts
from lemma.runfile import changes, read_runfile, write_runfile
from lemma.shards import (
    Manifest,
    RunLock,
    StageFolder,
    disk_errors,
    part_number,
    read_json,
    write_json,
    write_whole,
)
from lemma.stagework import StageWork, WorkPart
from lemma.status import config_of
from lemma.taxonomy import load_taxonomy

_CHUNK = 1 << 20


@dataclass(slots=True)
class _Source:
    """A run that is merged."""

    run: Path
    config: Config
    pipeline: Pipeline
    summary: Mapping[str, Any]
    numbers: dict[int, int] = field(default_factory=dict)
    """Its parts of which problems are left → the merged run's."""
    rest: dict[int, int] = field(default_factory=dict)
    """Likewise those that hold replies alone: of problems that moved, or were left out, or are no longer read."""
    dropped: dict[int, set[str]] = field(default_factory=dict)
    """Part → ids of the problems that an earlier run has as well."""
    plan: Mapping[str, Any] | None = None
    """See `_plan_of`."""


def merge_runs(runs: Sequence[Path], new: Path) -> str:
    """Merges finished runs; they stay as they are.

    Args:
        runs: their folders, in the order in which their parts come.
        new: the merged run's folder; not there yet, or empty.

    Returns:
        What was merged, in words.

    Raises:
        RunError: a run is unfinished, in use, damaged or of another content configuration; or `new` is not empty.
        DiskError: writing failed; `new` is not there.
    """
    _check_folders(runs, new)
    making = new.absolute().with_name(f".{new.name}.merging")
    configs = [config_of(run) for run in runs]  # tells a folder that is no run before a lock is put there
    _check_alike(runs, configs)
    with ExitStack() as stack:
        sources = [_source(run, config, stack) for run, config in zip(runs, configs, strict=True)]
        stack.callback(shutil.rmtree, making, ignore_errors=True)  # nothing is there once it has its name
        lock = stack.enter_context(RunLock(making))
        _clear(making, lock)
        merge = _Merge(sources, making)
        merge.make()
        with disk_errors(new):
            new.mkdir(parents=True, exist_ok=True)
            making.replace(new)
    return merge.words(new)


def _check_folders(runs: Sequence[Path], new: Path) -> None:
    if len(runs) < 2:
        raise RunError("one run is no merger: name two or more")
    resolved = [run.resolve() for run in runs]
    for number, run in enumerate(resolved):
        if run in resolved[:number]:
            raise RunError(f"{runs[number]}: is given twice")
        if new.resolve().is_relative_to(run):
            raise RunError(f"{new}: lies in the run {runs[number]}; choose a folder of its own with -o")
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise RunError(f"{new}: is there already; choose a folder that is not, with -o")


def _source(run: Path, config: Config, stack: ExitStack) -> _Source:
    stack.enter_context(RunLock(run))
    pipeline = Pipeline.look(run, config)
    if config.eval is not None:
        raise RunError(f"{run}: is an evaluation (`lemma eval`); its results stand beside others with --compare")
    left = pipeline.parts - len(pipeline.whole_parts())
    if left or not pipeline.parts:
        raise RunError(
            f"{run}: {left} of {pipeline.parts} parts are not finished, and how injection goes on depends on all "
            "problems of a run: finish it with `lemma run` first"
        )
    return _Source(run, config, pipeline, pipeline.problems)


def _check_alike(runs: Sequence[Path], configs: Sequence[Config]) -> None:
    """What was made with different configurations cannot be one run's."""
    first = read_runfile(runs[0]) or {}
    for run, config in zip(runs[1:], configs[1:], strict=True):
        fingerprints = (read_runfile(run) or {}).get("fingerprints") or {}
        differ = [one for one in changes(first["config"], config) if not one.startswith("data.")] or [
            f"prompts or plugins of {name}"
            for name, fingerprint in (first.get("fingerprints") or {}).items()
            if fingerprints.get(name) != fingerprint
        ]
        if differ:
            raise ConfigError(
                f"{run}: was made with another configuration than {runs[0]}: {'; '.join(differ)}; "
                "`lemma export -o RUN -o RUN … --to FOLDER` makes one dataset of such runs"
            )


def _clear(making: Path, lock: RunLock) -> None:
    """Removes what an earlier attempt that broke off has left."""
    with disk_errors(making):
        for path in making.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != lock.path:
                path.unlink()


class _Merge:
    def __init__(self, sources: Sequence[_Source], run: Path) -> None:
        self._sources = sources
        self._run = run
        self._config = sources[0].config.model_copy(
            update={"data": list({repr(spec): spec for source in sources for spec in source.config.data}.values())}
        )
        self._stages = [name for name in STAGES[:-1] if sources[0].pipeline.work_of(name) is not None]
        self._doubles: Counter[int] = Counter()

    def make(self) -> None:
        """Writes the whole folder."""
        self._write_problems()
        self._number_rest()
        pipeline = Pipeline.look(self._run, self._config)
        for name in self._stages:
            self._copy_replies(name)
            if name == "inject":
                self._write_target(pipeline)
            work = pipeline.work_of(name)
            assert work is not None
            for source in self._sources:
                for part in source.numbers:
                    if source.dropped.get(part):
                        self._derive(source, part, work)
                    else:
                        self._copy(source, part, work)
            if name == "analyze":
                write_distribution(self._run, work.manifests())
            if name == "inject":
                self._write_injected(work)
            self._merge_failures(name)
        fingerprints = (read_runfile(self._sources[0].run) or {}).get("fingerprints") or {}
        write_runfile(self._run, self._config, fingerprints)

    # ── problems ──

    def _write_problems(self) -> None:
        """Part by part; those of which no problem is left fall away."""
        seen: set[str] = set()
        number = 0
        folder = ProblemsFolder(self._run)
        for source in self._sources:
            old = ProblemsFolder(source.run)
            for part in range(source.pipeline.parts):
                old.verify(part)
                ids = [_id(line, "id") for line in _lines(old.part(part))]
                double = seen.intersection(ids)
                seen.update(ids)
                if double:
                    source.dropped[part] = double
                if len(double) < len(ids):
                    source.numbers[part] = number
                    self._write_part(source, part, len(ids))
                    number += 1
        write_whole(folder.set_aside_path, self._set_aside())
        write_json(folder.summary_path, self._summary(number))

    def _write_part(self, source: _Source, part: int, problems: int) -> None:
        old, new, number = ProblemsFolder(source.run), ProblemsFolder(self._run), source.numbers[part]
        dropped = source.dropped.get(part, set())
        left = problems - len(dropped)
        files = {
            new.part(number).name: write_whole(new.part(number), _without(old.part(part), "id", dropped)),
            f"rollouts/{new.rollouts(number).name}": write_whole(
                new.rollouts(number), _without(old.rollouts(part), "problem", dropped)
            ),
        }
        new.write_manifest(
            Manifest(
                stage="problems", part=number, fingerprint="", inputs={}, files=files, units=left, kept=left, rejected=0
            )
        )

    def _set_aside(self) -> Iterator[bytes]:
        for source in self._sources:
            path = ProblemsFolder(source.run).set_aside_path
            if path.exists():
                yield from _lines(path)
            for part, ids in sorted(source.dropped.items()):
                for number, line in enumerate(_lines(ProblemsFolder(source.run).part(part)), 1):
                    problem = orjson.loads(line)
                    if problem["id"] in ids:
                        place = str(ProblemsFolder(source.run).part(part))
                        detail = f"{problem['id']} is in a run that was merged before"
                        aside = {"file": place, "line": number, "reason": "duplicate_id", "detail": detail}
                        self._doubles[self._sources.index(source)] += 1
                        _count_double(source.summary["sources"], problem["dataset"])
                        yield orjson.dumps(aside, option=orjson.OPT_APPEND_NEWLINE)

    def _summary(self, parts: int) -> dict[str, Any]:
        summaries = [source.summary for source in self._sources]
        datasets: Counter[str] = Counter()
        folder = ProblemsFolder(self._run)
        samples = 0
        for part in range(parts):
            datasets.update(_id(line, "dataset") for line in _lines(folder.part(part)))
            samples += sum(1 for _ in _lines(folder.rollouts(part)))
        return {
            "fingerprint": MERGED,
            "merged": [str(source.run) for source in self._sources],
            "parts": parts,
            "problems": datasets.total(),
            "samples": samples,
            "datasets": dict(sorted(datasets.items())),
            "sources": [one for summary in summaries for one in summary["sources"]],
        }

    def _number_rest(self) -> None:
        """Gives numbers behind all others to what holds replies alone."""
        number = sum(len(source.numbers) for source in self._sources)
        strays = []
        for source in self._sources:
            there = {part_number(path) for path in source.run.glob("*/replies/part-*.jsonl")}
            for part in sorted(part for part in there if part is not None and part not in source.numbers):
                source.rest[part] = number
                number += 1
            everywhere = source.numbers | source.rest
            strays += [everywhere[part] for part in ProblemsFolder(source.run).strays() if part in everywhere]
        if strays:
            write_json(ProblemsFolder(self._run).strays_path, {"parts": sorted(strays)})

    # ── stages ──

    def _copy_replies(self, stage: str) -> None:
        for source in self._sources:
            for part, number in (source.numbers | source.rest).items():
                for path in StageFolder(source.run, stage).reply_files(part):
                    name = f"part-{number:05d}.{path.name.partition('.')[2]}"
                    write_whole(StageFolder(self._run, stage).path / "replies" / name, _chunks(path))

    def _copy(self, source: _Source, part: int, work: StageWork) -> None:
        """Takes a part over as it is."""
        old, number = StageFolder(source.run, work.stage.name), source.numbers[part]
        manifest = old.manifest(part)
        inputs = work.inputs(number)
        assert manifest is not None
        assert inputs is not None
        files = {}
        for name, digest in manifest.files.items():
            renamed = name.replace(f"part-{part:05d}.", f"part-{number:05d}.")
            files[renamed] = write_whole(work.folder.path / renamed, _chunks(old.path / name))
            if files[renamed] != digest:
                raise RunError(
                    f"{old.path / name}: was changed after it was written; remove {old.manifest_path(part)} and use "
                    "`lemma run`, it is made anew"
                )
        work.folder.write_manifest(manifest.model_copy(update={"part": number, "files": files, "inputs": inputs}))

    def _derive(self, source: _Source, part: int, work: StageWork) -> None:
        """Makes a part that lost problems anew from the replies, which are all there."""
        if work.stage.name == "inject":
            target = read_json(StageFolder(self._run, "inject").path / "target.json") or {}
            if source.plan is None:
                source.plan = _plan_of(source)
            work = _injection(self._run, self._config, target, work.parts, []).work(source.plan)
        made = work.open_part(source.numbers[part])
        with made.open_replies() as store:
            made.finish(store)

    def _write_target(self, pipeline: Pipeline) -> None:
        targets = [_target_of(source.run) for source in self._sources]
        weights = [source.summary["datasets"] for source in self._sources]
        write_json(StageFolder(self._run, "inject").path / "target.json", merged_target(targets, weights))

    def _write_injected(self, work: StageWork) -> None:
        """What injection came to, of the problems that are left."""
        kept: dict[str, Counter[str]] = {}
        for manifest in work.manifests():
            for key, count in manifest.tally.items():
                dataset, _, error_type = json.loads(key)
                kept.setdefault(dataset, Counter())[error_type] += count
        drawn: dict[str, Counter[str]] = {}
        for source in self._sources:
            for dataset, entry in read_injected(source.run).items():
                asked = {name: one["drawn"] for name, one in entry["types"].items()}
                drawn.setdefault(dataset, Counter()).update(asked)
        problems = (ProblemsFolder(self._run).summary() or {})["datasets"]
        per_problem = self._config.inject.per_problem
        write_injected(
            self._run,
            {
                name: came_to(
                    problems.get(name, 0) * per_problem,
                    drawn.get(name, Counter()),
                    kept.get(name, Counter()),
                    entry["target"],
                )
                for name, entry in sorted(_target_of(self._run)["datasets"].items())
            },
        )

    def _merge_failures(self, stage: str) -> None:
        first, *more = [read_failed_calls(source.run, stage) for source in self._sources]
        for other in more:
            first.merge(other)
        if first.stretches:
            write_whole(self._run / stage / FAILURES, [first.model_dump_json().encode() + b"\n"])

    def words(self, new: Path) -> str:
        """What was merged."""
        summary = ProblemsFolder(new).summary() or {}
        lines = [f"{new}: {len(self._sources)} runs, {summary['problems']} problems in {summary['parts']} parts"]
        for index, count in sorted(self._doubles.items()):
            lines.append(
                f"{self._sources[index].run}: {count} of its problems are in a run before it and were left out, with "
                "all that was made of them; `lemma export` of several runs keeps both"
            )
        return "\n".join(lines)


def _injection(run: Path, config: Config, target: Mapping[str, Any], parts: int, strays: list[int]) -> Injection:
    prompts, taxonomy = Prompts(config.prompts), load_taxonomy(config.prompts)
    return Injection(run, config, prompts, taxonomy, target, parts, strays)


def _plan_of(source: _Source) -> Mapping[str, Any]:
    """What a run asked of which problem: its rounds, gone through once more, as its replies have them.

    Raises:
        RunError: the run was merged itself.
    """
    if ProblemsFolder(source.run).is_merged():
        raise RunError(
            f"{source.run}: was merged itself, and some of its problems are in a run before it: merge the runs that it "
            "was made of, all together"
        )
    strays = ProblemsFolder(source.run).strays()

    def derive_only(work: StageWork, parts: Sequence[WorkPart], label: str) -> None:
        for part in parts:
            with part.open_replies() as store:
                part.finished(part.finish(store))

    return _injection(source.run, source.config, _target_of(source.run), source.pipeline.parts, strays).plan(
        derive_only
    )


def _target_of(run: Path) -> dict[str, Any]:
    path = StageFolder(run, "inject").path / "target.json"
    target: dict[str, Any] | None = read_json(path)
    if target is None:
        raise RunError(f"{path}: is missing; `lemma run` makes it anew")
    return target


def _count_double(sources: Sequence[dict[str, Any]], dataset: str) -> None:
    """A problem that was read from a source, of that dataset if one is, is set aside after all."""
    some = [one for one in sources if one["kept"]]
    one = next((one for one in some if one["dataset"] == dataset), some[0])
    one["kept"] -= 1
    one["set_aside"] = dict(sorted((Counter(one["set_aside"]) + Counter(["duplicate_id"])).items()))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def _without(path: Path, key: str, dropped: set[str]) -> Iterator[bytes]:
    """The lines of a file but those of some problems."""
    for line in _lines(path):
        if not dropped or _id(line, key) not in dropped:
            yield line


def _id(line: bytes, key: str) -> str:
    return str(orjson.loads(line)[key])
