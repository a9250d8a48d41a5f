"""The command line. It parses, calls the pipeline and turns errors into one line and an exit status; no logic here.

Exit status: 0 complete · 1 an error · 2 usage · 3 ended with units left to do · 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lemma.errors import Incomplete, Interrupted, LemmaError

if TYPE_CHECKING:
    from lemma.sharding import Shard

app = typer.Typer(
    name="lemma",
    help="Turn a student model's mathematical mistakes into data that teaches it to notice and correct them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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


@app.command("run")
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


def _add_stage(name: str, help_text: str) -> None:
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

    app.command(name, help=help_text)(command)


_add_stage("sample", "Sample the student, or score the samples that came with the problems.")
_add_stage("analyze", "Find the first wrong step and the error type of each wrong sample; count the types.")


@app.command()
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


_add_stage("correct", "Correct each mistake: Fix & Continue, Fresh & Restart.")
_add_stage("smooth", "Make trajectories read as one train of thought.")


@app.command()
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


@app.command()
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


@app.command()
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


@app.command("eval")
def evaluate(
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="[CONFIG]", help="YAML configuration with `eval:`.", show_default=False),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", metavar="RUN", help="The run's folder.", show_default=False),
    ] = None,
    from_samples: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--from-samples", metavar="FILE", help="Grade the samples in a file (`rollouts`); ask nobody."),
    ] = None,
    against: Annotated[
        Optional[tuple[Path, Path]],  # noqa: UP045
        typer.Option("--compare", metavar="RUN_A RUN_B", help="The difference between two runs, and its significance."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --compare: as JSON.")] = False,
    overrides: SetOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure a model on benchmarks: accuracy, reflections and what they come to; resumes by itself."""
    from lemma.evaluate.command import compare, measure, regrade

    if (config is not None) + (from_samples is not None) + (against is not None) != 1:
        raise typer.BadParameter("give one of CONFIG, --from-samples FILE and --compare RUN_A RUN_B")
    if config is not None and output is None:
        raise typer.BadParameter("with a CONFIG, -o RUN says where the results go")
    if as_json and against is None:
        raise typer.BadParameter("--json goes with --compare; results of a run stand in RUN/eval/results.json")
    try:
        if against is not None:
            typer.echo(compare(*against, as_json))
        elif from_samples is not None:
            typer.echo(regrade(from_samples, output, limit, quiet))
        elif config is not None and output is not None:
            typer.echo(measure(config, output, overrides or (), limit, quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; every reply is on disk") from None


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


batch_app = typer.Typer(
    help="Half price for what may wait: batches at the endpoint, or files of requests for any offline engine.",
    no_args_is_help=True,
)
app.add_typer(batch_app, name="batch")

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


@app.command(context_settings={"ignore_unknown_options": True})  # so that -5 is an answer
def verify(
    prediction: Annotated[str, typer.Argument(metavar="PREDICTION", show_default=False)],
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", show_default=False)],
) -> None:
    """Compare two answers: the verdict, how each side was read, and what decided."""
    from lemma.answers import explain

    found = explain(prediction, reference)
    typer.echo(f"{found.verdict} (decided by: {found.layer})")
    typer.echo(f"prediction read as: {found.prediction}")
    typer.echo(f"reference read as:  {found.reference}")


def main() -> None:
    """Entry point of the `lemma` command."""
    try:
        app(prog_name="lemma")  # however it was started
    except LemmaError as error:
        goes_on = "; the same command goes on" if isinstance(error, Incomplete) else ""
        typer.echo(f"lemma: {error}{goes_on}", err=True)
        sys.exit(error.exit_code)
