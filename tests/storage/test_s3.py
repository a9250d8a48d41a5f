"""Runs on a local S3 (moto's server): killed, resumed elsewhere, raced for, and never harmed by who was thought dead.

Needs `lemma[s3]` and `moto[server]`; ``bash scripts/test_scale.sh`` installs them into an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.config import StorageConfig
from lemma.storage.objects import S3Objects, open_objects
from lemma.storage.runs import working
from tests.conftest import MockServer, example_config, files_of
from tests.protocol.cases import whole_run
from tests.protocol.commands import TIMEOUT_S, reply_lines, write_config
from tests.protocol.rules import good_rules, write_rules

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of others' packages are theirs

SECRET = "verysecret0123456789"
TOKEN = "token-verysecret-9876543210"
CONCURRENCY = 16
PROBLEMS = 40
SERVER = """
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A local S3 with a bucket, known to this process and its children by the environment."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen([sys.executable, "-c", SERVER], **pipes)  # type: ignore[call-overload]
    set_before = dict(os.environ)
    try:
        port = ""
        while not port.isdigit():
            port = process.stdout.readline().strip()
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        system = open_objects("s3://bucket/run")._system
        system.call_s3("create_bucket", Bucket="bucket")
        yield os.environ["AWS_ENDPOINT_URL"]
    finally:
        os.environ.clear()
        os.environ.update(set_before)
        process.kill()
        process.wait()


@pytest.fixture
def objects(endpoint: str) -> S3Objects:
    """A place of the test's own."""
    found = open_objects(f"s3://bucket/{secrets.token_hex(4)}/run")
    assert isinstance(found, S3Objects)
    return found


def start(cache: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from lemma.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "OPENAI_API_KEY": "sk-x", "LEMMA_CACHE": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(cache: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    process = start(cache, *arguments)
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def copy_in(cache: Path) -> Path:
    (folder,) = cache.glob("*/run")
    return folder


def made(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_of(folder).items() if name != ".epoch"}


def until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate())
        time.sleep(0.01)


def config_tree(folder: Path, base_url: str, **storage: Any) -> dict[str, Any]:
    return whole_run(
        folder, base_url, PROBLEMS, concurrency=CONCURRENCY, size=15, storage={"flush_s": 0.3, "lease_s": 3, **storage}
    )


@pytest.fixture
def mock(tmp_path: Path, mock_server: Callable[..., MockServer]) -> MockServer:
    rules = write_rules(tmp_path / "rules.jsonl", good_rules())
    return mock_server("--reply-file", str(rules), "--latency-ms", "60", "--jitter", "0.8")


def has_replies(objects: S3Objects) -> bool:
    return any("/replies/" in name for name in objects.listed())


def keys(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in reply_lines(folder)]


# ── conditional writes ──


def test_an_object_is_made_once_and_replaced_only_as_it_was_last_seen(objects: S3Objects) -> None:
    objects.check()
    tag = objects.put("a", b"1", None)
    assert tag is not None
    assert objects.put("a", b"2", None) is None
    assert objects.put("a", b"2", '"of-another"') is None
    assert objects.put("gone", b"2", tag) is None
    second = objects.put("a", b"2", tag)
    assert second not in (None, tag)
    assert objects.put("a", b"3", tag) is None
    assert (objects.read("a"), objects.tag("a")) == (b"2", second)
    assert objects.create("a", b"2"), "what is there already, word for word, counts as made: an answer may get lost"
    assert not objects.create("a", b"4")


def test_a_store_that_forgets_its_conditions_is_refused(objects: S3Objects) -> None:
    class Forgetful(S3Objects):
        def create(self, name: str, body: bytes) -> bool:
            self.write(name, body)
            return True

    with pytest.raises(Exception, match="If-None-Match"):
        Forgetful(objects._system, "s3://bucket/run", "bucket/run").check()


RACE = """
import sys
from lemma.heartbeat import HeartbeatLeases
from lemma.config import StorageConfig
from lemma.storage.objects import open_objects
from lemma.storage.runs import Below
leases = HeartbeatLeases(Below(open_objects(sys.argv[1]), ".leases/"), sys.argv[2])
leases.join()
print("ready", flush=True)
input()
print(*[part for part in range(int(sys.argv[3])) if leases.take("analyze", part) is not None], flush=True)
input()
leases.leave()
"""


def test_of_many_processes_that_claim_a_part_at_once_one_has_it(objects: S3Objects) -> None:
    parts, pipes = 12, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    address = f"s3://{objects._root}"
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, address, str(number), str(parts)], **pipes)  # type: ignore[call-overload]
        for number in range(8)
    ]
    try:
        assert all(process.stdout.readline() == "ready\n" for process in processes)
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        claimed = [[int(word) for word in process.stdout.readline().split()] for process in processes]
        for process in processes:
            process.communicate("\n")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sorted(part for some in claimed for part in some) == list(range(parts))


# ── whole runs ──


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


def test_a_run_does_not_end_as_complete_before_everything_is_up(
    tmp_path: Path, objects: S3Objects, mock: MockServer
) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url, patience_s=1, lease_s=3600))
    address = f"s3://{objects._root}"
    process = start(tmp_path / "a", "run", config, "-o", address, "--quiet")
    bucket = objects._root.partition("/")[0]
    denied = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        ],
    }
    try:
        until(lambda: has_replies(objects), process)
        objects._system.call_s3("put_bucket_policy", Bucket=bucket, Policy=json.dumps(denied))
        _, error = process.communicate(timeout=TIMEOUT_S)
    finally:
        objects._system.call_s3("delete_bucket_policy", Bucket=bucket)
        process.kill()
        process.wait()
    assert process.returncode == 3, error
    assert "trying again" in error
    assert "not all of" in error
    asked = mock.stats()["ok"]
    assert run(tmp_path / "a", "run", config, "-o", address, "--quiet").returncode == 0
    assert mock.stats()["ok"] == asked
    assert run(tmp_path / "b", "status", address).returncode == 0
    assert made(copy_in(tmp_path / "a")) == made(copy_in(tmp_path / "b"))


class Line(socketserver.ThreadingTCPServer):
    """A line to the storage that can be cut."""

    daemon_threads = True
    is_cut = False

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), Through)
        self.there = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class Through(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        line = self.server
        assert isinstance(line, Line)
        with contextlib.suppress(OSError), socket.create_connection(line.there) as there:
            ends = {self.request: there, there: self.request}
            while not line.is_cut:
                for end in select.select(list(ends), [], [], 0.05)[0]:
                    if not (some := end.recv(65536)):
                        return
                    ends[end].sendall(some)


def test_a_storage_that_is_away_for_a_while_is_told_and_nothing_is_lost(
    tmp_path: Path, objects: S3Objects, mock: MockServer, endpoint: str
) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url, lease_s=3600))
    address = f"s3://{objects._root}"
    with Line(endpoint) as line:
        threading.Thread(target=line.serve_forever, args=(0.05,), daemon=True).start()
        process = start(tmp_path / "a", "run", config, "-o", address, "--quiet", AWS_ENDPOINT_URL=line.address)
        try:
            until(lambda: has_replies(objects), process)
            line.is_cut = True
            assert process.stderr is not None
            assert "trying again" in process.stderr.readline()
            line.is_cut = False
            _, error = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
            line.shutdown()
    assert process.returncode == 0, error
    asked = mock.stats()["ok"]
    assert run(tmp_path / "b", "run", config, "-o", address, "--quiet").returncode == 0
    assert mock.stats()["ok"] == asked
    assert made(copy_in(tmp_path / "a")) == made(copy_in(tmp_path / "b"))


def test_shards_on_two_machines_make_the_same_bytes_with_nothing_asked_twice(
    tmp_path: Path, objects: S3Objects, mock: MockServer
) -> None:
    config = write_config(tmp_path / "config.yaml", config_tree(tmp_path, mock.base_url, lease_s=60))
    address = f"s3://{objects._root}"
    assert run(tmp_path, "run", config, "-o", tmp_path / "local", "--quiet").returncode == 0
    total = mock.stats()["ok"]
    shards = [start(tmp_path / str(n), "run", config, "-o", address, "--quiet", "--shard", f"{n}/2") for n in (1, 2)]
    try:
        for process in shards:
            _, error = process.communicate(timeout=TIMEOUT_S)
            assert process.returncode == 0, error
    finally:
        for process in shards:
            process.kill()
            process.wait()
    assert mock.stats()["ok"] == 2 * total
    assert run(tmp_path / "c", "run", config, "-o", address, "--quiet").returncode == 0
    assert mock.stats()["ok"] == 2 * total
    here = made(copy_in(tmp_path / "c"))
    assert here == files_of(tmp_path / "local")
