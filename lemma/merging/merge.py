"""Several runs made one: checked, written into a folder beside, and given its name when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lemma.merging.problems import ProblemsMerge
from lemma.merging.sources import Source, check_alike, check_folders, open_source
from lemma.merging.stages import StagesMerge
from lemma.problems import ProblemsFolder
from lemma.runfile import read_runfile, write_runfile
from lemma.shards.files import disk_errors
from lemma.shards.lock import RunLock
from lemma.status import config_of


def merge_runs(runs: Sequence[Path], new: Path) -> str:
    """Merges finished runs; they stay as they are.

    Args:
        runs: their folders, in the order in which their parts come.
        new: the merged run's folder; not there yet, or empty.

    Returns:
        What was merged, in words.

    Raises:
        RunError: a run is unfinished, in use, damaged or of another content configuration; or `new` is not empty.
        DiskError: writing failed; `new` is not there.
    """
    check_folders(runs, new)
    making = new.absolute().with_name(f".{new.name}.merging")
    configs = [config_of(run) for run in runs]  # tells a folder that is no run before a lock is put there
    check_alike(runs, configs)
    with ExitStack() as stack:
        sources = [open_source(run, config, stack) for run, config in zip(runs, configs, strict=True)]
        lock = stack.enter_context(RunLock(making))
        stack.callback(shutil.rmtree, making, ignore_errors=True)  # nothing is there once it has its name
        _clear(making, lock)
        problems = ProblemsMerge(sources, making)
        problems.write()
        data = {repr(spec): spec for config in configs for spec in config.data}
        config = configs[0].model_copy(update={"data": list(data.values())})
        StagesMerge(sources, making, config).write()
        write_runfile(making, config, (read_runfile(runs[0]) or {}).get("fingerprints") or {})
        with disk_errors(new):
            new.mkdir(parents=True, exist_ok=True)
            making.replace(new)
    return _words(sources, problems.doubles, new)


def _clear(making: Path, lock: RunLock) -> None:
    """Removes what an earlier attempt that broke off has left."""
    with disk_errors(making):
        for path in making.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != lock.path:
                path.unlink()


def _words(sources: Sequence[Source], doubles: Mapping[int, int], new: Path) -> str:
    summary = ProblemsFolder(new).summary() or {}
    lines = [f"{new}: {len(sources)} runs, {summary['problems']} problems in {summary['parts']} parts"]
    for index, count in sorted(doubles.items()):
        lines.append(
            f"{sources[index].run}: {count} of its problems are in a run before it and were left out, with all that "
            "was made of them; `lemma export` of several runs keeps both"
        )
    return "\n".join(lines)
