"""A run with a mock endpoint, made by several real processes at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import MockServer, example_config, files_of
from tests.protocol.cases import problem, write_problems
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.protocol.rules import good_rules, write_rules

CONCURRENCY = 16
"""Of each process."""


def group_tree(folder: Path, base_url: str, problems: int, size: int, **more: Any) -> dict[str, Any]:
    """A configuration whose every stage asks the endpoint, of `problems` with one wrong sample each."""
    rows = (problem(f"p{number}", number) for number in range(problems))
    data = write_problems(folder / "problems.jsonl", rows)
    return example_config(
        data=[{"dataset": "rollouts", "path": str(data)}],
        teacher={"backend": "openai", "model": "mock", "base_url": base_url, "concurrency": CONCURRENCY},
        inject={"types": {"calculation_error": 2, "operator_error": 1}},
        shards={"size": size},
        export={"formats": ["alpaca"], "near_duplicates": None},  # the libraries that those need load slowly
        **more,
    ).model_dump(mode="json")


@dataclass
class Case:
    """A configuration, its endpoint, and a run that one process made undisturbed."""

    folder: Path
    config: Path
    server: MockServer
    alone: Path
    calls: int
    """That the undisturbed run took."""

    def check(self, run: Path, kills: int = 0) -> None:
        """The run is the undisturbed one byte for byte, and nothing was paid for twice.

        Args:
            run: the run's folder.
            kills: processes that were killed: replies that were on their way to one may be asked for again.
        """
        keys = [line.partition(b",")[0] for line in reply_lines(run)]
        assert len(keys) == len(set(keys)) == self.calls
        assert without_failures(run) == without_failures(self.alone)
        assert not (run / ".leases").exists()
        stats = self.server.stats()
        lost = stats["ok"] - 2 * self.calls
        assert 0 <= lost <= kills * CONCURRENCY
        # the undisturbed run asked everything once before; a call that a kill broke off counts here alone
        assert self.calls + lost <= stats["duplicates"] <= self.calls + kills * CONCURRENCY


def without_failures(run: Path) -> dict[str, bytes]:
    """As `files_of`; how the asking went is not what was made."""
    return {name: raw for name, raw in files_of(run).items() if "failed_calls" not in name}


def make_case(
    folder: Path, start: Callable[..., MockServer], problems: int, size: int, latency_ms: int = 4, **more: Any
) -> Case:
    """Makes the undisturbed run."""
    rules = write_rules(folder / "rules.jsonl", good_rules())
    server = start("--reply-file", str(rules), "--latency-ms", str(latency_ms), "--jitter", "0.8")
    config = write_config(folder / "config.yaml", group_tree(folder, server.base_url, problems, size, **more))
    ended = run_lemma("run", config, "-o", folder / "alone", "--quiet")
    assert ended.returncode == 0, ended.stderr
    return Case(folder, config, server, folder / "alone", len(reply_lines(folder / "alone")))


class Processes:
    """`lemma` several times at once; a context manager that leaves none behind."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Starts one."""
        self._started.append(start_lemma(*arguments))
        return self._started[-1]

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Waits; returns status, stdout and stderr."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Looks again and again."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
