"""Reads JSON Lines files row by row: plain or gzip, one file or a glob, damaged in any way.

Each line is decoded and parsed on its own, so that one bad line costs only itself. Memory is bounded by the
longest line, and that by `MAX_LINE_BYTES`.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from lemma.config import DatasetSpec
from lemma.datasets.rows import Row, SetAside
from lemma.errors import ConfigError, InputError
from lemma.records import content_hash

MAX_LINE_BYTES = 1 << 26
"""Longer lines are set aside: no problem is 64 MiB long, and memory stays bounded."""

EXAMPLE_PREFIX = "example:"
"""``example:gsm8k`` names a file that is shipped in the package."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input file."""

    label: str
    """As the configuration names it."""
    source: Traversable

    @property
    def stem(self) -> str:
        """Name without folder and endings: ``train`` of ``data/train.jsonl.gz``."""
        return self.source.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")


def input_files(path: str) -> list[InputFile]:
    """The files that `path` means, sorted by name: a file, a glob (``**`` too) or ``example:NAME``.

    Raises:
        ConfigError: an empty path, or an example that is not shipped.
        InputError: nothing is there, or what is there is no file.
    """
    if not path:
        raise ConfigError("data: `path:` is empty; a file or a glob is needed")
    if path.startswith(EXAMPLE_PREFIX):
        return [InputFile(path, _example(path.removeprefix(EXAMPLE_PREFIX)))]
    expanded = os.path.expanduser(path)
    # a file may have brackets in its name: what exists as written is no pattern
    if os.path.lexists(expanded) or not glob.has_magic(expanded):
        return [InputFile(path, _regular_file(Path(expanded), path))]
    matches = sorted(match for match in glob.glob(expanded, recursive=True) if os.path.isfile(match))
    if not matches:
        raise InputError(f"{path}: no file matches this pattern")
    return [InputFile(match, Path(match)) for match in matches]


def _regular_file(found: Path, path: str) -> Path:
    try:
        if found.is_dir():
            raise InputError(f"{path} is a folder; name a file in it, or a pattern such as {path}/*.jsonl")
        if not found.exists():
            raise InputError(f"{path}: no such file (relative paths start at {os.curdir!r}, the current folder)")
        if not found.is_file():
            raise InputError(f"{path} is no regular file")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return found


def _example(name: str) -> Traversable:
    folder = package_files("lemma") / "data" / "example"
    shipped = {
        entry.name.split(".")[0]: entry for entry in folder.iterdir() if entry.name.endswith((".jsonl", ".jsonl.gz"))
    }
    if name not in shipped:
        raise ConfigError(f"data: no example `{name}` is shipped; there is {', '.join(sorted(shipped))}")
    return shipped[name]


def file_rows(spec: DatasetSpec) -> Iterator[Row | SetAside]:
    """Every line of the files of `spec.path`, in order; blank lines are passed over.

    Raises:
        ConfigError: see `input_files`.
        InputError: a file is missing, empty, a folder, unreadable, or has not one line that is a JSON object.
    """
    for file in input_files(spec.path):
        yield from read_rows(file)


def read_rows(file: InputFile) -> Iterator[Row | SetAside]:
    """Every line of one file that is not blank.

    Raises:
        InputError: it cannot be opened, is empty, or has not one line that is a JSON object.
    """
    seen = objects = 0
    first: SetAside | None = None
    try:
        with file.source.open("rb") as raw:
            for line, content in _lines(raw, file.label):
                if isinstance(content, bytes) and not content.strip():
                    continue
                seen += 1
                one = _row(file, line, content)
                if seen == 1 and isinstance(one, SetAside) and isinstance(content, bytes):
                    _refuse_list(file, content)
                objects += isinstance(one, Row)
                if isinstance(one, SetAside) and first is None:
                    first = one
                yield one
    except OSError as error:
        raise InputError(f"{file.label} cannot be read: {error.strerror or error}") from error
    if not seen:
        raise InputError(f"{file.label} is empty")
    if not objects and first is not None:
        raise InputError(
            f"{file.label}: not one line is a JSON object (line {first.line}: {first.detail}); "
            "JSON Lines in UTF-8 is read, one object a line"
        )


@dataclass(frozen=True, slots=True)
class _Damage:
    """A line whose bytes could not be had."""

    detail: str


def _lines(raw: IO[bytes], label: str) -> Iterator[tuple[int, bytes | _Damage]]:
    """Numbers (from 1) and bytes of the lines, unpacked, without byte order mark and line end."""
    head = raw.read(4)
    raw.seek(0)
    if head[:2] in _UTF16_BOMS:
        raise InputError(f"{label} is UTF-16; save it as UTF-8")
    stream: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if head[:2] == _GZIP_MAGIC else raw
    line = 0
    while True:
        try:
            content: bytes | _Damage = _next_line(stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield line + 1, _Damage(f"the compressed file is damaged from here on: {error}")
            return
        if content == b"":
            return
        line += 1
        if line == 1 and isinstance(content, bytes):
            content = content.removeprefix(_UTF8_BOM)
        yield line, content


def _next_line(stream: IO[bytes] | gzip.GzipFile) -> bytes | _Damage:
    """The next line with its end, empty at the file's end; a line that is too long is skipped over."""
    content = stream.readline(MAX_LINE_BYTES + 1)
    if len(content) <= MAX_LINE_BYTES:
        return content
    while content and not content.endswith(b"\n"):
        content = stream.readline(MAX_LINE_BYTES)
    return _Damage(f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")


def _row(file: InputFile, line: int, content: bytes | _Damage) -> Row | SetAside:
    if isinstance(content, _Damage):
        return SetAside(file=file.label, line=line, reason="broken_json", detail=content.detail)
    try:
        text = content.decode("utf-8").rstrip("\r\n")  # else an error at the end is told of "line 2"
    except UnicodeDecodeError as error:
        detail = f"byte 0x{content[error.start]:02x} at position {error.start + 1} of the line"
        return SetAside(file=file.label, line=line, reason="not_utf8", detail=detail)
    try:
        value: Any = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        # the parser sees one line and calls it line 1, which would mislead beside our own number
        detail = str(error).replace(" at line 1 column ", " at column ")
        return SetAside(file=file.label, line=line, reason="broken_json", detail=detail)
    if not isinstance(value, dict):
        kind = type(value).__name__
        return SetAside(file=file.label, line=line, reason="broken_json", detail=f"a JSON {kind}, no object")
    return Row(file.label, file.stem, line, value)


def _refuse_list(file: InputFile, first_line: bytes) -> None:
    """One list over many lines would lose all rows but the last, which alone ends without a comma."""
    if first_line.lstrip().startswith(b"["):
        raise InputError(f"{file.label} is one JSON list; JSON Lines is read, one object a line (jq -c '.[]' makes it)")


def file_fingerprint(spec: DatasetSpec) -> str:
    """Hash of the bytes of all files of `spec.path`, and of the labels that their problems may take.

    Folders are no part of it: a moved file is the same input.

    Raises:
        ConfigError: see `input_files`.
        InputError: a file cannot be read.
    """
    parts = []
    for file in input_files(spec.path):
        try:
            with file.source.open("rb") as raw:
                digest = hashlib.file_digest(raw, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as error:
            raise InputError(f"{file.label} cannot be read: {error.strerror or error}") from error
        parts.append([file.stem, digest])
    return content_hash(json.dumps(parts))
