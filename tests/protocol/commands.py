"""The real command line, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

TIMEOUT_S = 120.0
KEY = "sk-proto-0123456789abcdef"
"""What stands for a secret: it must turn up nowhere."""


def write_config(path: Path, tree: dict[str, Any]) -> Path:
    """Writes a configuration file."""
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def start_lemma(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts `lemma`; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", "from lemma.cli import main; main()", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OPENAI_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_lemma(*arguments: str | Path, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Runs `lemma` to its end."""
    process = start_lemma(*arguments)
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def reply_lines(run: Path) -> list[bytes]:
    """Every line of every replies file."""
    return [line for path in sorted(run.glob("*/replies/*.jsonl")) for line in path.read_bytes().splitlines()]
