"""Draws that wait: which comes next, and what twins hear."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from lemma.derive import Chain
from lemma.engine.waiting import Job, OpenPart, Waiting
from tests.engine.toys import ToyPart, ToyStage, ToyUnit


@pytest.fixture
def opened(tmp_path: Path) -> OpenPart:
    return OpenPart(ToyPart(0, tmp_path, ["one two one three four"]))


def jobs_of(opened: OpenPart, words: str) -> list[Job]:
    problem = next(opened.part.groups()).problem
    units = [ToyUnit(f"u{number}", problem, word) for number, word in enumerate(words.split())]
    return [Job(opened, Chain(ToyStage(), unit, 0)) for unit in units]


def words(*jobs: Job | None) -> list[str | None]:
    return [job.chain.request.messages[0]["content"] if job is not None else None for job in jobs]


def test_nobody_waits_at_first() -> None:
    waiting = Waiting()
    assert waiting.is_empty
    assert waiting.pull(math.inf) is None
    assert waiting.next_s == math.inf


def test_what_was_put_back_last_comes_first(opened: OpenPart) -> None:
    waiting = Waiting()
    first, second = jobs_of(opened, "one two")
    waiting.put_back(first)
    waiting.put_back(second)
    assert not waiting.is_empty
    assert words(*(waiting.pull(0.0) for _ in range(3))) == ["two", "one", None]


def test_a_delayed_job_comes_when_its_time_has_come_and_before_what_was_put_back(opened: OpenPart) -> None:
    waiting = Waiting()
    back, late, soon = jobs_of(opened, "back late soon")
    waiting.delay(late, 20.0)
    waiting.delay(soon, 10.0)
    assert waiting.next_s == 10.0
    assert waiting.pull(9.9) is None
    waiting.put_back(back)
    assert words(waiting.pull(10.0), waiting.pull(10.0), waiting.pull(10.0)) == ["soon", "back", None]
    assert waiting.next_s == 20.0
    assert not waiting.is_empty


def test_jobs_of_the_same_time_come_in_their_order(opened: OpenPart) -> None:
    waiting = Waiting()
    names = [f"w{number}" for number in range(50)]
    source = random.Random(0)
    times = {name: source.choice([1.0, 2.0, 3.0]) for name in names}
    for name, job in zip(names, jobs_of(opened, " ".join(names)), strict=True):
        waiting.delay(job, times[name])
    assert words(*(waiting.pull(3.0) for _ in names)) == sorted(names, key=times.__getitem__)


def test_twins_wait_for_the_one_that_is_asked(opened: OpenPart) -> None:
    waiting = Waiting()
    asked, twin, other, late = jobs_of(opened, "one one two one")
    key = asked.chain.request.key
    assert not waiting.join(asked)
    waiting.begin(key)
    assert waiting.join(twin)
    assert not waiting.join(other)
    assert waiting.is_empty  # the call itself sees to its twins
    assert waiting.end(key) == [twin]
    assert not waiting.join(late)
