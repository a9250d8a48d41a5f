"""Opening a run's folder: what changed since it was last worked on is told, or refused; problems are read into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lemma.distribution import check_types
from lemma.errors import RunError
from lemma.exports import formats_of
from lemma.outcomes import forget_outcomes
from lemma.pipeline.base import STAGES, Options
from lemma.pipeline.stages import RunStages
from lemma.problems import MERGED, ProblemsFolder, input_fingerprint, read_into
from lemma.runfile import changes, write_runfile

Say = Callable[[str], None]
"""Takes a line for the person."""


def open_run(
    stages: RunStages, before: Mapping[str, Any] | None, options: Options, say: Say, is_shared: bool = False
) -> None:
    """Brings the folder up to date with the configuration; where others are at work on it, only sees that it is.

    Args:
        stages: the configuration's, over the folder; they know its problems afterwards.
        before: ``run.yaml``, as it was last worked on; None for a new folder.
        options: see `Options`.
        say: takes a line for the person.
        is_shared: whether others are at work on it.

    Raises:
        ConfigError: the configuration cannot be used; nothing was changed.
        RunError: others work on it with another configuration.
    """
    config = stages.config
    # comes before anything is written, so that a wrong key or a missing file is told before a folder is changed
    formats_of(config.export.formats, config.export)
    check_types(config.inject, stages.taxonomy)
    fingerprint = MERGED if stages.is_merged else input_fingerprint(config)
    if is_shared and before is not None:
        _refuse_changes(stages, before, fingerprint)
    if before is not None:
        _tell_changes(stages, before, say)
    if not is_shared:
        # before anything else, so that the folder is known as a run however early it is interrupted
        write_runfile(stages.run, config, stages.fingerprints())
        if options.rederive:
            forget_outcomes(stages.run)
    stages.know(read_into(stages.run, config, fingerprint))
    if not options.quiet:
        _tell_reading(stages, say)


def _refuse_changes(stages: RunStages, before: Mapping[str, Any], fingerprint: str) -> None:
    changed = _changes(stages, before)
    if (before.get("fingerprints") or {}) != stages.fingerprints():
        changed.append("prompts or plugins")
    elif (ProblemsFolder(stages.run).summary() or {}).get("fingerprint") != fingerprint:
        changed.append("the problems, their limit or shards.size")
    if changed:
        raise RunError(
            f"{stages.run}: other processes work on it with another configuration ({'; '.join(changed)}); "
            "give all of them the same, or wait for those to end"
        )


def _changes(stages: RunStages, before: Mapping[str, Any]) -> list[str]:
    changed = changes(before["config"], stages.config)
    return [one for one in changed if not (stages.is_merged and one.startswith("data."))]


def _tell_changes(stages: RunStages, before: Mapping[str, Any], say: Say) -> None:
    changed = _changes(stages, before)
    old = before.get("fingerprints") or {}
    reopened = [name for name, present in stages.fingerprints().items() if old.get(name) not in (None, present)]
    if changed:
        say(f"{stages.run}: was last worked on with another configuration: {'; '.join(changed)}")
    elif reopened:
        say(f"{stages.run}: prompts or plugins have changed since")
    if reopened:
        first = min(STAGES.index(name) for name in reopened)
        say(f"reopened: {', '.join(STAGES[first:])}; only replies that are missing are asked for")


def _tell_reading(stages: RunStages, say: Say) -> None:
    for source in stages.problems["sources"]:
        if aside := source["set_aside"]:
            reasons = ", ".join(f"{count} {reason}" for reason, count in aside.items())
            say(f"{source['dataset']}: set aside {reasons}; see {ProblemsFolder(stages.run).set_aside_path}")
