"""A run with a mock endpoint, made by several real processes at once."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import MockServer, example_config, files_of
from tests.protocol.cases import problem, write_problems
from tests.protocol.commands import TIMEOUT_S, reply_lines, run_lemma, start_lemma, write_config
from tests.protocol.rules import good_rules, write_rules


def group_tree(folder: Path, base_url: str, problems: int, size: int, **more: Any) -> dict[str, Any]:
    """A configuration whose every stage asks the endpoint, of `problems` with one wrong sample each."""
    rows = (problem(f"p{number}", number) for number in range(problems))
    data = write_problems(folder / "problems.jsonl", rows)
    return example_config(
        data=[{"dataset": "rollouts", "path": str(data)}],
        teacher={"backend": "openai", "model": "mock", "base_url": base_url, "concurrency": 16},
        inject={"types": {"calculation_error": 2, "operator_error": 1}},
        shards={"size": size},
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

    def check(self, run: Path, lost: int = 0) -> None:
        """The run is the undisturbed one byte for byte, and no reply stands in it twice.

        Args:
            run: the run's folder.
            lost: replies that were on their way to a process that was killed.
        """
        keys = [line.partition(b",")[0] for line in reply_lines(run)]
        assert len(keys) == len(set(keys)) == self.calls
        assert without_failures(run) == without_failures(self.alone)
        assert not (run / ".leases").exists()
        assert self.server.stats()["ok"] == 2 * self.calls + lost
        assert self.server.stats()["duplicates"] == self.calls + lost


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


@contextlib.contextmanager
def processes(commands: Sequence[Sequence[str | Path]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts `lemma` with each of these arguments, all at once; none outlives the block."""
    started: list[subprocess.Popen[str]] = []
    try:
        for arguments in commands:
            started.append(start_lemma(*arguments))
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


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
