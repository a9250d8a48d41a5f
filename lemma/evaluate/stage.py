"""The student is asked as `lemma sample` asks it, once greedily and as often as wanted at a temperature.

Draw 0 is the greedy one and draws 1 to n are the samples, whichever of the two are wanted, so that adding the other
later pays for nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from lemma.config import Config, EvalConfig
from lemma.evaluate.benchmarks import BENCHMARKS
from lemma.prompts import Messages, Prompts, kind_of
from lemma.records import Problem, Sample, content_hash, make_id
from lemma.stages.asking import hash_content
from lemma.stages.base import Group, Request, SampleUnit
from lemma.stages.sample import SampleStage

VERSION: Final = 1
GREEDY_DRAW: Final = 0
SPLITTER: Final = "\n\n\n"
"""Between worked examples, as in the paper's script."""


class EvalStage(SampleStage):
    """One unit a draw, or one for each solution that came with the problem.

    Args:
        config: uses `student`, `eval`, `seed`.
        prompts: renders ``sample``, and for worked examples ``few_shot``.

    Raises:
        ConfigError: a prompt has not the places that are filled.
    """

    def __init__(self, config: Config, prompts: Prompts) -> None:
        super().__init__(config, prompts)
        assert config.eval is not None, "an evaluation needs its section"
        self._eval: EvalConfig = config.eval
        few_shot = prompts.template("few_shot").require(["examples", "prompt"])
        self._few_shot = few_shot
        self._prompt_hash = content_hash(self._prompt_hash, prompts.hash("few_shot"))[:32]
        self.config_hash = hash_content(config.content_of("student", "eval", "seed"))
        self.fingerprint = content_hash("eval", str(VERSION), self.config_hash, self._prompt_hash)
        self._examples: dict[tuple[str, int], str] = {}
        self._draws: dict[bool, dict[str, JsonValue]] = {}
        if config.student is not None:
            stop: list[JsonValue] = [*self._eval.stop]
            common: dict[str, JsonValue] = {**self._sampling, "max_tokens": self._eval.max_tokens, "stop": stop or None}
            self._draws = {
                True: {**common, "temperature": 0.0},
                False: {**common, "temperature": self._eval.temperature},
            }

    def units(self, group: Group) -> Iterator[SampleUnit]:
        """The given solutions if there are any, else the draws."""
        if group.given or self.config.student is None:
            yield from super().units(group)
            return
        first = GREEDY_DRAW if self._eval.greedy else GREEDY_DRAW + 1
        for draw in range(first, self._eval.num_samples + 1):
            unit_id = make_id("u", group.problem.id, "eval", self._seed, str(draw))
            yield SampleUnit(unit_id, group.problem, draw)

    def request(self, unit: SampleUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        """The question in the student's own prompt form, behind the worked examples if there are any."""
        assert self.config.student is not None, "a unit without a given solution needs a student"
        return Request(
            unit=unit,
            messages=self.messages(unit.problem),
            model=self.config.student.model,
            sampling=self._draws[unit.draw == GREEDY_DRAW],
            prompt_hash=self._prompt_hash,
            draw=unit.draw,
            attempt=attempt,
        )

    def messages(self, problem: Problem) -> Messages:
        """What the student is shown."""
        *before, last = self._template.render({"question": problem.question})
        examples = self._examples_for(problem)
        if not examples:
            return (*before, last)
        return (*before, *self._few_shot.render({"examples": examples, "prompt": last["content"]}))

    def _examples_for(self, problem: Problem) -> str:
        benchmark = BENCHMARKS.get(problem.dataset)
        kind = benchmark.kind if benchmark is not None else kind_of(problem)
        shots = self._eval.shots
        wanted = shots if isinstance(shots, int) else benchmark.shots if benchmark is not None else 0
        if (kind, wanted) not in self._examples:
            chosen = self._few_shot.examples_for(kind)[:wanted]
            self._examples[kind, wanted] = SPLITTER.join(
                f"{self._template.render({'question': question})[-1]['content']} {solution}"
                for question, solution in chosen
            )
        return self._examples[kind, wanted]

    def check(self, unit: SampleUnit, record: Sample) -> None:
        """Whatever ended by itself is graded; going round in circles is an answer too, mostly a wrong one."""
