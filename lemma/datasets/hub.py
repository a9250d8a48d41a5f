"""Datasets read by `datasets.load_dataset`: a name on the Hugging Face hub, or a folder or file of data.

``path`` is the name or folder, ``subset`` the hub's configuration name, ``split`` the split; rows are then
read as `jsonl` reads them::

    - dataset: hub
      path: openai/gsm8k
      subset: main
      split: train
      name: gsm8k
      fields: {reference_solution: answer}

Rows are streamed from the library's cache on disk, so memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lemma.config import DatasetSpec
from lemma.datasets.jsonl import parse
from lemma.datasets.rows import Row, SetAside
from lemma.errors import InputError

if TYPE_CHECKING:
    import datasets  # type: ignore[import-untyped]

__all__ = ["fingerprint", "parse", "rows"]


def rows(spec: DatasetSpec) -> Iterator[Row | SetAside]:
    """Every row of the split, numbered from 1.

    Raises:
        InputError: the dataset, the subset or the split is not there, or holds no row.
    """
    loaded = _load(spec)
    stem = spec.path.rstrip("/").rpartition("/")[2]
    for number, value in enumerate(loaded, start=1):
        yield Row(spec.path, stem, number, value)


def fingerprint(spec: DatasetSpec) -> str:
    """The library's own fingerprint of the split; it downloads what is not yet in its cache.

    Raises:
        InputError: see `rows`.
    """
    return str(_load(spec)._fingerprint)  # the library has no public name for it


def _load(spec: DatasetSpec) -> datasets.Dataset:
    label = spec.path
    import datasets  # heavy: two seconds

    try:
        loaded = datasets.load_dataset(label, name=spec.subset, split=spec.split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        said = " ".join(str(error).split())[:300]  # RuntimeError: the dataset is a script, which is not run
        raise InputError(f"{label} (split {spec.split!r}) cannot be loaded: {said}") from error
    if not isinstance(loaded, datasets.Dataset):
        raise InputError(f"{label}: {spec.split!r} is not one split")
    if len(loaded) == 0:
        raise InputError(f"{label} (split {spec.split!r}) is empty")
    return loaded
