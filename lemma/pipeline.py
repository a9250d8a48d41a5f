"""The stages in order over one run's folder."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from lemma.batch.base import Offline
from lemma.batch.waves import refuse_pending
from lemma.config import Config, Prices
from lemma.counts import expected_units
from lemma.distribution import check_types, distribution_of, freeze_target, write_distribution
from lemma.engine import Engine, Part
from lemma.errors import ConfigError, RunError
from lemma.evaluate.stage import EvalStage
from lemma.exporting import ExportWork, RunSource
from lemma.exports import StageFacts, formats_of
from lemma.failures import FailureLog
from lemma.heartbeat import HeartbeatLeases
from lemma.injection import Injection
from lemma.leases import FOLDER, Leases, LockLeases
from lemma.ledger import budget_of, read_ledger, total_cost
from lemma.outcomes import forget_outcomes
from lemma.plugins import load_plugins
from lemma.problems import MERGED, ProblemsFolder, input_fingerprint, read_into
from lemma.progress import ProgressMeter
from lemma.prompts import Prompts
from lemma.records import content_hash
from lemma.replies import broken_replies, broken_words
from lemma.runfile import changes, read_runfile, write_runfile
from lemma.sharding import Shard
from lemma.shards import Manifest, RunLock, StageFolder, read_json
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Stage
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import InjectStage
from lemma.stages.sample import SampleStage
from lemma.stages.smooth import SmoothStage
from lemma.stagework import StageWork
from lemma.storage.folder import FolderStore
from lemma.summary import facts_of, verdicts, yield_table
from lemma.taxonomy import load_taxonomy
from lemma.teacher.base import Program, Teacher
from lemma.together import Together

if TYPE_CHECKING:
    from lemma.budget import Budget
    from lemma.executors.driver import RayExecutor

STAGES = ("sample", "analyze", "inject", "correct", "smooth", "export")
"""In the order in which they run."""


@dataclass(frozen=True)
class Options:
    """How a command wants it done; none of it changes what is made of the same replies."""

    quiet: bool = False
    rederive: bool = False
    retarget: bool = False
    partial: bool = False
    is_waiting: bool = True
    """Waits for batches that are under way; if not, leaves them to the next command."""
    pilot: bool = False
    """What injection aims at is made from a few problems, and holds for them alone."""
    shard: Shard | None = None
    """The parts to see to, beside other processes that see to the others."""


class Pipeline:
    """A run's folder, opened for work; a context manager, since it holds the folder's lock.

    Args:
        run: the folder; made where it is missing.
        config: the configuration.
        options: see `Options`.
        say: takes a line for the person.
        teacher: who answers in place of the configured teacher and student (tests).
        leases: of the processes that work on the run together; None: this one is alone, or there are shards.

    Raises:
        RunError: the folder is in use, or holds other things.
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        options: Options | None = None,
        say: Callable[[str], None] | None = None,
        teacher: Callable[[str], Teacher | Program | Offline] | None = None,
        leases: Leases | None = None,
    ) -> None:
        self._run = run
        self._config = config
        self._options = options or Options()
        self._say = say or _to_stderr
        self._make_teacher = teacher or self._configured_teacher
        self._is_far = teacher is None and config.executor.backend == "ray"
        self._workers: RayExecutor | None = None
        load_plugins(config.plugins)
        self._prompts = Prompts(config.prompts)
        self._taxonomy = load_taxonomy(config.prompts)
        shard = self._options.shard
        if shard is not None and self._is_far:
            raise ConfigError("--shard and executor.backend: ray are two ways of sharing the work; choose one of them")
        if self._is_far and config.shards.leases == "heartbeat":
            raise ConfigError("executor.backend: ray needs shards.leases: locks, on a file system that has them")
        if leases is None and config.shards.leases == "heartbeat":
            member = shard.member if shard is not None else ""
            store, lease_s = FolderStore(run / FOLDER), config.storage.lease_s
            leases = HeartbeatLeases(store, member, lease_s, shard is None, say=self._say, place=str(run))
        elif leases is None and shard is not None:
            leases = LockLeases(run, shard.member)
        self._together = Together(leases, shard, self._say)
        self._command = ""
        self._is_merged = False
        self._lock = RunLock(run) if leases is None else None
        self._facts: dict[str, StageFacts] = {}
        self.unfinished = ""
        """What `work` left to do though it ended well, in words."""

    def __enter__(self) -> Pipeline:
        before = read_runfile(self._run)  # tells a folder that is no run before anything is put there
        if self._lock is None:
            self._together.begin(lambda is_shared: self._open(read_runfile(self._run), is_shared))
            return self
        self._lock.__enter__()
        try:
            self._open(before)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers is not None:
            self._workers.close()
        self._together.end()
        if self._lock is not None:
            self._lock.__exit__(kind, error, trace)

    @classmethod
    def look(cls, run: Path, config: Config) -> Pipeline:
        """A run's folder to be looked at only: without the lock, while another process may be at work on it.

        Raises:
            ConfigError: the configuration, or a prompt, cannot be used.
        """
        pipeline = cls(run, config)
        pipeline._make_stages()
        empty = {"parts": 0, "problems": 0, "sources": [], "datasets": {}}
        pipeline._know(ProblemsFolder(run).summary() or empty)
        return pipeline

    # ── opening ──

    def _open(self, before: Mapping[str, Any] | None, is_shared: bool = False) -> None:
        """Brings the folder up to date with the configuration; where others are at work on it, only sees that it is."""
        # comes before anything is written, so that a wrong key or a missing file is told before a folder is changed
        self._make_stages()
        formats_of(self._config.export.formats, self._config.export)
        check_types(self._config.inject, self._taxonomy)
        self._is_merged = ProblemsFolder(self._run).is_merged()
        fingerprint = MERGED if self._is_merged else input_fingerprint(self._config)
        if is_shared and before is not None:
            self._refuse_changes(before, fingerprint)
        if before is not None:
            self._tell_changes(before)
        if not is_shared:
            # before anything else, so that the folder is known as a run however early it is interrupted
            write_runfile(self._run, self._config, self._fingerprints())
            if self._options.rederive:
                forget_outcomes(self._run)
        self._know(read_into(self._run, self._config, fingerprint))
        self._tell_reading()

    def _refuse_changes(self, before: Mapping[str, Any], fingerprint: str) -> None:
        changed = self._changes(before)
        if (before.get("fingerprints") or {}) != self._fingerprints():
            changed.append("prompts or plugins")
        elif (ProblemsFolder(self._run).summary() or {}).get("fingerprint") != fingerprint:
            changed.append("the problems, their limit or shards.size")
        if changed:
            raise RunError(
                f"{self._run}: other processes work on it with another configuration ({'; '.join(changed)}); "
                "give all of them the same, or wait for those to end"
            )

    def _make_stages(self) -> None:
        config = self._config
        asked = SampleStage if config.eval is None else EvalStage
        stages: list[Stage] = [asked(config, self._prompts)]
        stages.append(AnalyzeStage(config, self._prompts, self._taxonomy))
        stages.append(CorrectStage(config, self._prompts, self._taxonomy))
        if config.smooth.scope != "off":
            stages.append(SmoothStage(config, self._prompts, self._taxonomy))
        self._stages = {stage.name: stage for stage in stages}

    def _know(self, problems: Mapping[str, Any]) -> None:
        self._problems = problems
        self._parts = int(problems["parts"])
        self._strays = ProblemsFolder(self._run).strays()

    def _changes(self, before: Mapping[str, Any]) -> list[str]:
        changed = changes(before["config"], self._config)
        return [one for one in changed if not (self._is_merged and one.startswith("data."))]

    def _tell_changes(self, before: Mapping[str, Any]) -> None:
        changed = self._changes(before)
        old = before.get("fingerprints") or {}
        reopened = [name for name, present in self._fingerprints().items() if old.get(name) not in (None, present)]
        if changed:
            self._say(f"{self._run}: was last worked on with another configuration: {'; '.join(changed)}")
        elif reopened:
            self._say(f"{self._run}: prompts or plugins have changed since")
        if reopened:
            first = min(STAGES.index(name) for name in reopened)
            self._say(f"reopened: {', '.join(STAGES[first:])}; only replies that are missing are asked for")

    def _fingerprints(self) -> dict[str, str]:
        """Of every stage, for telling which ones a change reopens."""
        config = self._config
        stages = [*self._stages.values(), InjectStage(config, self._prompts, self._taxonomy, {})]
        fingerprints = {stage.name: stage.fingerprint for stage in stages}
        fingerprints["export"] = content_hash(json.dumps(config.content_of("export"), sort_keys=True))
        return fingerprints

    def _tell_reading(self) -> None:
        for source in self._problems["sources"]:
            aside = source["set_aside"]
            if aside and not self._options.quiet:
                reasons = ", ".join(f"{count} {reason}" for reason, count in aside.items())
                self._say(f"{source['dataset']}: set aside {reasons}; see {ProblemsFolder(self._run).set_aside_path}")

    # ── working ──

    def work(self, names: Sequence[str]) -> None:
        """Runs stages, given in their order.

        Raises:
            LemmaError: of any kind; what was paid for is on disk.
        """
        self._command = "run" if len(names) > 1 else ""
        for name in names:
            if name == "smooth" and "smooth" not in self._stages:
                continue
            self._require_before(name)
            if name == "inject":
                self._inject()
            elif name == "export":
                with self._together.alone():
                    self._export()
            else:
                self._run_stage(name)
            self._tell_shard(name)

    def _tell_shard(self, name: str) -> None:
        if self._together.shard is not None and name != "export" and not self._options.quiet:
            done = self._parts - len(self._left(name, range(self._parts)))
            self._say(
                f"{name}: shard {self._together.shard} is done; {done} of the run's {self._parts} parts are at present"
            )

    def _tell_broken_replies(self, name: str) -> None:
        broken = broken_replies(StageFolder(self._run, name))
        if broken and not self._options.quiet:
            self._say(broken_words(name, broken))

    def _work_of(self, name: str) -> StageWork:
        if name == "inject":
            return self._injection().work()
        return StageWork(self._run, self._stages[name], self._parts, self._strays, leases=self._together.leases)

    def _require_before(self, name: str) -> None:
        """Everything that the stage reads has to be finished, and of the present configuration.

        Raises:
            RunError: it is not, and an earlier command has to be given first.
            Incomplete: other shards have to come first, and nobody works on them.
        """
        shard = self._together.shard
        if name == "export" and shard is None and self.whole_parts():
            return  # of a run that goes on, what is whole is exported
        earlier = [one for one in STAGES[: STAGES.index(name)] if one == "inject" or one in self._stages]
        if name == "inject" and self._options.partial:
            earlier.remove("analyze")
        mine = self._together.mine(self._parts)
        for stage in earlier:
            if left := self._left(stage, mine):
                raise RunError(
                    f"{stage} is not finished ({len(left)} of {len(mine)} parts are left or out of date); "
                    f"run `lemma {stage}` (or `lemma run`) first"
                )
        if name in ("inject", "export"):  # the one aims at what all parts' analysis found, the other writes them all
            self._together.wait_for(
                lambda parts: sorted({part for stage in earlier for part in self._left(stage, parts)}),
                self._parts,
                lambda parts: self._told_missing(name, earlier, parts),
            )

    def _left(self, stage: str, parts: Iterable[int]) -> list[int]:
        """Those of some parts that a stage has not finished."""
        work = self.work_of(stage)
        return [part for part in parts if work is None or not work.is_fresh(part)]

    def _told_missing(self, name: str, earlier: Sequence[str], parts: Sequence[int]) -> str:
        shard = self._together.shard
        assert shard is not None
        stage = next((one for one in earlier if self._left(one, parts)), earlier[-1])
        command = f"lemma {self._command or stage} CONFIG -o {self._run} --shard"
        return f"{name} needs {stage} of all parts, and " + shard.told(self._left(stage, parts), self._parts, command)

    def _run_stage(self, name: str) -> None:
        work = self._work_of(name)
        again = self._options.rederive
        numbers = [part for part in self._together.mine(self._parts) if again or not work.is_fresh(part)]
        if numbers:
            self._together.see_to(
                numbers,
                work.is_fresh,
                lambda number: work.open_part(number, is_redone=again),
                lambda parts: self._ask(work, parts, name),
            )
            self._tell_broken_replies(name)
        if name == "analyze":
            with self._together.alone():
                write_distribution(self._run, work.manifests())

    def _injection(self) -> Injection:
        target = read_json(StageFolder(self._run, "inject").path / "target.json")
        if target is None:
            raise RunError("inject has not begun; run `lemma inject` first")
        return self._injection_for(target)

    def _injection_for(self, target: Mapping[str, Any]) -> Injection:
        return Injection(
            self._run, self._config, self._prompts, self._taxonomy, target, self._parts, self._strays, self._together
        )

    def _keep_injected(self) -> None:
        """The rounds follow from all problems of a run: those of a merged run were gone through in its runs."""
        if left := self._left("inject", range(self._parts)):
            raise RunError(
                f"{self._run}: was merged of runs that injected apart, and {len(left)} of its {self._parts} parts of "
                "inject are out of date: change what they follow from in those runs, and merge them again"
            )
        if self._options.rederive or self._options.retarget:
            self._say("inject: stays as it was merged; only in the runs themselves it can be made anew")

    def _inject(self) -> None:
        if self._is_merged:
            return self._keep_injected()
        distribution = distribution_of(self._work_of("analyze").manifests())
        datasets = list(self._problems["datasets"])
        pilot = self._options.pilot
        if not pilot and (read_json(StageFolder(self._run, "inject").path / "target.json") or {}).get("pilot"):
            self._say("inject aims at the whole analysis from now on, no longer at the pilot's")
        with self._together.alone():
            target, has_grown = freeze_target(
                self._run, self._config.inject, distribution, datasets, self._taxonomy, self._options.retarget, pilot
            )
        if has_grown:
            self._say(
                f"inject aims at the distribution frozen from {target['mistakes']} mistakes; "
                f"there are {distribution['mistakes']} now (--retarget renews it)"
            )
        injection = self._injection_for(target)
        if self._options.rederive or self._left("inject", self._together.mine(self._parts)):
            injection.run(self._ask, self._options.rederive)
            self._tell_broken_replies("inject")

    def _export(self) -> None:
        target = read_json(StageFolder(self._run, "inject").path / "target.json") or {}
        stages = self.stage_facts()
        source = RunSource(self._run, self._config, self.whole_parts())
        left = self._parts - len(source.parts)
        export = ExportWork(source, left, stages, target, self.students(), self._problems["datasets"])
        facts = export.fresh_facts() or export.export()
        self._facts["export"] = facts
        if left:
            self.unfinished = (
                f"exported the {len(source.parts)} of {self._parts} parts that are finished; `lemma run` finishes the "
                "others, then export again"
            )
        elif not facts.kept:
            self._say(f"{export.folder}: holds no row with a mistake; `lemma status` shows where they were rejected")

    def whole_parts(self) -> tuple[int, ...]:
        """The parts that all stages have finished as the configuration wants them."""
        fresh = self.fresh_manifests()
        stages = {*self._stages, "inject"}
        return tuple(part for part in range(self._parts) if all(part in fresh.get(name, {}) for name in stages))

    def students(self) -> list[str]:
        """Names of the models whose samples the run holds."""
        names: set[str] = set()
        for manifest in self._work_of("sample").manifests():
            names.update(json.loads(key)[1] for key in manifest.tally)
        return sorted(names)

    def _ask(self, work: StageWork, parts: Sequence[Part], label: str) -> None:
        """Runs the engine over parts; nothing is started where there are none."""
        if not parts:
            return
        role: Literal["student", "teacher"] = "student" if work.stage.name == "sample" else "teacher"
        endpoint = self._config.student if role == "student" else self._config.teacher
        shard = self._together.shard
        teacher = self._make_teacher(role)
        if isinstance(teacher, Offline):
            if self._together.leases is not None and self._together.leases.is_shared:
                raise ConfigError(f"{role}.backend is `batch`, which one command does alone: leave out --shard")
            teacher.work(work.stage, parts, lambda: budget_of(self._run, self._config, work.stage.name, is_batch=True))
            return
        refuse_pending(self._run, work.stage.name)
        options: dict[str, Any] = {}
        if endpoint is not None and not isinstance(teacher, Program):
            options = {"concurrency": endpoint.concurrency, "patience_s": endpoint.patience_s}
            # the shard of the parts, which may be another's that is gone: its share is what may be spent on them
            of = Shard.of(parts[0].number, shard.count) if shard is not None else None
            options["budget"] = self._budget(work, of)
        meter = ProgressMeter(
            label if shard is None else f"{label} [{shard}]",
            self._units_to_ask(work, parts),
            endpoint.prices if endpoint else Prices(),
            self._options.quiet,
            draws=self._config.analyze.votes if work.stage.name == "analyze" else 1,
            outcome=lambda part: _outcome(work, part),
            failures=FailureLog(self._run, work.stage.name, member=self._together.member),
        )
        try:
            if self._is_far:
                budget = (lambda: self._budget(work)) if "budget" in options else lambda: None
                self._far().run(work, parts, role, meter, budget)
            else:
                Engine(work.stage, parts, teacher, meter, **options).run()
        finally:
            meter.close()

    def _far(self) -> RayExecutor:
        """The workers elsewhere, from the first stage on that has something to ask."""
        if self._workers is None:
            from lemma.executors.driver import RayExecutor

            assert self._lock is not None
            self._workers = RayExecutor(self._run, self._config, self._lock)
        return self._workers

    def _budget(self, work: StageWork, shard: Shard | None = None) -> Budget:
        return budget_of(self._run, self._config, work.stage.name, shard=shard)

    def _units_to_ask(self, work: StageWork, parts: Sequence[Part]) -> int | None:
        """For the progress; None where nobody can tell."""
        if isinstance(work.stage, InjectStage):
            return work.stage.planned if self._together.shard is None else None
        units = [
            expected_units(self._run, self._config, work.stage.name, part.number, is_given_counted=False)
            for part in parts
        ]
        known = [count for count in units if count is not None]
        return sum(known) if len(known) == len(units) else None

    def _configured_teacher(self, role: str) -> Teacher | Program | Offline:
        endpoint = self._config.student if role == "student" else self._config.teacher
        if endpoint is not None and self._together.shard is not None:
            endpoint = self._together.shard.endpoint(endpoint)
        if endpoint is None or endpoint.backend == "rules":
            from lemma.teacher.rules import RulesTeacher  # a fifth of a second that a call should not wait for

            return RulesTeacher(self._config.answer_form)  # where no student is configured, nothing is asked
        if endpoint.backend == "batch":
            from lemma.batch.api import BatchApi
            from lemma.batch.work import BatchTeacher

            api = BatchApi(endpoint, role)
            return BatchTeacher(self._run, api, self._say, self._options.is_waiting, is_quiet=self._options.quiet)
        from lemma.teacher.openai import OpenAITeacher

        if self._is_far:  # the workers make the calls; this one sees whether it could
            endpoint = endpoint.model_copy(update={"concurrency": 1})
        return OpenAITeacher(endpoint, role)

    # ── telling ──

    @property
    def parts(self) -> int:
        """How many parts the problems are cut into."""
        return self._parts

    @property
    def problems(self) -> Mapping[str, Any]:
        """See `ProblemsFolder.summary`."""
        return self._problems

    def work_of(self, name: str) -> StageWork | None:
        """A stage over the run's folder; None where it has not begun or is switched off."""
        if name == "inject" and not (StageFolder(self._run, "inject").path / "target.json").exists():
            return None
        return self._work_of(name) if name in self._stages or name == "inject" else None

    def fresh_manifests(self) -> dict[str, dict[int, Manifest]]:
        """Stage → part → manifest, of the parts that are finished as the configuration wants them."""
        works = {name: self.work_of(name) for name in STAGES[:-1]}
        return {
            name: {manifest.part: manifest for manifest in work.manifests()}
            for name, work in works.items()
            if work is not None
        }

    def sample_verdicts(self) -> Counter[str]:
        """Samples by verdict."""
        return verdicts(self._work_of("sample").manifests())

    def stage_facts(self) -> list[StageFacts]:
        """The counts of every stage that the run has begun, in order."""
        return [self.facts(name) for name in STAGES[:-1] if self.work_of(name) is not None]

    def facts(self, name: str) -> StageFacts:
        """The counts of a finished stage."""
        return facts_of(name, self._work_of(name).manifests())

    def report(self, names: Sequence[str]) -> str:
        """The yield table of the stages, problems first, and what the run has cost."""
        rows = [self._problem_facts()]
        notes = {}
        for name in names:
            if name == "export":
                rows.append(self._facts["export"])
            elif name in self._stages or name == "inject":
                rows.append(self.facts(name))
        if "sample" in names:
            counts = verdicts(self._work_of("sample").manifests())
            order = ("right", "wrong", "undecided", "no_answer", "flag_disagrees")
            notes["sample"] = ", ".join(f"{counts[key]} {key.replace('_', ' ')}" for key in order if counts[key])
        return "\n".join([yield_table(rows, notes), *self._spent_line()])

    def _spent_line(self) -> list[str]:
        """What the whole run has been paid for so far; nothing where nobody asks for money."""
        lines = read_ledger(self._run, self._config, self.fresh_manifests(), self._parts)
        tokens = sum(line.usage.input_tokens + line.usage.output_tokens for line in lines)
        cost = total_cost(lines)
        return [f"in all: {tokens} tokens, {'cost unknown' if cost is None else f'${cost:.2f}'}"] if tokens else []

    def _problem_facts(self) -> StageFacts:
        aside: dict[str, int] = {}
        for source in self._problems["sources"]:
            for reason, count in source["set_aside"].items():
                aside[reason] = aside.get(reason, 0) + count
        kept = int(self._problems["problems"])
        return StageFacts("problems", kept + sum(aside.values()), kept, aside)


def _outcome(work: StageWork, part: int) -> tuple[int, int] | None:
    """(kept, rejected) of a part that is on disk; None after a round of injection, which writes none."""
    manifest = work.folder.manifest(part)
    return None if manifest is None else (manifest.kept, manifest.rejected)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
