"""The lock of a run's folder, so that two commands never write it at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from lemma.errors import RunError
from lemma.shards.files import disk_errors


def refuse_links(run: Path) -> None:
    """Sees to it that all of a run's files lie in its folder; the folder itself may be reached through a link.

    Raises:
        RunError: a link in it leads out of it. Writing through it would change files that are not the run's.
    """
    root = run.resolve()
    folders = [run]
    while folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                    raise RunError(
                        f"{entry.path}: is a link to {os.readlink(entry.path)}, out of the run's folder; put the "
                        "files themselves there, or keep the whole folder elsewhere and link to that"
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))


def holder_named(descriptor: int) -> str:
    """Who wrote itself into a lock's file, in words."""
    return os.read(descriptor, 200).decode(errors="replace").partition("\n")[0] or "another process"


class RunLock:
    """Held while a command works on a run's folder, so that two never write it at once.

    The lock is the kernel's (flock): it goes with the process, however that ends. Processes that share their work
    (see `lemma.leases`) hold it together, and keep all others out.

    Args:
        run: the run's folder.
        is_shared: whether others may hold it at the same time, shared like this one.
        who: the holder, in words; by default this process.

    Raises:
        RunError: another process holds it; says which. Or a link leads out of the folder.
    """

    def __init__(self, run: Path, is_shared: bool = False, who: str = "") -> None:
        self.path = run / ".lock"
        self._how = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        self._who = who or f"process {os.getpid()} on {socket.gethostname()}"
        self._file: int | None = None

    def __enter__(self) -> RunLock:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            refuse_links(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            _lock(descriptor, self._how)
        except OSError:
            holder = holder_named(descriptor)
            os.close(descriptor)
            raise RunError(
                f"{self.path.parent}: in use by {holder}; wait for it to end, or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{self._who}\n".encode(), 0)
        self._file = descriptor
        return self

    def share(self) -> None:
        """Lets others in that hold it shared, and keeps all others out as before."""
        assert self._file is not None
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other process holds it; from then on none can take it until this one lets go."""
        if self._file is None:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(descriptor: int, how: int) -> None:
    """Takes the lock; once more after a moment, since `lemma status` looks who has it by touching it."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError:
        time.sleep(0.05)
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
