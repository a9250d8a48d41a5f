"""The datasets by name; a plugin adds its own to `DATASETS`."""

from __future__ import annotations

import difflib
from typing import Final

from lemma.config import DatasetSpec
from lemma.datasets import gsm8k, hub, jsonl, math, rollouts
from lemma.datasets.base import Dataset
from lemma.errors import ConfigError

DATASETS: Final[dict[str, Dataset]] = {
    "gsm8k": Dataset(gsm8k.parse),
    "math": Dataset(math.parse),
    "jsonl": Dataset(jsonl.parse, has_fields=True),
    "rollouts": Dataset(rollouts.parse, has_fields=True),
    "hub": Dataset(hub.parse, rows=hub.rows, fingerprint=hub.fingerprint, has_fields=True),
}


def dataset_of(spec: DatasetSpec) -> Dataset:
    """The dataset that `spec` names.

    Raises:
        ConfigError: it is not registered, or takes no `fields` and got some.
    """
    dataset = DATASETS.get(spec.dataset)
    if dataset is None:
        near = difflib.get_close_matches(spec.dataset, DATASETS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(DATASETS))}"
        raise ConfigError(f"data: unknown dataset `{spec.dataset}`; {hint}")
    if spec.fields and not dataset.has_fields:
        raise ConfigError(f"data: `{spec.dataset}` takes no `fields:`; use `jsonl` for rows of another form")
    return dataset
