"""What a person sees of batches: status and cancelling, and errors in one line."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.batching import cancel_batches, show_batches
from lemma.configfile import parse_config
from lemma.errors import ConfigError, Incomplete, RunError
from tests.batch.builders import TO_ANALYZE, config_of, work
from tests.protocol.commands import reply_lines, start_lemma, write_config
from tests.tools.batch_server import BatchServer


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(looks=3, share=0.5) as running:
        yield running


def test_cancelling_keeps_what_was_answered(server: BatchServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    said: list[str] = []
    config = config_of("batch", server.base_url, 6)
    with pytest.raises(Incomplete, match="under way"):
        work(run, config, TO_ANALYZE, is_waiting=False)
    assert "in_progress" in show_batches(run, None)
    told = cancel_batches(run, None, said.append)
    kept = len(reply_lines(run))
    assert kept > 0
    assert told == f"1 batch ended; {kept} replies that were ready are kept"
    assert f"cancelled  {server.state.sizes[0]}" in show_batches(run, None)
    assert cancel_batches(run, None, said.append) == f"{run}: no batch is under way"
    with pytest.raises(Incomplete):  # the rest goes into the next wave, and what cannot be read once more
        work(run, config, TO_ANALYZE, is_waiting=False)
    asked = [
        {json.loads(line)["custom_id"] for line in path.read_bytes().splitlines()} for path in server.state.requests()
    ]
    assert [len(keys) for keys in asked] == [len(asked[0])] * 2
    assert len(asked[0] & asked[1]) == len(asked[0]) - kept


def test_a_batch_that_the_endpoint_has_forgotten_can_be_forgotten(server: BatchServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Incomplete):
        work(run, config_of("batch", server.base_url, 6), TO_ANALYZE, is_waiting=False)
    server.state.batches.clear()
    assert "No batch found" in show_batches(run, None)
    assert cancel_batches(run, None, lambda line: None).startswith("1 batch ended; 0 replies")


def test_what_is_not_in_the_folder_has_to_be_given(server: BatchServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = config_of("batch", server.base_url, 6, teacher={"headers": {"X-Team": "a"}})
    with pytest.raises(Incomplete):
        work(run, config, TO_ANALYZE, is_waiting=False)
    assert "as last seen: the values of teacher.headers are not kept" in show_batches(run, None)
    with pytest.raises(ConfigError, match=r"teacher\.headers are not kept in the run's folder; name your --config"):
        cancel_batches(run, None, lambda line: None)
    with pytest.raises(RunError, match="there is no run"):
        show_batches(tmp_path / "nothing", None)


def test_a_damaged_file_of_a_wave_is_told(server: BatchServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = config_of("batch", server.base_url, 6)
    with pytest.raises(Incomplete):
        work(run, config, TO_ANALYZE, is_waiting=False)
    damaged = run / "batches/analyze/wave-00001/batch-00001.json"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(RunError, match=r"batch-00001\.json: cannot be read: damaged; removing the folder"):
        work(run, config, TO_ANALYZE)


def test_an_interrupt_leaves_the_batches_running(tmp_path: Path) -> None:
    with BatchServer(looks=10**6) as server:
        tree: dict[str, Any] = {
            "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 3}],
            "decontaminate": [],
            "teacher": {"backend": "batch", "model": "m", "base_url": server.base_url},
        }
        run = work(tmp_path / "run", parse_config(tree, "test"), ["sample"])
        config = write_config(tmp_path / "config.yaml", tree)
        process = start_lemma("analyze", config, "-o", run)
        try:
            deadline = time.monotonic() + 100
            while "in_progress" not in [one["status"] for one in server.state.batches.values()]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            words = process.communicate(timeout=60)[1]
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 3, words
        assert "go on at the endpoint; the same command goes on" in words
        assert "Traceback" not in words
        assert [one["status"] for one in server.state.batches.values()] == ["in_progress"]


def test_several_addresses_cannot_take_batches() -> None:
    teacher = {"backend": "batch", "model": "m", "base_url": ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]}
    tree = {"data": [{"dataset": "rollouts", "path": "example:gsm8k"}], "teacher": teacher}
    with pytest.raises(ConfigError, match="backend `batch` takes one base_url"):
        parse_config(tree, "test")
