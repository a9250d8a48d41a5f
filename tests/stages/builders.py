"""Plain values for the stages' tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.errors import UnitError
from lemma.prompts import Prompts
from lemma.records import MadeBy, Mistake, Problem, Record, Sample, Trajectory, make_id
from lemma.stages.base import Group, Reply, Stage
from lemma.taxonomy import load_taxonomy

FIXTURES = Path(__file__).parent.parent / "fixtures" / "stages"
PROMPTS = Prompts()
TAXONOMY = load_taxonomy()
MADE_BY = MadeBy(stage="test", model="m", prompt_hash="", request_key="", config_hash="")

PENCILS = Problem(
    id="p-pencils",
    dataset="words",
    question=(
        "Nora has 5 boxes of 12 pencils. She gives 18 pencils to her class and sells the rest at $0.50 each. "
        "How much does she earn?"
    ),
    reference_solution=(
        "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 42 of them.\nThat brings 42 * 0.5 = $21.\n#### 21"
    ),
    answer="21",
    meta={},
)
WRONG = (
    "Nora has 5 * 12 = 60 pencils.\nShe keeps 60 - 18 = 48 pencils to sell.\n"
    "Selling them brings 48 * 0.50 = $24.\nA: 24"
)
RIGHT = (
    "One box has 12 pencils, so 5 boxes have 60.\nWithout the 18 for the class 42 are left.\n"
    "Each brings half a dollar: $21.\nA: 21"
)


def config(**more: Any) -> Config:
    return Config.model_validate(
        {
            "data": [{"dataset": "gsm8k", "path": "x"}],
            "teacher": {"backend": "openai", "model": "teacher"},
            "student": {"model": "student", "api": "completions"},
            **more,
        }
    )


def sample(text: str, problem: Problem = PENCILS, is_correct: bool | None = False, answer: str | None = "24") -> Sample:
    return Sample(
        id=make_id("s", problem.id, text),
        problem=problem,
        model="student",
        text=text,
        answer=answer,
        is_correct=is_correct,
        made_by=MADE_BY,
    )


def mistake(solution: str = WRONG, through: str = "48 pencils to sell.", **more: Any) -> Mistake:
    """A mistake whose first wrong step ends with `through`."""
    values: dict[str, Any] = {
        "id": make_id("m", solution, through),
        "problem": PENCILS,
        "origin": "student",
        "model": "student",
        "solution": solution,
        "answer": "24",
        "error_type": "calculation_error",
        "prefix_end": solution.index(through) + len(through),
        "first_error_step": 2,
        "explanation": "60 - 18 is 42, not 48.",
        "made_by": MADE_BY,
    }
    return Mistake(**{**values, **more})


def trajectory(
    reflection: str = "\nHmm, 48 and 18 would make 66, more than she had. It is 42.",
    continuation: str = "\nThey bring 42 * 0.50 = $21.\nThe answer is: 21",
    of: Mistake | None = None,
    strategy: str = "fix_continue",
    prefix: str | None = None,
) -> Trajectory:
    of = of or mistake()
    prefix = of.prefix if prefix is None else prefix
    return Trajectory(
        id=make_id("t", of.id, strategy, reflection, continuation),
        mistake=of,
        strategy=strategy,
        prefix=prefix,
        reflection=reflection,
        continuation=continuation,
        text=prefix + reflection + continuation,
        answer=of.problem.answer,
        is_smoothed=False,
        made_by=MADE_BY,
    )


def run(stage: Stage, unit: Any, *texts: str, finish_reason: str = "stop") -> Record:
    """What a unit gives for these replies, one a draw."""
    parsed = []
    for draw, text in enumerate(texts):
        request = stage.request(unit, draw, 0, False)
        reply = Reply(request.key, text, finish_reason)
        parsed.append((request, reply, stage.parse(unit, reply)))
    record = stage.make(unit, parsed)
    stage.check(unit, record)
    return record


def reason(stage: Stage, unit: Any, *texts: str, finish_reason: str = "stop") -> str:
    """Why a unit gives nothing for these replies."""
    with pytest.raises(UnitError) as caught:
        run(stage, unit, *texts, finish_reason=finish_reason)
    return caught.value.reason


def tagged(parts: Mapping[str, str]) -> str:
    return "\n".join(f"<{name}>{content}</{name}>" for name, content in parts.items())


def in_form(parts: Mapping[str, str], reply_form: str) -> str:
    """A reply of these parts: in tags, or as a JSON object with numbers where the schema wants them."""
    if reply_form == "tags":
        return tagged(parts)
    numbers = {"first_error_step", "altered_step"}
    return json.dumps({k: int(v) if k in numbers and v.isdecimal() else v for k, v in parts.items()})


def asking(reply_form: str, **more: Any) -> Config:
    """A configuration whose teacher is asked in that form."""
    return config(teacher={"backend": "openai", "model": "teacher", "reply_form": reply_form}, **more)


def cases() -> Sequence[dict[str, Any]]:
    """The hand-answered cases."""
    loaded: list[dict[str, Any]] = json.loads((FIXTURES / "answered.json").read_text(encoding="utf-8"))
    return loaded


def case_group(case: dict[str, Any]) -> Group:
    """A case's problem with its samples, scored."""
    from lemma.stages.base import GivenSample
    from lemma.stages.sample import SampleStage

    problem = Problem.model_validate(case["problem"])
    stage = SampleStage(config(), PROMPTS)
    given = tuple(GivenSample(one["text"], one["model"]) for one in case["samples"])
    units = stage.units(Group(problem, given=given)) if given else ()
    return Group(problem, samples=tuple(stage.make(unit, []) for unit in units))
