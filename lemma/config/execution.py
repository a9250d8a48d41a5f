"""How the work is cut, where it is done, and how runs elsewhere are treated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lemma.config.base import OPERATIONAL, Section


class ShardsConfig(Section):
    """How the work is cut into parts."""

    size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=1000, json_schema_extra=OPERATIONAL)
    """Problems a part."""
    leases: Literal["locks", "heartbeat"] = Field(default="locks", json_schema_extra=OPERATIONAL)
    """How processes on one run are kept apart: by locks, which the file system must have across machines, or by files
    that each of them rewrites now and then (`storage.lease_s`). The same for all of them."""


class ExecutorConfig(Section):
    """Where the work is done."""

    backend: Literal["local", "ray"] = "local"
    """`local`: in this process. `ray`: by workers of a Ray cluster (`pip install lemma[ray]`): the one that
    RAY_ADDRESS names, or one that is started on this machine for the command."""
    workers: Annotated[int, Field(ge=1, le=4096)] = 4
    """Of Ray: processes that share the calls and parts of each stage; each calls its own addresses of `base_url` first.
    Concurrency, rpm, tpm and budget stay those of the whole run."""


class StorageConfig(Section):
    """How a run that lives in object storage is treated (`-o s3://bucket/run`)."""

    cache: Path | None = None
    """Folder for the copies here that commands work in; null: the environment's LEMMA_CACHE, else ~/.cache/lemma."""
    flush_s: Annotated[float, Field(gt=0)] = 10
    """A reply is sent so many seconds after it came, at the latest."""
    flush_replies: Annotated[int, Field(ge=1)] = 500
    """About so many replies are sent at once, at the latest."""
    lease_s: Annotated[float, Field(ge=1)] = 300
    """A process that did not show itself for so long is taken for dead."""
    patience_s: Annotated[float, Field(ge=0)] = 120
    """How long the end of a command tries to send the rest before it gives up (status 3)."""
