"""Goes through the stages of a run, in order, each once what it reads is finished."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from lemma.config import Config
from lemma.distribution import distribution_of, freeze_target, write_distribution
from lemma.errors import ConfigError, RunError
from lemma.exporting import ExportWork, RunSource
from lemma.exports import StageFacts
from lemma.heartbeat import HeartbeatLeases
from lemma.leases import FOLDER, Leases, LockLeases
from lemma.pipeline.asking import Asking, MakeTeacher
from lemma.pipeline.base import STAGES, Options
from lemma.pipeline.opening import open_run
from lemma.pipeline.stages import RunStages
from lemma.replies import broken_replies, broken_words
from lemma.runfile import read_runfile
from lemma.shards.folder import StageFolder
from lemma.shards.lock import RunLock
from lemma.storage.folder import FolderStore
from lemma.together import Together


class Pipeline:
    """A run's folder, opened for work; a context manager, since it holds the folder's lock.

    Args:
        run: the folder; made where it is missing.
        config: the configuration.
        options: see `Options`.
        say: takes a line for the person.
        teacher: who answers in place of the configured teacher and student (tests).
        leases: of the processes that work on the run together; None: this one is alone, or there are shards.

    Attributes:
        stages: the stages over the folder.
        unfinished: what `work` left to do though it ended well, in words.

    Raises:
        RunError: the folder is in use, or holds other things.
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        options: Options | None = None,
        say: Callable[[str], None] | None = None,
        teacher: MakeTeacher | None = None,
        leases: Leases | None = None,
    ) -> None:
        self._run = run
        self._config = config
        self._options = options or Options()
        self._say = say or _to_stderr
        if teacher is None and config.executor.backend == "ray":
            _require_alone(config, self._options)
        leases = leases if leases is not None else self._configured_leases()
        self._together = Together(leases, self._options.shard, self._say)
        self._lock = RunLock(run) if leases is None else None
        self.stages = RunStages(run, config, self._together)
        self._asking = Asking(run, config, self._options, self._together, self._lock, self._say, teacher)
        self._command = ""
        self._exported: StageFacts | None = None
        self.unfinished = ""

    def _configured_leases(self) -> Leases | None:
        shard, config = self._options.shard, self._config
        if config.shards.leases == "heartbeat":
            member = shard.member if shard is not None else ""
            store, lease_s = FolderStore(self._run / FOLDER), config.storage.lease_s
            return HeartbeatLeases(store, member, lease_s, shard is None, say=self._say, place=str(self._run))
        return LockLeases(self._run, shard.member, self._say) if shard is not None else None

    def __enter__(self) -> Pipeline:
        before = read_runfile(self._run)  # tells a folder that is no run before anything is put there
        if self._lock is None:
            self._together.begin(self._open)
            return self
        self._lock.__enter__()
        try:
            open_run(self.stages, before, self._options, self._say)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _open(self, is_shared: bool) -> None:
        open_run(self.stages, read_runfile(self._run), self._options, self._say, is_shared)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking.close()
        self._together.end()
        if self._lock is not None:
            self._lock.__exit__(kind, error, trace)

    def work(self, names: Sequence[str]) -> None:
        """Runs stages, given in their order.

        Raises:
            LemmaError: of any kind; what was paid for is on disk.
        """
        self._command = "run" if len(names) > 1 else ""
        for name in names:
            if name not in self.stages:
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

    def report(self, names: Sequence[str]) -> str:
        """The yield table of stages that were worked on, problems first, and what the run has cost."""
        return self.stages.report(names, self._exported)

    # ── what has to come before ──

    def _require_before(self, name: str) -> None:
        """Everything that the stage reads has to be finished, and of the present configuration.

        Raises:
            RunError: it is not, and an earlier command has to be given first.
            Incomplete: other shards have to come first, and nobody works on them.
        """
        shard, stages = self._together.shard, self.stages
        if name == "export" and shard is None and stages.whole_parts():
            return  # of a run that goes on, what is whole is exported
        earlier = [one for one in STAGES[: STAGES.index(name)] if one in stages]
        if name == "inject" and self._options.partial:
            earlier.remove("analyze")
        mine = self._together.mine(stages.parts)
        for stage in earlier:
            if left := stages.left(stage, mine):
                raise RunError(
                    f"{stage} is not finished ({len(left)} of {len(mine)} parts are left or out of date); "
                    f"run `lemma {stage}` (or `lemma run`) first"
                )
        if name in ("inject", "export"):  # the one aims at what all parts' analysis found, the other writes them all
            self._together.wait_for(
                lambda parts: sorted({part for stage in earlier for part in stages.left(stage, parts)}),
                stages.parts,
                lambda parts: self._told_missing(name, earlier, parts),
            )

    def _told_missing(self, name: str, earlier: Sequence[str], parts: Sequence[int]) -> str:
        shard, stages = self._together.shard, self.stages
        assert shard is not None
        stage = next((one for one in earlier if stages.left(one, parts)), earlier[-1])
        place = self._run if self._together.leases is None else self._together.leases.place
        command = f"lemma {self._command or stage} CONFIG -o {place} --shard"
        return f"{name} needs {stage} of all parts, and " + shard.told(stages.left(stage, parts), stages.parts, command)

    # ── the stages ──

    def _run_stage(self, name: str) -> None:
        work = self.stages.work(name)
        again = self._options.rederive
        numbers = [part for part in self._together.mine(self.stages.parts) if again or not work.is_fresh(part)]
        if numbers:
            self._together.see_to(
                numbers,
                work.is_fresh,
                lambda number: work.open_part(number, is_redone=again),
                lambda parts: self._asking.ask(work, parts, name),
            )
            self._tell_broken_replies(name)
        if name == "analyze":
            with self._together.alone():
                write_distribution(self._run, work.manifests())

    def _inject(self) -> None:
        stages, options = self.stages, self._options
        if stages.is_merged:
            return self._keep_injected()
        distribution = distribution_of(stages.work("analyze").manifests())
        datasets = list(stages.problems["datasets"])
        if not options.pilot and (stages.target() or {}).get("pilot"):
            self._say("inject aims at the whole analysis from now on, no longer at the pilot's")
        with self._together.alone():
            target, has_grown = freeze_target(
                self._run, self._config.inject, distribution, datasets, stages.taxonomy, options.retarget, options.pilot
            )
        if has_grown:
            self._say(
                f"inject aims at the distribution frozen from {target['mistakes']} mistakes; "
                f"there are {distribution['mistakes']} now (--retarget renews it)"
            )
        injection = stages.injection(target)
        if options.rederive or stages.left("inject", self._together.mine(stages.parts)):
            injection.run(self._asking.ask, options.rederive)
            self._tell_broken_replies("inject")
        else:
            injection.forget()  # whoever wrote the last part may have been killed before it could

    def _keep_injected(self) -> None:
        """The rounds follow from all problems of a run: those of a merged run were gone through in its runs."""
        parts = self.stages.parts
        if left := self.stages.left("inject", range(parts)):
            raise RunError(
                f"{self._run}: was merged of runs that injected apart, and {len(left)} of its {parts} parts of "
                "inject are out of date: change what they follow from in those runs, and merge them again"
            )
        if self._options.rederive or self._options.retarget:
            self._say("inject: stays as it was merged; only in the runs themselves it can be made anew")

    def _export(self) -> None:
        stages = self.stages
        facts = stages.all_facts()
        source = RunSource(self._run, self._config, stages.whole_parts())
        left = stages.parts - len(source.parts)
        export = ExportWork(source, left, facts, stages.target() or {}, stages.students(), stages.problems["datasets"])
        self._exported = export.fresh_facts() or export.export()
        if left:
            self.unfinished = (
                f"exported the {len(source.parts)} of {stages.parts} parts that are finished; `lemma run` finishes the "
                "others, then export again"
            )
        elif not self._exported.kept:
            self._say(f"{export.folder}: holds no row with a mistake; `lemma status` shows where they were rejected")

    # ── telling ──

    def _tell_shard(self, name: str) -> None:
        if self._together.shard is not None and name != "export" and not self._options.quiet:
            parts = self.stages.parts
            done = parts - len(self.stages.left(name, range(parts)))
            self._say(f"{name}: shard {self._together.shard} is done; {done} of the run's {parts} parts are at present")

    def _tell_broken_replies(self, name: str) -> None:
        broken = broken_replies(StageFolder(self._run, name))
        if broken and not self._options.quiet:
            self._say(broken_words(name, broken))


def _require_alone(config: Config, options: Options) -> None:
    """Workers elsewhere share the work among themselves.

    Raises:
        ConfigError: it is to be shared in another way too.
    """
    if options.shard is not None:
        raise ConfigError("--shard and executor.backend: ray are two ways of sharing the work; choose one of them")
    if config.shards.leases == "heartbeat":
        raise ConfigError("executor.backend: ray needs shards.leases: locks, on a file system that has them")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
