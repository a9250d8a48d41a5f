"""The commands that work on a run: its stages, a pilot, what is made of several runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lemma.cli.options import (
    ConfigArgument,
    LimitOption,
    NoWaitOption,
    PartialOption,
    QuietOption,
    RederiveOption,
    RetargetOption,
    RunOption,
    SetOption,
    ShardOption,
)
from lemma.errors import Incomplete, Interrupted, LemmaError

if TYPE_CHECKING:
    from lemma.sharding import Shard


def run_all(
    config: ConfigArgument,
    output: RunOption,
    overrides: SetOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    rederive: RederiveOption = False,
    retarget: RetargetOption = False,
    no_wait: NoWaitOption = False,
    shard: ShardOption = None,
) -> None:
    """All stages in order; resumes where it was interrupted."""
    from lemma.pipeline import STAGES

    _work(STAGES, config, output, overrides, limit, quiet, rederive, retarget, no_wait=no_wait, shard=shard)


def stage_command(name: str) -> Callable[..., None]:
    """A command for one stage without options of its own."""

    def command(
        config: ConfigArgument,
        output: RunOption,
        overrides: SetOption = None,
        limit: LimitOption = None,
        quiet: QuietOption = False,
        rederive: RederiveOption = False,
        no_wait: NoWaitOption = False,
        shard: ShardOption = None,
    ) -> None:
        _work((name,), config, output, overrides, limit, quiet, rederive, no_wait=no_wait, shard=shard)

    return command


def inject(
    config: ConfigArgument,
    output: RunOption,
    overrides: SetOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    rederive: RederiveOption = False,
    retarget: RetargetOption = False,
    partial: PartialOption = False,
    no_wait: NoWaitOption = False,
    shard: ShardOption = None,
) -> None:
    """Inject mistakes into correct solutions, of types drawn from the analysed distribution."""
    _work(("inject",), config, output, overrides, limit, quiet, rederive, retarget, partial, no_wait, shard)


def export(
    config: ConfigArgument,
    output: Annotated[
        list[Path],
        typer.Option("-o", "--output", metavar="RUN", help="The run's folder; several are merged.", show_default=False),
    ],
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--to", metavar="FOLDER", help="Where the dataset of several runs goes."),
    ] = None,
    push_to_hub: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--push-to-hub", metavar="NAME", help="Upload it to the Hugging Face hub, as a private dataset."),
    ] = None,
    overrides: SetOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    shard: ShardOption = None,
) -> None:
    """Write the dataset in the forms that trainers read."""
    if (len(output) > 1) != (to is not None):
        raise typer.BadParameter("several runs (-o RUN -o RUN …) and --to FOLDER go together")
    if to is not None and shard is not None:
        raise typer.BadParameter("--shard is for one run's folder: leave it out where several are merged")
    from contextlib import ExitStack

    from lemma.configfile import load_config
    from lemma.hub import push_export
    from lemma.storage.runs import folder_of, looking

    if to is None:
        folder = folder_of(output[0], load_config(config, overrides or (), limit).storage) / "export"
        unfinished = _work(("export",), config, output[0], overrides, limit, quiet, shard=shard)
    else:
        from lemma.manyruns import ManyRuns
        from lemma.summary import yield_table

        loaded = load_config(config, overrides or (), limit)
        with ExitStack() as stack:
            folders = [stack.enter_context(looking(run, loaded.storage)) for run in output]
            runs = stack.enter_context(ManyRuns(folders, loaded, to))
            _, facts = runs.export()
            typer.echo(yield_table([facts], {}))
        folder, unfinished = to, runs.unfinished
    if push_to_hub is not None:
        typer.echo(push_export(folder, push_to_hub))
    if unfinished:
        raise Incomplete(unfinished)


def pilot(
    config: ConfigArgument,
    output: RunOption,
    overrides: SetOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run 30 problems through all stages, project the whole, show five trajectories."""
    from lemma.configfile import load_config
    from lemma.pilot import run_pilot
    from lemma.pipeline import Options
    from lemma.storage.runs import working

    try:
        loaded = load_config(config, overrides or (), limit)
        with working(output, loaded.storage) as (folder, _):
            typer.echo(run_pilot(loaded, folder, Options(quiet=quiet, pilot=True)))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; every reply is on disk") from None


def merge(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of finished runs.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NEW", help="The merged run.", show_default=False)],
) -> None:
    """Make one run of several that were made apart, over different problems; asks nobody."""
    from contextlib import ExitStack

    from lemma.merging import merge_runs
    from lemma.storage.runs import address_of, looking

    if address_of(output) is not None:
        raise typer.BadParameter("a merged run is made in a folder: name one with -o")
    with ExitStack() as stack:
        typer.echo(merge_runs([stack.enter_context(looking(run)) for run in runs], output))


def _work(
    stages: tuple[str, ...],
    config_path: Path,
    run: Path,
    overrides: list[str] | None,
    limit: int | None,
    quiet: bool,
    rederive: bool = False,
    retarget: bool = False,
    partial: bool = False,
    no_wait: bool = False,
    shard: str | None = None,
) -> str:
    """Does stages; returns what was left to do, in words."""
    from lemma.configfile import load_config
    from lemma.pipeline import Options, Pipeline
    from lemma.storage.runs import working

    options = Options(
        quiet=quiet,
        rederive=rederive,
        retarget=retarget,
        partial=partial,
        is_waiting=not no_wait,
        shard=_shard(shard, retarget or partial),
    )
    try:
        config = load_config(config_path, overrides or (), limit)
        member = options.shard.member if options.shard is not None else ""
        # workers elsewhere lease the parts of the copy among themselves
        takes_leases = config.executor.backend == "local"
        with working(run, config.storage, member, takes_leases=takes_leases) as (folder, leases):
            try:
                with Pipeline(folder, config, options, leases=leases) as pipeline:
                    pipeline.work(stages)
                    typer.echo(pipeline.report(stages))
                    return pipeline.unfinished
            except (Incomplete, Interrupted):
                if not quiet:  # what there is so far, since the table of a whole run does not come
                    _tell_status(folder)
                raise
    except KeyboardInterrupt:
        raise Interrupted("interrupted; every reply is on disk") from None


def _shard(text: str | None, is_target_chosen: bool) -> Shard | None:
    from lemma.sharding import Shard

    if text is None:
        return None
    if is_target_chosen:
        raise typer.BadParameter("--retarget and --partial are for one process to decide: leave out --shard")
    try:
        return Shard.parse(text)
    except LemmaError as error:
        raise typer.BadParameter(str(error)) from None


def _tell_status(run: Path) -> None:
    import shutil

    from lemma.status import read_status, status_table

    columns = {"columns": shutil.get_terminal_size().columns} if sys.stderr.isatty() else {}
    typer.echo(status_table(read_status(run), **columns), err=True)
