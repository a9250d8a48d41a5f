"""A run's folder here, and the same run in object storage: what is in one of them and not yet in the other.

The storage holds the run's files under their names, but for the replies, which grow: what was appended since the last
time goes up as one more object, never to be changed, named by where in the file it begins::

    analyze/part-00000.jsonl                                a finished part
    analyze/part-00000.manifest                             … goes up after its files, and is fetched after them
    analyze/replies/part-00000.jsonl/000000000000           the first replies
    analyze/replies/part-00000.jsonl/000000131072           the next
    .leases/…                                               see `lemma.heartbeat`

Names that begin with a dot stay where they are. What was last seen of each object is kept beside the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lemma.storage.copy import Copy
from lemma.storage.fetching import Fetching
from lemma.storage.objects import Objects
from lemma.storage.sending import Sending


class Mirror:
    """One run's folder and its objects.

    Args:
        folder: the run's folder here.
        objects: the run in the storage.
        state_path: where to keep what is known of both.
        say: takes a line for the person.
    """

    def __init__(self, folder: Path, objects: Objects, state_path: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.copy = Copy(folder, objects, state_path, say)
        fetching, sending = Fetching(self.copy), Sending(self.copy)
        self.fetch = fetching.fetch
        self.push_replies = sending.push_replies
        self.pending_bytes = sending.pending_bytes
        self.push_files = sending.push_files
        self.push_file = sending.push_file

    @property
    def is_whole(self) -> bool:
        """Whether all that the storage has was fetched once."""
        return self.copy.state.is_whole
