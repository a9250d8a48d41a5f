"""A stage through the Batch API: the same bytes as call by call, whatever happens on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.batch.limits import Limits
from lemma.errors import Incomplete, RunError, TeacherError
from lemma.ledger import read_ledger, total_cost
from lemma.pipeline import RunStages
from tests.batch.builders import PRICES, TO_ANALYZE, config_of, made, start_teacher, work
from tests.conftest import MockServer, files_of
from tests.protocol.commands import reply_lines
from tests.tools.batch_server import BatchServer

Start = Callable[..., MockServer]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("teacher")
    servers: list[MockServer] = []

    def start(*arguments: str) -> MockServer:
        servers.append(MockServer(*arguments))
        return servers[-1]

    yield start_teacher(start, folder)
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def live(teacher: MockServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole pipeline, call by call."""
    return work(tmp_path_factory.mktemp("live") / "run", config_of("openai", teacher.base_url, **SMALL))


ANALYZED = "analyze/part-00001.jsonl"
SMALL: dict[str, Any] = {"teacher": {"max_tokens": 36}}
"""Some replies are longer, so that they are cut and asked for with twice the limit."""


def keys_asked(run: Path) -> Counter[str]:
    return Counter(json.loads(line)["key"] for line in reply_lines(run))


def test_a_run_in_batches_gives_the_very_bytes_of_a_live_one(teacher: MockServer, live: Path, tmp_path: Path) -> None:
    with BatchServer(teacher.base_url) as server:
        run = work(tmp_path / "run", config_of("batch", server.base_url, **SMALL))
    assert made(run) == made(live)
    attempts = Counter((r["attempt"], r["finish_reason"]) for r in map(json.loads, reply_lines(run)))
    assert attempts[1, "stop"] > 0, "some have to be asked again"
    assert attempts[0, "length"] > 0, "some have to be cut"
    assert set(keys_asked(run).values()) == {1}
    assert set(server.state.executed.values()) == {1}
    assert all(json.loads(line).get("batch") is True for line in reply_lines(run))


def test_batches_are_split_at_the_limits(teacher: MockServer, live: Path, tmp_path: Path) -> None:
    with BatchServer(teacher.base_url) as server:
        run = work(tmp_path / "run", config_of("batch", server.base_url, **SMALL), TO_ANALYZE, limits=Limits(10))
        assert server.state.sizes[:3] == [10, 10, 9]
    assert (run / ANALYZED).read_bytes() == (live / ANALYZED).read_bytes()


TROUBLES: dict[str, dict[str, Any]] = {
    "expired": {"ends": ["expired"]},
    "expired_and_cancelled": {"ends": ["expired", "cancelled"], "share": 0.3},
    "lines_of_faults": {"line_errors": {"0": 500, "3": 429, "7": 503}},
    "throttled": {"throttled": 6},
    "cut_downloads": {"cut_downloads": 2},
    "broken_creates": {"broken_creates": 2},
    "a_small_queue": {"queue_requests": 12},
    "a_queue_for_some": {"queue_requests": 20},
    "a_reasoning_model": {"wants_completion_tokens": True},
}


HEAVY = {"expired_and_cancelled", "throttled", "a_queue_for_some"}


@pytest.mark.parametrize(
    "trouble", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in TROUBLES]
)
def test_what_was_lost_is_asked_again_and_nothing_else(
    trouble: str, teacher: MockServer, live: Path, tmp_path: Path
) -> None:
    limits = Limits(10) if trouble == "a_queue_for_some" else None
    with BatchServer(teacher.base_url, **TROUBLES[trouble]) as server:
        run = work(tmp_path / "run", config_of("batch", server.base_url, **SMALL), TO_ANALYZE, limits=limits)
        stats = server.state.stats()
    assert (run / ANALYZED).read_bytes() == (live / ANALYZED).read_bytes()
    assert (run / "analyze/distribution.json").read_bytes() == (live / "analyze/distribution.json").read_bytes()
    assert set(keys_asked(run).values()) == {1}
    twice = [key for key, count in stats["executed"].items() if count > 1]
    assert len(twice) == {"lines_of_faults": 3, "a_reasoning_model": 29}.get(trouble, 0)  # those gave no answer


def test_a_second_command_takes_in_what_the_first_left(teacher: MockServer, live: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with BatchServer(teacher.base_url, looks=2) as server:
        config = config_of("batch", server.base_url, **SMALL)
        for _ in range(3):  # validating, in progress twice; then finalizing, completed, and the next wave
            with pytest.raises(Incomplete, match=r"analyze: 1 batch with \d+ requests are under way"):
                work(run, config, TO_ANALYZE, is_waiting=False)
        work(run, config, TO_ANALYZE)
    assert (run / ANALYZED).read_bytes() == (live / ANALYZED).read_bytes()
    assert set(server.state.executed.values()) == {1}


def test_live_and_batch_mix_within_a_stage(teacher: MockServer, live: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with BatchServer(teacher.base_url, ends=["expired"]) as server:
        batch = config_of("batch", server.base_url, **SMALL)
        with pytest.raises(Incomplete, match=r"analyze: 1 batch with 29 requests are under way"):
            work(run, batch, TO_ANALYZE, is_waiting=False)
        now_live = config_of("openai", teacher.base_url, **SMALL)
        with pytest.raises(RunError, match=r"analyze: 1 batch with 29 requests are under way.*lemma batch cancel"):
            work(run, now_live, TO_ANALYZE)
        stop = _StopAfter("wave 1, 1 batch: 14 replies")
        with pytest.raises(_StopAfter.Seen):
            work(run, batch, TO_ANALYZE, say=stop)
    before = set(reply_lines(run))
    work(run, now_live, TO_ANALYZE)
    assert (run / ANALYZED).read_bytes() == (live / ANALYZED).read_bytes()
    assert before <= set(reply_lines(run))
    assert 0 < sum(json.loads(line).get("batch", False) for line in reply_lines(run)) < len(reply_lines(run))
    assert set(keys_asked(run).values()) == {1}


class _StopAfter:
    """Breaks a run off at a line."""

    class Seen(Exception):
        pass

    def __init__(self, words: str) -> None:
        self._words = words

    def __call__(self, line: str) -> None:
        if self._words in line:
            raise self.Seen(line)


def test_replies_of_batches_cost_their_share(teacher: MockServer, live: Path, tmp_path: Path) -> None:
    full = config_of("openai", teacher.base_url, teacher={"prices": PRICES})
    half = config_of("openai", teacher.base_url, teacher={"prices": PRICES | {"batch_share": 0.25}})
    with BatchServer(teacher.base_url) as server:
        run = work(tmp_path / "run", config_of("batch", server.base_url, **SMALL), TO_ANALYZE)
    of_analyze = [line for line in read_ledger(live, full, {}, 0) if line.stage == "analyze"]
    at_full = total_cost(of_analyze)
    assert at_full
    assert total_cost(read_ledger(run, full, {}, 0)) == pytest.approx(at_full / 2)
    assert total_cost(read_ledger(run, half, {}, 0)) == pytest.approx(at_full / 4)
    fresh = RunStages.look(run, full).fresh_manifests()  # the same from finished parts
    assert total_cost(read_ledger(run, full, fresh, 3)) is not None


def test_a_budget_is_held_wave_by_wave(teacher: MockServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    prices = {"prices": PRICES, "max_tokens": 100}
    with BatchServer(teacher.base_url) as server:
        budget = {"max_cost_usd": 0.03}
        with pytest.raises(Incomplete, match=r"the budget is reached: \$0\.03"):
            work(run, config_of("batch", server.base_url, teacher=prices, budget=budget), TO_ANALYZE)
        assert len(server.state.sizes) > 1, "what a wave leaves of the budget goes into the next"
        spent = total_cost(read_ledger(run, config_of("batch", "", teacher=prices), {}, 0))
        assert spent is not None
        assert 0.03 <= spent < 0.033
        work(run, config_of("batch", server.base_url, teacher=prices), TO_ANALYZE)
    assert set(server.state.executed.values()) == {1}


def test_where_nothing_is_answered_it_ends_instead_of_asking_on(tmp_path: Path) -> None:
    with (
        BatchServer(ends=["expired"] * 9, share=0.0) as server,
        pytest.raises(Incomplete, match=r"none of 29 requests was answered \(batches expired\).*could not be executed"),
    ):
        work(tmp_path / "run", config_of("batch", server.base_url), TO_ANALYZE)
    assert len(server.state.sizes) == 1


def test_a_batch_that_the_endpoint_does_not_take_is_told_in_its_words(tmp_path: Path) -> None:
    with BatchServer(ends=["failed"]) as server, pytest.raises(TeacherError, match=r"no such model \(line 1\)"):
        work(tmp_path / "run", config_of("batch", server.base_url), TO_ANALYZE)


def test_where_every_request_is_refused_no_unit_is_rejected_for_it(tmp_path: Path) -> None:
    errors = {str(number): 400 for number in range(200)}
    with BatchServer(line_errors=errors) as server:
        config = config_of("batch", server.base_url, limit=40)
        with pytest.raises(TeacherError, match=r"refused every one of .* requests; it said: fault 400"):
            work(tmp_path / "run", config, TO_ANALYZE)
    assert reply_lines(tmp_path / "run") == []


def test_single_refusals_are_outcomes(teacher: MockServer, tmp_path: Path) -> None:
    with BatchServer(teacher.base_url, line_errors={"2": 400}) as server:
        run = work(tmp_path / "run", config_of("batch", server.base_url), TO_ANALYZE)
    assert sum(b'"reason":"refused"' in content for content in files_of(run).values()) == 1


def test_an_endpoint_without_batches_is_told(mock_server: Start, tmp_path: Path) -> None:
    server = mock_server()
    with pytest.raises(TeacherError, match=r"not every endpoint has a Batch API"):
        work(tmp_path / "run", config_of("batch", server.base_url), TO_ANALYZE)
