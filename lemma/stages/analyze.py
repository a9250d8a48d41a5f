"""The teacher names a wrong solution's first wrong step and its error type.

A sample that is wrong by its answer gives one unit. The reply has the step's number *and* some of its words, and
the two must agree; with several votes the majority counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lemma.checks import misses_answer
from lemma.config import Config
from lemma.errors import ParseError, Rejected, UnitError
from lemma.prompts import Prompts, kind_of
from lemma.records import Mistake, make_id
from lemma.stages.asking import TeacherStage
from lemma.stages.base import AnalyzeUnit, Group, Reply, Request
from lemma.stages.forms import ANALYZE
from lemma.stages.reading import MAX_EXPLANATION_CHARS, check_quote, read_error_type, read_step, read_verdict
from lemma.steps import split_steps, step_spans
from lemma.taxonomy import ErrorType

_POSITIVE: Final = re.compile(r"[1-9]")
_ERROR_PARTS: Final = ("first_error_step", "quote", "error_type", "explanation")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one reply says; without a step, that the solution is correct."""

    step: int | None
    error_type: str = ""
    explanation: str = ""


def number_steps(text: str) -> str:
    """The text for a prompt, each step behind its number in brackets."""
    return "\n".join(f"[{number}] {step.strip()}" for number, step in enumerate(split_steps(text), 1))


def _vote(finding: Finding) -> tuple[int | None, str]:
    return finding.step, finding.error_type


class AnalyzeStage(TeacherStage):
    """One unit for each sample whose answer is wrong.

    Args:
        config: uses `teacher`, `analyze`.
        prompts: renders ``analyze`` with ``error_types``, ``question``, ``reference_solution``, ``answer``,
            ``steps``, and the places of every prompt (``how_to_reply``, ``examples``).
        taxonomy: the types that may be said.
    """

    name = "analyze"
    version = 1
    reads = ("sample",)
    record_type = Mistake

    def __init__(self, config: Config, prompts: Prompts, taxonomy: Mapping[str, ErrorType]) -> None:
        self._taxonomy = taxonomy
        self._prompt_hash = prompts.hash(
            "analyze", *(kind.hash for kind in taxonomy.values()), ANALYZE.instructions(config.teacher.reply_form)
        )
        super().__init__(config, ["analyze"], [self._prompt_hash])
        template = self._require(
            prompts.template("analyze"), ["error_types", "question", "answer", "steps"], ["reference_solution"]
        )
        error_types = "\n".join(f"- {kind.brief()}" for kind in taxonomy.values())
        self._templates = self._bound(template, ANALYZE, {"error_types": error_types})
        self._choices = {"error_type": tuple(taxonomy)}

    def units(self, group: Group) -> Iterator[AnalyzeUnit]:
        """The wrong samples, in their order; a correct or undecided one is none."""
        for sample in group.samples:
            if sample.is_correct is False:
                yield AnalyzeUnit(make_id("u", sample.id, self.name, self._seed), sample)

    def draws(self, unit: AnalyzeUnit) -> int:
        """The votes."""
        return self.config.analyze.votes

    def request(self, unit: AnalyzeUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """Question, reference solution and the numbered steps."""
        problem = unit.problem
        messages = self._templates[kind_of(problem)].render(
            {
                "question": problem.question,
                "reference_solution": problem.reference_solution,
                "answer": problem.answer,
                "steps": number_steps(unit.sample.text),
            }
        )
        return self._ask(unit, messages, ANALYZE, self._prompt_hash, draw, attempt, is_cap_raised, self._choices)

    def parse(self, unit: AnalyzeUnit, reply: Reply) -> Finding:
        """The verdict, and for a wrong solution step, quote, type and explanation.

        Raises:
            ParseError: the form is not kept, number and quote do not agree, or a step of a correct solution is named.
            Rejected: `teacher_declined`, `cut_short`, `refused`.
        """
        found = ANALYZE.read(reply, self._reply_form)
        if read_verdict(found["verdict"]) == "correct":
            if _POSITIVE.search(found.get("first_error_step", "")):
                raise ParseError("mixed_reply", f"correct, and wrong at step {found['first_error_step'][:80]}")
            return Finding(None)
        ANALYZE.require(found, _ERROR_PARTS)
        steps = split_steps(unit.sample.text)
        step = read_step(found["first_error_step"], len(steps))
        check_quote(found["quote"], steps[step - 1])
        explanation = found["explanation"][:MAX_EXPLANATION_CHARS]
        return Finding(step, read_error_type(found["error_type"], self._taxonomy), explanation)

    def make(self, unit: AnalyzeUnit, parsed: Sequence[tuple[Request, Reply, Finding]]) -> Mistake:
        """The mistake that more than half of the votes agree about.

        Raises:
            Rejected: `judged_correct`, `no_majority`.
        """
        votes = Counter(_vote(finding) for _, _, finding in parsed)
        (step, error_type), count = votes.most_common(1)[0]
        if 2 * count <= len(parsed):
            split = ", ".join(f"{times} × step {at} {kind}".strip() for (at, kind), times in votes.most_common())
            raise Rejected("no_majority", split)
        if step is None:
            raise Rejected("judged_correct", f"answer {unit.sample.answer!r}")
        request, reply, finding = next(vote for vote in parsed if _vote(vote[2]) == (step, error_type))
        text = unit.sample.text
        start, end = step_spans(text)[step - 1]
        return Mistake(
            id=make_id("m", unit.sample.id, self.name, *sorted(vote[1].key for vote in parsed)),
            problem=unit.problem,
            origin="student",
            model=unit.sample.model,
            solution=text,
            answer=unit.sample.answer or "",
            error_type=error_type,
            prefix_end=start + len(text[start:end].rstrip()),
            first_error_step=step,
            explanation=finding.explanation,
            made_by=self._made_by(request, reply),
        )

    def split(self, unit: AnalyzeUnit, replies: Iterable[Reply]) -> str:
        """How the votes of a unit fell: ``2-1`` where two agree and one does not; unreadable replies are no votes.

        The record has no place for it; it is counted in the manifest, and the votes themselves stand in the replies.
        """
        votes: Counter[tuple[int | None, str]] = Counter()
        for reply in replies:
            with suppress(UnitError):
                votes[_vote(self.parse(unit, reply))] += 1
        most = max(votes.values(), default=0)
        return f"{most}-{votes.total() - most}"

    def check(self, unit: AnalyzeUnit, record: Mistake) -> None:
        """The mistake has an answer, and it differs from the reference.

        Raises:
            Rejected: `no_answer`, `undecided_answer`, `answer_equals_reference`.
        """
        misses_answer(unit.sample.answer, unit.problem.answer)
