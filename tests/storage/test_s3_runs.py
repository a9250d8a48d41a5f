"""Runs on a local S3 (moto's server): killed, gone on with elsewhere, never harmed by who was thought dead.

Needs `lemma[s3]` and `moto[server]`, see `scripts/test_scale.sh`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from lemma.config import StorageConfig
from lemma.storage.objects import S3Objects
from lemma.storage.runs import working
from tests.conftest import MockServer, example_config, files_of
from tests.protocol.commands import TIMEOUT_S, write_config
from tests.storage.machines import (
    CONCURRENCY,
    SECRET,
    TOKEN,
    config_tree,
    copy_in,
    has_replies,
    keys,
    made,
    run,
    start,
    until,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of others' packages are theirs


def test_a_run_in_the_storage_makes_the_same_bytes_and_leaves_no_secret_anywhere(
    tmp_path: Path, objects: S3Objects
) -> None:
    config = write_config(tmp_path / "config.yaml", example_config().model_dump(mode="json"))
    address = f"s3://{objects._root}"
    done = run(tmp_path / "a", "run", config, "-o", address)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, "run", config, "-o", tmp_path / "local").returncode == 0
    assert files_of(copy_in(tmp_path / "a"))[".epoch"] == b"0\n"
    here = made(copy_in(tmp_path / "a"))
    assert here == files_of(tmp_path / "local")

    # every command works from a machine that has seen nothing of it
    for number, (arguments, words) in enumerate(
        [
            (("status", address), "in all:"),
            (("status", address, "--json"), '"in_use_by": null'),
            (("show", address), "QUESTION"),
            (("plan", config, "-o", address), "in all:"),
            (("audit", address, "--export", tmp_path / "sheet.csv"), "sheet.csv"),
            (("batch", "status", address), "no batches"),
            (("report", address), "report.html"),
            (("export", config, "-o", address), "export"),
            (("export", config, "-o", address, "-o", tmp_path / "local", "--to", tmp_path / "both"), "export"),
            (("sample", config, "-o", address), "sample"),
        ]
    ):
        done = run(tmp_path / f"other{number}", *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert words in done.stdout, arguments
    assert {"report.html", "plan.json", "export/train.jsonl", "run.yaml"} <= objects.listed().keys()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert TOKEN.encode() not in content, path


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_a_killed_run_goes_on_elsewhere_and_asks_again_only_what_was_not_sent(
    tmp_path: Path, objects: S3Objects, mock: MockServer, share: float
) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url))
    address = f"s3://{objects._root}"
    assert run(tmp_path, "run", config, "-o", tmp_path / "local", "--quiet").returncode == 0
    total = mock.stats()["ok"]
    process = start(tmp_path / "a", "run", config, "-o", address, "--quiet")
    try:
        until(lambda: has_replies(objects), process)
        until(lambda: mock.stats()["ok"] >= total + share * total, process)
    finally:
        process.kill()
        process.communicate()
    until(lambda: not mock.stats()["inflight"])
    paid = mock.stats()["ok"] - total
    sent = sum((objects.read(name) or b"").count(b"\n") for name in objects.listed() if "/replies/" in name)
    done = run(tmp_path / "b", "run", config, "-o", address, "--quiet")
    assert done.returncode == 0, done.stderr
    asked_again = mock.stats()["ok"] - 2 * total
    print(f"killed after {paid} of {total} calls: {sent} sent, {asked_again} asked again", end="")
    assert sent > 0
    assert asked_again == paid - sent
    here = made(copy_in(tmp_path / "b"))
    assert here == files_of(tmp_path / "local")
    assert sorted(keys(copy_in(tmp_path / "b"))) == sorted(keys(tmp_path / "local"))
    assert any(".e0001." in name for name in objects.listed()) == (paid < total or asked_again > 0)

    # the first machine comes back: what only it has is kept, and nothing is asked or made anew
    before = mock.stats()["ok"]
    done = run(tmp_path / "a", "run", config, "-o", address, "--quiet")
    assert done.returncode == 0, done.stderr
    assert mock.stats()["ok"] == before
    assert made(copy_in(tmp_path / "a")) == made(copy_in(tmp_path / "b"))


def test_a_run_killed_often_on_one_machine_repeats_only_what_was_in_flight(
    tmp_path: Path, objects: S3Objects, mock: MockServer
) -> None:
    # a lease of an hour: who works in the same folder need not wait for it
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url, flush_s=1, lease_s=3600))
    address = f"s3://{objects._root}"
    assert run(tmp_path, "run", config, "-o", tmp_path / "local", "--quiet").returncode == 0
    total = mock.stats()["ok"]
    lost = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        before, on_disk = mock.stats()["ok"], len(keys(copy_in(tmp_path / "a"))) if share > 0.1 else 0
        process = start(tmp_path / "a", "run", config, "-o", address, "--quiet")
        try:
            until(lambda goal=total * (1 + share) + lost: mock.stats()["ok"] >= goal, process)  # type: ignore[misc]
        finally:
            process.kill()
            process.communicate()
        until(lambda: not mock.stats()["inflight"])
        found = keys(copy_in(tmp_path / "a"))
        assert len(found) == len(set(found)), "a reply on disk was asked for again"
        lost_now = mock.stats()["ok"] - before - (len(found) - on_disk)
        assert 0 <= lost_now <= CONCURRENCY
        lost += lost_now
    done = run(tmp_path / "a", "run", config, "-o", address, "--quiet")
    assert done.returncode == 0, done.stderr
    assert mock.stats()["ok"] == 2 * total + lost
    here = made(copy_in(tmp_path / "a"))
    assert here == files_of(tmp_path / "local")
    assert not any(".e0001." in name for name in objects.listed())
    assert run(tmp_path / "b", "run", config, "-o", address, "--quiet").returncode == 0
    assert made(copy_in(tmp_path / "b")) == made(copy_in(tmp_path / "a"))
    assert mock.stats()["ok"] == 2 * total + lost


def test_a_stopped_process_that_wakes_up_cannot_harm_its_successor(
    tmp_path: Path, objects: S3Objects, mock: MockServer
) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url))
    address = f"s3://{objects._root}"
    zombie = start(tmp_path / "a", "run", config, "-o", address, "--quiet")
    try:
        until(lambda: has_replies(objects), zombie)
        os.kill(zombie.pid, signal.SIGSTOP)
        second = start(tmp_path / "b", "run", config, "-o", address, "--quiet")
        try:
            until(lambda: any(".e0001." in name for name in objects.listed()), second)
            os.kill(zombie.pid, signal.SIGCONT)  # while its successor is at work
            _, error = zombie.communicate(timeout=TIMEOUT_S)
            assert zombie.returncode == 1, error
            assert "taken for dead" in error
            out, error = second.communicate(timeout=TIMEOUT_S)
            assert second.returncode == 0, error
        finally:
            second.kill()
            second.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(zombie.pid, signal.SIGCONT)
        zombie.kill()
        zombie.wait()
    # a third machine finds the run as its successor left it, and has nothing to do
    asked = mock.stats()["ok"]
    done = run(tmp_path / "c", "run", config, "-o", address, "--quiet")
    assert (done.returncode, done.stdout) == (0, out), done.stderr
    assert mock.stats()["ok"] == asked
    assert made(copy_in(tmp_path / "b")) == made(copy_in(tmp_path / "c"))


def test_a_second_command_is_told_who_works_on_the_run(tmp_path: Path, objects: S3Objects, mock: MockServer) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url))
    address = f"s3://{objects._root}"
    assert run(tmp_path / "a", "sample", config, "-o", address, "--quiet").returncode == 0
    me = f"process {os.getpid()} on"
    with working(Path(address), StorageConfig(cache=tmp_path / "b", lease_s=3)) as (folder, _):
        status = json.loads(run(tmp_path / "c", "status", address, "--json").stdout)
        assert status["in_use_by"].startswith(me)
        assert status["run"] == address
        elsewhere = run(tmp_path / "a", "sample", config, "-o", address, "--quiet")
        assert elsewhere.returncode == 1
        assert f"{address}: in use by {me}" in elsewhere.stderr
        here = run(tmp_path / "b", "sample", config, "-o", address, "--quiet")
        assert here.returncode == 1
        assert f"another command on this machine works on it, in {folder}" in here.stderr
