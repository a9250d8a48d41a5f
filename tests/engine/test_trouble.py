"""The engine under seeded trouble: twins, failures, refusals, stops, crashes, in any order.

The stage is a toy whose units ask for plain words, so that hundreds of runs take seconds; parts and replies are real
files.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from lemma.engine import Engine
from lemma.errors import DiskError, LemmaError, RunError, TeacherError
from lemma.stages.base import Reply, Request
from lemma.teacher.base import CallFailed, Teacher
from lemma.teacher.paced import PacedTeacher
from lemma.teacher.pool import Address, Pool
from lemma.teacher.retry import RetryPolicy
from tests.engine.toys import Silent, ToyPart, ToyStage


class ToyTeacher(PacedTeacher):
    """Answers by a seeded fate of each request; `stop_after` replies something happens."""

    def __init__(self, seed: int, stop_after: int, stop: Any) -> None:
        super().__init__(Pool([""], 1000, None, None))
        self._source = random.Random(seed)
        self._stop_after = stop_after
        self._stop = stop
        self._failed: Counter[str] = Counter()
        self.in_flight: set[str] = set()
        self.answered: list[str] = []

    def claim(self, request: Request) -> Any | None:
        return None if self._source.random() < 0.1 else super().claim(request)

    def wait_s(self) -> float:
        return 0.001

    async def _call(self, request: Request, address: Address) -> tuple[Reply, None]:
        assert request.key not in self.in_flight, "the very same is asked twice at once"
        self.in_flight.add(request.key)
        try:
            await asyncio.sleep(self._source.random() * 0.004)
            return self._reply(request), None
        finally:
            self.in_flight.discard(request.key)

    def _reply(self, request: Request) -> Reply:
        fate = random.Random(request.key)
        if self._failed[request.key] < fate.choice([0, 0, 0, 1, 2]):
            self._failed[request.key] += 1
            raise CallFailed("no luck", fate.random() < 0.2, retry_after_s=0.001)
        if len(self.answered) == self._stop_after:
            self._stop_after = -1
            self._stop()
        self.answered.append(request.key)
        text, reason = fate.choice([("yes", "stop"), ("yes", "stop"), ("what?", "stop"), ("", "stop"), ("y", "length")])
        return Reply(request.key, text, "refused" if fate.random() < 0.1 else reason)

    async def close(self) -> None:
        pass


class OneRoom(PacedTeacher):
    """Its first call fails, and there is no room for the second one at first."""

    def __init__(self) -> None:
        super().__init__(Pool([""], 1, None, None))
        self._claims = 0
        self.called: list[str] = []

    def claim(self, request: Request) -> Any | None:
        self._claims += 1
        return None if self._claims == 2 else super().claim(request)

    def wait_s(self) -> float:
        return 0.05  # by then the first may be asked again

    async def _call(self, request: Request, address: Address) -> tuple[Reply, None]:
        self.called.append(request.key)
        if len(self.called) == 1:
            raise CallFailed("no luck", retry_after_s=0.001)
        return Reply(request.key, "yes", "stop"), None

    async def close(self) -> None:
        pass


class Impatient(RetryPolicy):
    """Waits for next to nothing, so that hundreds of failures take no time."""

    def wait_s(self, failures: int, error: CallFailed) -> float:
        return 0.002


def make_parts(folder: Path, seed: int) -> list[ToyPart]:
    """Parts of many sizes, some empty, whose words are twins of one another here and there."""
    source = random.Random(seed)
    words = [f"{source.choice(['one', 'two'])}-{number}" for number in range(source.choice([3, 10, 40]))]
    sizes = [source.choice([0, 1, 2, 7, 15]) for _ in range(source.randrange(1, 7))]
    return [ToyPart(number, folder, [source.choice(words) for _ in range(size)]) for number, size in enumerate(sizes)]


def work(parts: Sequence[ToyPart], teacher: Teacher, concurrency: int, engines: list[Engine]) -> Silent:
    meter = Silent()
    engine = Engine(ToyStage(), parts, teacher, meter, concurrency, retry=Impatient())
    engines.append(engine)
    engine.run()
    return meter


def all_lines(parts: Sequence[ToyPart]) -> list[list[str]]:
    return [part.lines for part in parts]


def keys_in(folder: Path) -> dict[str, list[str]]:
    """File → the keys of its replies."""
    return {
        path.name: [json.loads(line)["key"] for line in path.read_bytes().splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 400))]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_twins_failures_and_stops_ends_in_the_same_parts(tmp_path: Path, seed: int) -> None:
    (tmp_path / "a").mkdir()
    undisturbed = make_parts(tmp_path / "a", seed)
    engines: list[Engine] = []
    calm = ToyTeacher(0, -1, None)
    meter = work(undisturbed, calm, 4, engines)
    assert [part.times_finished for part in undisturbed] == [1] * len(undisturbed)
    assert meter.settled_count == sum(1 + word.startswith("two") for part in undisturbed for word in part.words)

    source = random.Random(seed)
    (tmp_path / "b").mkdir()
    parts = make_parts(tmp_path / "b", seed)
    paid: Counter[str] = Counter()
    for leg in range(6):
        failing = source.choice(parts)
        failing.failure = source.choice([None, None, DiskError("full"), RunError("damaged"), KeyError("a fault")])

        def stop(kind: int = source.randrange(4)) -> None:
            if kind == 0:
                raise TeacherError("the key is wrong")
            if kind == 1:
                raise KeyError("a fault of the teacher's own")
            for _ in range(kind - 1):
                engines[-1].interrupt()

        teacher = ToyTeacher(seed + leg, source.randrange(30), stop)
        with contextlib.suppress(LemmaError):
            work([part for part in parts if not part.times_finished], teacher, source.choice([1, 3, 50]), engines)
        kept = keys_in(tmp_path / "b")
        paid.update(teacher.answered)
        assert set(paid) <= set(chain.from_iterable(kept.values())), "a reply was lost"
        assert all(len(keys) == len(set(keys)) for keys in kept.values()), "a reply stands there twice"
        failing.failure = None
    finish = ToyTeacher(seed, -1, None)
    work([part for part in parts if not part.times_finished], finish, 5, engines)
    paid.update(finish.answered)
    where = Counter(chain.from_iterable(keys_in(tmp_path / "b").values()))
    assert all(times <= where[key] for key, times in paid.items()), "a reply on disk was asked for again"
    assert all_lines(parts) == all_lines(undisturbed)
    assert [part.times_finished for part in parts] == [1] * len(parts)


def test_what_there_was_no_room_for_is_not_asked_once_its_twin_was_answered(tmp_path: Path) -> None:
    part = ToyPart(0, tmp_path, ["twin", "twin"])
    teacher = OneRoom()
    work([part], teacher, 1, [])
    assert part.times_finished == 1
    assert teacher.called == keys_in(tmp_path)["0.jsonl"] * 2, "one call failed, one served both"
