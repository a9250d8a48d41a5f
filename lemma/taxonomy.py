"""The error types: one Markdown file each, one vocabulary for analysis, injection and exports.

A file, ``error_types/calculation_error.md``::

    ---
    title: Calculation error
    injectable: true
    ---
    ## Definition
    The right operation on the right values gives a wrong result …
    ## Not this
    …
    ## Making one
    How such a slip comes about (types that can be injected only).
    ## Example: word problem
    …
    ## Example: competition mathematics
    …

There may be several examples of a kind. The file's name is the type's name. A folder of the user's adds types by
adding files and replaces them by name. The types are those of the paper (arXiv 2503.17439, appendix), adapted
there from Li et al. 2024.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from lemma.errors import ConfigError
from lemma.prompts import PACKAGE_FOLDER, read_text
from lemma.records import content_hash

FOLDER: Final = "error_types"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,59}")
_EXAMPLE: Final = "Example: "
_HEADING: Final = re.compile(r"^## (.+?)[ \t]*\n", re.MULTILINE)


@dataclass(frozen=True)
class ErrorType:
    """A kind of mistake."""

    name: str
    title: str
    definition: str
    """What separates it from its neighbours."""
    not_when: str
    """When another type is meant."""
    injectable: bool
    making: str
    """How such a slip comes about, for the one who is to make it; empty if it is not injected."""
    examples: Mapping[str, tuple[str, ...]]
    """Worked examples by kind: ``word problem``, ``competition mathematics`` (see `lemma.prompts.kind_of`)."""
    hash: str
    """Of the file's text."""

    def brief(self) -> str:
        """Definition and limits in a few lines, for a list of all types."""
        return f"{self.name}: {self.definition}\n  Not this: {self.not_when}"

    def lesson(self, kind: str) -> str:
        """All that one who is to make such a mistake needs.

        Args:
            kind: of the problem; where there are no examples of that kind, all are shown.
        """
        shown = self.examples.get(kind) or [text for texts in self.examples.values() for text in texts]
        examples = "".join(f"\n\nExample:\n{text}" for text in shown)
        return f"{self.name} ({self.title})\n{self.definition}\nNot this: {self.not_when}\n{self.making}{examples}"


def parse_error_type(name: str, text: str, origin: str) -> ErrorType:
    """Reads one file of the form above.

    Raises:
        ConfigError: naming the file and what is wrong with it.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"prompts: {origin}: an error type's name is made of a-z, 0-9 and _")
    front, parts = _split(text, origin)
    sections = dict(parts)
    try:
        title, injectable = front["title"], front["injectable"]
        definition, not_when = sections["Definition"], sections["Not this"]
    except KeyError as error:
        raise ConfigError(f"prompts: {origin} lacks {error.args[0]!r}") from error
    making = sections.get("Making one", "")
    if not isinstance(title, str) or not isinstance(injectable, bool):
        raise ConfigError(f"prompts: {origin}: `title` is a text and `injectable` true or false")
    if injectable and not making:
        raise ConfigError(f"prompts: {origin} is injectable but has no section `## Making one`")
    examples: dict[str, tuple[str, ...]] = {}
    for heading, body in parts:
        if heading.startswith(_EXAMPLE):
            kind = heading[len(_EXAMPLE) :]
            examples[kind] = (*examples.get(kind, ()), body)
    return ErrorType(
        name=name,
        title=title,
        definition=definition,
        not_when=not_when,
        injectable=injectable,
        making=making,
        examples=examples,
        hash=content_hash(name, text),
    )


def _split(text: str, origin: str) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Front matter, and headings with what stands below them; several sections may have one heading."""
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise ConfigError(f"prompts: {origin} has no front matter between two lines `---`")
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"prompts: {origin}: the front matter is no YAML: {first_line}") from error
    if not isinstance(front, dict):
        raise ConfigError(f"prompts: {origin}: the front matter is no mapping")
    pieces = _HEADING.split(parts[2])
    return front, [(heading, body.strip()) for heading, body in zip(pieces[1::2], pieces[2::2], strict=True)]


_ADDED: dict[str, ErrorType] = {}


def register(name: str, text: str) -> None:
    """Adds an error type, or replaces the package's (plugins).

    Raises:
        ConfigError: see `parse_error_type`.
    """
    _ADDED[name] = parse_error_type(name, text, f"the plugin's error type {name}")


def load_taxonomy(folder_override: Path | None = None) -> dict[str, ErrorType]:
    """All error types by name, in the order of their names.

    Args:
        folder_override: the user's `prompts:` folder; its ``error_types/*.md`` add to the package's or replace them.

    Raises:
        ConfigError: a file cannot be used.
    """
    found = _read_types(PACKAGE_FOLDER) | _ADDED
    if folder_override is not None:
        found |= _read_types(folder_override)
    return dict(sorted(found.items()))


def _read_types(folder: Path) -> dict[str, ErrorType]:
    paths = (folder / FOLDER).glob("*.md")
    return {path.stem: parse_error_type(path.stem, read_text(path), str(path)) for path in paths}
