"""What `lemma eval` does with its arguments."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lemma.configfile import load_config
from lemma.evaluate.comparing import compare_runs, comparison_text
from lemma.evaluate.run import grade_samples, run_eval
from lemma.pipeline import Options
from lemma.storage.runs import looking, working


def measure(config: Path, run: Path, overrides: Iterable[str], limit: int | None, quiet: bool) -> str:
    """Asks the student and grades; returns the results.

    Raises:
        LemmaError: of any kind.
    """
    loaded = load_config(config, overrides, limit)
    with working(run, loaded.storage) as (folder, _):
        return run_eval(folder, loaded, Options(quiet=quiet))


def regrade(path: Path, run: Path | None, limit: int | None, quiet: bool) -> str:
    """Grades samples in a file; without a folder nothing is kept but what is returned.

    Raises:
        LemmaError: of any kind.
    """
    if run is not None:
        with working(run) as (folder, _):
            return grade_samples(path, folder, limit, Options(quiet=quiet))
    with tempfile.TemporaryDirectory(prefix="lemma-eval-") as temporary:
        return grade_samples(path, Path(temporary), limit, Options(quiet=quiet))


def compare(first: Path, second: Path, as_json: bool) -> str:
    """The difference between two runs, as tables or as JSON.

    Raises:
        RunError: see `compare_runs`.
    """
    with looking(first) as one, looking(second) as two:
        tree = compare_runs(one, two)
    return json.dumps(tree, indent=1, ensure_ascii=False) if as_json else comparison_text(tree)
