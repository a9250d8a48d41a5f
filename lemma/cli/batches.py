"""The commands about batches, see `lemma.batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lemma.cli.options import RunArgument, SetOption

batch_app = typer.Typer(
    help="Half price for what may wait: batches at the endpoint, or files of requests for any offline engine.",
    no_args_is_help=True,
)

ByHandRunOption = Annotated[
    Path, typer.Option("-r", "--run", metavar="RUN", help="The run's folder.", show_default=False)
]
ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", metavar="CONFIG", help="YAML configuration; by default the one last worked with."),
]


@batch_app.command("write")
def batch_write(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="What to ask: analyze, correct, …", show_default=False)],
    run: ByHandRunOption,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.jsonl", help="Requests; several files where large.")
    ],
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write the requests that a stage lacks replies to, for any engine that reads OpenAI's batch files."""
    from lemma.batching import config_for, write_requests
    from lemma.storage.runs import working

    with working(run) as (folder, _):
        typer.echo(write_requests(folder, stage, output, config_for(folder, config, overrides or ())))


@batch_app.command("read")
def batch_read(
    files: Annotated[list[Path], typer.Argument(metavar="REPLIES...", help="Result files.", show_default=False)],
    run: ByHandRunOption,
) -> None:
    """Take in an engine's results; tells lines that are unknown, double, missing or cut short."""
    from lemma.batching import take_replies
    from lemma.storage.runs import working

    with working(run) as (folder, _):
        typer.echo(take_replies(folder, files))


@batch_app.command("status")
def batch_status(run: RunArgument, config: ConfigOption = None) -> None:
    """Show a run's batches, and how far those under way have come."""
    from lemma.batching import show_batches
    from lemma.storage.runs import looking

    with looking(run) as folder:
        typer.echo(show_batches(folder, config))


@batch_app.command("cancel")
def batch_cancel(run: RunArgument, config: ConfigOption = None) -> None:
    """Cancel the batches under way and keep what they have answered."""
    from lemma.batching import cancel_batches
    from lemma.storage.runs import working

    with working(run) as (folder, _):
        typer.echo(cancel_batches(folder, config, lambda line: typer.echo(line, err=True)))
