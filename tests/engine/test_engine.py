"""The engine with scripted teachers: what is asked, how often, and what happens when calls fail."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from lemma.config import Config
from lemma.errors import Incomplete, LemmaError, TeacherError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.replies import read_reply
from lemma.stages.base import Reply, Request, Usage
from lemma.teacher.base import CallFailed
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import Script, ScriptedTeacher
from tests.conftest import example_config, files_of

RULES = RulesTeacher()


def answers(request: Request, asked_before: int) -> Reply:
    """A good endpoint: what the rules say, with tokens counted."""
    reply = RULES.answer_now(request)
    return Reply(reply.key, reply.text, "stop", "scripted", usage=Usage(100, 0, len(reply.text) // 4))


def work(
    run: Path, config: Config, script: Script, *stages: str, latency_s: float = 0.0, answered: list[str] | None = None
) -> ScriptedTeacher:
    """Runs stages against a scripted endpoint, and closes the run even if it ends badly."""
    teacher = ScriptedTeacher(script, latency_s)
    teacher.answered = answered if answered is not None else []
    with Pipeline(run, config, Options(quiet=True), say=lambda line: None, teacher=lambda role: teacher) as pipeline:
        pipeline.work(stages or STAGES)
    return teacher


def endpoint_config(concurrency: int = 8, patience_s: float = 60.0, attempts: int = 3) -> Config:
    return example_config(
        teacher={
            "backend": "openai",
            "model": "rules",
            "base_url": "http://127.0.0.1:9/v1",
            "concurrency": concurrency,
            "patience_s": patience_s,
            "attempts": attempts,
        }
    )


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, bytes]:
    work(tmp_path / "undisturbed", endpoint_config(), answers)
    return files_of(tmp_path / "undisturbed")


def test_every_unit_is_asked_once(tmp_path: Path) -> None:
    teacher = work(tmp_path / "run", endpoint_config(), answers)
    assert set(teacher.asked.values()) == {1}
    assert len(teacher.answered) == len(set(teacher.answered)) > 50


def test_an_endpoint_and_a_program_give_the_same_records(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    with Pipeline(tmp_path / "rules", example_config(), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    program = files_of(tmp_path / "rules")
    assert {name for name in program} == {name for name in undisturbed}
    same = [name for name in program if name.endswith("train.jsonl") or name.startswith("correct/part")]
    assert all(program[name] == undisturbed[name] for name in same if name.endswith(".jsonl"))


def test_concurrency_is_a_bound_and_is_used(tmp_path: Path) -> None:
    teacher = work(tmp_path / "run", endpoint_config(concurrency=7), answers, "sample", "analyze", latency_s=0.01)
    assert teacher.in_flight_max == 7


def test_the_order_of_arrival_changes_nothing(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    work(tmp_path / "run", endpoint_config(concurrency=1), answers)
    assert files_of(tmp_path / "run") == undisturbed


def test_failed_calls_are_made_again_and_cost_no_attempt(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    def flaky(request: Request, asked_before: int) -> Reply | CallFailed:
        fails = asked_before < 1 and random.Random(request.key).random() < 0.3
        return CallFailed("status 500", retry_after_s=0.0) if fails else answers(request, asked_before)

    teacher = work(tmp_path / "run", endpoint_config(concurrency=64), flaky)
    assert max(teacher.asked.values()) == 2
    assert files_of(tmp_path / "run") == undisturbed


def test_retry_after_of_a_throttled_call_holds_all_calls_back(tmp_path: Path) -> None:
    import time

    times: list[float] = []

    def throttled_once(request: Request, asked_before: int) -> Reply | CallFailed:
        times.append(time.monotonic())
        if len(times) == 1:
            return CallFailed("slow down", is_throttled=True, retry_after_s=0.6)
        return answers(request, asked_before)

    work(tmp_path / "run", endpoint_config(concurrency=1), throttled_once, "sample", "analyze")
    assert times[1] - times[0] >= 0.6


def test_an_unreadable_reply_earns_the_next_attempt_up_to_the_limit(tmp_path: Path) -> None:
    def babbles(request: Request, asked_before: int) -> Reply:
        return Reply(request.key, "I think step 3 is odd.", "stop")

    teacher = work(tmp_path / "run", endpoint_config(attempts=3), babbles, "sample", "analyze")
    lines = (tmp_path / "run/analyze/rejected/part-00000.jsonl").read_text().splitlines()
    assert all('"reason":"missing_tag"' in line for line in lines)
    units = Counter[str]()
    for path in (tmp_path / "run/analyze/replies").iterdir():
        units.update(line.split('"unit":"')[1][:22] for line in path.read_text().splitlines())
    assert set(units.values()) == {3}
    assert set(teacher.asked.values()) == {1}


def test_a_reply_cut_short_earns_one_attempt_with_twice_the_cap(tmp_path: Path) -> None:
    caps: dict[str, list[object]] = {}

    def rambles(request: Request, asked_before: int) -> Reply:
        caps.setdefault(request.unit.id, []).append(request.sampling["max_tokens"])
        return Reply(request.key, "and then and then", "length")

    work(tmp_path / "run", endpoint_config(), rambles, "sample", "analyze")
    assert set(map(tuple, caps.values())) == {(2048, 4096)}


def test_a_refusal_is_kept_and_final(tmp_path: Path) -> None:
    def refuses(request: Request, asked_before: int) -> Reply:
        return Reply(request.key, "", "refused", detail="content policy")

    teacher = work(tmp_path / "run", endpoint_config(), refuses, "sample", "analyze")
    again = work(tmp_path / "run", endpoint_config(), refuses, "sample", "analyze")
    assert set(teacher.asked.values()) == {1}
    assert not again.asked
    assert b'"reason":"refused"' in (tmp_path / "run/analyze/rejected/part-00000.jsonl").read_bytes()


def test_a_wrong_key_ends_the_run_at_once_and_keeps_what_arrived(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    asked = 0

    def expires(request: Request, asked_before: int) -> Reply | TeacherError:
        nonlocal asked
        asked += 1
        return answers(request, asked_before) if asked <= 10 else TeacherError("the key is wrong")

    with pytest.raises(TeacherError, match="the key is wrong"):
        work(tmp_path / "run", endpoint_config(concurrency=4), expires)
    assert asked <= 10 + 4
    kept = (tmp_path / "run/analyze/replies").glob("*")
    assert sum(len(path.read_bytes().splitlines()) for path in kept) == 10
    rest = work(tmp_path / "run", endpoint_config(), answers)
    assert files_of(tmp_path / "run") == undisturbed
    assert set(rest.asked.values()) == {1}


def test_an_endpoint_that_never_answers_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    def down(request: Request, asked_before: int) -> CallFailed:
        return CallFailed("connection refused", retry_after_s=0.05)

    with pytest.raises(Incomplete, match="connection refused") as caught:
        work(tmp_path / "run", endpoint_config(patience_s=0.3), down)
    assert caught.value.exit_code == 3


def test_stopping_after_any_reply_and_going_on_gives_the_same_files(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    run, paid, rounds = tmp_path / "run", list[str](), 0
    while True:
        rounds += 1
        seen = 0

        def stops(request: Request, asked_before: int, limit: int = 7 * rounds) -> Reply | TeacherError:
            nonlocal seen
            seen += 1
            return answers(request, asked_before) if seen <= limit else TeacherError("stop")

        answered: list[str] = []
        try:
            work(run, endpoint_config(concurrency=3), stops, answered=answered)
        except LemmaError:
            continue
        finally:
            paid += answered
        break
    assert rounds > 4
    assert len(paid) == len(set(paid))
    assert files_of(run) == undisturbed


def test_a_reply_is_on_disk_before_anything_is_derived_from_it(tmp_path: Path) -> None:
    work(tmp_path / "run", endpoint_config(), answers)
    for part in (tmp_path / "run/correct").glob("part-*.jsonl"):
        kept = (tmp_path / "run/correct/replies" / part.name).read_bytes().splitlines()
        keys = {reply.key for line in kept if (reply := read_reply(line)) is not None}
        made = [line.split('"request_key":"')[-1][:32] for line in part.read_text().splitlines()]
        assert made
        assert set(made) <= keys


def test_twin_requests_are_asked_once(tmp_path: Path) -> None:
    """Two samples with the same text ask the very same of the analysis."""
    import json

    given = {"question": "What is 2 + 3, plus 4?", "answer": "2 + 3 = 5. 5 + 4 = 9.\n#### 9", "gt": "9"}
    given["samples"] = [{"text": "2 + 3 = 6. 6 + 4 = 10.\nA: 10"}] * 5  # type: ignore[assignment]
    (tmp_path / "twins.jsonl").write_text(json.dumps(given) + "\n")
    config = endpoint_config().model_dump() | {"data": [{"dataset": "rollouts", "path": str(tmp_path / "twins.jsonl")}]}
    teacher = work(tmp_path / "run", Config.model_validate(config), answers, "sample", "analyze", latency_s=0.02)
    assert len(teacher.answered) == 1
    assert len((tmp_path / "run/analyze/part-00000.jsonl").read_bytes().splitlines()) == 5


def test_an_endpoint_that_refuses_everything_ends_the_run(tmp_path: Path) -> None:
    def refuses(request: Request, asked_before: int) -> Reply:
        return Reply(request.key, "", "refused", detail="the context is too long")

    config = Config.model_validate(endpoint_config().model_dump() | example_config(60).model_dump(include={"data"}))
    with pytest.raises(TeacherError, match="refused every one of 50 requests; it said: the context is too long"):
        work(tmp_path / "run", config, refuses, "sample", "analyze")
