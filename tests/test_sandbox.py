from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lemma.sandbox import Sandbox, SandboxError

_ROOT = Path(__file__).resolve().parent.parent


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _ends(pids: list[int], within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not any(map(_is_alive, pids)):
            return True
        time.sleep(0.02)
    return False


def test_a_call_returns_the_functions_result() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        assert sandbox.run(5) == 120
        assert sandbox.run(6) == 720


def test_an_exception_is_told_and_the_worker_lives_on() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        sandbox.warm()
        pids = sandbox.worker_pids()
        with pytest.raises(SandboxError, match="TypeError"):
            sandbox.run("five")
        assert sandbox.run(5) == 120
        assert sandbox.worker_pids() == pids


def test_a_late_call_is_killed_and_its_worker_replaced() -> None:
    with Sandbox("time:sleep", deadline_s=0.3, memory_mb=256) as sandbox:
        sandbox.warm()
        warden, worker = sandbox.worker_pids()
        start = time.perf_counter()
        with pytest.raises(SandboxError, match="killed"):
            sandbox.run(60)
        assert time.perf_counter() - start < 1
        assert sandbox.run(0) is None
        assert _ends([worker])
        assert sandbox.worker_pids()[0] == warden
        assert sandbox.worker_pids()[1] != worker


def test_a_crash_is_told_and_the_worker_replaced() -> None:
    with Sandbox("ctypes:string_at", deadline_s=5, memory_mb=256) as sandbox:
        for _ in range(3):
            with pytest.raises(SandboxError, match="died"):
                sandbox.run(0)


def test_a_call_cannot_take_more_memory_than_it_may() -> None:
    with (
        Sandbox("builtins:bytearray", deadline_s=5, memory_mb=256) as sandbox,
        pytest.raises(SandboxError, match="died"),
    ):
        sandbox.run(1_000_000_000)


@pytest.mark.parametrize("index", [0, 1])
def test_a_warden_or_worker_killed_from_outside_is_replaced(index: int) -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        sandbox.warm()
        os.kill(sandbox.worker_pids()[index], signal.SIGKILL)
        time.sleep(0.05)
        results = []
        for _ in range(3):
            try:
                results.append(sandbox.run(5))
            except SandboxError:
                results.append(None)
        assert results[1:] == [120, 120]


def test_a_worker_is_renewed_without_a_call_being_lost() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        sandbox.warm()
        first = sandbox.worker_pids()[1]
        assert all(sandbox.run(3) == 6 for _ in range(5_100))
        assert sandbox.worker_pids()[1] != first
        assert _ends([first])


def test_a_request_over_the_limit_is_refused() -> None:
    with (
        Sandbox("builtins:len", deadline_s=5, memory_mb=256) as sandbox,
        pytest.raises(SandboxError, match="too large"),
    ):
        sandbox.run("x" * 100_000)


def test_close_ends_all_processes_and_use_starts_new_ones() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        sandbox.warm()
        pids = sandbox.worker_pids()
        sandbox.close()
        assert _ends(pids)
        assert sandbox.worker_pids() == []
        assert sandbox.run(5) == 120


def test_threads_share_the_workers() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256, max_workers=2) as sandbox:
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(sandbox.run, [n % 9 for n in range(400)]))[:4] == [1, 1, 2, 6]
        assert len(sandbox.worker_pids()) <= 4


def test_a_worker_outlives_the_thread_that_started_it() -> None:
    with Sandbox("math:factorial", deadline_s=5, memory_mb=256) as sandbox:
        starter = threading.Thread(target=sandbox.warm)
        starter.start()
        starter.join()
        pids = sandbox.worker_pids()
        assert sandbox.run(5) == 120
        assert sandbox.worker_pids() == pids


_SCRIPT = """
import sys
sys.path.pop(0)  # the script's own folder
import time
from lemma.sandbox import Sandbox
sandbox = Sandbox("time:sleep", deadline_s=30, memory_mb=256)
sandbox.warm()
print(*sandbox.worker_pids(), flush=True)
{then}
"""


def _started(then: str, folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    # A script without a guard, in a folder whose files shadow the standard library's.
    (folder / "json.py").write_text("raise SystemExit('the wrong json')")
    (folder / "script.py").write_text(_SCRIPT.format(then=then))
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("then", ["", "sys.exit(3)", "raise SystemError", "import os; os._exit(0)"])
def test_no_process_outlives_its_program(then: str, tmp_path: Path) -> None:
    process, pids = _started(then, tmp_path)
    process.communicate(timeout=10)
    assert len(pids) == 2
    assert _ends(pids)


def test_no_process_outlives_a_program_that_is_killed_amid_a_call(tmp_path: Path) -> None:
    process, pids = _started("sandbox.run(60)", tmp_path)
    time.sleep(0.3)
    process.kill()
    process.communicate(timeout=10)
    assert len(pids) == 2
    assert _ends(pids)
