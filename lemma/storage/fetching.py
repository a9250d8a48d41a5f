"""From the storage to the folder."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

from lemma.errors import StorageError
from lemma.shards.files import disk_errors
from lemma.storage.copy import Copy, Known, each
from lemma.storage.objects import Entry

_SEGMENT: Final = re.compile(r"(.+/replies/part-[0-9]+(?:\.e[0-9]+)?\.jsonl)/([0-9]{12})", re.ASCII)


class Fetching:
    """Brings a folder up to date.

    Args:
        copy: the folder and its objects.
    """

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    def fetch(
        self, prefix: str = "", *, is_owned: bool = False, is_final: bool = True, with_replies: bool = True
    ) -> bool:
        """Brings the folder up to date with the storage.

        Args:
            prefix: only names that begin so.
            is_owned: whether nobody else has worked on the run since this folder did: then what is here counts.
            is_final: whether files that are here only, or were changed here, give way. Replies never do.
            with_replies: whether replies are brought as well: those of a part matter to who works on it.

        Returns:
            Whether the storage has anything.

        Raises:
            StorageError: the storage cannot be reached, or lacks something.
        """
        files, segments = _sort(self._copy.objects.listed(prefix))
        if is_owned and self._copy.state.is_whole:
            self._trust(files)
        else:
            self._fetch_files(files, is_final)
            self._drop(files, prefix, is_final)
        if with_replies:
            pushed = self._copy.state.pushed
            self._copy.state.pushed = {name: end for name, end in pushed.items() if not name.startswith(prefix)}
            each(self._fetch_replies, segments.items())
        self._copy.state.is_whole = self._copy.state.is_whole or not prefix
        self._copy.save()
        return bool(files or segments)

    def _trust(self, files: dict[str, Entry]) -> None:
        """Takes over the tags; what differs here goes up the next time."""
        for name, entry in files.items():
            known = self._copy.state.files.get(name)
            if known is None and "/" not in name and not (self._copy.folder / name).exists():
                self._fetch_present((name, entry, True))  # a report, or a plan, that somebody made who only looked
            elif known is None or known.tag != entry.tag:
                self._copy.state.files[name] = Known(size=-1, mtime_ns=0, tag=entry.tag, sha256="")
        for name in self._copy.state.files.keys() - files.keys():
            del self._copy.state.files[name]

    def _fetch_files(self, files: dict[str, Entry], is_final: bool) -> None:
        here = dict(self._copy.scan())
        wanted = {}
        for name, entry in files.items():
            known, local = self._copy.state.files.get(name), here.get(name)
            is_same = local is not None and self._copy.is_as_seen(name, local)
            is_new = known is None or known.tag != entry.tag
            is_ours = local is not None and not is_same  # made here, and not sent yet
            if known is not None and known.size < 0 and local is None:
                is_new = True  # a manifest that came before one of its files: a listing is not of one moment
            if (is_new or not is_same) if is_final else (is_new and not is_ours):
                wanted[name] = entry
        manifests = {name for name in wanted if name.endswith(".manifest")}
        each(self._fetch_present, ((name, wanted[name], is_final) for name in wanted.keys() - manifests))
        each(self._fetch_present, ((name, wanted[name], is_final) for name in sorted(manifests)))

    def _fetch_present(self, item: tuple[str, Entry, bool]) -> None:
        """As `_fetch_file`, of what may be replaced while it is fetched."""
        name, entry, is_final = item
        while not self._fetch_file(name, entry, is_final):
            present = self._copy.objects.entry(name)
            if present is None:
                return  # removed meanwhile
            if present == entry:
                raise StorageError(f"{name}: not all of its {entry.size} bytes came; run the same command again")
            entry = present

    def _fetch_file(self, name: str, entry: Entry, is_final: bool) -> bool:
        """Fetches a file as it was listed; False where something of another size came."""
        path = self._copy.folder / name
        temporary = path.with_name(f".{path.name}.tmp")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            if not self._copy.objects.fetch(name, temporary):
                return True  # removed since it was listed, by somebody who works on the run as well
            with temporary.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                stat = os.fstat(file.fileno())
            if stat.st_size != entry.size:
                temporary.unlink()
                return False
            if name.endswith(".manifest") and not self._copy.fits(temporary.read_bytes()):
                temporary.unlink()
                if is_final:
                    self._copy.say(
                        f"{path}: a file of the part in the storage is not what it says; the part is made anew"
                    )
                self._copy.state.files[name] = Known(size=-1, mtime_ns=0, tag=entry.tag, sha256="")
                return True
            temporary.replace(path)
        self._copy.state.files[name] = Known(size=entry.size, mtime_ns=stat.st_mtime_ns, tag=entry.tag, sha256=digest)
        return True

    def _drop(self, files: dict[str, Entry], prefix: str, is_final: bool) -> None:
        """Removes what the storage has not, or has no more."""
        for name, local in list(self._copy.scan()):
            if name.startswith(prefix) and name not in files and (is_final or self._copy.is_as_seen(name, local)):
                with disk_errors(self._copy.folder / name):
                    (self._copy.folder / name).unlink(missing_ok=True)
                self._copy.state.files.pop(name, None)
        if is_final and not prefix:
            self._copy.state.files = {name: known for name, known in self._copy.state.files.items() if name in files}

    def _fetch_replies(self, item: tuple[str, dict[int, int]]) -> None:
        """Appends to a file of replies what the storage has more of; where it is the longer one, it stays."""
        name, segments = item
        path = self._copy.folder / name
        end = 0
        for start, size in sorted(segments.items()):
            if start > end:
                raise StorageError(f"{name}: the replies from byte {end} to {start} are missing in the storage")
            end = max(end, start + size)
        self._copy.state.pushed[name] = end
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            here = path.stat().st_size if path.exists() else 0
            if here >= end:
                return
            temporary = path.with_name(f".{path.name}.tmp")
            with path.open("ab") as file:
                for start, size in sorted(segments.items()):
                    if start + size > here:
                        temporary.unlink(missing_ok=True)
                        if not self._copy.objects.fetch(f"{name}/{start:012d}", temporary):
                            raise StorageError(f"{name}: the replies from byte {start} on were removed in the storage")
                        content = temporary.read_bytes()
                        temporary.unlink()
                        if len(content) != size:
                            raise StorageError(f"{name}: {len(content)} of {size} bytes came; run the command again")
                        file.write(content[here - start :])
                        here = start + size
                file.flush()
                os.fsync(file.fileno())


def _sort(entries: dict[str, Entry]) -> tuple[dict[str, Entry], dict[str, dict[int, int]]]:
    """Files, and file of replies → start → size of its pieces; names that are none of ours are passed over."""
    files: dict[str, Entry] = {}
    segments: dict[str, dict[int, int]] = {}
    for name, entry in entries.items():
        parts = name.split("/")
        if any(part in ("", "..") or part.startswith(".") for part in parts) or "\0" in name:
            continue
        piece = _SEGMENT.fullmatch(name)
        if piece:
            segments.setdefault(piece[1], {})[int(piece[2])] = entry.size
        else:
            files[name] = entry
    return files, segments
