"""The command line. It parses, calls the pipeline and turns errors into one line and an exit status; no logic here.

Exit status: 0 complete · 1 an error · 2 usage · 3 ended with units left to do · 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from lemma.cli import evaluating, looking, work
from lemma.cli.batches import batch_app
from lemma.errors import Incomplete, LemmaError

app = typer.Typer(
    name="lemma",
    help="Turn a student model's mathematical mistakes into data that teaches it to notice and correct them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# in the order in which `lemma --help` lists them
app.command("run")(work.run_all)
app.command("sample", help="Sample the student, or score the samples that came with the problems.")(
    work.stage_command("sample")
)
app.command("analyze", help="Find the first wrong step and the error type of each wrong sample; count the types.")(
    work.stage_command("analyze")
)
app.command("inject")(work.inject)
app.command("correct", help="Correct each mistake: Fix & Continue, Fresh & Restart.")(work.stage_command("correct"))
app.command("smooth", help="Make trajectories read as one train of thought.")(work.stage_command("smooth"))
app.command("export")(work.export)
app.command("plan")(looking.plan)
app.command("pilot")(work.pilot)
app.command("eval")(evaluating.evaluate)
app.command("status")(looking.status)
app.command("report")(looking.report)
app.command("merge")(work.merge)
app.command("show")(looking.show)
app.command("audit")(looking.audit)
app.command("verify", context_settings={"ignore_unknown_options": True})(evaluating.verify)  # so that -5 is an answer
app.add_typer(batch_app, name="batch")


def main() -> None:
    """Entry point of the `lemma` command."""
    try:
        app(prog_name="lemma")  # however it was started
    except LemmaError as error:
        goes_on = "; the same command goes on" if isinstance(error, Incomplete) else ""
        typer.echo(f"lemma: {error}{goes_on}", err=True)
        sys.exit(error.exit_code)
