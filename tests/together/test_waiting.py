"""Who waits for whom: before inject and export, for the same shard, and never for ever."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from lemma.errors import Incomplete, RunError
from lemma.leases import LockLeases
from lemma.pipeline import Options, Pipeline
from lemma.sharding import Shard
from lemma.together import Together
from tests.conftest import ROOT, MockServer, example_config, files_of
from tests.protocol.commands import run_lemma
from tests.together.runs import Processes, end_of, make_case, wait_until


def together(run: Path, index: int, count: int) -> Together:
    shard = Shard(index, count)
    return Together(LockLeases(run, shard.member), shard, lambda line: None, patience_s=0.2)


def told(parts: list[int]) -> str:
    return f"missing {parts}"


def test_parts_of_a_shard_without_a_process_are_told_after_a_while(tmp_path: Path) -> None:
    mine = together(tmp_path / "run", 1, 2)
    mine.begin(lambda is_shared: None)
    with pytest.raises(Incomplete, match=r"missing \[1, 3\]"):
        mine.wait_for(lambda parts: [part for part in parts if part % 2], 4, told)
    mine.end()


def test_parts_of_a_shard_that_has_a_process_are_waited_for(tmp_path: Path) -> None:
    run = tmp_path / "run"
    mine, other = together(run, 1, 2), together(run, 2, 2)
    mine.begin(lambda is_shared: None)
    other.begin(lambda is_shared: None)
    looks: list[list[int]] = []

    def missing(parts: Iterable[int]) -> list[int]:
        looks.append([1] if len(looks) < 9 else [])
        return looks[-1]

    mine.wait_for(missing, 2, told)  # well beyond its patience
    assert len(looks) == 10
    other.end()
    mine.end()


def test_who_is_waited_for_for_long_is_told_once_and_how_it_is_freed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    lines: list[str] = []
    shard = Shard(1, 2)
    mine = Together(LockLeases(run, shard.member), shard, lines.append, told_s=0.3)
    mine.begin(lambda is_shared: None)
    code = (
        "import sys\nfrom pathlib import Path\nfrom lemma.leases import LockLeases\n"
        "leases = LockLeases(Path(sys.argv[1]), '2-of-2')\nleases.join()\nleases.enrol()\nprint(flush=True)\ninput()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        other.send_signal(signal.SIGSTOP)
        looks: list[int] = []

        def missing(parts: Iterable[int]) -> list[int]:
            looks.append(1)
            if lines and len(looks) > 20:
                other.kill()  # as it says
                other.wait()
                return []
            return [1]

        mine.wait_for(missing, 2, told)
    finally:
        other.kill()
        other.communicate()
    mine.end()
    (line,) = lines
    assert line.startswith(f"waiting for part 1, which others have: process {other.pid} on ")
    assert re.search(r" \(2-of-2\), since [0-9:]{8}; .*`kill -CONT`.*`kill -KILL`", line)


def test_who_has_the_same_shard_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    lines: list[str] = []
    shard = Shard(1, 2)
    first = together(run, 1, 2)
    first.begin(lambda is_shared: None)

    def say(line: str) -> None:
        lines.append(line)
        first.end()

    second = Together(LockLeases(run, shard.member), shard, say, told_s=0.1)
    second.begin(lambda is_shared: None)
    second.end()
    (line,) = lines
    assert line.startswith(f"shard 1/2: process {os.getpid()} on ")
    assert "kill -CONT" in line


def test_all_that_work_together_share_it_out_alike(tmp_path: Path) -> None:
    run = tmp_path / "run"
    mine, other = together(run, 1, 2), together(run, 2, 3)
    mine.begin(lambda is_shared: None)
    with pytest.raises(RunError, match="works on it as one of 2, this one would be one of 3"):
        other.begin(lambda is_shared: None)
    mine.end()
    other.begin(lambda is_shared: None)
    other.end()


def test_the_first_opens_the_run_and_the_others_see_that_it_is(tmp_path: Path) -> None:
    opened: list[bool] = []
    first, second = together(tmp_path / "run", 1, 2), together(tmp_path / "run", 2, 2)
    first.begin(opened.append)
    second.begin(opened.append)
    assert opened == [False, True]
    first.end()
    second.end()


def test_what_was_told_of_rounds_goes_though_who_wrote_the_last_part_was_killed_before(tmp_path: Path) -> None:
    with Pipeline(tmp_path / "run", example_config(4), Options(quiet=True, shard=Shard(1, 1))) as pipeline:
        pipeline.work(["sample", "analyze", "inject"])
        before = files_of(tmp_path / "run")
        left = tmp_path / "run/inject/rounds/1/part-00000.json"
        left.parent.mkdir(parents=True)
        left.write_text("{}")
        pipeline.work(["inject"])
        assert files_of(tmp_path / "run") == before


def test_another_configuration_is_refused_while_others_are_at_work(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def shard(index: int, limit: int, **more: Any) -> Pipeline:
        return Pipeline(run, example_config(limit, **more), Options(quiet=True, shard=Shard(index, 2)))

    with shard(1, 4):
        with pytest.raises(RunError, match=r"another configuration \(.*limit.*\)"), shard(2, 6):
            pass
        with pytest.raises(RunError, match=r"another configuration \(.*seed 0 → 1.*\)"), shard(2, 4, seed=1):
            pass
        with shard(2, 4):
            pass
    with shard(2, 6):
        pass


@pytest.mark.slow
def test_a_shard_alone_ends_with_status_3_before_inject_and_says_how_to_go_on(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    case = make_case(tmp_path, mock_server, problems=12, size=3)
    run = tmp_path / "run"
    shard: list[str | Path] = ["-o", run, "--quiet", "--shard"]
    alone = run_lemma("run", case.config, *shard, "1/2")
    assert alone.returncode == 3
    assert alone.stderr.splitlines()[-1] == (
        f"lemma: inject needs sample of all parts, and 2 of 4 are missing (1, 3) that nobody works on: `lemma run "
        f"CONFIG -o {run} --shard 2/2` makes them; the same command goes on"
    )
    assert run_lemma("sample", case.config, *shard, "2/2").returncode == 0
    unanalysed = run_lemma("inject", case.config, *shard, "1/2")
    assert unanalysed.returncode == 3
    assert "inject needs analyze of all parts, and 2 of 4 are missing (1, 3)" in unanalysed.stderr
    assert f"`lemma analyze CONFIG -o {run} --shard 2/2`" in unanalysed.stderr
    assert run_lemma("analyze", case.config, *shard, "2/2").returncode == 0
    # what the other would do in the rounds is done here, as nobody is there to do it
    assert run_lemma("inject", case.config, *shard, "1/2").returncode == 0
    assert run_lemma("correct", case.config, *shard, "1/2").returncode == 0
    early = run_lemma("correct", case.config, *shard, "2/2")
    assert early.returncode == 1
    assert "inject is not finished (2 of 2 parts are left" in early.stderr
    for command in ("smooth", "export"):
        first = run_lemma(command, case.config, *shard, "1/2")
        assert first.returncode == (0 if command == "smooth" else 3), first.stderr
    assert run_lemma("run", case.config, *shard, "2/2").returncode == 0
    assert run_lemma("export", case.config, *shard, "1/2").returncode == 0
    case.check(run)


@pytest.mark.slow
def test_ordinary_commands_are_kept_out_and_status_tells_who_is_at_work(
    tmp_path: Path, mock_server: Callable[..., MockServer]
) -> None:
    case = make_case(tmp_path, mock_server, problems=12, size=3, latency_ms=1000)
    run = tmp_path / "run"
    with Processes() as group:
        started = [group.start("run", case.config, "-o", run, "--shard", f"{index}/2") for index in (1, 2)]
        wait_until(lambda: len(list(run.glob(".leases/processes/*"))) == 2, "nobody came")
        refused = run_lemma("run", case.config, "-o", run)
        status = run_lemma("status", run)
        ends = [end_of(process) for process in started]
    assert refused.returncode == 1
    assert "in use by process" in refused.stderr
    assert all(f"process {process.pid} on" in status.stdout for process in started)
    assert [end[0] for end in ends] == [0, 0]
    case.check(run)
