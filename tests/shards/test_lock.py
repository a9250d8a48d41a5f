"""The lock of a run's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lemma.errors import DiskError, RunError
from lemma.shards.lock import RunLock
from tests.conftest import ROOT


def test_a_second_lock_on_a_folder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run"):
        for _ in range(2):  # a refusal takes nothing away
            with pytest.raises(RunError, match=rf"run: in use by process {os.getpid()} on .*; wait for it to end"):
                RunLock(tmp_path / "run").__enter__()
        with RunLock(tmp_path / "other"):
            pass


def test_a_lock_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        raise ZeroDivisionError
    with RunLock(tmp_path):
        pass
    with RunLock(tmp_path):
        pass


def test_a_lock_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from lemma.shards.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on "):
            RunLock(tmp_path).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    with RunLock(tmp_path):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError, match="cannot be written"):
        RunLock(tmp_path / "file").__enter__()
