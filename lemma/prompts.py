"""The prompts: Markdown files with a section for each message, and places for values.

A prompt file::

    What this prompt is for (text before the first section is for the one who edits it and is never sent).

    === system ===
    What is the same for every request stands here, so that an endpoint can cache it.
    How to reply
    {{how_to_reply}}

    {{examples}}
    === user ===
    {{question}}
    === example: word problem ===
    Problem: 1 + 1?
    Reply:
    <continuation>That is 2.</continuation>

Worked examples are chosen by the kind of problem, never by the problem, so that there are few different system
messages; their replies are written in tags, whatever form is asked for. Values are put into the places in one pass
and never looked at: a question that holds ``{{braces}}``, ``%s`` or ``=== user ===`` arrives as it is. A folder of
the user's may replace any file by one of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lemma.errors import ConfigError
from lemma.records import Problem, content_hash

PACKAGE_FOLDER: Final = Path(__file__).with_name("prompts")
WORD_PROBLEM: Final = "word problem"
COMPETITION: Final = "competition mathematics"
_SECTION: Final = re.compile(r"^=== (system|user|assistant|example: [a-z ]+) ===[ \t]*\n", re.MULTILINE)
_MATH: Final = re.compile(r"math(?![a-z])", re.IGNORECASE)  # not MathDial or MathQA, which are word problems
_EXAMPLE: Final = "example: "
_REPLY: Final = "\nReply:\n"
# `$x$`, `$-3$`, `\frac`, `\(`; not the dollars of "$5 and $6" or "from $5-$10"
_LATEX: Final = re.compile(r"\\[A-Za-z(\[]|\$(?![\s$])[^$\n]{1,120}(?<!\s)\$(?!\d)")
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")

Messages = tuple[dict[str, str], ...]
"""``{"role": "system" | "user" | "assistant", "content": text}`` each."""


def kind_of(problem: Problem) -> str:
    """Which worked examples suit a problem: of word problems, or of competition mathematics.

    Datasets named ``math`` (``math500``, ``math-train``) are the latter, and any question that holds LaTeX.
    """
    is_math = _MATH.match(problem.dataset) is not None or _LATEX.search(problem.question) is not None
    return COMPETITION if is_math else WORD_PROBLEM


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
    examples: tuple[tuple[str, str, str], ...] = ()
    """(kind of problem, what is given, the reply to it in tags)."""

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

    def examples_for(self, kind: str) -> tuple[tuple[str, str], ...]:
        """(what is given, reply in tags) of the examples of that kind, or of all where there is none."""
        return tuple((given, reply) for own, given, reply in self.examples if own == kind) or tuple(
            (given, reply) for _, given, reply in self.examples
        )

    def bind(self, values: Mapping[str, str]) -> Template:
        """A template whose places are those that have no value here: what is constant is put in once."""
        sections = []
        for role, pieces in self.sections:
            bound = [pieces[0]]
            for place, literal in zip(pieces[1::2], pieces[2::2], strict=True):
                if place in values:
                    bound[-1] += values[place] + literal
                else:
                    bound += [place, literal]
            sections.append((role, tuple(bound)))
        return replace(self, sections=tuple(sections))

    def render(self, values: Mapping[str, str]) -> Messages:
        """The messages with `values` in their places; a value without a place is left out.

        Raises:
            ConfigError: a place has no value.
        """
        try:
            return tuple(
                {
                    "role": role,
                    # a section without places stays one object, whose hash and encoding are then known already
                    "content": pieces[0] if len(pieces) == 1 else _filled(pieces, values),
                }
                for role, pieces in self.sections
            )
        except KeyError as error:
            raise ConfigError(f"prompts: {self.origin}: nothing fills {{{{{error.args[0]}}}}}") from error


def _filled(pieces: tuple[str, ...], values: Mapping[str, str]) -> str:
    parts = list(pieces)
    parts[1::2] = [values[place] for place in pieces[1::2]]
    return "".join(parts)


def parse_template(name: str, text: str, origin: str) -> Template:
    """Reads a prompt file's text.

    Raises:
        ConfigError: it has no section, nothing to say to the model, or an example without a reply.
    """
    marks = list(_SECTION.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    bodies = [(mark[1], text[mark.end() : end].strip("\n")) for mark, end in zip(marks, ends, strict=True)]
    sections = tuple((role, tuple(_PLACE.split(body))) for role, body in bodies if not role.startswith(_EXAMPLE))
    if not any(role == "user" for role, _ in sections):
        raise ConfigError(f"prompts: {origin} has no line `=== user ===`")
    examples = []
    for role, body in bodies:
        if role.startswith(_EXAMPLE):
            given, found, reply = body.partition(_REPLY)
            if not found:
                raise ConfigError(f"prompts: {origin}: an example has no line `Reply:`")
            examples.append((role[len(_EXAMPLE) :], given, reply))
    return Template(name, origin, content_hash(text), sections, tuple(examples))


_ADDED: dict[str, Template] = {}


def register(name: str, text: str) -> None:
    """Adds a prompt, or replaces the package's, unless the user's folder has a file of that name (plugins).

    Raises:
        ConfigError: see `parse_template`.
    """
    _ADDED[name] = parse_template(name, text, f"the plugin's prompt {name}")


def is_known(name: str) -> bool:
    """Whether the package or a plugin has a prompt of that name."""
    return name in _ADDED or (PACKAGE_FOLDER / f"{name}.md").is_file()


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
            own = self._folders[0] / f"{name}.md"
            if name in _ADDED and (len(self._folders) == 1 or not own.is_file()):
                self._templates[name] = _ADDED[name]
            else:
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
