"""A run that lives in object storage, opened for work or to be looked at: a folder here that mirrors it.

::

    CACHE/bucket-run-3f9c12ab44/
      run/          the run's folder, as any other
      state.json    what was last seen of the storage, see `lemma.storage.mirror`
      id            a name for the folder that tells it from all others
      lock          held by the one command that uses the folder

CACHE is `storage.cache`, else the environment's LEMMA_CACHE, else ``~/.cache/lemma``.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from lemma.config import StorageConfig
from lemma.errors import Incomplete, LemmaError, RunError, StorageError
from lemma.heartbeat import HeartbeatLeases
from lemma.leases import Leases, LockLease, locked
from lemma.shards.files import disk_errors, write_whole
from lemma.shards.folder import EPOCH_FILE
from lemma.shards.lock import RunLock
from lemma.storage.leases import LEASES, Below, StorageLeases
from lemma.storage.mirror import Mirror
from lemma.storage.objects import Objects, open_objects
from lemma.storage.pushing import Pusher

CACHE_VARIABLE = "LEMMA_CACHE"
_ADDRESS = re.compile(r"([a-z][a-z0-9]{1,15}):/{1,2}(.+)", re.ASCII)
_LAST = ".leases/last"
"""Who worked on the run last: the id of its folder."""


class Place(NamedTuple):
    """Where a command works."""

    folder: Path
    leases: Leases | None
    """For the pipeline; None for a folder that is nobody's copy."""


def address_of(run: Path) -> str | None:
    """The address that a command was given in place of a folder, such as ``s3://bucket/run``; None for a folder.

    A path folds the two slashes into one.
    """
    found = _ADDRESS.fullmatch(str(run))
    if found is None:
        return None
    return f"{found[1]}://{'/' if found[1] == 'file' else ''}{found[2]}"


@contextlib.contextmanager
def working(
    run: Path,
    config: StorageConfig | None = None,
    member: str = "",
    say: Callable[[str], None] | None = None,
    *,
    takes_leases: bool = False,
) -> Iterator[Place]:
    """A run's folder to work in; where the run lives in object storage, all that is made goes there.

    Args:
        run: a folder or an address.
        config: how the storage is treated.
        member: see `lemma.leases.Leases`; empty: the command works on the run by itself.
        say: takes a line for the person.
        takes_leases: whether the command hands the leases on to the pipeline.

    Raises:
        StorageError: the storage cannot be used.
        RunError: another command works on the run.
        Incomplete: all is done, and not all is up; the same command goes on.
    """
    address = address_of(run)
    if address is None:
        yield Place(run, None)
        return
    config, say = config or StorageConfig(), say or _to_stderr
    with _Copy(address, config, member).held(None) as copy:
        session = _Session(copy, config, member, say)
        session.open()
        try:
            lock = RunLock(copy.folder) if takes_leases and not member else contextlib.nullcontext()
            with lock:
                yield Place(copy.folder, session.leases if takes_leases else None)
        except BaseException:
            session.close_after_error()
            raise
        session.close()


@contextlib.contextmanager
def looking(run: Path, config: StorageConfig | None = None, makes: str = "") -> Iterator[Path]:
    """A run's folder to look at; where the run lives in object storage, what is there by now.

    Args:
        run: a folder or an address.
        config: how the storage is treated.
        makes: a file that the command writes into the run's folder, and that goes to the storage.

    Raises:
        StorageError: the storage cannot be used.
    """
    address = address_of(run)
    if address is None:
        yield run
        return
    copy = _Copy(address, config or StorageConfig(), "")
    with contextlib.ExitStack() as stack:
        mirror = None
        with contextlib.suppress(_InUse):  # by a command on this machine: nothing is newer than what it has
            stack.enter_context(copy.held(0.0))
            mirror = Mirror(copy.folder, open_objects(address), copy.path / "state.json", _to_stderr)
            if not mirror.fetch(is_final=False) and not (copy.folder / "run.yaml").exists():
                raise RunError(f"{address}: there is no run; name what `lemma run … -o` was given")
        yield copy.folder
        if mirror is not None and makes and (copy.folder / makes).is_file():
            mirror.push_file(makes)


def folder_of(run: Path, config: StorageConfig) -> Path:
    """The folder that `working` and `looking` give."""
    address = address_of(run)
    return run if address is None else _Copy(address, config, "").folder


def workers(address: str) -> list[str]:
    """The processes that work on a run in object storage, in words.

    Raises:
        StorageError: the storage cannot be used.
    """
    return HeartbeatLeases(Below(open_objects(address), LEASES)).at_work()


class _InUse(RunError):
    """Another command on this machine uses the copy."""


class _Copy:
    """The folder here that mirrors a run."""

    def __init__(self, address: str, config: StorageConfig, member: str) -> None:
        cache = config.cache or os.environ.get(CACHE_VARIABLE) or Path("~/.cache/lemma").expanduser()
        words = re.sub(r"[^A-Za-z0-9]+", "-", address.partition("://")[2]).strip("-")[-60:]
        name = f"{words}-{blake2b(address.encode(), digest_size=5).hexdigest()}"
        self.address = address
        self.path = Path(cache) / (f"{name}-{member}" if member else name)
        self.folder = self.path / "run"

    @contextlib.contextmanager
    def held(self, patience_s: float | None) -> Iterator[_Copy]:
        """Keeps other commands of this machine out.

        Raises:
            _InUse: another one uses it.
        """
        with disk_errors(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + (2.0 if patience_s is None else patience_s)  # one that looks is soon gone
        while (descriptor := locked(self.path / "lock")) is None:
            if time.monotonic() >= deadline:
                raise _InUse(f"{self.address}: another command on this machine works on it, in {self.folder}")
            time.sleep(0.05)
        lease = LockLease(descriptor)
        try:
            yield self
        finally:
            lease.release()

    @property
    def id(self) -> str:
        """A name for the folder; goes with it."""
        path = self.path / "id"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text().strip()
        write_whole(path, [secrets.token_hex(8).encode() + b"\n"])
        return path.read_text().strip()


class _Session:
    """A run in object storage while one command works on it."""

    def __init__(self, copy: _Copy, config: StorageConfig, member: str, say: Callable[[str], None]) -> None:
        self._copy = copy
        self._print = say
        self._objects: Objects = open_objects(copy.address)
        self._mirror = Mirror(copy.folder, self._objects, copy.path / "state.json", self._say)
        self._member = member
        self.leases = StorageLeases(
            Below(self._objects, LEASES), member, config.lease_s, not member, copy.id, self._say, copy.address
        )
        self._pusher = Pusher(
            self._mirror, self._require_lease, config.flush_s, config.flush_replies, self._say, config.patience_s
        )

    def _say(self, line: str) -> None:
        address = f"{self._copy.address}: "
        self._print(address + line.removeprefix(address))

    def _require_lease(self) -> None:
        if self.leases.is_lost:
            raise RunError(
                f"{self._copy.address}: this process did not show itself for too long and was taken for dead; its "
                "replies are kept, the same command goes on with all there is"
            )
        if not self.leases.is_held():
            raise StorageError(f"{self._copy.address}: could not be reached for a while, to show that we are alive")

    def open(self) -> None:
        """Takes the run, brings the folder up to date, begins to send."""
        self._objects.check()
        HeartbeatLeases.join(self.leases)
        try:
            self.leases.attach(self._pusher)
            last = self._objects.read(_LAST)
            is_owned = not self._member and last == self._copy.id.encode()
            # replies that only this folder has were paid for; the epochs keep them apart from all others'
            self._mirror.fetch(is_owned=is_owned)
            self._mirror.push_replies()
            self._objects.write(_LAST, b"shared" if self._member else self._copy.id.encode())
            write_whole(self._copy.folder / EPOCH_FILE, [f"{self.leases.epoch}\n".encode()])
        except BaseException:
            self.leases.detach(is_all_up=True)
            raise
        self._pusher.start()

    def close(self) -> None:
        """Sends the rest and gives the run back.

        Raises:
            Incomplete: not all is up.
        """
        try:
            self._pusher.close()
        except StorageError as error:
            self.leases.detach(is_all_up=False)
            raise Incomplete(f"not all of {self._copy.folder} is up in the storage: {error}") from None
        except BaseException:
            self.leases.detach(is_all_up=False)
            raise
        self.leases.detach(is_all_up=True)

    def close_after_error(self) -> None:
        """The same after an error, which is the one to tell."""
        try:
            self.close()
        except LemmaError as error:
            self._say(str(error))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
