"""A local S3 (moto's server, where it is installed: `scripts/test_scale.sh`) and an endpoint."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lemma.storage.objects import S3Objects, open_objects
from tests.conftest import MockServer
from tests.protocol.rules import good_rules, write_rules
from tests.storage.machines import SECRET, TOKEN

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
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
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
        process.communicate()  # closes the pipes as well


@pytest.fixture
def objects(endpoint: str) -> S3Objects:
    """A place of the test's own."""
    found = open_objects(f"s3://bucket/{secrets.token_hex(4)}/run")
    assert isinstance(found, S3Objects)
    return found


@pytest.fixture
def mock(tmp_path: Path, mock_server: Callable[..., MockServer]) -> MockServer:
    """Answers every prompt well, after a moment that differs."""
    rules = write_rules(tmp_path / "rules.jsonl", good_rules())
    return mock_server("--reply-file", str(rules), "--latency-ms", "60", "--jitter", "0.8")
