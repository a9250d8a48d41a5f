"""Runs on a local S3 (moto's server): commands on machines of their own (cache folders), and what they made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lemma.storage.objects import S3Objects
from tests.conftest import files_of
from tests.protocol.cases import whole_run
from tests.protocol.commands import TIMEOUT_S, reply_lines

SECRET = "verysecret0123456789"
TOKEN = "token-verysecret-9876543210"
CONCURRENCY = 16
PROBLEMS = 40


def start(cache: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Starts `lemma` on the machine with that cache; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", "from lemma.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "OPENAI_API_KEY": "sk-x", "LEMMA_CACHE": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(cache: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `lemma` there to its end."""
    process = start(cache, *arguments)
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def copy_in(cache: Path) -> Path:
    """The run's folder there."""
    (folder,) = cache.glob("*/run")
    return folder


def made(folder: Path) -> dict[str, bytes]:
    """See `files_of`."""
    return {name: content for name, content in files_of(folder).items() if name != ".epoch"}


def until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Waits for something, as long as a process is at work."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate())
        time.sleep(0.01)


def config_tree(folder: Path, base_url: str, problems: int = PROBLEMS, **storage: Any) -> dict[str, Any]:
    """A run whose every stage asks, with a storage that is sent to often."""
    return whole_run(
        folder, base_url, problems, concurrency=CONCURRENCY, size=15, storage={"flush_s": 0.3, "lease_s": 3, **storage}
    )


def has_replies(objects: S3Objects) -> bool:
    """Whether any reply is in the storage."""
    return any("/replies/" in name for name in objects.listed())


def keys(folder: Path) -> list[str]:
    """Of all replies in a folder."""
    return [json.loads(line)["key"] for line in reply_lines(folder)]
