"""A run's folder as a configuration reads it: which parts each stage has finished, and what came of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma.config import Config
from lemma.errors import RunError
from lemma.evaluate.stage import EvalStage
from lemma.exports import StageFacts
from lemma.injection import Injection
from lemma.ledger import read_ledger, total_cost
from lemma.pipeline.base import STAGES
from lemma.plugins import load_plugins
from lemma.problems import ProblemsFolder
from lemma.prompts import Prompts
from lemma.records import content_hash
from lemma.shards.files import read_json
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Stage
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import InjectStage
from lemma.stages.sample import SampleStage
from lemma.stages.smooth import SmoothStage
from lemma.stagework import StageWork
from lemma.summary import facts_of, verdicts, yield_table
from lemma.taxonomy import load_taxonomy
from lemma.together import Together


class RunStages:
    """The stages of a configuration, and a run's folder that they read and write.

    Nothing is known of the folder before `know` is told what problems it holds.

    Args:
        run: the folder.
        config: the configuration.
        together: the processes that work on it; None: it is looked at only.

    Raises:
        ConfigError: the configuration, a plugin or a prompt cannot be used.
    """

    def __init__(self, run: Path, config: Config, together: Together | None = None) -> None:
        load_plugins(config.plugins)
        self.run = run
        self.config = config
        self.taxonomy = load_taxonomy(config.prompts)
        self._prompts = Prompts(config.prompts)
        self._together = together
        asked = SampleStage if config.eval is None else EvalStage
        stages: list[Stage] = [asked(config, self._prompts)]
        stages.append(AnalyzeStage(config, self._prompts, self.taxonomy))
        stages.append(CorrectStage(config, self._prompts, self.taxonomy))
        if config.smooth.scope != "off":
            stages.append(SmoothStage(config, self._prompts, self.taxonomy))
        self._stages = {stage.name: stage for stage in stages}

    @classmethod
    def look(cls, run: Path, config: Config) -> RunStages:
        """A run's folder to be looked at only: without the lock, while another process may be at work on it.

        Raises:
            ConfigError: the configuration, or a prompt, cannot be used.
        """
        stages = cls(run, config)
        empty = {"parts": 0, "problems": 0, "sources": [], "datasets": {}}
        stages.know(ProblemsFolder(run).summary() or empty)
        return stages

    def know(self, problems: Mapping[str, Any]) -> None:
        """The problems that were read, see `ProblemsFolder.summary`."""
        self.problems = problems
        self.parts = int(problems["parts"])
        """How many parts the problems are cut into."""
        self._strays = ProblemsFolder(self.run).strays()

    @property
    def is_merged(self) -> bool:
        """Whether the problems come from other runs."""
        return ProblemsFolder(self.run).is_merged()

    def __contains__(self, name: str) -> bool:
        """Whether the configuration has a stage do anything."""
        return name in self._stages or name in ("inject", "export")

    def fingerprints(self) -> dict[str, str]:
        """Of every stage, for telling which ones a change reopens."""
        config = self.config
        stages = [*self._stages.values(), InjectStage(config, self._prompts, self.taxonomy, {})]
        fingerprints = {stage.name: stage.fingerprint for stage in stages}
        fingerprints["export"] = content_hash(json.dumps(config.content_of("export"), sort_keys=True))
        return fingerprints

    # ── stages over the folder ──

    def target(self) -> Mapping[str, Any] | None:
        """What injection aims at; None where it has not begun."""
        return read_json(StageFolder(self.run, "inject").path / "target.json")

    def injection(self, target: Mapping[str, Any]) -> Injection:
        """The rounds of injection towards a target."""
        return Injection(
            self.run, self.config, self._prompts, self.taxonomy, target, self.parts, self._strays, self._together
        )

    def work(self, name: str) -> StageWork:
        """A stage over the folder.

        Raises:
            RunError: it is injection, and that has not begun.
        """
        if name == "inject":
            target = self.target()
            if target is None:
                raise RunError("inject has not begun; run `lemma inject` first")
            return self.injection(target).work()
        leases = self._together.leases if self._together is not None else None
        return StageWork(self.run, self._stages[name], self.parts, self._strays, leases=leases)

    def work_of(self, name: str) -> StageWork | None:
        """A stage over the folder; None where it has not begun or is switched off."""
        if name == "inject" and not (StageFolder(self.run, "inject").path / "target.json").exists():
            return None
        return self.work(name) if name in self._stages or name == "inject" else None

    def left(self, name: str, parts: Iterable[int]) -> list[int]:
        """Those of some parts that a stage has not finished."""
        work = self.work_of(name)
        return [part for part in parts if work is None or not work.is_fresh(part)]

    def fresh_manifests(self) -> dict[str, dict[int, Manifest]]:
        """Stage → part → manifest, of the parts that are finished as the configuration wants them."""
        works = {name: self.work_of(name) for name in STAGES[:-1]}
        return {
            name: {manifest.part: manifest for manifest in work.manifests()}
            for name, work in works.items()
            if work is not None
        }

    def whole_parts(self) -> tuple[int, ...]:
        """The parts that all stages have finished as the configuration wants them."""
        fresh = self.fresh_manifests()
        stages = {*self._stages, "inject"}
        return tuple(part for part in range(self.parts) if all(part in fresh.get(name, {}) for name in stages))

    # ── what came of them ──

    def students(self) -> list[str]:
        """Names of the models whose samples the run holds."""
        names: set[str] = set()
        for manifest in self.work("sample").manifests():
            names.update(json.loads(key)[1] for key in manifest.tally)
        return sorted(names)

    def verdicts(self) -> Counter[str]:
        """Samples by verdict."""
        return verdicts(self.work("sample").manifests())

    def facts(self, name: str) -> StageFacts:
        """The counts of a stage."""
        return facts_of(name, self.work(name).manifests())

    def all_facts(self) -> list[StageFacts]:
        """The counts of every stage that the run has begun, in order; without the export."""
        return [self.facts(name) for name in STAGES[:-1] if self.work_of(name) is not None]

    def report(self, names: Sequence[str], exported: StageFacts | None = None) -> str:
        """The yield table of some stages, problems first, and what the run has cost.

        Args:
            names: the stages; those that are switched off are left out.
            exported: the counts of the export, where that is one of them.
        """
        rows = [self._problem_facts()]
        notes = {}
        for name in names:
            if name == "export" and exported is not None:
                rows.append(exported)
            elif name in self._stages or name == "inject":
                rows.append(self.facts(name))
        if "sample" in names:
            counts = self.verdicts()
            order = ("right", "wrong", "undecided", "no_answer", "flag_disagrees")
            notes["sample"] = ", ".join(f"{counts[key]} {key.replace('_', ' ')}" for key in order if counts[key])
        return "\n".join([yield_table(rows, notes), *self._spent_line()])

    def _spent_line(self) -> list[str]:
        """What the whole run has been paid for so far; nothing where nobody asks for money."""
        lines = read_ledger(self.run, self.config, self.fresh_manifests(), self.parts)
        tokens = sum(line.usage.input_tokens + line.usage.output_tokens for line in lines)
        cost = total_cost(lines)
        return [f"in all: {tokens} tokens, {'cost unknown' if cost is None else f'${cost:.2f}'}"] if tokens else []

    def _problem_facts(self) -> StageFacts:
        aside: dict[str, int] = {}
        for source in self.problems["sources"]:
            for reason, count in source["set_aside"].items():
                aside[reason] = aside.get(reason, 0) + count
        kept = int(self.problems["problems"])
        return StageFacts("problems", kept + sum(aside.values()), kept, aside)
