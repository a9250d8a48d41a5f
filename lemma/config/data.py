"""Where problems come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lemma.config.base import OPERATIONAL, Section


class DatasetSpec(Section):
    """Where problems come from."""

    dataset: str
    """Reader: gsm8k, math, jsonl, rollouts or hub."""
    path: str
    """File, glob (plain or .gz), or for `hub` a name or folder; `example:gsm8k` is the bundled example."""
    split: str = "train"
    """Split of a `hub` dataset."""
    subset: str | None = None
    """Configuration name of a `hub` dataset."""
    name: str | None = None
    """What the problems' `dataset` field says; by default the reader decides, and in jsonl, rollouts and hub a row's
    own `dataset` comes first. In rollouts it is also the model of samples that name none."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our field → theirs, for `jsonl`, `rollouts` and `hub`; dots reach inside."""
    limit: Annotated[int, Field(ge=1)] | None = Field(default=None, json_schema_extra=OPERATIONAL)
    """Read this many problems at most."""
