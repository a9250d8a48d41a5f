"""What is put before a reader by ``readers.py``: requests of every stage, chosen by hashes.

The problems are cut into thirds by a hash of the question: prompts are improved on *dev*, reported on *report*, and
the last third is spare. Each split, by hash within it:

* analyze: 60 labelled rows, 20 each of processbench_gsm8k, processbench_math (10 and 10 of them without error) and
  mr_gsm8k (which has no row without error). Rows are drawn whatever their final answer: a few wrong steps lead to the
  right answer, so that an answer that agrees does not tell that all is well. The stage itself asks only about samples
  whose answer differs, and its prompt says so to the reader, unjustly for the rows without error: a reader who
  believes the prompt over the steps is counted as wrong.
* inject: 30 reference solutions, half of GSM8K and half of MATH, from their training sets.
* fix_continue, fresh_restart: the same 30 mistakes: 14 of mr_gsm8k with the reasons that people gave (not those that
  are false), 8 of processbench_math with reasons written for this, and 8 that the embedded teacher injects into GSM8K.
  ``tests/fixtures/readers/notes.json`` has the types and reasons. None is on a problem of *analyze*.
* smooth_joint: 30 trajectories: the hand-answered corrections of ``tests/fixtures/stages/answered.json`` in the split,
  the others corrections by the embedded teacher of mistakes that it injects (six into MATH, the rest into GSM8K):
  wooden, with LaTeX cut apart here and there, but seldom false.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from reader_requests import CONFIG, TYPES, Label, Stages, Task, replayed

from lemma.answers import compare, extract_answer
from lemma.datasets import gsm8k, math
from lemma.datasets.base import Parsed, Row
from lemma.datasets.cleaning import take_out_marks
from lemma.errors import UnitError
from lemma.prompts import Prompts
from lemma.records import MadeBy, Mistake, Problem, Sample, Trajectory, content_hash, make_id
from lemma.stages.base import Group, Unit
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.rounds import Slot, plan_round
from lemma.stages.sample import IS_CORRECT
from lemma.steps import locate_steps, map_steps, step_at, step_spans
from lemma.taxonomy import load_taxonomy
from lemma.teacher.rules import RulesTeacher

FIXTURES: Final = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
SPLITS: Final = {"dev": 0, "report": 1}
_MADE_BY: Final = MadeBy(stage="given", model="given", prompt_hash="", request_key="", config_hash="")


def topic(question: str) -> str:
    """What two wordings of one problem share: how it begins."""
    return "".join(char for char in question.casefold() if char.isalnum())[:40]


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


class Draw:
    """Rows of one split in the order of a hash, no problem twice over all draws."""

    def __init__(self, data: Path, split: str) -> None:
        self._data = data
        self._third = SPLITS[split]
        self._taken: set[str] = set()

    def rows(self, file: str) -> Iterator[dict[str, Any]]:
        """The rows of a file that are in the split and on problems that were not drawn yet."""
        found = {}
        for row in lines_of(self._data / file):
            question = row.get("question") or row["problem"]
            if self.has(question):
                found[content_hash("readers", file, json.dumps(row, sort_keys=True))] = (topic(question), row)
        for _, (about, row) in sorted(found.items()):
            if about not in self._taken:
                yield row

    def has(self, question: str) -> bool:
        """Whether a problem is in the split."""
        return int(content_hash("third", topic(question))[:15], 16) % 3 == self._third

    def offers(self, question: str) -> bool:
        """Whether a problem is in the split and was not drawn yet."""
        return self.has(question) and topic(question) not in self._taken

    def take(self, question: str) -> None:
        """Draws no problem that begins so any more."""
        self._taken.add(topic(question))


def read_labelled(row: dict[str, Any]) -> tuple[Problem, Sample, list[str]]:
    """A labelled row as the stages have it: cleaned, the solution as a sample, the steps that people saw."""
    problem = Parsed(
        dataset="math" if "math" in row["source"] else "gsm8k",
        question=row["question"].strip(),
        reference_solution=take_out_marks(row["reference_solution"])[0],
        answer=row["gt"],
    ).problem(0)
    return (
        problem,
        sample_of(problem, row["solution"], row["meta"].get("generator") or row["source"]),
        [take_out_marks(step)[0] for step in row["steps"]],
    )


def sample_of(problem: Problem, solution: str, model: str) -> Sample:
    text, _ = take_out_marks(solution)
    answer = extract_answer(text)
    return Sample(
        id=make_id("s", problem.id, text),
        problem=problem,
        model=model,
        text=text,
        answer=answer,
        is_correct=None if answer is None else IS_CORRECT[compare(answer, problem.answer)],
        made_by=_MADE_BY,
    )


def number_of(*key: str) -> str:
    return str(10_000 + int(content_hash("request", *key)[:12], 16) % 90_000)


class Chooser:
    """All tasks of one split, in the same order each time."""

    def __init__(self, data: Path, split: str) -> None:
        self._data = data
        self._draw = Draw(data, split)
        prompts, taxonomy = Prompts(None), load_taxonomy(None)
        stages = Stages()
        self._analyze, self._correct, self._smooth = stages["analyze"], stages["fix_continue"], stages["smooth_joint"]
        self._prompts, self._taxonomy = prompts, taxonomy
        self._rules = RulesTeacher()

    def tasks(self) -> list[Task]:
        """Every task; no number twice within a stage."""
        tasks = [*self._analyses(), *self._injections(), *self._corrections(), *self._smoothings()]
        clashes = [key for key, times in Counter((task.name, task.number) for task in tasks).items() if times > 1]
        assert not clashes, f"numbers clash: {clashes}"
        return sorted(tasks, key=lambda task: (task.name, task.number))

    def _analyses(self) -> Iterator[Task]:
        for source, is_wrong, num in (
            ("processbench_gsm8k", True, 10),
            ("processbench_gsm8k", False, 10),
            ("processbench_math", True, 10),
            ("processbench_math", False, 10),
            ("mr_gsm8k", True, 20),
        ):
            for row in self._labelled(source, num, is_wrong):
                problem, sample, steps = read_labelled(row)
                # whatever its answer says: so the stage asks about it
                asked = sample.model_copy(update={"is_correct": False})
                (unit,) = self._analyze.units(Group(problem, samples=(asked,)))
                number = number_of("analyze", row["meta"]["id"])
                label = label_of(sample, steps, row["first_error_step"])
                yield Task("analyze", source, number, self._analyze, unit, label)

    def _labelled(self, source: str, num: int, is_wrong: bool, is_noted: bool = False) -> Iterator[dict[str, Any]]:
        notes: dict[str, dict[str, str]] = {}
        if is_noted:
            notes = json.loads((FIXTURES / "readers" / "notes.json").read_text(encoding="utf-8"))
        for row in self._draw.rows(f"labelled/{source}.jsonl"):
            if num == 0:
                return
            if (row["first_error_step"] is None) is is_wrong or not row["reference_solution"] or not row["gt"]:
                continue
            if is_noted and not (
                "error_type" in notes.get(row["meta"]["id"], {}) and read_labelled(row)[1].is_correct is False
            ):
                continue
            num -= 1
            self._draw.take(row["question"])
            yield row | {"note": notes.get(row["meta"]["id"])}

    def _train(self, dataset: str, num: int) -> list[Problem]:
        parse = {"gsm8k": gsm8k.parse, "math": math.parse}[dataset]
        problems: list[Problem] = []
        for row in self._draw.rows(f"{dataset}/train.jsonl"):
            if len(problems) == num:
                break
            parsed = parse(Row("train.jsonl", dataset, 1, row), CONFIG.data[0].model_copy(update={"name": dataset}))
            if parsed.answer:
                problems.append(parsed.problem(0))
        return problems

    def _injections(self) -> Iterator[Task]:
        for dataset in ("gsm8k", "math"):
            problems = self._train(dataset, 15)
            for problem in problems:
                self._draw.take(problem.question)
            drawn = plan_round(TYPES, [Slot(f"{problem.id}/0") for problem in problems], seed=CONFIG.seed, number=2)
            for problem, error_type in zip(problems, drawn, strict=True):
                stage = self._injecting(problem, error_type)
                (unit,) = stage.units(Group(problem))
                yield Task("inject", f"{dataset} train", number_of("inject", problem.id), stage, unit)

    def _injecting(self, problem: Problem, error_type: str | None) -> InjectStage:
        assert error_type is not None, "only declining leaves a slot without a type"
        return InjectStage(CONFIG, self._prompts, self._taxonomy, {problem.id: [Assignment(0, 1, error_type)]})

    def _corrections(self) -> Iterator[Task]:
        mistakes: list[tuple[str, Mistake]] = []
        for source, num in (("mr_gsm8k", 14), ("processbench_math", 8)):
            for row in self._labelled(source, num, True, is_noted=True):
                mistakes.append((source, labelled_mistake(row)))
        mistakes += [("gsm8k train, injected", mistake) for mistake in self._injected("gsm8k", 8)]
        for source, mistake in mistakes:
            for unit in self._correct.units(Group(mistake.problem, mistakes=(mistake,))):
                number = number_of(unit.strategy, mistake.id)
                yield Task(unit.strategy, source, number, self._correct, unit)

    def _injected(self, dataset: str, num: int) -> Iterator[Mistake]:
        """Mistakes that the embedded teacher makes; their ids, unlike in a run, don't hang on the prompt."""
        problems = self._train(dataset, 60 * num)
        drawn = plan_round(TYPES, [Slot(f"{problem.id}/0") for problem in problems], seed=CONFIG.seed, number=2)
        for problem, error_type in zip(problems, drawn, strict=True):
            stage = self._injecting(problem, error_type)
            made = self._answer(stage, next(stage.units(Group(problem))))
            if num and made is not None:
                num -= 1
                self._draw.take(problem.question)
                yield made.model_copy(update={"id": make_id("m", problem.id, made.error_type)})

    def _answer(self, stage: Any, unit: Unit) -> Any:
        """The record that the embedded teacher's reply gives, or null."""
        request = stage.request(unit, 0, 0, False)
        reply = self._rules.answer_now(request)
        try:
            record = stage.make(unit, [(request, reply, stage.parse(unit, reply))])
            stage.check(unit, record)
        except UnitError:
            return None
        return record

    def _smoothings(self, num: int = 30) -> Iterator[Task]:
        for source, trajectory in self._trajectories():
            if num == 0:
                return
            num -= 1
            (unit,) = self._smooth.units(Group(trajectory.mistake.problem, trajectories=(trajectory,)))
            yield Task("smooth_joint", source, number_of("smooth", trajectory.id), self._smooth, unit)

    def _trajectories(self) -> Iterator[tuple[str, Trajectory]]:
        for case in json.loads((FIXTURES / "stages" / "answered.json").read_text(encoding="utf-8")):
            if self._draw.offers(case["problem"]["question"]):
                yield from (("answered", trajectory) for trajectory in self._answered(case))
        for dataset, num in (("math", 6), ("gsm8k", 30)):
            for mistake in self._injected(dataset, num):
                units = list(self._correct.units(Group(mistake.problem, mistakes=(mistake,))))
                # one strategy a problem, so that no two requests are on the same one
                chosen = units[int(content_hash("strategy", mistake.id)[:4], 16) % len(units)]
                trajectory = self._answer(self._correct, chosen)
                if trajectory is not None:
                    yield f"{dataset} train, injected", stable(trajectory)

    def _answered(self, case: dict[str, Any]) -> Iterator[Trajectory]:
        """The hand-answered corrections of a case."""
        problem = Problem.model_validate(case["problem"])
        samples = tuple(sample_of(problem, given["text"], given["model"]) for given in case["samples"])
        group = Group(problem, samples=samples)
        name = "analyze" if "analyze" in case else "inject"
        stage: Any = self._analyze if name == "analyze" else self._injecting(problem, case["inject"]["error_type"])
        mistake = replayed(stage, next(iter(stage.units(group))), case[name]["reply"]).record
        if mistake is None:
            return
        mistake = mistake.model_copy(update={"id": make_id("m", problem.id, mistake.solution)})
        for unit in self._correct.units(replace(group, mistakes=(mistake,))):
            reply = case["correct"].get(unit.strategy)
            record = replayed(self._correct, unit, reply).record if reply else None
            if record is not None:
                yield stable(record)


def stable(trajectory: Trajectory) -> Trajectory:
    """With an id that does not hang on the prompt."""
    return trajectory.model_copy(update={"id": make_id("t", trajectory.mistake.id, trajectory.strategy)})


def label_of(sample: Sample, steps: Sequence[str], first_error_step: int | None) -> Label:
    has_right_answer = sample.is_correct is True
    if first_error_step is None:
        return Label(None, has_right_answer=has_right_answer)
    mapped = map_steps(sample.text, steps)
    at = first_error_step - 1
    near = (mapped[max(at - 1, 0)][0], mapped[min(at + 1, len(mapped) - 1)][1])
    return Label(mapped[at], near, has_right_answer)


def labelled_mistake(row: dict[str, Any]) -> Mistake:
    """A row with a human label as a mistake; its note names the type, and the reason where people gave none."""
    problem, sample, steps = read_labelled(row)
    start, end = locate_steps(sample.text, steps)[row["first_error_step"] - 1]
    if "quote" in row["note"]:  # people labelled a whole paragraph: the first wrong step of ours is in it
        place = sample.text.index(row["note"]["quote"], start, end) + len(row["note"]["quote"])
        first, last = step_spans(sample.text)[step_at(sample.text, place) - 1]
        end = first + len(sample.text[first:last].rstrip())
    return Mistake(
        id=make_id("m", row["meta"]["id"]),
        problem=problem,
        origin="student",
        model=sample.model,
        solution=sample.text,
        answer=sample.answer or "",
        error_type=row["note"]["error_type"],
        prefix_end=end,
        first_error_step=step_at(sample.text, end),
        explanation=row["note"].get("explanation") or row["meta"]["error_reason"].strip(),
        made_by=_MADE_BY,
    )
