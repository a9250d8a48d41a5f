"""The teacher corrects mistakes: it writes the reflection and the continuation, nothing that we already have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lemma.checks import check_trajectory, reaches_answer, wrong_step
from lemma.config import Config
from lemma.errors import ConfigError
from lemma.prompts import Prompts, kind_of
from lemma.records import Trajectory, make_id
from lemma.stages.asking import TeacherStage, pick
from lemma.stages.assembling import Parts, assemble
from lemma.stages.base import CorrectUnit, Group, Reply, Request
from lemma.stages.forms import CONNECT, CORRECT
from lemma.stages.golds import collect_golds
from lemma.strategies import STRATEGIES, Strategy
from lemma.taxonomy import ErrorType

NEEDED_PLACES: Final = ("question", "prefix", "explanation", "solution")
OFFERED_PLACES: Final = ("wrong_step", "error_type", "answer_line", "manner")
_FORMS: Final = {False: CORRECT, True: CONNECT}
"""By whether the gold is to stand as the continuation, character for character."""


class CorrectStage(TeacherStage):
    """One unit for each mistake and strategy.

    Args:
        config: uses `teacher`, `correct`, `answer_form`, `checks`, `seed`.
        prompts: renders the strategies' prompts.
        taxonomy: for the types' titles.
        strategies: by name; those of `correct.strategies` are used.

    Raises:
        ConfigError: a strategy is unknown.
    """

    name = "correct"
    version = 3
    reads = ("sample", "analyze", "inject")
    record_type = Trajectory

    def __init__(
        self,
        config: Config,
        prompts: Prompts,
        taxonomy: Mapping[str, ErrorType],
        strategies: Mapping[str, Strategy] = STRATEGIES,
    ) -> None:
        for name in config.correct.strategies:
            if name not in strategies:
                raise ConfigError(f"correct.strategies: {name!r} is unknown (known: {', '.join(strategies)})")
        self._strategies = {name: strategies[name] for name in config.correct.strategies}
        self._manners = prompts.lines("manners")
        names = [name for strategy in self._strategies.values() for name in strategy.templates]
        how_to_reply = [form.instructions(config.teacher.reply_form) for form in _FORMS.values()]
        self._prompt_hashes = {name: prompts.hash(name, *self._manners, *how_to_reply) for name in names}
        super().__init__(
            config, ["correct", "answer_form", "checks"], [f"{k}={v}" for k, v in self._prompt_hashes.items()]
        )
        # keyed by what is asked for as well: a strategy may send one prompt for both
        self._templates = {
            (name, is_verbatim): self._bound(self._require(prompts.template(name), NEEDED_PLACES, OFFERED_PLACES), form)
            for name in names
            for is_verbatim, form in _FORMS.items()
        }
        self._titles = {name: kind.title for name, kind in taxonomy.items()}

    def units(self, group: Group) -> Iterator[CorrectUnit]:
        """The mistakes in their order, each by every strategy."""
        if not group.mistakes:
            return
        golds = collect_golds(group, self.config.answer_form, self.config.checks.max_chars)
        for mistake in group.mistakes:
            for name, strategy in self._strategies.items():
                gold, is_verbatim = strategy.choose_gold(mistake, golds, str(self.config.seed))
                unit_id = make_id("u", mistake.id, self.name, self._seed, name, gold.id)
                yield CorrectUnit(unit_id, mistake, name, gold, is_verbatim)

    def draws(self, unit: CorrectUnit) -> int:
        """One reply."""
        return 1

    def request(self, unit: CorrectUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """The question, the text through the wrong step, what is wrong with it, and the guiding solution."""
        name = self._strategies[unit.strategy].template_for(unit)
        mistake, problem = unit.mistake, unit.problem
        messages = self._templates[name, unit.is_gold_verbatim][kind_of(problem)].render(
            {
                "question": problem.question,
                "prefix": mistake.prefix,
                "wrong_step": wrong_step(mistake).strip(),
                "explanation": mistake.explanation,
                "error_type": self._titles.get(mistake.error_type, mistake.error_type),
                "solution": unit.gold.text,
                "answer_line": self.config.answer_form.replace("{answer}", problem.answer),
                "manner": self._manners[pick(len(self._manners), unit.id, str(self.config.seed))],
            }
        )
        form = _FORMS[unit.is_gold_verbatim]
        return self._ask(unit, messages, form, self._prompt_hashes[name], draw, attempt, is_cap_raised)

    def parse(self, unit: CorrectUnit, reply: Reply) -> Parts:
        """The reflection, and the continuation: the gold itself where that is to stand, unless the teacher mends it.

        Raises:
            ParseError: the form is not kept.
            Rejected: `teacher_declined`, `cut_short`, `refused`.
        """
        found = _FORMS[unit.is_gold_verbatim].read(reply, self._reply_form)
        if unit.is_gold_verbatim:
            return Parts(found["reflection"], found.get("new_start") or unit.gold.text)
        return Parts(found["reflection"], found["continuation"])

    def make(self, unit: CorrectUnit, parsed: Sequence[tuple[Request, Reply, Parts]]) -> Trajectory:
        """Prefix, reflection and continuation in one text.

        Raises:
            Rejected: `no_answer`, `undecided_answer`, `wrong_answer`, of the continuation as the teacher wrote it.
        """
        request, reply, parts = parsed[0]
        reaches_answer(parts.continuation, unit.problem.answer)
        return assemble(
            unit.mistake,
            unit.strategy,
            parts,
            trajectory_id=make_id("t", unit.mistake.id, self.name, unit.strategy, request.key),
            starts_anew=self._strategies[unit.strategy].starts_anew,
            answer_form=self.config.answer_form,
            is_smoothed=False,
            made_by=self._made_by(request, reply),
        )

    def check(self, unit: CorrectUnit, record: Trajectory) -> None:
        """All guarantees of a trajectory.

        Raises:
            Rejected: with the reason of the first that fails.
        """
        check_trajectory(record, self.config.checks.max_chars)
