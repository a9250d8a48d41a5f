"""The rounds of injection: which type is asked of which problem, from the frozen target and the outcomes so far.

The units of a round are a function of all outcomes of the rounds before it, in unit order (`lemma.stages.rounds`
draws them). Outcomes are derived from the replies on disk, so that an interrupted run comes to the same plan; processes
that work together tell each other theirs (`lemma.outcomes`). Only when the plan is complete are the parts written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lemma.config import Config
from lemma.derive import Derived, derive
from lemma.distribution import write_injected
from lemma.errors import RunError
from lemma.outcomes import OutcomeFiles, Outcomes, forget_outcomes, has_outcomes
from lemma.prompts import Prompts
from lemma.records import Mistake, Problem, Rejection, content_hash
from lemma.replies import ReplyStore
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder
from lemma.stages.inject import Assignment, InjectStage
from lemma.stages.rounds import MAX_ROUNDS, Slot, plan_round
from lemma.stagework import Inputs, StageWork, WorkPart
from lemma.taxonomy import ErrorType
from lemma.together import Together

Ask = Callable[[StageWork, Sequence[WorkPart], str], None]
"""Runs the engine over the parts of a stage, under a label for progress."""


@dataclass(slots=True)
class _Place:
    """A slot with where it lies and what was asked of it."""

    problem_id: str
    dataset: str
    number: int
    outcome: Slot
    asked: tuple[Assignment, ...] = ()


class Injection:
    """The injection of one run.

    Args:
        run: the run's folder.
        config: the run's configuration.
        prompts: for the stage.
        taxonomy: for the stage.
        target: ``inject/target.json``.
        parts: number of parts.
        strays: see `StageWork`.
        together: the processes that work on it; None: this one alone.
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        prompts: Prompts,
        taxonomy: Mapping[str, ErrorType],
        target: Mapping[str, Any],
        parts: int,
        strays: list[int],
        together: Together | None = None,
    ) -> None:
        self._together = together or Together(None, None, lambda line: None)
        self._run = run
        self._config = config
        self._prompts = prompts
        self._taxonomy = taxonomy
        try:
            self._targets = {name: dict(entry["target"]) for name, entry in target["datasets"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            path = StageFolder(run, "inject").path / "target.json"
            raise RunError(f"{path}: is damaged; remove the file (it is made anew from the analysis)") from None
        self._target_hash = content_hash(repr(sorted(self._targets.items())))
        self._parts = parts
        self._strays = strays
        self._chain: list[str] = []

    def work(self, plan: Mapping[str, Sequence[Assignment]] | None = None) -> StageWork:
        """The stage with a plan; without one, only to see which parts are fresh."""
        stage = InjectStage(self._config, self._prompts, self._taxonomy, plan or {})
        return StageWork(self._run, stage, self._parts, self._strays, self._more_inputs, self._together.leases)

    def _more_inputs(self, part: int) -> Inputs:
        """The target, and all parts before this one: what is drawn here follows from what came of those."""
        while len(self._chain) <= part:
            number = len(self._chain)
            before = self._chain[-1] if self._chain else ""
            hashes = [
                manifest.output_hash
                for name in ("problems", "sample")
                if number and (manifest := StageFolder(self._run, name).manifest(number - 1)) is not None
            ]
            self._chain.append(content_hash(before, *hashes))
        return {"target": self._target_hash, "before": self._chain[part]}

    def run(self, ask: Ask, rederive: bool = False) -> None:
        """Plans and asks round by round, then writes the parts that are stale: of them those that this process sees to.

        Raises:
            LemmaError: as `ask` does.
        """
        together = self._together
        places = self._walk(ask)
        members = _by_dataset(places)
        injected = {name: _came_to(members.get(name, []), self._targets[name]) for name in sorted(self._targets)}
        with together.alone():
            write_injected(self._run, injected)
        work = self.work(_by_problem(places))
        together.see_to(
            [part for part in together.mine(self._parts) if rederive or not work.is_fresh(part)],
            work.is_fresh,
            lambda part: work.open_part(part, is_redone=rederive),
            lambda parts: ask(work, parts, "inject"),
        )
        self.forget()

    def forget(self) -> None:
        """Removes what was told of the rounds, where all parts are written: nobody has to learn of it any more."""
        if has_outcomes(self._run):
            with self._together.alone():
                if not self.work().stale():
                    forget_outcomes(self._run)

    def plan(self, ask: Ask) -> dict[str, list[Assignment]]:
        """What was asked of each problem, all rounds together; writes nothing of its own."""
        return _by_problem(self._walk(ask))

    def _walk(self, ask: Ask) -> list[_Place]:
        """Plans and asks round by round."""
        places = list(self._places())
        for number in range(1, MAX_ROUNDS + 1):
            plan = self._plan_round(places, number)
            if plan:
                _learn(places, self._ask_round(ask, plan, number), number)
        return places

    def _ask_round(self, ask: Ask, plan: Mapping[str, Sequence[Assignment]], number: int) -> Outcomes:
        """What all parts' units of a round came to."""
        work = self.work(plan)
        files, leases = None, self._together.leases
        if leases is not None and leases.is_shared:  # somebody may want to learn of it
            inputs = self._more_inputs(self._parts)  # before a part that is not there: all of them
            key = content_hash(work.stage.fingerprint, *inputs.values(), repr(sorted(plan.items())))
            files = OutcomeFiles(self._run, number, key)
        turn = _Round(files)
        self._together.see_to_all(
            self._parts,
            turn.is_known,
            lambda part: _RoundPart(work, part, turn),
            lambda parts: ask(work, parts, f"inject {number}"),
        )
        return turn.outcomes

    def _places(self) -> Iterator[_Place]:
        for part in range(self._parts):
            for problem in read_records(StageFolder(self._run, "problems").part(part), Problem):
                for number in range(self._config.inject.per_problem):
                    yield _Place(problem.id, problem.dataset, number, Slot(f"{problem.id}/{number}"))

    def _plan_round(self, places: Sequence[_Place], number: int) -> dict[str, list[Assignment]]:
        """Draws this round's types, dataset by dataset, and notes them in `places`."""
        plan: dict[str, list[Assignment]] = {}
        for dataset, members in _by_dataset(places).items():
            drawn = plan_round(
                self._targets[dataset], [place.outcome for place in members], seed=self._config.seed, number=number
            )
            for place, error_type in zip(members, drawn, strict=True):
                if error_type is not None:
                    assignment = Assignment(place.number, number, error_type)
                    place.asked += (assignment,)
                    plan.setdefault(place.problem_id, []).append(assignment)
        return plan


def _by_dataset(places: Iterable[_Place]) -> dict[str, list[_Place]]:
    members: dict[str, list[_Place]] = {}
    for place in places:
        members.setdefault(place.dataset, []).append(place)
    return members


def _came_to(places: Sequence[_Place], target: Mapping[str, float]) -> dict[str, Any]:
    drawn = Counter(assignment.error_type for place in places for assignment in place.asked)
    kept = Counter(place.outcome.kept for place in places if place.outcome.kept is not None)
    return came_to(len(places), drawn, kept, target)


def came_to(
    slots: int, drawn: Mapping[str, int], kept: Mapping[str, int], target: Mapping[str, float]
) -> dict[str, Any]:
    """What injection aimed at in a dataset and what it came to.

    Args:
        slots: how many mistakes there should be.
        drawn: type → how often it was asked for, over all rounds.
        kept: type → mistakes.
        target: type → its share of the mistakes.

    Returns:
        ``{"slots", "kept", "shortfall", "total_variation", "types": {type: {"target", "drawn", "kept", "share"}}}``:
        `shortfall` counts slots that stayed empty, `total_variation` (0 to 1) tells how far the kept shares are from
        the target.
    """
    total = sum(kept.values())
    shares = {name: kept.get(name, 0) / (total or 1) for name in target}
    return {
        "slots": slots,
        "kept": total,
        "shortfall": slots - total,
        "total_variation": round(sum(abs(shares[name] - target[name]) for name in target) / 2, 6),
        "types": {
            name: {
                "target": target[name],
                "drawn": drawn.get(name, 0),
                "kept": kept.get(name, 0),
                "share": round(shares[name], 6),
            }
            for name in sorted(target, key=lambda name: (-target[name], name))
        },
    }


def _by_problem(places: Iterable[_Place]) -> dict[str, list[Assignment]]:
    plan: dict[str, list[Assignment]] = {}
    for place in places:
        plan.setdefault(place.problem_id, []).extend(place.asked)
    return plan


def _learn(places: Iterable[_Place], outcomes: Outcomes, number: int) -> None:
    """Notes what came of a round: kept, declined for good, or open for a fresh draw."""
    for place in places:
        if not place.asked or place.asked[-1].round != number:
            continue
        verdict, error_type = outcomes.get((place.problem_id, place.number), ("open", place.asked[-1].error_type))
        slot = place.outcome
        if verdict == "kept":
            place.outcome = replace(slot, kept=error_type)
            continue
        declined = slot.declined | {error_type} if verdict == "declined" else slot.declined
        place.outcome = replace(slot, declined=declined, failed=(*slot.failed, error_type))


class _Round:
    """What is known of a round's outcomes.

    Args:
        files: where the other processes' stand; None where there are none.
    """

    def __init__(self, files: OutcomeFiles | None) -> None:
        self.outcomes: Outcomes = {}
        self.files = files
        self._known: set[int] = set()

    def is_known(self, part: int) -> bool:
        """Whether a part's outcomes are known, by now."""
        if part not in self._known and self.files is not None:
            found = self.files.read(part)
            if found is not None:
                self.learn(part, found)
        return part in self._known

    def learn(self, part: int, outcomes: Outcomes) -> None:
        """Takes a part's outcomes."""
        self.outcomes.update(outcomes)
        self._known.add(part)


class _RoundPart(WorkPart):
    """A part in a round: its outcomes are learnt, no record is written."""

    def __init__(self, work: StageWork, number: int, turn: _Round) -> None:
        super().__init__(work, number)
        self._turn = turn

    def is_done(self) -> bool:
        """Whether its outcomes are known."""
        return self._turn.is_known(self.number)

    def finish(self, store: ReplyStore) -> Outcomes:
        """Derives the round's units."""
        outcomes: Outcomes = {}
        for unit, result in derive(self.work.stage, self.groups(), store.get, Derived()):
            if isinstance(result, Mistake):
                outcomes[unit.of.id, unit.slot] = ("kept", result.error_type)
            elif isinstance(result, Rejection) and result.reason == "teacher_declined":
                outcomes[unit.of.id, unit.slot] = ("declined", result.unit.label)
        if self._turn.files is not None:
            store.sync()  # what is told to others must not be lost
            self._turn.files.write(self.number, outcomes)
        return outcomes

    def finished(self, result: Outcomes) -> None:
        """Notes them for the next round, and tells the other processes."""
        self._turn.learn(self.number, result)
        if self.work.leases is not None and self._turn.files is not None:
            self.work.leases.publish(self._turn.files.path(self.number))
        self.release()
