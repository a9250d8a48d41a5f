"""Plugins: Python files of the user's own that add a strategy, an error type, a dataset or an export format.

``plugins: [my.py]`` in the configuration names them; a plugin calls the functions below when it is run. It is code, run
as such: name only files that you trust. Its bytes are content: a changed plugin reopens every stage, and only replies
that are missing are asked for. ``docs/plugins.md`` has a worked example.
"""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from lemma import prompts, strategies, taxonomy
from lemma.datasets import DATASETS, Dataset
from lemma.errors import ConfigError, LemmaError
from lemma.exports import FORMATS, ExportFormat
from lemma.strategies import Strategy


def add_strategy(strategy: Strategy, templates: Mapping[str, str]) -> None:
    """Adds a correction strategy, for `correct.strategies`.

    Args:
        strategy: see `lemma.strategies.Strategy`.
        templates: name → text of each prompt that it may send, in the form of the package's prompt files.

    Raises:
        ConfigError: a prompt that it names is not given, or has not the form.
    """
    missing = [name for name in strategy.templates if name not in templates and not prompts.is_known(name)]
    if missing:
        raise ConfigError(f"plugins: the strategy {strategy.name!r} names a prompt that is not given: {missing[0]}")
    for name, text in templates.items():
        prompts.register(name, text)
    strategies.register(strategy)


def add_error_type(name: str, text: str) -> None:
    """Adds an error type.

    Args:
        name: as it stands in records: a-z, 0-9 and _.
        text: in the form of the files in ``lemma/prompts/error_types``.

    Raises:
        ConfigError: name or text have not the form.
    """
    taxonomy.register(name, text)


def add_dataset(name: str, dataset: Dataset) -> None:
    """Adds a dataset, for `data: [{dataset: NAME, …}]`."""
    DATASETS[name] = dataset


def add_export(name: str, form: ExportFormat) -> None:
    """Adds an export format, for `export.formats`."""
    FORMATS[name] = form


def load_plugins(paths: Iterable[Path]) -> None:
    """Runs the plugins, in order.

    Raises:
        ConfigError: a file is not there, or what it does fails; tells file and line.
    """
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"plugins: there is no file {path}")
        try:
            runpy.run_path(str(path), run_name=f"lemma_plugin_{path.stem}")
        except LemmaError as error:
            raise ConfigError(f"plugins: {path}: {error}") from error
        except Exception as error:  # whatever the user's own code raises is told, with its line
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
            line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
            raise ConfigError(f"plugins: {path}, line {line}: {type(error).__name__}: {error}") from error
