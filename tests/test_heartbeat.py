"""Leases without locks: one owner at a time, the dead are succeeded, and none of them can harm its successor."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lemma.errors import RunError
from lemma.heartbeat import ConditionalStore, HeartbeatLease, HeartbeatLeases
from lemma.storage.folder import FolderStore
from tests.conftest import ROOT

LEASE_S = 0.9
"""Of who is going to die; the others' lasts long, however busy the machine."""
PATIENCE_S = 60.0


class Clockless:
    """A store that cannot tell how old anything is; while it is down it cannot be reached."""

    def __init__(self, store: ConditionalStore) -> None:
        self._store = store
        self.is_down = False

    def _reached(self) -> ConditionalStore:
        if self.is_down:
            raise RunError("cannot be reached")
        return self._store

    def create(self, name: str, body: bytes) -> bool:
        return self._reached().create(name, body)

    def write(self, name: str, body: bytes) -> None:
        self._reached().write(name, body)

    def read(self, name: str) -> bytes | None:
        return self._reached().read(name)

    def names(self, prefix: str) -> list[str]:
        return self._reached().names(prefix)

    def delete(self, name: str) -> None:
        self._reached().delete(name)

    def age_s(self, name: str) -> float | None:
        return None


@contextmanager
def joined(
    store: ConditionalStore, member: str = "", lease_s: float = 30.0, **more: object
) -> Iterator[HeartbeatLeases]:
    leases = HeartbeatLeases(store, member, lease_s, **more)  # type: ignore[arg-type]
    leases.join()
    leases.enrol()
    try:
        yield leases
    finally:
        leases.leave()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def taken(leases: HeartbeatLeases, part: int = 0) -> HeartbeatLease:
    """The part, once its owner is taken for dead."""
    found: list[HeartbeatLease] = []

    def look() -> bool:
        found.extend(lease for lease in [leases.take("analyze", part)] if lease is not None)
        return bool(found)

    until(look)
    return found[0]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / ".leases")


# ── the files ──


def test_of_many_processes_that_make_a_file_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(8) as pool:
        for name in map(str, range(10)):
            made = pool.starmap(FolderStore(tmp_path).create, [(name, bytes([number])) for number in range(8)])
            assert made.count(True) == 1
            assert (tmp_path / name).read_bytes() == bytes([made.index(True)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(10)))


def test_files_are_read_replaced_listed_and_removed_by_name(store: FolderStore) -> None:
    assert (store.read("a/b"), store.names("a/"), store.age_s("a/b")) == (None, [], None)
    assert store.create("a/b", b"1")
    assert not store.create("a/b", b"2")
    assert store.read("a/b") == b"1"
    store.write("a/b", b"3")
    store.write("a/c", b"")
    assert (store.read("a/b"), store.names("a/"), store.names("a/b")) == (b"3", ["a/b", "a/c"], ["a/b"])
    assert 0 <= (store.age_s("a/b") or 0.0) < PATIENCE_S
    store.delete("a/b")
    store.delete("a/b")
    assert store.names("a/") == ["a/c"]


# ── parts ──


def test_a_part_has_one_owner_and_goes_on_under_the_same_epoch_once_it_is_given_back(store: FolderStore) -> None:
    with joined(store, "1") as one, joined(store, "2") as two:
        lease = one.take("analyze", 3)
        assert lease is not None
        assert (lease.epoch, lease.is_held()) == (0, True)
        assert two.take("analyze", 3) is None
        assert one.take("analyze", 3) is None
        assert two.take("analyze", 4) is not None
        assert two.take("correct", 3) is not None
        lease.release()
        lease.release()
        assert not lease.is_held()
        again = two.take("analyze", 3)
        assert again is not None
        assert again.epoch == 0


def test_processes_see_who_else_is_enrolled(store: FolderStore) -> None:
    with joined(store, "1-of-2", LEASE_S) as one:
        assert one.others() == []
        with joined(store, "2-of-2") as two:
            assert [other.member for other in two.others()] == ["1-of-2"]
            until(lambda: [other.member for other in one.others()] == ["2-of-2"])
        until(lambda: one.others() == [])


def test_a_process_that_comes_is_seen_soon_though_leases_last_long(store: FolderStore) -> None:
    with joined(store, "1", 1e6) as one:
        assert one.others() == []
        with joined(store, "2", 1e6):
            until(lambda: [other.member for other in one.others()] == ["2"])
        until(lambda: one.others() == [])


def test_a_process_that_comes_is_seen_before_it_has_opened_the_run(store: FolderStore) -> None:
    coming = HeartbeatLeases(store, "2")
    with joined(store, "1") as one:
        coming.join()
        until(lambda: [(other.member, other.is_enrolled) for other in one.others()] == [("2", False)])
        coming.enrol()
        until(lambda: [other.is_enrolled for other in one.others()] == [True])
        coming.leave()


def test_who_gave_a_part_back_may_take_it_again_before_others_have_heard_of_it(store: FolderStore) -> None:
    unreached = Clockless(store)
    with joined(unreached, "1") as one, joined(store, "2") as two:
        lease = one.take("analyze", 0)
        assert lease is not None
        unreached.is_down = True
        lease.release()
        unreached.is_down = False
        assert two.take("analyze", 0) is None
        again = one.take("analyze", 0)
        assert again is not None
        assert (again.epoch, again.is_passed_on) == (0, False)
        one.free(lease)  # the word of the first time comes late, and changes nothing
        assert two.take("analyze", 0) is None
        again.release()
        assert two.take("analyze", 0) is not None


def test_a_holder_is_told_by_number_machine_and_time(store: FolderStore) -> None:
    with joined(store, "1-of-2") as one, joined(store, "2-of-2") as two:
        lease = one.take("analyze", 0)
        assert lease is not None
        told = rf"process {os.getpid()} on .+ \(1-of-2\), since [0-9:]{{8}},"
        assert re.fullmatch(told, two.holder("analyze", 0))
        assert [bool(re.fullmatch(told, other.told())) for other in two.others()] == [True]
        lease.release()
        assert two.holder("analyze", 0) == two.holder("analyze", 1) == ""


def test_many_processes_share_parts_without_overlap(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(6) as pool:
        claimed = pool.map(_claim_all, [tmp_path] * 6)
    assert sorted(part for some in claimed for part in some) == list(range(30))


def _claim_all(folder: Path) -> list[int]:
    store = FolderStore(folder)
    with joined(store) as leases:
        mine = []
        for part in range(30):
            lease = leases.take("analyze", part)
            if lease is not None:
                mine.append(part)
        # nobody leaves before all are done, so that nothing is free again
        store.write(f"done/{os.getpid()}", b"")
        until(lambda: len(store.names("done/")) == 6)
        return mine


# ── the dead ──


def test_a_part_of_a_process_that_shows_itself_no_more_is_taken_over_under_a_new_epoch(store: FolderStore) -> None:
    unreached = Clockless(store)
    with joined(unreached, "1", LEASE_S) as one, joined(store, "2") as two:
        lease = one.take("analyze", 0)
        assert lease is not None
        unreached.is_down = True
        successor = taken(two)
        assert (successor.epoch, successor.is_held(), lease.is_held()) == (1, True, False)
        with pytest.raises(RunError):
            one.take("analyze", 1)
        unreached.is_down = False
        until(lambda: len(store.names("processes/")) == 2)
        time.sleep(LEASE_S)  # it shows itself again, and has lost nevertheless
        assert not lease.is_held()
        assert not one.is_held()
        assert two.take("analyze", 0) is None


def test_a_process_that_nobody_took_over_from_goes_on_when_the_store_is_back(store: FolderStore) -> None:
    unreached = Clockless(store)
    with joined(unreached, "1", LEASE_S) as one:
        lease = one.take("analyze", 0)
        assert lease is not None
        unreached.is_down = True
        until(lambda: not lease.is_held())
        unreached.is_down = False
        until(lease.is_held)


def test_without_a_common_clock_the_dead_are_those_who_are_seen_not_to_change(store: FolderStore) -> None:
    unreached, watching = Clockless(store), Clockless(store)
    with joined(unreached, "1", LEASE_S) as one, joined(watching, "2") as two:
        assert one.take("analyze", 0) is not None
        began = time.monotonic()
        while time.monotonic() - began < 1.5 * LEASE_S:
            assert two.take("analyze", 0) is None
            time.sleep(LEASE_S / 10)
        unreached.is_down = True
        assert taken(two).epoch == 1


def test_every_take_over_has_an_epoch_that_nobody_had(store: FolderStore) -> None:
    with joined(store, "last") as last:
        for epoch in (1, 2, 3):
            unreached = Clockless(store)
            with joined(unreached, str(epoch), LEASE_S) as one:
                assert one.take("analyze", 0) is not None
                unreached.is_down = True
                lease = taken(last)
                assert lease.epoch == epoch
            lease.release()


def test_a_process_that_was_stopped_finds_that_it_lost_what_it_had(tmp_path: Path, store: FolderStore) -> None:
    code = (
        "import sys, pathlib\n"
        "from lemma.heartbeat import HeartbeatLeases\n"
        "from lemma.storage.folder import FolderStore\n"
        f"leases = HeartbeatLeases(FolderStore(pathlib.Path(sys.argv[1])), 'zombie', {LEASE_S})\n"
        "leases.join()\n"
        "lease = leases.take('analyze', 0)\n"
        "for line in sys.stdin:\n"
        "    print(lease.epoch, lease.is_held(), flush=True)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    zombie = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / ".leases")], **pipes)  # type: ignore[call-overload]

    def ask() -> str:
        zombie.stdin.write("\n")
        zombie.stdin.flush()
        return str(zombie.stdout.readline()).strip()

    try:
        assert ask() == "0 True"
        with joined(store, "2") as two:
            os.kill(zombie.pid, signal.SIGSTOP)
            lease = taken(two)
            assert lease.epoch == 1
            os.kill(zombie.pid, signal.SIGCONT)
            assert ask() == "0 False"
            until(lambda: ask() == "0 False")
            assert lease.is_held()
    finally:
        zombie.kill()
        zombie.communicate()


# ── one command by itself ──


def test_a_command_by_itself_keeps_others_out_and_needs_no_leases_of_parts(store: FolderStore) -> None:
    with joined(store, lease_s=LEASE_S, is_alone=True) as one:
        lease = one.take("analyze", 0)
        assert lease is not None
        assert lease.is_held()
        assert store.names("analyze/") == []
        for is_alone in (True, False):
            with pytest.raises(RunError, match="in use by process"), joined(store, lease_s=LEASE_S, is_alone=is_alone):
                pass
    with joined(store, "1", LEASE_S) as worker:
        with pytest.raises(RunError, match="in use by process"), joined(store, lease_s=LEASE_S, is_alone=True):
            pass
        assert worker.take("analyze", 0) is not None


def test_a_command_goes_on_under_the_same_epoch_after_one_that_ended_and_a_new_one_after_one_that_died(
    store: FolderStore,
) -> None:
    for _ in range(2):
        with joined(store, lease_s=LEASE_S, is_alone=True) as ended:
            assert ended.epoch == 0
    unreached = Clockless(store)
    told: list[str] = []
    with joined(unreached, lease_s=LEASE_S, is_alone=True) as died:
        unreached.is_down = True
        with joined(store, is_alone=True, say=told.append) as after:
            assert (after.epoch, died.is_held()) == (1, False)
            assert len(store.names("processes/")) == 1
    assert "a moment ago" in told[0]


def test_a_worker_after_a_command_that_died_writes_nothing_under_its_epoch(store: FolderStore) -> None:
    unreached = Clockless(store)
    with joined(unreached, lease_s=LEASE_S, is_alone=True):
        unreached.is_down = True
        with joined(store, "1") as worker:
            lease = worker.take("analyze", 0)
            assert lease is not None
            assert lease.epoch == 1


def test_who_works_in_the_same_folder_as_the_dead_goes_on_at_once_under_its_epoch(store: FolderStore) -> None:
    unreached = Clockless(store)
    with joined(unreached, lease_s=1e6, is_alone=True, folder="mine"):
        unreached.is_down = True
        with joined(store, lease_s=1e6, is_alone=True, folder="mine") as again:
            assert again.epoch == 0


@pytest.mark.parametrize("body", [b"", b"{half", b"[]", b"null", b'{"owner": 5}', b'{"epoch": "x"}'], ids=range(6))
def test_a_damaged_lease_is_nobodys_after_a_while(store: FolderStore, tmp_path: Path, body: bytes) -> None:
    store.write("analyze/part-00000.g00001", body)
    old_s = time.time() - 60
    os.utime(tmp_path / ".leases/analyze/part-00000.g00001", (old_s, old_s))
    with joined(store) as leases:
        assert taken(leases).epoch == 1
