"""The teacher puts one mistake of a given type into a correct solution and carries it through to a wrong answer.

It returns only the altered step and what follows; the steps before it are kept as they are, so that the label
(first wrong step, type) is exact and nothing is paid for that we already have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lemma.answers import extract_answer
from lemma.checks import announces_no_error, has_no_loop, has_no_tags, is_short_enough, misses_answer
from lemma.config import Config
from lemma.errors import ConfigError, ParseError, Rejected
from lemma.prompts import Prompts, kind_of
from lemma.records import Mistake, make_id
from lemma.stages.analyze import number_steps
from lemma.stages.asking import TeacherStage, pick
from lemma.stages.base import Gold, Group, InjectUnit, Reply, Request
from lemma.stages.forms import INJECT
from lemma.stages.golds import collect_golds
from lemma.stages.reading import MAX_EXPLANATION_CHARS, read_step
from lemma.steps import step_at, step_spans
from lemma.taxonomy import ErrorType

MAX_ROUNDS: Final = 64
"""Rounds have numbers below this."""
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is asked of one slot of a problem in one round."""

    slot: int
    round: int
    error_type: str


@dataclass(frozen=True, slots=True)
class Alteration:
    """What one reply says."""

    step_number: int
    step: str
    rest: str
    explanation: str


class InjectStage(TeacherStage):
    """One unit for each assignment of a problem.

    Args:
        config: uses `teacher`, `inject`, `answer_form`, `checks`, `seed`.
        prompts: renders ``inject`` with ``error_type``, ``question``, ``answer``, ``steps``, ``answer_form``,
            and the places of every prompt (``how_to_reply``, ``examples``).
        taxonomy: the error types.
        plan: problem id → its assignments, in unit order; problems that are not in it have no units.

    Raises:
        ConfigError: on reaching an assignment whose type cannot be injected.
    """

    name = "inject"
    version = 2
    reads = ("sample",)
    record_type = Mistake

    def __init__(
        self,
        config: Config,
        prompts: Prompts,
        taxonomy: Mapping[str, ErrorType],
        plan: Mapping[str, Sequence[Assignment]],
    ) -> None:
        self._plan = plan
        self._taxonomy = {name: kind for name, kind in taxonomy.items() if kind.injectable}
        how_to_reply = INJECT.instructions(config.teacher.reply_form)
        self._prompt_hashes = {
            name: prompts.hash("inject", kind.hash, how_to_reply) for name, kind in self._taxonomy.items()
        }
        super().__init__(config, ["inject", "answer_form", "checks"], list(self._prompt_hashes.values()))
        template = self._require(
            prompts.template("inject"), ["error_type", "question", "steps"], ["answer", "answer_form"]
        )
        self._templates = self._bound(template, INJECT)

    @property
    def planned(self) -> int:
        """Units of the whole plan."""
        return sum(map(len, self._plan.values()))

    def units(self, group: Group) -> Iterator[InjectUnit]:
        """The assignments of the problem; each slot works on one correct solution, drawn by the seed."""
        assignments = self._plan.get(group.problem.id, ())
        if not assignments:
            return
        golds = collect_golds(group, self.config.answer_form, self.config.checks.max_chars)
        for asked in assignments:
            if asked.error_type not in self._taxonomy:
                known = ", ".join(self._taxonomy)
                raise ConfigError(f"inject.types: {asked.error_type!r} cannot be injected (types: {known})")
            gold = self._choose(golds.samples, golds.reference, group.problem.id, asked.slot)
            place = (str(asked.slot), str(asked.round), asked.error_type, gold.id)
            unit_id = make_id("u", group.problem.id, self.name, self._seed, *place)
            yield InjectUnit(unit_id, group.problem, gold, asked.error_type, asked.slot, asked.round)

    def _choose(self, samples: Sequence[Gold], reference: Gold, problem_id: str, slot: int) -> Gold:
        """A correct sample, another for each slot as long as there are some; else the reference."""
        if not samples:
            return reference
        first = pick(len(samples), str(self.config.seed), problem_id, self.name)
        return samples[(first + slot) % len(samples)]

    def draws(self, unit: InjectUnit) -> int:
        """One reply."""
        return 1

    def request(self, unit: InjectUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """The error type's lesson, the question, and the correct solution with numbered steps."""
        kind = kind_of(unit.problem)
        messages = self._templates[kind].render(
            {
                "error_type": self._taxonomy[unit.error_type].lesson(kind),
                "question": unit.problem.question,
                "answer": unit.problem.answer,
                "steps": number_steps(unit.gold.text),
                "answer_form": self.config.answer_form.replace("{answer}", "…"),
            }
        )
        # two slots, or two rounds, may ask the very same of the same solution: they are different draws
        place = unit.slot * MAX_ROUNDS + unit.round - 1
        return self._ask(unit, messages, INJECT, self._prompt_hashes[unit.error_type], place, attempt, is_cap_raised)

    def parse(self, unit: InjectUnit, reply: Reply) -> Alteration:
        """Number and text of the altered step, and what follows.

        Raises:
            ParseError: the form is not kept.
            Rejected: `teacher_declined`, `cut_short`, `refused`.
        """
        found = INJECT.read(reply, self._reply_form)
        num_steps = len(step_spans(unit.gold.text))
        number = read_step(found["altered_step"], num_steps)
        rest = found.get("rest", "")
        if not rest and number < num_steps:
            raise ParseError("missing_tag", f"rest is empty though step {number} of {num_steps} is not the last")
        return Alteration(number, found["step"], rest, found["explanation"][:MAX_EXPLANATION_CHARS])

    def make(self, unit: InjectUnit, parsed: Sequence[tuple[Request, Reply, Alteration]]) -> Mistake:
        """The gold's steps before the altered one, verbatim, then what the teacher wrote.

        Raises:
            Rejected: `unchanged_step`, `no_answer`.
        """
        request, reply, altered = parsed[0]
        gold = unit.gold.text
        start, end = step_spans(gold)[altered.step_number - 1]
        original = gold[start:end]
        if _SPACES.sub("", original).casefold() == _SPACES.sub("", altered.step).casefold():
            raise Rejected("unchanged_step", altered.step[:200])
        prefix = gold[:start] + altered.step
        separator = original[len(original.rstrip()) :] or "\n"
        solution = prefix + separator + altered.rest if altered.rest else prefix
        answer = extract_answer(solution)
        if answer is None:
            raise Rejected("no_answer", solution[-120:])
        return Mistake(
            id=make_id("m", unit.gold.id, self.name, request.key, str(unit.slot)),
            problem=unit.problem,
            origin="injected",
            model=request.model,
            solution=solution,
            answer=answer,
            error_type=unit.error_type,
            prefix_end=len(prefix),
            first_error_step=step_at(solution, len(prefix)),
            explanation=altered.explanation,
            made_by=self._made_by(request, reply),
        )

    def check(self, unit: InjectUnit, record: Mistake) -> None:
        """Wrong by its answer, unannounced, whole.

        Raises:
            Rejected: `announced_error`, `section_tags`, `too_long`, `loop`, `undecided_answer`,
                `answer_equals_reference`.
        """
        question = unit.problem.question
        shared = len(record.solution)
        for place, (left, right) in enumerate(zip(record.solution, unit.gold.text, strict=False)):
            if left != right:
                shared = place
                break
        new = record.solution[record.solution.rfind("\n", 0, shared) + 1 :]
        announces_no_error(new, question, unit.gold.text)
        has_no_tags(new, question, unit.gold.text)
        is_short_enough(record.solution, self.config.checks.max_chars)
        has_no_loop(record.solution)
        misses_answer(record.answer, unit.problem.answer)
