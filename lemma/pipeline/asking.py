"""Who answers what a stage lacks: the engine here, workers elsewhere, or batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lemma.batch.base import Offline
from lemma.batch.waves import refuse_pending
from lemma.config import Endpoint, Prices, StudentConfig, TeacherConfig
from lemma.counts import expected_units
from lemma.engine import Engine, Part
from lemma.errors import ConfigError
from lemma.failures import FailureLog
from lemma.ledger import budget_of
from lemma.pipeline.base import Options
from lemma.progress import ProgressMeter
from lemma.sharding import Shard
from lemma.shards.lock import RunLock
from lemma.stages.inject import InjectStage
from lemma.stagework import StageWork
from lemma.teacher.base import Program, Teacher

if TYPE_CHECKING:
    from pathlib import Path

    from lemma.budget import Budget
    from lemma.config import Config
    from lemma.executors.driver import RayExecutor
    from lemma.together import Together

Role = Literal["student", "teacher"]
MakeTeacher = Callable[[str], Teacher | Program | Offline]
"""Role → who answers."""


class Asking:
    """Asks what parts of a run lack.

    Args:
        run: the run's folder.
        config: the run's configuration.
        options: see `Options`.
        together: the processes that work on the run.
        lock: of the run; None where it is shared with other processes.
        say: takes a line for the person.
        make_teacher: who answers in place of the configured teacher and student (tests).
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        options: Options,
        together: Together,
        lock: RunLock | None,
        say: Callable[[str], None],
        make_teacher: MakeTeacher | None,
    ) -> None:
        self._run = run
        self._config = config
        self._options = options
        self._together = together
        self._lock = lock
        self._say = say
        self._make_teacher = make_teacher or self._configured_teacher
        self._is_far = make_teacher is None and config.executor.backend == "ray"
        self._workers: RayExecutor | None = None

    def ask(self, work: StageWork, parts: Sequence[Part], label: str) -> None:
        """Has parts finished; nothing is started where there are none.

        Raises:
            LemmaError: as `Engine.run`.
        """
        if not parts:
            return
        role: Role = "student" if work.stage.name == "sample" else "teacher"
        endpoint = self._endpoint(role)
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
        meter = self._meter(work, parts, label, endpoint)
        try:
            if self._is_far:
                budget = (lambda: self._budget(work)) if "budget" in options else lambda: None
                self._far().run(work, parts, role, meter, budget)
            else:
                Engine(work.stage, parts, teacher, meter, **options).run()
        finally:
            meter.close()

    def close(self) -> None:
        """Ends the workers elsewhere."""
        if self._workers is not None:
            self._workers.close()

    def _endpoint(self, role: str) -> StudentConfig | TeacherConfig | None:
        return self._config.student if role == "student" else self._config.teacher

    def _meter(self, work: StageWork, parts: Sequence[Part], label: str, endpoint: Endpoint | None) -> ProgressMeter:
        shard = self._together.shard
        return ProgressMeter(
            label if shard is None else f"{label} [{shard}]",
            self._units_to_ask(work, parts),
            endpoint.prices if endpoint else Prices(),
            self._options.quiet,
            draws=self._config.analyze.votes if work.stage.name == "analyze" else 1,
            outcome=lambda part: _outcome(work, part),
            failures=FailureLog(self._run, work.stage.name, member=self._together.member),
        )

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
        endpoint = self._endpoint(role)
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


def _outcome(work: StageWork, part: int) -> tuple[int, int] | None:
    """(kept, rejected) of a part that is on disk; None after a round of injection, which writes none."""
    manifest = work.folder.manifest(part)
    return None if manifest is None else (manifest.kept, manifest.rejected)
