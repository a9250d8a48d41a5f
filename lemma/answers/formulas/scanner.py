"""A place in a text that is being read, and how it moves on.

Example: a ``Scanner("2 + x")`` that has taken ``2`` finds ``+`` next: ``at("-", "+")`` is ``"+"``.
"""

from __future__ import annotations

import re

from lemma.answers.formulas.tree import Tree

MAX_NODES = 1_500
_SPACES = frozenset(" \t\n")


class UnreadableError(ValueError):
    """The text is no formula that this reader knows."""


class Scanner:
    """Where a reader of ``text`` stands, and how many nodes it has built."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.nodes = 0

    def peek(self) -> str:
        """Pass over spaces; return the character that comes next, empty at the end."""
        letter = self.text[self.position : self.position + 1]
        while letter in _SPACES:
            self.position += 1
            letter = self.text[self.position : self.position + 1]
        return letter

    def at(self, *marks: str) -> str | None:
        """The first of ``marks`` that comes next, after spaces; a command is matched whole."""
        letter = self.peek()
        for mark in marks:
            if mark[0] == letter and self.text.startswith(mark, self.position):
                end = self.position + len(mark)
                if mark[-1].isalpha() and self.text[end : end + 1].isalpha():
                    continue
                return mark
        return None

    def take(self, *marks: str) -> str | None:
        """Pass over the first of ``marks`` that comes next, and return it."""
        mark = self.at(*marks)
        if mark is not None:
            self.position += len(mark)
        return mark

    def need(self, *marks: str) -> None:
        """Pass over one of ``marks``.

        Raises:
            UnreadableError: none of them comes next.
        """
        if self.take(*marks) is None:
            raise UnreadableError(f"expected {marks[0]}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass over what ``pattern`` matches here, and return the match."""
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def count(self, tree: Tree) -> Tree:
        """Count a node that was built, and return it.

        Raises:
            UnreadableError: there are more than ``MAX_NODES``.
        """
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise UnreadableError("too large")
        return tree
