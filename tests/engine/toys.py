"""A stage whose units ask for plain words, its parts in real files, and a meter that shows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lemma.derive import Derived, derive
from lemma.errors import ParseError
from lemma.records import MadeBy, Problem, Sample
from lemma.replies import ReplyStore
from lemma.stages.base import Group, Reply, Request, Unit
from lemma.teacher.base import CallFailed


@dataclass(frozen=True, slots=True)
class ToyUnit(Unit):
    """A unit that asks for `word`."""

    of: Problem
    word: str

    @property
    def problem(self) -> Problem:
        return self.of

    @property
    def parent(self) -> str:
        return self.of.id


class ToyStage:
    """Reads every reply but those that say ``what?``."""

    name = "toy"
    reads: tuple[str, ...] = ()
    fingerprint = "toy"
    attempts = 3
    raises_cap = True
    record_type = Sample

    def units(self, group: Group) -> Iterator[ToyUnit]:
        for number, word in enumerate(group.problem.question.split()):
            yield ToyUnit(f"u-{group.problem.id}-{number}", group.problem, word)

    def draws(self, unit: ToyUnit) -> int:
        return 2 if unit.word.startswith("two") else 1

    def request(self, unit: ToyUnit, draw: int, attempt: int, is_cap_raised: bool) -> Request:
        messages = ({"role": "user", "content": unit.word},)
        return Request(unit, messages, "toy", {"max_tokens": 2 if is_cap_raised else 1}, "", draw, attempt)

    def parse(self, unit: ToyUnit, reply: Reply) -> str:
        if reply.text == "what?":
            raise ParseError("missing_tag")
        return reply.text

    def make(self, unit: ToyUnit, parsed: Sequence[tuple[Request, Reply, str]]) -> Sample:
        made_by = MadeBy(stage="toy", model="toy", prompt_hash="", request_key=parsed[0][1].key, config_hash="")
        text = " ".join(text for _, _, text in parsed)
        return Sample(
            id=unit.id, problem=unit.of, model="toy", text=text, answer=None, is_correct=None, made_by=made_by
        )

    def check(self, unit: ToyUnit, record: Sample) -> None:
        pass


@dataclass
class ToyPart:
    """A part on disk whose derivation may fail."""

    number: int
    folder: Path
    words: Sequence[str]
    failure: BaseException | None = None
    lines: list[str] = field(default_factory=list)
    times_finished: int = 0

    def claim(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def open_replies(self) -> ReplyStore:
        return ReplyStore(self.folder / f"{self.number}.jsonl")

    def groups(self) -> Iterator[Group]:
        for place in range(0, len(self.words), 3):
            question = " ".join(self.words[place : place + 3])
            name = f"{self.number}-{place}"
            yield Group(Problem(id=name, dataset="toy", question=question, reference_solution="", answer=""))

    def finish(self, store: ReplyStore) -> list[str]:
        if self.failure is not None:
            raise self.failure
        derived = Derived()
        results = derive(ToyStage(), self.groups(), store.get, derived)
        lines = [f"{unit.id} {result.model_dump_json() if result else None}" for unit, result in results]
        assert derived.left == 0
        return lines

    def finished(self, result: list[str]) -> None:
        self.lines = result
        self.times_finished += 1


class Silent:
    """A meter that shows nothing."""

    def __init__(self) -> None:
        self.settled_count = 0

    def settled(self, reply: Reply | None) -> None:
        self.settled_count += 1

    def replied(self, reply: Reply) -> None:
        pass

    def failed(self, error: CallFailed) -> None:
        pass

    def finished(self, part: int) -> None:
        pass

    def tick(self, in_flight: int) -> None:
        pass

    def say(self, line: str) -> None:
        pass
