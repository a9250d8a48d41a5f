"""The teacher makes a trajectory read as one train of thought, error and correction still in it (paper, section 3.4).

`smooth.scope: joint` asks for reflection and continuation only and leaves the prefix as it is; `whole`, the published
method, asks for the whole text, and the wrong claim must still stand before the reflection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lemma.checks import check_smoothed, reaches_answer, wrong_step
from lemma.config import Config
from lemma.errors import ConfigError
from lemma.prompts import Prompts, kind_of
from lemma.records import Trajectory, make_id
from lemma.stages.asking import TeacherStage
from lemma.stages.assembling import Parts, assemble
from lemma.stages.base import Group, Reply, Request, SmoothUnit
from lemma.stages.forms import SMOOTH_JOINT, SMOOTH_WHOLE
from lemma.strategies import STRATEGIES, Strategy
from lemma.taxonomy import ErrorType

NEEDED_PLACES: Final = ("question", "prefix", "reflection", "continuation")
OFFERED_PLACES: Final = ("wrong_step", "explanation", "error_type", "answer_line")


class SmoothStage(TeacherStage):
    """One unit for each corrected trajectory.

    Args:
        config: uses `teacher`, `smooth` (not `off`), `answer_form`, `checks`.
        prompts: renders ``smooth_joint`` or ``smooth_whole``.
        taxonomy: for the types' titles.
        strategies: by name; every strategy of the trajectories must be known.

    Raises:
        ConfigError: `smooth.scope` is `off`; there is no such stage then.
    """

    name = "smooth"
    version = 3
    reads = ("correct",)
    record_type = Trajectory

    def __init__(
        self,
        config: Config,
        prompts: Prompts,
        taxonomy: Mapping[str, ErrorType],
        strategies: Mapping[str, Strategy] = STRATEGIES,
    ) -> None:
        if config.smooth.scope == "off":
            raise ConfigError("smooth.scope is off: there is nothing to smooth; set it to joint or whole")
        name = f"smooth_{config.smooth.scope}"
        self._strategies = strategies
        self._is_whole = config.smooth.scope == "whole"
        self._form = SMOOTH_WHOLE if self._is_whole else SMOOTH_JOINT
        self._prompt_hash = prompts.hash(name, self._form.instructions(config.teacher.reply_form))
        super().__init__(config, ["smooth", "answer_form", "checks"], [self._prompt_hash])
        self._templates = self._bound(self._require(prompts.template(name), NEEDED_PLACES, OFFERED_PLACES), self._form)
        self._titles = {kind_name: kind.title for kind_name, kind in taxonomy.items()}

    def units(self, group: Group) -> Iterator[SmoothUnit]:
        """The trajectories in their order.

        Raises:
            ConfigError: one was made by a strategy that is not known (any more).
        """
        for trajectory in group.trajectories:
            if trajectory.strategy not in self._strategies:
                raise ConfigError(f"plugins: nothing registers the strategy {trajectory.strategy!r} of {trajectory.id}")
            yield SmoothUnit(make_id("u", trajectory.id, self.name, self._seed, self.config.smooth.scope), trajectory)

    def draws(self, unit: SmoothUnit) -> int:
        """One reply."""
        return 1

    def request(self, unit: SmoothUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """The three parts, and what must not be lost."""
        trajectory = unit.trajectory
        mistake = trajectory.mistake
        messages = self._templates[kind_of(unit.problem)].render(
            {
                "question": unit.problem.question,
                "prefix": trajectory.prefix,
                "reflection": trajectory.reflection.strip(),
                "continuation": trajectory.continuation.strip(),
                "wrong_step": wrong_step(mistake).strip(),
                "explanation": mistake.explanation,
                "error_type": self._titles.get(mistake.error_type, mistake.error_type),
                "answer_line": self.config.answer_form.replace("{answer}", unit.problem.answer),
            }
        )
        return self._ask(unit, messages, self._form, self._prompt_hash, draw, attempt, is_cap_raised)

    def parse(self, unit: SmoothUnit, reply: Reply) -> Parts:
        """Reflection and continuation, with `whole` also the prefix.

        Raises:
            ParseError: the form is not kept.
            Rejected: `teacher_declined`, `cut_short`, `refused`.
        """
        found = self._form.read(reply, self._reply_form)
        return Parts(found["reflection"], found["continuation"], found.get("prefix"))

    def make(self, unit: SmoothUnit, parsed: Sequence[tuple[Request, Reply, Parts]]) -> Trajectory:
        """The trajectory in its new words.

        Raises:
            Rejected: `no_answer`, `undecided_answer`, `wrong_answer`.
        """
        request, reply, parts = parsed[0]
        reaches_answer(parts.continuation, unit.problem.answer)
        return assemble(
            unit.trajectory.mistake,
            unit.trajectory.strategy,
            parts,
            trajectory_id=make_id("t", unit.trajectory.id, self.name, request.key),
            starts_anew=self._strategies[unit.trajectory.strategy].starts_anew,
            answer_form=self.config.answer_form,
            is_smoothed=True,
            made_by=self._made_by(request, reply),
        )

    def check(self, unit: SmoothUnit, record: Trajectory) -> None:
        """All guarantees of a trajectory.

        Raises:
            Rejected: with the reason of the first that fails.
        """
        check_smoothed(record, unit.trajectory, self.config.checks.max_chars, is_prefix_free=self._is_whole)
