"""The worked examples inside the prompts: read by the parsers, kept by the checks, chosen by the kind of problem."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lemma.answers import compare, extract_answer
from lemma.prompts import COMPETITION, WORD_PROBLEM, kind_of
from lemma.records import Mistake, Problem, Trajectory
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import Group, Reply
from lemma.stages.correct import CorrectStage
from lemma.stages.forms import CONNECT, CORRECT, FORMS, INJECT, SMOOTH_JOINT, SMOOTH_WHOLE
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.smooth import SmoothStage
from tests.stages.builders import PENCILS, PROMPTS, TAXONOMY, asking, mistake, reason, run, sample, trajectory

_LABELS = "Type|Problem|Correct answer|Steps|Text so far|New start|Beginning|Reflection|Continuation|Answer line|Reply"
FORM_OF = {
    "inject": INJECT,
    "fix_continue": CORRECT,
    "fresh_restart_connect": CONNECT,
    "fresh_restart_write": CORRECT,
    "smooth_joint": SMOOTH_JOINT,
    "smooth_whole": SMOOTH_WHOLE,
    "analyze": next(form for form in FORMS if form.name == "analyze"),
}
KINDS = (WORD_PROBLEM, COMPETITION)


def examples(prompt: str) -> list[Any]:
    """Of one prompt: (parts by their labels, form) of each example, its reply as it is shown in that form."""
    made = []
    for kind in KINDS:
        for number, (given, reply) in enumerate(PROMPTS.template(prompt).examples_for(kind)):
            for form in ("tags", "json"):
                shown = FORM_OF[prompt].example(reply, form)
                pieces = re.split(rf"^({_LABELS}):[ \n]", f"{given}\nReply:\n{shown}", flags=re.M)
                parts = {label: text.strip() for label, text in zip(pieces[1::2], pieces[2::2], strict=True)}
                made.append(pytest.param(parts, form, id=f"{kind}-{number}-{form}"))
    return made


def problem_of(parts: dict[str, str], reference: str = "No way is shown.") -> Problem:
    answer = parts.get("Correct answer") or parts.get("Answer line") or parts.get("New start") or parts["Steps"]
    return Problem(
        id="p-example",
        dataset="examples",
        question=parts["Problem"],
        reference_solution=reference,
        answer=(extract_answer(answer) or answer) if "answer is" in answer else answer,
        meta={},
    )


def steps_of(parts: dict[str, str]) -> str:
    return re.sub(r"^\[\d+\] ", "", parts["Steps"], flags=re.M)


def mistake_of(parts: dict[str, str], text: str, problem: Problem) -> Mistake:
    return mistake(f"{text}\nThe answer is: 999", text.splitlines()[-1], problem=problem, answer="999")


@pytest.mark.parametrize(("parts", "form"), examples("analyze"))
def test_the_examples_of_analyze_are_read(parts: dict[str, str], form: str) -> None:
    text, problem = steps_of(parts), problem_of(parts)
    stage = AnalyzeStage(asking(form), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(problem, samples=(sample(text, problem, answer=extract_answer(text)),)))
    assert [line for line in parts["Steps"].splitlines() if line.startswith("[")] == [
        line for line in stage.request(unit, 0, 0, False).messages[1]["content"].splitlines() if line.startswith("[")
    ]
    if "wrong" in parts["Reply"].split("verdict")[1]:
        made = run(stage, unit, parts["Reply"])
        assert isinstance(made, Mistake)
        assert (made.first_error_step, made.error_type) == (2, "calculation_error")
    else:
        assert reason(stage, unit, parts["Reply"]) == "judged_correct"
        assert compare(extract_answer(text) or "", problem.answer).name == "EQUAL"


@pytest.mark.parametrize(("parts", "form"), examples("inject"))
def test_the_examples_of_inject_are_kept(parts: dict[str, str], form: str) -> None:
    problem = problem_of(parts, steps_of(parts))
    stage = InjectStage(asking(form), PROMPTS, TAXONOMY, {problem.id: [Assignment(0, 1, parts["Type"])]})
    (unit,) = stage.units(Group(problem))
    made = run(stage, unit, parts["Reply"])
    assert isinstance(made, Mistake)
    assert made.first_error_step == 2
    assert made.solution.splitlines()[0] == steps_of(parts).splitlines()[0]


def corrected(parts: dict[str, str], form: str, strategy: str, right: str | None = None) -> Trajectory:
    text = parts["Text so far"]
    problem = problem_of(parts, "And so on." if right else f"{text.splitlines()[0]}\nAnd so on.")
    samples = (sample(right, problem, is_correct=True, answer=problem.answer),) if right else ()
    stage = CorrectStage(asking(form, correct={"strategies": [strategy]}), PROMPTS, TAXONOMY)
    (unit,) = stage.units(Group(problem, samples=samples, mistakes=(mistake_of(parts, text, problem),)))
    assert unit.is_gold_verbatim is bool(right)
    made = run(stage, unit, parts["Reply"])
    assert isinstance(made, Trajectory)
    return made


@pytest.mark.parametrize(("parts", "form"), examples("fix_continue"))
def test_the_examples_of_fix_continue_are_kept(parts: dict[str, str], form: str) -> None:
    assert corrected(parts, form, "fix_continue").text.endswith(parts["Answer line"])


@pytest.mark.parametrize(("parts", "form"), examples("fresh_restart_write"))
def test_the_examples_of_a_written_restart_are_kept(parts: dict[str, str], form: str) -> None:
    assert corrected(parts, form, "fresh_restart").text.endswith(parts["Answer line"])


@pytest.mark.parametrize(("parts", "form"), examples("fresh_restart_connect"))
def test_the_examples_of_a_connected_restart_are_kept(parts: dict[str, str], form: str) -> None:
    made = corrected(parts, form, "fresh_restart", parts["New start"])
    assert made.continuation == f"\n{parts['New start']}"


@pytest.mark.parametrize("scope", ["joint", "whole"])
def test_the_examples_of_smooth_are_kept(scope: str) -> None:
    for case in examples(f"smooth_{scope}"):
        parts, form = case.values
        problem = problem_of(parts)
        before = trajectory(
            f"\n{parts['Reflection']}",
            f"\n{parts['Continuation']}",
            of=mistake_of(parts, parts["Beginning"], problem),
        )
        stage = SmoothStage(asking(form, smooth={"scope": scope}), PROMPTS, TAXONOMY)
        (unit,) = stage.units(Group(problem, trajectories=(before,)))
        made = run(stage, unit, parts["Reply"])
        assert isinstance(made, Trajectory)
        assert made.reflection + made.continuation != before.reflection + before.continuation


def test_examples_are_chosen_by_the_kind_of_problem_and_the_rest_is_constant() -> None:
    stage = AnalyzeStage(asking("tags"), PROMPTS, TAXONOMY)
    systems: dict[str, set[str]] = {WORD_PROBLEM: set(), COMPETITION: set()}
    for question in ("1 + 1?", "How many?", "Find $x$.", "Compute $\\gcd(3, 4)$."):
        problem = PENCILS.model_copy(update={"question": question})
        (unit,) = stage.units(Group(problem, samples=(sample("3", problem, answer="3"),)))
        systems[kind_of(problem)].add(stage.request(unit, 0, 0, False).messages[0]["content"])
    (words,), (competition,) = systems[WORD_PROBLEM], systems[COMPETITION]
    assert "Nora has 5 boxes" in words
    assert "Nora has 5 boxes" not in competition
    assert "$f(x) = f(5)$" in competition
    shared = words.index("Examples\n")
    assert words[:shared] == competition[:shared]


def test_an_injection_shows_its_types_examples_of_that_kind() -> None:
    plan = {PENCILS.id: [Assignment(0, 1, "counting_error")]}
    stage = InjectStage(asking("tags"), PROMPTS, TAXONOMY, plan)
    for dataset, kind in (("gsm8k", WORD_PROBLEM), ("math", COMPETITION)):
        (unit,) = stage.units(Group(PENCILS.model_copy(update={"dataset": dataset})))
        user = stage.request(unit, 0, 0, False).messages[1]["content"]
        for other in KINDS:
            assert all((text in user) is (other == kind) for text in TAXONOMY["counting_error"].examples[other])


def test_a_reply_in_a_prompts_example_holds_no_part_of_another_form() -> None:
    for prompt, form in FORM_OF.items():
        names = {field.name for field in form.fields}
        for kind in KINDS:
            for _, reply in PROMPTS.template(prompt).examples_for(kind):
                assert set(form.read(Reply("k", reply, "stop"), "tags")) <= names
                assert set(re.findall(r"</(\w+)>", reply)) <= names
