"""Who works on which part, where several processes work on one run at once.

A *lease* is one process's claim to a part of a stage. Whoever holds it asks, appends replies and writes the part;
everybody else passes the part over. `LockLeases` are for processes that share a folder whose file system has working
locks (``flock``: a local disk, NFS 4, Lustre mounted with ``-o flock``)::

    RUN/.leases/analyze/part-00012       locked by the process that works on the part
    RUN/.leases/processes/node7-4711-…   locked by each process at work: who it is
    RUN/.leases/alone                    locked while one of them reads the problems; the others wait

The kernel frees a lock together with its process, however that ends. The folder goes with the last of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lemma.errors import RunError
from lemma.holders import TOLD_S, Other, since, waiting_alone
from lemma.shards.files import disk_errors
from lemma.shards.folder import folder_epoch
from lemma.shards.lock import RunLock

FOLDER = ".leases"
_BUSY_S = 2.0
"""How long the last one out may take to tidy up."""


class Lease(Protocol):
    """A part that this process works on."""

    epoch: int
    """Whose replies are appended to, see `lemma.shards.folder.epoch_files`: that of the folder (0) where the lease ends
    with its process; else a new one at every take-over from an owner that is gone."""

    def is_held(self) -> bool:
        """Whether it is still this process's; cheap enough to be asked before every append."""
        ...

    def release(self) -> None:
        """Gives it back; once more does nothing."""
        ...


class Leases(Protocol):
    """How the processes that work on one run keep out of each other's way."""

    member: str
    """This process's name among them, short and fit for a file's; the same after it is started again."""
    is_shared: bool
    """Whether others may work on the run at the same time."""
    place: str
    """The run, as commands are given it."""

    def join(self) -> None:
        """Begins to work on the run: no ordinary command may work on it from now on.

        Raises:
            RunError: one does.
        """
        ...

    def enrol(self) -> None:
        """Counts among `others` from now on; called inside `alone`, with the run opened."""
        ...

    def leave(self) -> None:
        """Ends what `join` began."""
        ...

    def others(self) -> list[Other]:
        """The other processes that are alive, those that are not enrolled yet among them."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """One process at a time: for what belongs to no part, such as the problems; the others wait."""
        ...

    def take(self, stage: str, part: int) -> Lease | None:
        """Takes a part; None where somebody else has it. Never waits."""
        ...

    def holder(self, stage: str, part: int) -> str:
        """Who has a part, and since when, for people; empty where nobody seems to."""
        ...

    def is_held(self) -> bool:
        """Whether all that this process took is still its own; cheap, also in processes forked from it."""
        ...

    def publish(self, *paths: Path) -> None:
        """Files that this process wrote into the run's folder are there for the others, now or soon."""
        ...

    def refresh(self) -> None:
        """What others published before is in the run's folder from now on."""
        ...


class LockLease:
    """A locked file; see `Lease`."""

    def __init__(self, descriptor: int, epoch: int = 0) -> None:
        self._descriptor: int | None = descriptor
        self.epoch = epoch

    def is_held(self) -> bool:
        """The kernel keeps it as long as the process lives."""
        return self._descriptor is not None

    def write(self, text: str) -> None:
        """Notes in the file who has it.

        Raises:
            DiskError: it cannot be written.
        """
        if self._descriptor is not None:
            with disk_errors(Path(FOLDER)):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Closes the file, and so frees it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class LockLeases:
    """Leases by ``flock`` in the run's folder; see `Leases`.

    Args:
        run: the run's folder, the same for all of them.
        member: see `Leases`.
        say: takes a line for the person.
    """

    is_shared = True

    def __init__(self, run: Path, member: str = "", say: Callable[[str], None] = lambda line: None) -> None:
        self.member = member
        self.place = str(run)
        self._say = say
        self._folder = run / FOLDER
        self._lock = RunLock(run, is_shared=True, who=who(member))
        self._enrolled: LockLease | None = None
        self._own: Path | None = None

    def join(self) -> None:
        """See `Leases.join`."""
        deadline = time.monotonic() + _BUSY_S
        while True:
            try:
                self._lock.__enter__()
            except RunError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)  # the last of others may be tidying up
            else:
                return

    def enrol(self) -> None:
        """See `Leases.enrol`."""
        self._show(is_enrolled=True)

    def _show(self, is_enrolled: bool) -> None:
        """Has a file of its own, locked, that says who it is."""
        if self._enrolled is None:
            self._enrolled = LockLease(self._own_file())
        self._enrolled.write(f"{self.member}\n{who(self.member)}\n{'enrolled' if is_enrolled else ''}\n")

    def _own_file(self) -> int:
        folder = self._folder / "processes"
        names = (f"{socket.gethostname()}-{os.getpid()}-{number}" for number in itertools.count())
        for self._own in (folder / name for name in names):  # containers may share host and process number
            if (descriptor := locked(self._own)) is not None:
                break
        assert descriptor is not None
        return descriptor

    def leave(self) -> None:
        """See `Leases.leave`."""
        if self._enrolled is not None:
            self._enrolled.release()
        tidy(self._lock)
        self._lock.__exit__(None, None, None)

    def others(self) -> list[Other]:
        """See `Leases.others`."""
        return at_work(self._folder.parent, self._own)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `Leases.alone`."""
        if self.member and self._enrolled is None:
            self._show(is_enrolled=False)  # whoever counts on this process sees that it has come
        lease = LockLease(self._wait_for(self._folder / "alone"))
        lease.write(f"{who(self.member)}\n")
        try:
            yield
        finally:
            lease.release()

    def _wait_for(self, path: Path) -> int:
        """A file's lock, however long that takes; after a while it is told who has it."""
        began_s = time.monotonic()
        while (descriptor := locked(path)) is None:
            if time.monotonic() - began_s > TOLD_S:
                self._say(waiting_alone(self.place, _named(path)))
                descriptor = locked(path, is_waiting=True)
                assert descriptor is not None
                break
            time.sleep(0.05)
        return descriptor

    def take(self, stage: str, part: int) -> LockLease | None:
        """See `Leases.take`."""
        descriptor = locked(self._part(stage, part))
        if descriptor is None:
            return None
        lease = LockLease(descriptor, folder_epoch(self._folder.parent))
        lease.write(f"{who(self.member)}\n")
        return lease

    def holder(self, stage: str, part: int) -> str:
        """See `Leases.holder`."""
        return _named(self._part(stage, part))

    def _part(self, stage: str, part: int) -> Path:
        return self._folder / stage / f"part-{part:05d}"

    def is_held(self) -> bool:
        """The kernel keeps locks as long as the process lives."""
        return True

    def publish(self, *paths: Path) -> None:
        """Nothing to do: the folder is the others' as well."""

    def refresh(self) -> None:
        """Nothing to do: the folder is the others' as well."""


def tidy(lock: RunLock) -> bool:
    """Removes what leases left in a run's folder, if nobody else holds its lock; whether that was so."""
    if not lock.is_last():
        return False
    shutil.rmtree(lock.path.parent / FOLDER, ignore_errors=True)
    return True


def who(member: str) -> str:
    """A process, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}" + (f" ({member})" if member else "")


def _named(path: Path) -> str:
    """Who noted itself in a locked file, see `Leases.holder`."""
    try:
        words, _, _ = path.read_text(errors="replace")[:500].partition("\n")
        return since(words.strip() or "another process", path.stat().st_mtime)
    except OSError:  # it ended, and the folder went
        return ""


def at_work(run: Path, but: Path | None = None) -> list[Other]:
    """The processes that work on a run together and are alive, for those who look from outside as well.

    Args:
        run: the run's folder.
        but: leaves out the process that holds this file.
    """
    found = []
    for path in sorted((run / FOLDER / "processes").glob("*")):
        if path == but:
            continue
        with contextlib.suppress(OSError):  # it ended, and the folder went
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                lines = [*os.read(descriptor, 500).decode(errors="replace").splitlines(), "", "", ""]
                is_enrolled, came_s = lines[2] == "enrolled", os.fstat(descriptor).st_mtime
                found.append(Other(lines[0], lines[1].strip() or "another process", is_enrolled, came_s))
            finally:
                os.close(descriptor)
    return found


def locked(path: Path, is_waiting: bool = False) -> int | None:
    """A descriptor of the file, locked; None where another one has it."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_waiting else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise RunError(
            f"{path}: cannot be locked: {error.strerror}; several processes need a file system with locks (flock)"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
