"""Where the files of a stage lie, which of its parts are finished, and whose replies are whose."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import ValidationError

from lemma.errors import RunError
from lemma.shards.files import disk_errors, sha256_of, write_whole
from lemma.shards.manifest import MANIFEST_VERSION, Manifest

EPOCH_FILE = ".epoch"
_EPOCH = re.compile(r"part-[0-9]+(?:\.e([0-9]{1,9}))?\.jsonl\Z", re.ASCII)


class StageFolder:
    """The paths of one stage's files."""

    def __init__(self, run: Path, stage: str) -> None:
        self.stage = stage
        self.path = run / stage
        self._epoch: int | None = None

    def part(self, part: int) -> Path:
        """Records."""
        return self.path / f"part-{part:05d}.jsonl"

    def manifest_path(self, part: int) -> Path:
        """Manifest."""
        return self.path / f"part-{part:05d}.manifest"

    def rejected(self, part: int) -> Path:
        """Rejections."""
        return self.path / "rejected" / f"part-{part:05d}.jsonl"

    def replies(self, part: int, epoch: int | None = None) -> Path:
        """Replies that the owner of an epoch appends: each owner of a part writes a file of its own.

        Args:
            part: its number.
            epoch: by default that of the folder, see `folder_epoch`.
        """
        if epoch is None:
            epoch = self._epoch = folder_epoch(self.path.parent) if self._epoch is None else self._epoch
        later = f".e{epoch:04d}" if epoch else ""
        return self.path / "replies" / f"part-{part:05d}{later}.jsonl"

    def reply_files(self, part: int) -> list[Path]:
        """All files of a part's replies that there are, see `epoch_files`."""
        return epoch_files(self.replies(part))

    def manifest(self, part: int) -> Manifest | None:
        """The part's manifest; None where the part is not finished (or was written by another version).

        A part is not finished either where a file of it is gone: whoever copied or tidied the folder, it is made anew.

        Raises:
            RunError: something stands there that cannot be read.
        """
        path = self.manifest_path(part)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}; remove it, the part is made anew") from None
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError:
            return None  # of another version, or damaged: derived anew from the replies
        if manifest.version != MANIFEST_VERSION or not all((self.path / name).is_file() for name in manifest.files):
            return None
        return manifest

    def verify(self, part: int) -> None:
        """Compares what later stages read of a part with what its manifest says.

        Raises:
            RunError: a file was changed after it was written; damaged data is never read as whole.
        """
        manifest = self.manifest(part)
        if manifest is None:
            raise RunError(f"{self.part(part)}: is not finished, or was damaged; run the same command again")
        for name, digest in manifest.files.items():
            path = self.path / name
            if path.parent != self.rejected(part).parent and sha256_of(path) != digest:
                raise RunError(
                    f"{path}: was changed after it was written; remove {self.manifest_path(part)} and run the same "
                    "command again, it is made anew"
                )

    def write_manifest(self, manifest: Manifest) -> None:
        """Declares a part whole; comes last."""
        write_whole(self.manifest_path(manifest.part), [manifest.model_dump_json(indent=1).encode() + b"\n"])

    def reopen(self, part: int) -> None:
        """Declares a part not whole; comes first, before any of its files is replaced."""
        with disk_errors(self.manifest_path(part)):
            self.manifest_path(part).unlink(missing_ok=True)

    def parts(self) -> list[int]:
        """Numbers of the parts that are there, finished or not."""
        numbers = {part_number(path) for path in self.path.glob("part-*")}
        return sorted(number for number in numbers if number is not None)

    def drop_from(self, part: int) -> None:
        """Removes records, rejections and manifests from `part` on; replies are kept for good."""
        for number in self.parts():
            if number >= part:
                # the records last: while they are there, an interrupted removal is seen and goes on
                for path in (self.manifest_path(number), self.rejected(number), self.part(number)):
                    path.unlink(missing_ok=True)


def part_number(path: Path) -> int | None:
    """The number in ``part-00012.…``; None for any other name."""
    stem = path.name.partition(".")[0].removeprefix("part-")
    return int(stem) if stem.isascii() and stem.isdigit() and len(stem) < 10 else None


def folder_epoch(run: Path) -> int:
    """The epoch of who works in a run's folder: 0, but where the run lives elsewhere and the folder is a copy."""
    try:
        return int((run / EPOCH_FILE).read_text())
    except (OSError, ValueError):
        return 0


def epoch_files(path: Path) -> list[Path]:
    """The files of replies that belong to the part of one of them; the latest epoch first.

    Where a key stands in two of them, the first file counts: what the present owner asked for stays what it is,
    though an owner that was thought dead should append to its own file afterwards.
    """
    if _EPOCH.match(path.name) is None:
        return [path]
    stem = path.name.partition(".")[0]
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    found = [(int(match[1] or 0), name) for name in names if name.startswith(stem) and (match := _EPOCH.match(name))]
    return [path.parent / name for _, name in sorted(found, reverse=True) if name.partition(".")[0] == stem]
