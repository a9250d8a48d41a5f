"""Shards on a shared folder whose file system has no locks: kept apart by files that each rewrites now and then."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lemma.heartbeat import HeartbeatLeases
from lemma.storage.folder import FolderStore
from tests.conftest import example_config, files_of
from tests.protocol.commands import TIMEOUT_S, run_lemma, start_lemma, write_config


def made(run: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_of(run).items() if not name.startswith(".leases/")}


def ended(process: subprocess.Popen[str]) -> None:
    _, error = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, error


@pytest.mark.slow
def test_two_shards_make_the_same_bytes_and_one_that_is_killed_is_succeeded(tmp_path: Path) -> None:
    tree = example_config(shards={"size": 3, "leases": "heartbeat"}, storage={"lease_s": 2}).model_dump(mode="json")
    config = write_config(tmp_path / "config.yaml", tree)
    assert run_lemma("run", config, "-o", tmp_path / "alone", "--quiet").returncode == 0
    shards = [start_lemma("run", config, "-o", tmp_path / "run", "--quiet", "--shard", f"{n}/2") for n in (1, 2)]
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not list((tmp_path / "run").glob("analyze/replies/*")) and shards[1].poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(shards[1].pid, signal.SIGKILL)
        shards[1].communicate()
        shards[1] = start_lemma("run", config, "-o", tmp_path / "run", "--quiet", "--shard", "2/2")
        for process in shards:
            ended(process)
    finally:
        for process in shards:
            process.kill()
            process.wait()
    assert made(tmp_path / "run") == made(tmp_path / "alone")


def test_an_ordinary_command_keeps_shards_out_where_there_are_no_locks(tmp_path: Path) -> None:
    tree = example_config(limit=1, shards={"leases": "heartbeat"}, storage={"lease_s": 2}).model_dump(mode="json")
    config = write_config(tmp_path / "config.yaml", tree)
    leases = HeartbeatLeases(FolderStore(tmp_path / "run/.leases"), lease_s=2, is_alone=True)
    leases.join()
    try:
        done = run_lemma("sample", config, "-o", tmp_path / "run", "--quiet", "--shard", "1/2")
    finally:
        leases.leave()
    assert done.returncode == 1
    assert f"in use by process {os.getpid()} on" in done.stderr
    assert run_lemma("sample", config, "-o", tmp_path / "run", "--quiet").returncode == 0
