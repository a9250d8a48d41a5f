"""The commands that look at a run: what it would take, where it stands, what is in it, how good its labels are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from lemma.cli.options import ConfigArgument, LimitOption, RunArgument, SetOption


def plan(
    config: ConfigArgument,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", metavar="RUN", help="A run's folder: what it has done is taken off."),
    ] = None,
    overrides: SetOption = None,
    limit: LimitOption = None,
) -> None:
    """Estimate units, calls, tokens and cost still to come; asks nobody."""
    from lemma.configfile import load_config
    from lemma.plan import PLAN_FILE, make_plan, plan_table, write_plan
    from lemma.storage.runs import looking

    loaded = load_config(config, overrides or (), limit)
    if output is None:
        made = make_plan(loaded, None)
    else:
        with looking(output, loaded.storage, makes=PLAN_FILE) as folder:
            made = make_plan(loaded, folder)
            if (folder / "run.yaml").exists():
                write_plan(folder, made.tree())
    typer.echo(plan_table(made))


def status(
    run: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, in a form that stays (docs/status.md).")] = False,
    is_watched: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
) -> None:
    """Show what is done, kept, rejected, left and spent, stage by stage; also while a run is going on."""
    import json
    import shutil

    from lemma.status import read_status, status_table, watch
    from lemma.storage.runs import address_of, looking, workers

    address = address_of(run)
    if is_watched:
        if address is not None:
            raise typer.BadParameter("--watch looks at folders: for a run in object storage, repeat the command")
        return watch(run, as_json)
    with looking(run) as folder:
        tree = read_status(folder)
    if address is not None:
        tree |= {"run": address, "in_use_by": tree["in_use_by"] or ", ".join(workers(address)) or None}
    if as_json:
        typer.echo(json.dumps(tree, indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        typer.echo(status_table(tree, shutil.get_terminal_size().columns))
    else:
        typer.echo(status_table(tree))


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of runs.", show_default=False)],
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", metavar="FILE.html", help="Where to; RUN/report.html where there is one run."),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=0, help="Trajectories and rejections to look at in it.")
    ] = 300,
) -> None:
    """Write a page about a run, or several side by side: counts, costs, and a sample of trajectories to look at."""
    from contextlib import ExitStack

    from lemma.report import write_report
    from lemma.storage.runs import looking

    makes = "report.html" if output is None and len(runs) == 1 else ""
    with ExitStack() as stack:
        folders = [stack.enter_context(looking(run, makes=makes)) for run in runs]
        typer.echo(write_report(folders, output, samples))


def show(
    run: RunArgument,
    wanted: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ID]", help="Of a record or rejection, or the beginning of one.", show_default=False),
    ] = None,
    is_rejected: Annotated[bool, typer.Option("--rejected", help="Draw from what was rejected.")] = False,
    error_type: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--type", metavar="TYPE", help="Draw only this error type."),
    ] = None,
    strategy: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--strategy", metavar="NAME", help="Draw only this strategy."),
    ] = None,
    origin: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--origin", metavar="student|injected", help="Draw only mistakes of this origin."),
    ] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many to draw.")] = 1,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed draws others.")] = 0,
) -> None:
    """Show a trajectory, or any record or rejection, with what it came from and what became of it."""
    from lemma.show import Filters
    from lemma.show import show as show_records
    from lemma.storage.runs import looking

    filters = Filters(error_type, strategy, origin)
    if wanted is not None and (is_rejected or not filters.is_open):
        raise typer.BadParameter("an ID names one record: leave out --rejected, --type, --strategy and --origin")
    with looking(run) as folder:
        show_records(folder, wanted, is_rejected, filters, number, seed)


def audit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    rows: Annotated[int, typer.Option("-n", "--rows", metavar="N", min=1, help="Rows to judge.")] = 100,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who judges.")] = "me",
    export_to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--export", metavar="FILE.csv", help="Write the rows as a spreadsheet to fill."),
    ] = None,
    import_from: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--import", metavar="FILE.csv", help="Take over the verdicts of a filled one."),
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Show what the verdicts say.")] = False,
) -> None:
    """Judge a sample of a run's rows by hand: how often are their labels wrong? Resumes by itself."""
    from lemma.auditing import export_sheet, import_sheet, judge, report_audit
    from lemma.storage.runs import looking, working

    if (export_to is not None) + (import_from is not None) + report > 1:
        raise typer.BadParameter("--export, --import and --report are three things: give one at a time")
    if report:
        with looking(run) as folder:
            return typer.echo(report_audit(folder))
    with working(run) as (folder, _):
        if export_to is not None:
            typer.echo(export_sheet(folder, rows, by, export_to))
        elif import_from is not None:
            typer.echo(import_sheet(folder, by, import_from))
        else:
            typer.echo(judge(folder, rows, by))
