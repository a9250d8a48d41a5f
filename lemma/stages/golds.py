"""Correct solutions that we already have: correct samples of the student, and the reference solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lemma.checks import is_clean
from lemma.endings import finish, strip_answer
from lemma.records import Problem, content_hash
from lemma.stages.base import Gold, Group

MIN_SOLUTION_CHARS: Final = 20
"""A sample shorter than this, its answer line aside, shows no way to the answer."""


@dataclass(frozen=True, slots=True)
class Golds:
    """All correct solutions of a problem, each ending in the configured answer form."""

    reference: Gold
    samples: tuple[Gold, ...]
    """Correct samples in their order, twins and unusable ones (loops, tags, bare answers) left out."""

    def shuffled(self, *seeds: str) -> Sequence[Gold]:
        """The samples in an order drawn by the seeds."""
        return sorted(self.samples, key=lambda gold: content_hash(*seeds, gold.id))


def collect_golds(group: Group, answer_form: str, max_chars: int) -> Golds:
    """The correct solutions of a group's problem.

    Only samples whose answer equals the reference count: a wrong answer is never gold, whatever a teacher calls it.
    """
    problem = group.problem
    samples: dict[str, Gold] = {}
    for sample in group.samples:
        if sample.is_correct is not True or len(strip_answer(sample.text)) < MIN_SOLUTION_CHARS:
            continue
        text = finish(sample.text, problem.answer, answer_form)
        if text not in samples and is_clean(text, problem.question, max_chars):
            samples[text] = Gold(text, "student", sample.id)
    return Golds(reference_gold(problem, answer_form), tuple(samples.values()))


def reference_gold(problem: Problem, answer_form: str) -> Gold:
    """The problem's own reference solution."""
    return Gold(finish(problem.reference_solution, problem.answer, answer_form), "reference", problem.id)
