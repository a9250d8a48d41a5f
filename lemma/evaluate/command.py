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


def measure(config: Path, run: Path, overrides: Iterable[str], limit: int | None, quiet: bool) -> str:
    """Asks the student and grades; returns the results.

    Raises:
        LemmaError: of any kind.
    """
    return run_eval(run, load_config(config, overrides, limit), Options(quiet=quiet))


def regrade(path: Path, run: Path | None, limit: int | None, quiet: bool) -> str:
    """Grades samples in a file; without a folder nothing is kept but what is returned.

    Raises:
        LemmaError: of any kind.
    """
    if run is not None:
        return grade_samples(path, run, limit, Options(quiet=quiet))
    with tempfile.TemporaryDirectory(prefix="lemma-eval-") as folder:
        return grade_samples(path, Path(folder), limit, Options(quiet=quiet))


def compare(first: Path, second: Path, as_json: bool) -> str:
    """The difference between two runs, as tables or as JSON.

    Raises:
        RunError: see `compare_runs`.
    """
    tree = compare_runs(first, second)
    return json.dumps(tree, indent=1, ensure_ascii=False) if as_json else comparison_text(tree)
