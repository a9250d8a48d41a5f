"""Correct solutions that we already have: correct samples of the student, and the reference solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lemma.checks import agrees_with_reference, is_clean
from lemma.endings import finish, strip_answer
from lemma.prompts import WORD_PROBLEM, kind_of
from lemma.records import Problem, content_hash
from lemma.stages.base import Gold, Group

MIN_SOLUTION_CHARS: Final = 20
"""A sample shorter than this, its answer line aside, shows no way to the answer."""


@dataclass(frozen=True, slots=True)
class Golds:
    """All correct solutions of a problem, each ending in the configured answer form."""

    reference: Gold
    samples: tuple[Gold, ...]
    """Correct samples in their order, twins and unusable ones left out: loops, tags, bare answers, other
    computations than the reference's."""

    def shuffled(self, *seeds: str) -> Sequence[Gold]:
        """The samples in an order drawn by the seeds."""
        return sorted(self.samples, key=lambda gold: content_hash(*seeds, gold.id))


def collect_golds(group: Group, answer_form: str, max_chars: int) -> Golds:
    """The correct solutions of a group's problem.

    Only samples whose answer equals the reference count: a wrong answer is never gold, whatever a teacher calls it.
    Nor is a right one that was come by otherwise than the reference says, as far as its equations can be read.
    """
    problem = group.problem
    samples: dict[str, Gold] = {}
    for sample in group.samples:
        if sample.is_correct is not True or len(strip_answer(sample.text)) < MIN_SOLUTION_CHARS:
            continue
        text = finish(sample.text, problem.answer, answer_form)
        if text not in samples and is_clean(text, problem.question, max_chars) and _is_believed(sample.text, problem):
            samples[text] = Gold(text, "student", sample.id)
    return Golds(reference_gold(problem, answer_form), tuple(samples.values()))


def _is_believed(text: str, problem: Problem) -> bool:
    """Whether a right sample computes what the reference solution does; of competition mathematics, nothing false.

    There the ways to an answer differ, and little of them can be read; in word problems a right answer that was come
    by otherwise is often luck.
    """
    reference = problem.reference_solution if kind_of(problem) == WORD_PROBLEM else ""
    return agrees_with_reference(strip_answer(text), strip_answer(reference))


def reference_gold(problem: Problem, answer_form: str) -> Gold:
    """The problem's own reference solution."""
    return Gold(finish(problem.reference_solution, problem.answer, answer_form), "reference", problem.id)
