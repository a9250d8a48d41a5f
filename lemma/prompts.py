"""The prompts: Markdown files with a section for each message, and places for values.

A prompt file::

    What this prompt is for (text before the first section is for the one who edits it and is never sent).

    === system ===
    What is the same for every request stands here, so that an endpoint can cache it.
    === user ===
    {{question}}

Values are put into the places in one pass and never looked at: a question that holds ``{{braces}}``, ``%s`` or
``=== user ===`` arrives as it is. A folder of the user's may replace any file by one of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lemma.errors import ConfigError
from lemma.records import content_hash

PACKAGE_FOLDER: Final = Path(__file__).with_name("prompts")
_SECTION: Final = re.compile(r"^=== (system|user|assistant) ===[ \t]*\n", re.MULTILINE)
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")

Messages = tuple[dict[str, str], ...]
"""``{"role": "system" | "user" | "assistant", "content": text}`` each."""


def read_text(path: Path) -> str:
    r"""A prompt file's text, with line ends as ``\n``.

    Raises:
        ConfigError: the file cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"prompts: cannot read {path}: {error}") from error


@dataclass(frozen=True)
class Template:
    """One prompt, cut at its places once so that rendering is a join."""

    name: str
    origin: str
    """The file, for messages to people."""
    hash: str
    """Of the file's text."""
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    """(role, pieces): literal text at even indices, names of places at odd ones."""

    @property
    def places(self) -> frozenset[str]:
        """Names of all places."""
        return frozenset(name for _, pieces in self.sections for name in pieces[1::2])

    def require(self, needed: Collection[str], offered: Collection[str] = ()) -> Template:
        """Itself, if it has every needed place and no place that nobody fills.

        Raises:
            ConfigError: naming the file and the place.
        """
        if missing := sorted(set(needed) - self.places):
            raise ConfigError(f"prompts: {self.origin} has no place {{{{{missing[0]}}}}}; put it where it belongs")
        if unknown := sorted(self.places - set(needed) - set(offered)):
            known = ", ".join(sorted({*needed, *offered}))
            raise ConfigError(f"prompts: {self.origin}: nothing fills {{{{{unknown[0]}}}}} (places: {known})")
        return self

    def render(self, values: Mapping[str, str]) -> Messages:
        """The messages with `values` in their places; a value without a place is left out.

        Raises:
            ConfigError: a place has no value.
        """
        try:
            return tuple(
                {
                    "role": role,
                    "content": "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces)),
                }
                for role, pieces in self.sections
            )
        except KeyError as error:
            raise ConfigError(f"prompts: {self.origin}: nothing fills {{{{{error.args[0]}}}}}") from error


def parse_template(name: str, text: str, origin: str) -> Template:
    """Reads a prompt file's text.

    Raises:
        ConfigError: it has no section, or nothing to say to the model.
    """
    marks = list(_SECTION.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    sections = tuple(
        (mark[1], tuple(_PLACE.split(text[mark.end() : end].strip("\n"))))
        for mark, end in zip(marks, ends, strict=True)
    )
    if not any(role == "user" for role, _ in sections):
        raise ConfigError(f"prompts: {origin} has no line `=== user ===`")
    return Template(name, origin, content_hash(text), sections)


class Prompts:
    """All prompts of a run, each read once.

    Args:
        folder_override: a folder whose ``NAME.md`` files replace the package's; it must exist.

    Raises:
        ConfigError: the folder does not exist.
    """

    def __init__(self, folder_override: Path | None = None) -> None:
        if folder_override is not None and not folder_override.is_dir():
            raise ConfigError(f"prompts: {folder_override} is no folder")
        self._folders = [folder for folder in (folder_override, PACKAGE_FOLDER) if folder is not None]
        self._templates: dict[str, Template] = {}

    def template(self, name: str) -> Template:
        """The prompt of that name.

        Raises:
            ConfigError: there is none, or its file cannot be read.
        """
        if name not in self._templates:
            path = self._find(name)
            self._templates[name] = parse_template(name, read_text(path), str(path))
        return self._templates[name]

    def lines(self, name: str) -> tuple[str, ...]:
        """The items (lines that begin with ``- ``) of a file that is a list.

        Raises:
            ConfigError: there is no such file, or no item in it.
        """
        path = self._find(name)
        items = tuple(line[2:].strip() for line in read_text(path).splitlines() if line.startswith("- "))
        if not items:
            raise ConfigError(f"prompts: {path} has no line that begins with `- `")
        return items

    def _find(self, name: str) -> Path:
        for folder in self._folders:
            path = folder / f"{name}.md"
            if path.is_file():
                return path
        raise ConfigError(f"prompts: there is no file {name}.md in {', '.join(map(str, self._folders))}")

    def render(self, name: str, **values: str) -> Messages:
        """The messages of a prompt with `values` in their places.

        Raises:
            ConfigError: there is no such prompt, or one of its places has no value.
        """
        return self.template(name).render(values)

    def hash(self, name: str, *embedded: str) -> str:
        """Hash of the prompt's file and of the texts that are embedded into it (error types)."""
        return content_hash(self.template(name).hash, *embedded)[:32]
