"""What many tests need: a run of the bundled example, and a mock endpoint on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config
from lemma.configfile import parse_config

ROOT = Path(__file__).parent.parent


def example_config(limit: int | None = 12, **more: Any) -> Config:
    """The bundled example with the embedded teacher, cut to `limit` problems."""
    tree: dict[str, Any] = {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": limit}],
        "decontaminate": [],
        "shards": {"size": 5},
    }
    return parse_config(tree | more, "test")


def files_of(run: Path, *, with_replies: bool = False) -> dict[str, bytes]:
    """What a run made of its input and replies; not the replies (they carry times) nor how it got there.

    Nor what a manifest says of the money: that counts replies which the present configuration has no use for as well.
    """
    skip = {".lock", "run.yaml", "strays.json", "failed_calls.json"}
    return {
        str(path.relative_to(run)): _without_money(path)
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in skip and (with_replies or "replies" not in path.parts)
    }


def _without_money(path: Path) -> bytes:
    if path.suffix != ".manifest":
        return path.read_bytes()
    tree = json.loads(path.read_bytes())
    return json.dumps(
        {name: value for name, value in tree.items() if name not in ("usage", "copied", "broken_lines")}
    ).encode()


class MockServer:
    """``mock_teacher.py`` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/tools/mock_teacher.py"), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().split()[-1]

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/stats") as response:
            return dict(json.load(response))

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def mock_server() -> Iterator[Callable[..., MockServer]]:
    """Starts mock endpoints; they end with the test."""
    servers: list[MockServer] = []

    def start(*arguments: str) -> MockServer:
        servers.append(MockServer(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real model first: with two files at a time, the longest one must not come last."""
    items.sort(key=lambda item: "test_smollm2" not in item.nodeid)
