"""A local S3 (moto's server) that refuses or is away: nothing is lost, and nothing passes for complete.

Needs `lemma[s3]` and `moto[server]`, see `scripts/test_scale.sh`.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import socketserver
import threading
from pathlib import Path

import pytest

from lemma.storage.objects import S3Objects
from tests.conftest import MockServer
from tests.protocol.commands import TIMEOUT_S, write_config
from tests.storage.machines import config_tree, copy_in, has_replies, made, run, start, until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of others' packages are theirs


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
