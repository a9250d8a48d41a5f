"""How a form of answer reads its parts: by the entry point, which tries all forms again and is handed in.

Example: the form of lists splits ``1, x = 2`` and calls its ``PartReader`` with ``1`` and with `` x = 2``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lemma.answers.values import Value

MAX_DEPTH = 12
MAX_MEMBERS = 200


class PartReader(NamedTuple):
    """Reads parts of a text that itself stands ``depth`` levels deep."""

    read: Callable[[str, int], Value]
    depth: int

    def __call__(self, text: str) -> Value:
        """Read a part, one level deeper."""
        return self.read(text, self.depth + 1)

    def shallow(self, text: str) -> Value:
        """Read a part that holds next to no parts itself."""
        return self.read(text, MAX_DEPTH - 1)
