"""Leases by locks: one owner a part, whoever dies, and no trace of them at the end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemma.errors import RunError
from lemma.leases import LockLeases, at_work
from lemma.shards.lock import RunLock
from lemma.status.tree import holder
from tests.conftest import ROOT

OTHER = """
import sys
from pathlib import Path
from lemma.leases import LockLeases
leases = LockLeases(Path(sys.argv[1]), sys.argv[2])
leases.join()
leases.enrol()
held = []
for line in sys.stdin:
    stage, part = line.split()
    held.append(leases.take(stage, int(part)))
    print("taken" if held[-1] else "not", flush=True)
leases.leave()
"""


class OtherProcess:
    """A process that works on the same run; tells whether it could take parts."""

    def __init__(self, run: Path, member: str) -> None:
        command = [sys.executable, "-c", OTHER, str(run), member]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
        )

    def take(self, stage: str, part: int) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{stage} {part}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "taken\n"


@contextlib.contextmanager
def other(run: Path, member: str = "") -> Iterator[OtherProcess]:
    made = OtherProcess(run, member)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def joined(run: Path, member: str = "") -> LockLeases:
    leases = LockLeases(run, member)
    leases.join()
    leases.enrol()
    return leases


def test_a_part_has_one_owner_and_is_free_when_that_is_killed_or_gives_it_back(tmp_path: Path) -> None:
    leases = joined(tmp_path / "run")
    with other(tmp_path / "run", "b") as first:
        assert first.take("analyze", 7)
        assert leases.take("analyze", 7) is None
        assert leases.take("correct", 7) is not None
        mine = leases.take("analyze", 8)
        assert mine is not None
        assert not first.take("analyze", 8)
        mine.release()
        mine.release()
        assert not mine.is_held()
        assert first.take("analyze", 8)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert leases.take("analyze", 7) is not None
    leases.leave()


def test_each_sees_the_others_that_are_alive_and_so_does_status(tmp_path: Path) -> None:
    run = tmp_path / "run"
    leases = joined(run, "1-of-2")
    assert leases.others() == []
    with other(run, "2-of-2") as second:
        assert second.take("analyze", 0)
        assert [one.member for one in leases.others()] == ["2-of-2"]
        told = holder(run) or ""
        assert f"process {os.getpid()} on " in told
        assert f"process {second.process.pid} on " in told
        second.process.kill()
        second.process.wait()
        assert leases.others() == []
    leases.leave()
    assert (at_work(run), holder(run)) == ([], None)


def test_a_process_that_waits_for_another_is_seen_before_it_has_opened_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    leases, coming = joined(run, "1-of-2"), LockLeases(run, "2-of-2")
    coming.join()
    with coming.alone():
        assert [(one.member, one.is_enrolled) for one in leases.others()] == [("2-of-2", False)]
        coming.enrol()
        assert [one.is_enrolled for one in leases.others()] == [True]
    coming.leave()
    assert leases.others() == []
    leases.leave()


def test_a_holder_is_told_by_number_machine_and_time(tmp_path: Path) -> None:
    run = tmp_path / "run"
    leases, second = joined(run, "1-of-2"), joined(run, "2-of-2")
    lease = leases.take("analyze", 3)
    assert lease is not None
    told = rf"process {os.getpid()} on .+ \(1-of-2\), since [0-9:]{{8}},"
    assert re.fullmatch(told, second.holder("analyze", 3))
    assert [bool(re.fullmatch(told, other.told())) for other in second.others()] == [True]
    assert second.holder("analyze", 4) == ""
    leases.leave()
    second.leave()


def test_an_ordinary_command_and_processes_with_leases_keep_each_other_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    leases = joined(run, "1-of-2")
    with pytest.raises(RunError, match=rf"in use by process {os.getpid()} on .* \(1-of-2\)"), RunLock(run):
        pass
    leases.leave()
    with RunLock(run), pytest.raises(RunError, match="in use by process"):
        joined(run)


def test_the_last_one_takes_the_folder_of_locks_away(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, second = joined(run, "a"), joined(run, "b")
    assert first.take("analyze", 0) is not None
    first.leave()
    assert (run / ".leases").is_dir()
    second.leave()
    assert [path.name for path in run.iterdir()] == [".lock"]
