"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML configuration.", show_default=False)]
RUN_HELP = "The run's folder, or s3://BUCKET/NAME."
RunOption = Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help=RUN_HELP, show_default=False)]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help=RUN_HELP, show_default=False)]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key, such as teacher.model=gpt-4o."),
]
LimitOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--limit", metavar="N", min=1, help="Read at most N problems from each dataset."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress; errors and results only.")]
RederiveOption = Annotated[
    bool,
    typer.Option("--rederive", help="Derive finished parts anew from the replies on disk; asks for nothing known."),
]
RetargetOption = Annotated[
    bool, typer.Option("--retarget", help="Renew the frozen distribution that injection aims at.")
]
PartialOption = Annotated[
    bool, typer.Option("--partial", help="Freeze the distribution from an analysis that is not finished.")
]
NoWaitOption = Annotated[
    bool,
    typer.Option("--no-wait", help="With `backend: batch`: submit, take in what is ready, and end with status 3."),
]
ShardOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--shard",
        metavar="I/N",
        help="See to every N-th part, beside other processes that see to the others: rpm, tpm and budget are divided "
        "by N, concurrency is each one's own.",
    ),
]
