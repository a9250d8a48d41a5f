"""The runs that are merged: what has to hold of them, and where their parts go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lemma.config import Config
from lemma.errors import ConfigError, RunError
from lemma.pipeline import RunStages
from lemma.runfile import changes, read_runfile
from lemma.shards.lock import RunLock

_CHUNK = 1 << 20


@dataclass(slots=True)
class Source:
    """A run that is merged."""

    run: Path
    config: Config
    stages: RunStages
    summary: Mapping[str, Any]
    numbers: dict[int, int] = field(default_factory=dict)
    """Its parts of which problems are left → the merged run's."""
    rest: dict[int, int] = field(default_factory=dict)
    """Likewise those that hold replies alone: of problems that moved, or were left out, or are no longer read."""
    dropped: dict[int, set[str]] = field(default_factory=dict)
    """Part → ids of the problems that an earlier run has as well."""
    plan: Mapping[str, Any] | None = None
    """What was asked of each problem, all rounds of injection together, once that is known."""


def check_folders(runs: Sequence[Path], new: Path) -> None:
    """Runs that are two or more, and a folder for the merged one.

    Raises:
        RunError: they are not.
    """
    if len(runs) < 2:
        raise RunError("one run is no merger: name two or more")
    resolved = [run.resolve() for run in runs]
    for number, run in enumerate(resolved):
        if run in resolved[:number]:
            raise RunError(f"{runs[number]}: is given twice")
        if new.resolve().is_relative_to(run):
            raise RunError(f"{new}: lies in the run {runs[number]}; choose a folder of its own with -o")
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise RunError(f"{new}: is there already; choose a folder that is not, with -o")


def open_source(run: Path, config: Config, stack: ExitStack) -> Source:
    """A finished run, locked as long as the stack lasts.

    Raises:
        RunError: it is unfinished, in use, or no run of trajectories.
    """
    stack.enter_context(RunLock(run))
    stages = RunStages.look(run, config)
    if config.eval is not None:
        raise RunError(f"{run}: is an evaluation (`lemma eval`); its results stand beside others with --compare")
    left = stages.parts - len(stages.whole_parts())
    if left or not stages.parts:
        raise RunError(
            f"{run}: {left} of {stages.parts} parts are not finished, and how injection goes on depends on all "
            "problems of a run: finish it with `lemma run` first"
        )
    return Source(run, config, stages, stages.problems)


def check_alike(runs: Sequence[Path], configs: Sequence[Config]) -> None:
    """What was made with different configurations cannot be one run's.

    Raises:
        ConfigError: a content key differs, or a prompt or plugin; names them.
    """
    first = read_runfile(runs[0]) or {}
    for run, config in zip(runs[1:], configs[1:], strict=True):
        fingerprints = (read_runfile(run) or {}).get("fingerprints") or {}
        differ = [one for one in changes(first["config"], config) if not one.startswith("data.")] or [
            f"prompts or plugins of {name}"
            for name, fingerprint in (first.get("fingerprints") or {}).items()
            if fingerprints.get(name) != fingerprint
        ]
        if differ:
            raise ConfigError(
                f"{run}: was made with another configuration than {runs[0]}: {'; '.join(differ)}; "
                "`lemma export -o RUN -o RUN … --to FOLDER` makes one dataset of such runs"
            )


def lines_of(path: Path) -> Iterator[bytes]:
    """A file's lines; raises RunError where it cannot be read."""
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes; raises RunError where it cannot be read."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
