"""Small objects as files of a folder that several machines share, though locks do not work there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from lemma.errors import RunError
from lemma.shards.files import disk_errors

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class FolderStore:
    """See `lemma.heartbeat.ConditionalStore`. Nothing is locked: a file is made by linking it to its name.

    Args:
        path: the folder; made where it is missing.

    Raises:
        DiskError: a file cannot be written.
        RunError: one cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, name: str, body: bytes) -> bool:
        """See `ConditionalStore.create`."""
        path = self._path / name
        with disk_errors(path):
            temporary = self._write_beside(path, body)
            try:
                os.link(temporary, path)
            except FileExistsError:
                # a server's answer may get lost, and the same be asked again: both names are of one file then
                return os.stat(temporary).st_nlink > 1
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _create_exclusively(path, body)
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def write(self, name: str, body: bytes) -> None:
        """See `ConditionalStore.write`."""
        path = self._path / name
        with disk_errors(path):
            self._write_beside(path, body).replace(path)

    def read(self, name: str) -> bytes | None:
        """See `ConditionalStore.read`."""
        path = self._path / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None

    def names(self, prefix: str) -> list[str]:
        """See `ConditionalStore.names`."""
        folder, _, start = prefix.rpartition("/")
        path = self._path / folder
        try:
            found = os.listdir(path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        before = f"{folder}/" if folder else ""
        return sorted(before + name for name in found if name.startswith(start) and not name.startswith("."))

    def delete(self, name: str) -> None:
        """See `ConditionalStore.delete`."""
        with disk_errors(self._path / name):
            (self._path / name).unlink(missing_ok=True)

    def age_s(self, name: str) -> float | None:
        """See `ConditionalStore.age_s`: against a file written just now, so that only the server's clock counts."""
        path = self._path / name
        with disk_errors(path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            written = os.fstat(file.fileno()).st_mtime
            probe = self._write_beside(path, b"")
            try:
                return probe.stat().st_mtime - written
            finally:
                probe.unlink(missing_ok=True)
        return None

    def _write_beside(self, path: Path, body: bytes) -> Path:
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        return temporary


def _create_exclusively(path: Path, body: bytes) -> bool:
    """Where a file system has no links: the name comes first, its content a moment later."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
    return True
