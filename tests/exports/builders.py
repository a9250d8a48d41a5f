from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lemma.config import Config
from lemma.exports import CardFacts, SourceFacts, StageFacts
from lemma.records import MadeBy, Mistake, Origin, Problem, Trajectory, make_id
from lemma.stages.base import Gold

MADE_BY = MadeBy(stage="correct", model="rules", prompt_hash="", request_key="", config_hash="")

HOSTILE = [
    "{braces} {0} {{ jinja }} %s %(x)s ${HOME} $(id)",
    "| a | b |\n|---|---|\n---\n# heading\n```\n</div><script>alert(1)</script>",
    "line\u2028separator\x00null\ttab\r\nCRLF \ufeff bom 🧮 \U0010ffff",
    "```text\nfence\n````\n~~~",
    '"quotes" \\ backslash \\u0041 \\"',
]


def problem_of(number: int, question: str | None = None, dataset: str = "gsm8k") -> Problem:
    return Problem(
        id=make_id("p", dataset, str(number)),
        dataset=dataset,
        question=question if question is not None else f"Ann has {number} pens and buys 2. How many are there?",
        reference_solution=f"{number}+2={number + 2}",
        answer=str(number + 2),
        meta={"row": number},
    )


def trajectory_of(
    problem: Problem,
    variant: int = 0,
    strategy: str = "fix_continue",
    origin: Origin = "student",
    error_type: str = "calculation_error",
    reflection: str = "\nWait, that sum is wrong. ",
) -> Trajectory:
    wrong = f"Let us add (try {variant}).\nThat makes 99."
    mistake = Mistake(
        id=make_id("m", problem.id, str(variant), origin),
        problem=problem,
        origin=origin,
        model="student-7b",
        solution=wrong + "\nThe answer is: 99",
        answer="99",
        error_type=error_type,
        prefix_end=len(wrong),
        first_error_step=2,
        explanation="",
        made_by=MADE_BY,
    )
    continuation = f"Adding gives {problem.answer}.\nThe answer is: {problem.answer}"
    return Trajectory(
        id=make_id("t", mistake.id, strategy),
        mistake=mistake,
        strategy=strategy,
        prefix=wrong,
        reflection=reflection,
        continuation=continuation,
        text=wrong + reflection + continuation,
        answer=problem.answer,
        is_smoothed=False,
        made_by=MADE_BY,
    )


def golds_of(problem: Problem, students: int = 1) -> list[Gold]:
    reference = Gold(f"{problem.reference_solution}\nThe answer is: {problem.answer}", "reference", problem.id)
    samples = [
        Gold(f"By way {n}.\nThe answer is: {problem.answer}", "student", make_id("s", problem.id, str(n)))
        for n in range(students)
    ]
    return [reference, *samples]


def many(problems: int, each: int = 2) -> Iterator[Trajectory]:
    for number in range(problems):
        for variant in range(each):
            yield trajectory_of(
                problem_of(number),
                variant,
                strategy=("fix_continue", "fresh_restart")[variant % 2],
                origin="injected" if variant % 3 == 2 else "student",
                error_type=("calculation_error", "missing_step")[number % 2],
            )


def config_of(**export: Any) -> Config:
    return Config.model_validate(
        {"data": [{"dataset": "gsm8k", "path": "x"}], "smooth": {"scope": "off"}, "export": export}
    )


def facts_of(**changes: Any) -> CardFacts:
    facts = CardFacts(
        version="0.1.0",
        sources=(SourceFacts("gsm8k", 10, "MIT"),),
        decontaminated=("gsm8k-test", "math-test"),
        students=("student-7b",),
        teacher="rules",
        stages=(StageFacts("sample", 40, 38, {"no_answer": 2}), StageFacts("correct", 20, 18, {"too_long": 2})),
        target={"calculation_error": 0.75, "missing_step": 0.25},
    )
    return dataclasses.replace(facts, **changes)


PlainPass = Callable[[], Iterator[tuple[Problem, Sequence[Gold]]]]


def plain_of(problems: int, students: int = 1) -> PlainPass:
    return lambda: ((problem, golds_of(problem, students)) for problem in map(problem_of, range(problems)))
