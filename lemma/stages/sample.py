"""The student solves the problems; solutions that came with them are scored, not asked for again.

What is no whole solution is set aside here, before a teacher is asked about it: a text cut at its limit, or a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from lemma.answers import Verdict, compare, extract_answer
from lemma.checks import has_no_loop
from lemma.config import Config
from lemma.prompts import Prompts
from lemma.records import MadeBy, Sample, content_hash, make_id
from lemma.stages.asking import hash_content
from lemma.stages.base import Group, Reply, Request, SampleUnit
from lemma.stages.reading import encodable, require_whole

VERSION: Final = 2
IS_CORRECT: Final = {Verdict.EQUAL: True, Verdict.DIFFERENT: False, Verdict.UNDECIDED: None}


class SampleStage:
    """One unit a draw: `sample.num_samples` of each problem, or one for each solution that is given with it.

    Without a configured student, problems without given solutions have no units.

    Args:
        config: uses `student`, `sample`.
        prompts: renders ``sample`` with the place ``question``.
    """

    name = "sample"
    reads: tuple[str, ...] = ()
    raises_cap = False
    """A rambling solution is cut and left out: it says nothing about mathematics."""
    record_type = Sample

    def __init__(self, config: Config, prompts: Prompts) -> None:
        self.config = config
        self._seed = str(config.seed)
        self.attempts = 2  # an empty reply is asked for once more
        self.config_hash = hash_content(config.content_of("student", "sample", "seed"))
        self._template = prompts.template("sample").require(["question"])
        self._prompt_hash = prompts.hash("sample")
        self.fingerprint = content_hash(self.name, str(VERSION), self.config_hash, self._prompt_hash)
        student = config.student
        self._sampling: dict[str, JsonValue] = {}
        if student is not None:
            self._sampling = {
                "api": student.api,
                "temperature": config.sample.temperature,
                "max_tokens": config.sample.max_tokens,
                "extra_body": dict(student.extra_body),
            }

    def units(self, group: Group) -> Iterator[SampleUnit]:
        """The given solutions if there are any, else the draws."""
        problem = group.problem
        if group.given:
            for draw, given in enumerate(group.given):
                unit_id = make_id("u", problem.id, self.name, self._seed, given.model, given.text, str(draw))
                yield SampleUnit(unit_id, problem, draw, given)
        elif self.config.student is not None:
            for draw in range(self.config.sample.num_samples):
                yield SampleUnit(make_id("u", problem.id, self.name, self._seed, str(draw)), problem, draw)

    def draws(self, unit: SampleUnit) -> int:
        """1, or 0 where the solution is there already."""
        return 0 if unit.given is not None else 1

    def request(self, unit: SampleUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """The question, in the student's own prompt form."""
        assert self.config.student is not None, "a unit without a given solution needs a student"
        return Request(
            unit=unit,
            messages=self._template.render({"question": unit.problem.question}),
            model=self.config.student.model,
            sampling=self._sampling,
            prompt_hash=self._prompt_hash,
            draw=unit.draw,
            attempt=attempt,
        )

    def parse(self, unit: SampleUnit, reply: Reply) -> str:
        """The whole reply is the solution.

        Raises:
            Rejected: `cut_short`, `refused`.
            ParseError: `empty_reply`.
        """
        return require_whole(reply).strip()

    def make(self, unit: SampleUnit, parsed: Sequence[tuple[Request, Reply, str]]) -> Sample:
        """The solution with its final answer and our verdict on it."""
        if unit.given is not None:
            text, model, key, prompt_hash = encodable(unit.given.text), unit.given.model, "", ""
            choice = content_hash(text)
        else:
            request, reply, text = parsed[0]
            model, key, prompt_hash = request.model, reply.key or request.key, request.prompt_hash
            choice = key
        answer = extract_answer(text)
        return Sample(
            id=make_id("s", unit.problem.id, self.name, choice, str(unit.draw)),
            problem=unit.problem,
            model=model,
            text=text,
            answer=answer,
            is_correct=None if answer is None else IS_CORRECT[compare(answer, unit.problem.answer)],
            made_by=MadeBy(
                stage=self.name, model=model, prompt_hash=prompt_hash, request_key=key, config_hash=self.config_hash
            ),
        )

    def check(self, unit: SampleUnit, record: Sample) -> None:
        """Every solution that does not go round in circles is kept, right or wrong; the stages after this one choose.

        Raises:
            Rejected: `loop`: no trajectory may hold it, and what a teacher said of it would be paid for in vain.
        """
        has_no_loop(record.text)
