"""kill -9 at random moments, and the same command again: no request is paid for twice, none is lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from lemma.batch.api import BatchApi, Pauses
from lemma.batch.work import BatchTeacher
from lemma.config import Config
from lemma.configfile import parse_config
from tests.batch.builders import TO_ANALYZE, config_of, no_sleep, start_teacher, work, work_with
from tests.conftest import MockServer
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.tools.batch_server import BatchServer

if TYPE_CHECKING:
    from openai.types import Batch

T = TypeVar("T")
Start = Callable[..., MockServer]
STAGE = "analyze"
WORKS_FOR_S = 6.0
"""A little more than an uninterrupted command takes once it has started."""


def config_tree(base_url: str, backend: str = "batch", limit: int = 6) -> dict[str, Any]:
    return {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": limit}],
        "decontaminate": [],
        "shards": {"size": 3},
        "teacher": {"backend": backend, "model": "m", "base_url": base_url, "max_tokens": 36},
    }


def wait_for_start(run: Path, process: subprocess.Popen[str]) -> None:
    """Until the folder is in use by it: most of a command's time before is spent on loading."""
    deadline = time.monotonic() + TIMEOUT_S
    holder = f"process {process.pid} "
    while process.poll() is None and time.monotonic() < deadline:
        lock = run / ".lock"
        if lock.exists() and lock.read_text("utf-8").startswith(holder):
            return
        time.sleep(0.01)


def killed_over_and_over(run: Path, config: Path, kills: int, chance: random.Random) -> int:
    """Kills the command `kills` times, as often as it goes on that long; returns how often it was hit."""
    hits = 0
    for _ in range(kills):
        process = start_lemma(STAGE, config, "-o", run, "--quiet")
        try:
            wait_for_start(run, process)
            moment_s = chance.random() ** 2 * WORKS_FOR_S
            try:
                process.wait(moment_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                hits += 1
        finally:
            process.kill()
            process.communicate()
        if (run / "analyze/distribution.json").exists():
            break
    return hits


def check_kills(mock_server: Start, folder: Path, runs: int, kills: int, seed: int) -> int:
    """Several runs, each killed some times and then finished; returns how often all in all."""
    teacher = start_teacher(mock_server, folder)
    chance = random.Random(seed)
    hits = 0
    live = folder / "live"
    work(live, parse_config(config_tree(teacher.base_url, "openai"), "test"), TO_ANALYZE)
    for number in range(runs):
        run = folder / f"run-{number}"
        with BatchServer(teacher.base_url, looks=2) as server:
            tree = config_tree(server.base_url)
            config = write_config(folder / "batch.yaml", tree)
            work(run, parse_config(tree, "test"), ["sample"])
            hits += killed_over_and_over(run, config, kills, chance)
            done = run_lemma(STAGE, config, "-o", run, "--quiet")
            assert done.returncode == 0, done.stderr
            assert set(server.state.executed.values()) == {1}, "a request was paid for twice"
        keys = Counter(json.loads(line)["key"] for line in reply_lines(run))
        assert set(keys.values()) == {1}
        assert set(keys) == set(server.state.executed), "a request was lost"
        for part in ("part-00000.jsonl", "part-00001.jsonl"):
            assert (run / STAGE / part).read_bytes() == (live / STAGE / part).read_bytes()
    return hits


def test_a_kill_anywhere_pays_nothing_twice_and_loses_nothing(mock_server: Start, tmp_path: Path) -> None:
    check_kills(mock_server, tmp_path, runs=1, kills=3, seed=20261121)


@pytest.mark.slow
def test_thirty_kills_pay_nothing_twice_and_lose_nothing(mock_server: Start, tmp_path: Path) -> None:
    hits = runs = 0
    while hits < 30:
        runs += 1
        folder = tmp_path / str(runs)
        folder.mkdir()
        hits += check_kills(mock_server, folder, runs=1, kills=6, seed=runs)
        assert runs < 30


class Crash(BaseException):
    """As if the process ended there."""


class CrashingApi(BatchApi):
    """Ends at its call number `at`: before the endpoint hears of it, or after it has done its part."""

    def __init__(self, config: Config, at: int, is_after: bool) -> None:
        super().__init__(config.teacher, "teacher")
        self._left = at
        self._is_after = is_after

    def _crash(self, call: Callable[[], T]) -> T:
        self._left -= 1
        if self._left == 0 and not self._is_after:
            raise Crash
        result = call()
        if self._left == 0:
            raise Crash
        return result

    def upload(self, path: Path, name: str) -> str:
        return self._crash(lambda: super(CrashingApi, self).upload(path, name))

    def create(self, file_id: str, url: str, metadata: Mapping[str, str]) -> Batch:
        return self._crash(lambda: super(CrashingApi, self).create(file_id, url, metadata))

    def look(self, batch_id: str) -> Batch:
        return self._crash(lambda: super(CrashingApi, self).look(batch_id))

    def download(self, file_id: str, path: Path) -> None:
        return self._crash(lambda: super(CrashingApi, self).download(file_id, path))


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_an_end_at_any_call_pays_nothing_twice_and_loses_nothing(
    is_after: bool, mock_server: Start, tmp_path: Path
) -> None:
    teacher = start_teacher(mock_server, tmp_path)
    run = tmp_path / "run"
    with BatchServer(teacher.base_url) as server:
        config = config_of("batch", server.base_url, limit=3, teacher={"max_tokens": 36})
        at, is_done = 0, False
        while not is_done:  # each command gets one call further than the one before it
            at += 1
            teacher_at = BatchTeacher(
                run, CrashingApi(config, min(at, 7), is_after), lambda line: None, pauses=Pauses(no_sleep)
            )
            try:
                work_with(run, config, teacher_at, TO_ANALYZE)
                is_done = True
            except Crash:
                assert at < 60
    assert at > 3
    assert set(server.state.executed.values()) == {1}
    assert {json.loads(line)["key"] for line in reply_lines(run)} == set(server.state.executed)
