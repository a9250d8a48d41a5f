"""The objects of one run in object storage, through fsspec: ``s3://`` by s3fs, ``gs://`` by gcsfs, and others.

Objects are written only where they are not there yet, or as they were last seen (``If-None-Match``, ``If-Match``).
Through fsspec alone only the first is to be had (``mode="create"``), which is what leases need; on S3 both.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from lemma.errors import StorageError

PACKAGES: Final = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""What reads an address; `s3fs` comes with `lemma[s3]`."""
_CHANGED: Final = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
_LIMIT: Final = 5 * 2**30
"""Bytes of one object that S3 takes in one request."""


class Entry(NamedTuple):
    """An object as it is listed."""

    size: int
    tag: str
    """Another where the content is another."""


class Objects:
    """The objects below an address, by name; also a `lemma.heartbeat.ConditionalStore`.

    Args:
        system: a file system of fsspec.
        address: as the user gave it, for words.
        root: as the file system has it.

    Raises:
        StorageError: the storage refuses, or cannot be reached.
    """

    def __init__(self, system: Any, address: str, root: str) -> None:
        self._system = system
        self._address = address
        self._root = root.rstrip("/")

    # ── files ──

    def listed(self, prefix: str = "") -> dict[str, Entry]:
        """All objects by name, or those whose names begin so."""
        with self._told("cannot be listed"):
            self._system.invalidate_cache()
            try:
                found = self._system.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        start = len(self._root) + 1
        entries = {path[start:]: Entry(int(info["size"]), _tag(info)) for path, info in found.items()}
        return {name: entry for name, entry in entries.items() if name.startswith(prefix)}

    def fetch(self, name: str, path: Path) -> bool:
        """Writes an object to a file; False where it is there no more."""
        with self._told("cannot be read"):
            try:
                self._system.get_file(f"{self._root}/{name}", str(path))
            except FileNotFoundError:
                path.unlink(missing_ok=True)
                return False
        return True

    def put(self, name: str, content: bytes | Path, tag: str | None) -> str | None:
        """Makes an object (`tag` None) or replaces it as it was last seen.

        Returns:
            Its tag; None where it is not as it was last seen.
        """
        path = f"{self._root}/{name}"
        with self._told("cannot be written"):
            if isinstance(content, Path):
                self._system.put_file(str(content), path)
            else:
                self._system.pipe_file(path, content)
            return _tag(self._system.info(path))

    def entry(self, name: str) -> Entry | None:
        """An object as it is at present; None where there is no such."""
        with self._told("cannot be read"):
            try:
                self._system.invalidate_cache()
                info = self._system.info(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
        return Entry(int(info["size"]), _tag(info))

    def tag(self, name: str) -> str | None:
        """The present one; None where there is no such object."""
        entry = self.entry(name)
        return None if entry is None else entry.tag

    # ── small ones ──

    def create(self, name: str, body: bytes) -> bool:
        """See `ConditionalStore.create`."""
        with self._told("cannot be written"):
            try:
                self._system.pipe_file(f"{self._root}/{name}", body, mode="create")
            except FileExistsError:
                # an answer may get lost, and the same be asked again
                return self._read(name) == body
        return True

    def write(self, name: str, body: bytes) -> None:
        """See `ConditionalStore.write`."""
        with self._told("cannot be written"):
            self._system.pipe_file(f"{self._root}/{name}", body)

    def read(self, name: str) -> bytes | None:
        """See `ConditionalStore.read`."""
        with self._told("cannot be read"):
            return self._read(name)

    def _read(self, name: str) -> bytes | None:
        try:
            content: bytes = self._system.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        return content

    def names(self, prefix: str) -> list[str]:
        """See `ConditionalStore.names`."""
        folder = f"{self._root}/{prefix}".rpartition("/")[0]
        with self._told("cannot be listed"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(folder, detail=False)
            except FileNotFoundError:
                return []
        start = len(self._root) + 1
        return sorted(path[start:] for path in found if path[start:].startswith(prefix))

    def delete(self, name: str) -> None:
        """See `ConditionalStore.delete`."""
        with self._told("cannot be removed"), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(f"{self._root}/{name}")

    def age_s(self, name: str) -> float | None:
        """See `ConditionalStore.age_s`."""
        return None

    def check(self) -> None:
        """Sees to it that what is there is not made again: leases stand on that.

        Raises:
            StorageError: the storage knows no conditional writes.
        """
        name = ".leases/check"
        self.write(name, b"")
        if self.create(name, secrets.token_bytes(8)):
            raise StorageError(
                f"{self._address}: the storage replaces objects that it was told not to (If-None-Match); two machines "
                "could not be kept apart there"
            )

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # each file system has its own kinds, and their libraries theirs
            words = " ".join(str(error).split())[:300]
            raise StorageError(f"{self._address}: {what}: {type(error).__name__}: {words}") from None


def _tag(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "generation"):
        if info.get(key):
            return str(info[key])
    times = [str(info[key]) for key in ("updated", "mtime", "created") if key in info]
    return "-".join([str(info["size"]), *times[:1]])


class S3Objects(Objects):
    """Through s3fs, with the conditions that S3 knows."""

    def __init__(self, system: Any, address: str, root: str) -> None:
        super().__init__(system, address, root)
        self._bucket, _, self._prefix = self._root.partition("/")

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _pages(self, prefix: str) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._system.call_s3("list_objects_v2", Bucket=self._bucket, Prefix=self._key(prefix), **more)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def listed(self, prefix: str = "") -> dict[str, Entry]:
        """See `Objects.listed`."""
        start = len(self._key(""))
        with self._told("cannot be listed"):
            return {one["Key"][start:]: Entry(int(one["Size"]), str(one["ETag"])) for one in self._pages(prefix)}

    def names(self, prefix: str) -> list[str]:
        """See `Objects.names`."""
        start = len(self._key(""))
        with self._told("cannot be listed"):
            return sorted(one["Key"][start:] for one in self._pages(prefix))

    def put(self, name: str, content: bytes | Path, tag: str | None) -> str | None:
        """See `Objects.put`."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._told("cannot be written"), contextlib.ExitStack() as stack:
            if isinstance(content, Path):
                if content.stat().st_size > _LIMIT:
                    self._system.put_file(str(content), f"{self._root}/{name}")
                    return self.tag(name)
                body: Any = stack.enter_context(content.open("rb"))
            else:
                body = content
            try:
                made = self._system.call_s3(
                    "put_object", Bucket=self._bucket, Key=self._key(name), Body=body, **condition
                )
            except OSError as error:
                if _code(error) in _CHANGED:
                    return None
                raise
            return str(made["ETag"])

    def create(self, name: str, body: bytes) -> bool:
        """See `Objects.create`."""
        return self.put(name, body, None) is not None or self.read(name) == body

    def entry(self, name: str) -> Entry | None:
        """See `Objects.entry`."""
        head = self._head(name)
        return None if head is None else Entry(int(head["ContentLength"]), str(head["ETag"]))

    def age_s(self, name: str) -> float | None:
        """See `ConditionalStore.age_s`: both times are the server's."""
        asked_s = time.monotonic()
        head = self._head(name)
        date = None if head is None else head["ResponseMetadata"]["HTTPHeaders"].get("date")
        if head is None or date is None:
            return None
        now = parsedate_to_datetime(date)
        # either time is cut to a second, and the answer took its way
        return float((now - head["LastModified"]).total_seconds()) - 1.0 - (time.monotonic() - asked_s)

    def _head(self, name: str) -> dict[str, Any] | None:
        with self._told("cannot be read"):
            try:
                head: dict[str, Any] = self._system.call_s3("head_object", Bucket=self._bucket, Key=self._key(name))
            except FileNotFoundError:
                return None
        return head


def _code(error: BaseException) -> str:
    """What S3 calls the error; empty where it is none of S3's."""
    response = getattr(error.__cause__, "response", None)
    found = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    return str(found)


def open_objects(address: str) -> Objects:
    """The objects below an address such as ``s3://bucket/run``.

    Access is the libraries' own business: AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and the like, or
    GOOGLE_APPLICATION_CREDENTIALS. Nothing of it is kept or told.

    Raises:
        StorageError: what reads such addresses is not installed, or the address is no good.
    """
    protocol, _, path = address.partition("://")
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if protocol == "file":  # a mounted bucket, or a trial
            options["auto_mkdir"] = True
        if protocol == "s3":
            options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 60, "retries": {"total_max_attempts": 1}}
        system = fsspec.filesystem(protocol, **options)
    except ImportError:
        package = PACKAGES.get(protocol, "")
        how = "pip install 'lemma[s3]'" if protocol == "s3" else f"pip install fsspec {package}".rstrip()
        raise StorageError(f"{address}: needs packages that are not installed: {how}") from None
    except ValueError as error:
        raise StorageError(f"{address}: {error}") from None
    loop = getattr(system, "loop", None)
    if loop is not None:
        # what goes wrong comes to us as the calls' errors; where a line is cut, aiohttp prints each task's once more
        loop.set_exception_handler(lambda loop, context: None)
    root = str(system._strip_protocol(address))
    if "/" not in root.strip("/") or not path.strip("/"):
        raise StorageError(f"{address}: names no folder in a bucket, such as {protocol}://bucket/run")
    return (S3Objects if protocol == "s3" else Objects)(system, address, root)
