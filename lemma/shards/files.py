"""Files that appear whole or not at all, and their reading, with errors in words for people."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lemma.errors import DiskError, RunError
from lemma.records import Record

R = TypeVar("R", bound=Record)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says about a write into one line for people."""
    try:
        yield
    except OSError as error:
        no_space = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space and run the same command again; " if no_space else ""
        reason = error.strerror or str(error)
        raise DiskError(f"{path}: cannot be written: {reason}; {hint}what was written so far is kept") from error


def write_whole(path: Path, chunks: Iterable[bytes]) -> str:
    """Writes a file that appears whole or not at all.

    Returns:
        The SHA-256 of its bytes, hex.

    Raises:
        DiskError: no space, read-only, …; what stood at `path` before stands there still.
    """
    digest = hashlib.sha256()
    temporary = path.with_name(f".{path.name}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # left by a crash; a link there must not be written through
        try:
            with temporary.open("xb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    return digest.hexdigest()


def to_line(record: BaseModel) -> bytes:
    """One record as a line of JSON Lines (UTF-8, keys in the order of the model)."""
    return record.model_dump_json().encode() + b"\n"


def write_json(path: Path, value: object) -> str:
    """Writes a small JSON file whole; returns its SHA-256."""
    return write_whole(path, [json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"])


def read_json(path: Path) -> dict[str, object] | None:
    """Reads a small JSON object; None where the file is missing.

    Raises:
        RunError: the file is damaged.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}; remove the file, it is made anew") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: damaged: not an object; remove the file, it is made anew")
    return value


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """Streams the records of a finished part.

    Raises:
        RunError: the file is missing or a line is damaged; names file and line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield kind.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors()[0]
                    raise RunError(
                        f"{path}, line {number}: damaged ({first['msg']}); remove the .manifest and run "
                        "the same command again, it is derived anew from the replies"
                    ) from None
    except FileNotFoundError:
        raise RunError(f"{path}: the file is missing; remove the part's .manifest and run again") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; remove it and run again, it is made anew") from None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}; remove the part's .manifest and run again") from None
