"""What the runs made of their problems, taken over into the merged run: part by part, stage by stage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma.config import Config
from lemma.distribution import merged_target, read_injected, write_distribution, write_injected
from lemma.errors import RunError
from lemma.failures import NAME as FAILURES
from lemma.failures import read_failed_calls
from lemma.injection import Injection, came_to
from lemma.merging.sources import Source, chunks_of
from lemma.pipeline import STAGES, RunStages
from lemma.problems import ProblemsFolder
from lemma.prompts import Prompts
from lemma.shards.files import read_json, write_json, write_whole
from lemma.shards.folder import StageFolder
from lemma.stagework import StageWork, WorkPart
from lemma.taxonomy import load_taxonomy


class StagesMerge:
    """Writes all folders of stages; ``problems/`` is there.

    Args:
        sources: the runs, with the numbers of their parts.
        run: the merged run's folder.
        config: the merged run's configuration.
    """

    def __init__(self, sources: Sequence[Source], run: Path, config: Config) -> None:
        self._sources = sources
        self._run = run
        self._config = config
        self._stages = [name for name in STAGES[:-1] if sources[0].stages.work_of(name) is not None]

    def write(self) -> None:
        """Does it.

        Raises:
            RunError: a file of a run was changed after it was written.
            DiskError: writing failed.
        """
        stages = RunStages.look(self._run, self._config)
        for name in self._stages:
            self._copy_replies(name)
            if name == "inject":
                self._write_target()
            work = stages.work_of(name)
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

    def _copy_replies(self, stage: str) -> None:
        for source in self._sources:
            for part, number in (source.numbers | source.rest).items():
                for path in StageFolder(source.run, stage).reply_files(part):
                    name = f"part-{number:05d}.{path.name.partition('.')[2]}"
                    write_whole(StageFolder(self._run, stage).path / "replies" / name, chunks_of(path))

    def _copy(self, source: Source, part: int, work: StageWork) -> None:
        """Takes a part over as it is."""
        old, number = StageFolder(source.run, work.stage.name), source.numbers[part]
        manifest = old.manifest(part)
        inputs = work.inputs(number)
        assert manifest is not None
        assert inputs is not None
        files = {}
        for name, digest in manifest.files.items():
            renamed = name.replace(f"part-{part:05d}.", f"part-{number:05d}.")
            files[renamed] = write_whole(work.folder.path / renamed, chunks_of(old.path / name))
            if files[renamed] != digest:
                raise RunError(
                    f"{old.path / name}: was changed after it was written; remove {old.manifest_path(part)} and use "
                    "`lemma run`, it is made anew"
                )
        work.folder.write_manifest(manifest.model_copy(update={"part": number, "files": files, "inputs": inputs}))

    def _derive(self, source: Source, part: int, work: StageWork) -> None:
        """Makes a part that lost problems anew from the replies, which are all there."""
        if work.stage.name == "inject":
            target = read_json(StageFolder(self._run, "inject").path / "target.json") or {}
            if source.plan is None:
                source.plan = _plan_of(source)
            prompts, taxonomy = Prompts(self._config.prompts), load_taxonomy(self._config.prompts)
            work = Injection(self._run, self._config, prompts, taxonomy, target, work.parts, []).work(source.plan)
        made = work.open_part(source.numbers[part])
        with made.open_replies() as store:
            made.finish(store)

    def _write_target(self) -> None:
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


def _plan_of(source: Source) -> Mapping[str, Any]:
    """What a run asked of which problem: its rounds, gone through once more, as its replies have them.

    Raises:
        RunError: the run was merged itself.
    """
    if ProblemsFolder(source.run).is_merged():
        raise RunError(
            f"{source.run}: was merged itself, and some of its problems are in a run before it: merge the runs that it "
            "was made of, all together"
        )

    def derive_only(work: StageWork, parts: Sequence[WorkPart], label: str) -> None:
        for part in parts:
            with part.open_replies() as store:
                part.finished(part.finish(store))

    return source.stages.injection(_target_of(source.run)).plan(derive_only)


def _target_of(run: Path) -> dict[str, Any]:
    path = StageFolder(run, "inject").path / "target.json"
    target: dict[str, Any] | None = read_json(path)
    if target is None:
        raise RunError(f"{path}: is missing; `lemma run` makes it anew")
    return target
