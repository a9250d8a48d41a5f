"""`lemma audit` over a run's folder: the sample judged in the terminal or in a spreadsheet, and what came of it."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import typer

from lemma.audit.report import report, unreadable_line
from lemma.audit.rows import draw
from lemma.audit.session import Keyboard, Session
from lemma.audit.sheet import read_sheet, write_sheet
from lemma.audit.tally import read_audit
from lemma.audit.verdicts import VerdictFile, verdict_path
from lemma.config import Config
from lemma.errors import ConfigError, InputError, Interrupted
from lemma.exporting import last_stage
from lemma.records import Trajectory
from lemma.status import config_of
from lemma.taxonomy import load_taxonomy


def report_audit(run: Path) -> str:
    """What all annotators' verdicts say, as text.

    Raises:
        RunError: the folder is no run.
        InputError: nobody has judged it yet.
    """
    audit = read_audit(run, last_stage(config_of(run)))
    if audit is None:
        raise InputError(f"{run}: nobody has judged a row yet; `lemma audit {run}` begins")
    return report(audit)


def export_sheet(run: Path, number: int, name: str, path: Path) -> str:
    """Writes the sample as a spreadsheet; returns what to do with it.

    Raises:
        LemmaError: there are no rows, or the file is there already or cannot be written.
    """
    rows, definitions = _sample(run, number)
    with VerdictFile(run, name) as verdicts:
        write_sheet(path, rows, definitions, verdicts)
    return (
        f"{path}: {len(rows)} rows; fill the five verdict columns with yes, no or unsure, save as CSV, then "
        f"`lemma audit {run} --by {name} --import {path}`"
    )


def import_sheet(run: Path, name: str, path: Path) -> str:
    """Takes over the verdicts of a spreadsheet; returns what came, and the report.

    Raises:
        LemmaError: cells are wrong (nothing is taken over then), or the disk refuses.
    """
    stage = last_stage(config_of(run))
    with VerdictFile(run, name) as verdicts:
        taken = read_sheet(path, run, stage, verdicts)
    line = f"{taken.verdicts} new verdicts from {taken.rows} rows; {taken.empty} cells are empty"
    audit = read_audit(run, stage)
    return f"{line}\n\n{report(audit)}" if audit else line


def judge(run: Path, number: int, name: str) -> str:
    """Asks in the terminal; returns the report where the sample is done, else how to go on.

    Raises:
        InputError: there is no terminal, or the name cannot be one.
        Interrupted: Ctrl-C; every verdict is on disk.
        LemmaError: there are no rows, or the disk refuses.
    """
    verdict_path(run, name)  # a wrong name is told first
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            f"this is no terminal; `lemma audit {run} --export FILE.csv` makes a sheet to fill, --import takes it back"
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that is not of UTF-8 shows ? for what it has not
    try:
        rows, definitions = _sample(run, number)
        with VerdictFile(run, name) as verdicts, Keyboard(sys.stdin.fileno()) as keyboard:
            if verdicts.judged.unreadable:
                typer.echo(unreadable_line(name, verdicts.judged.unreadable), err=True)
            session = Session(rows, definitions, verdicts, keyboard, lambda: shutil.get_terminal_size().columns)
            session.run()
            left = session.left()
    except KeyboardInterrupt:
        typer.echo()
        raise Interrupted("interrupted; every verdict is on disk") from None
    if left:
        return f"{len(rows) - left} of {len(rows)} rows are judged by {name}; the same command goes on"
    return report_audit(run)


def _sample(run: Path, number: int) -> tuple[list[Trajectory], dict[str, str]]:
    """The rows to judge, and error type → its definition in one line."""
    config = config_of(run)
    return draw(run, last_stage(config), number, config.seed), _definitions(config)


def _definitions(config: Config) -> dict[str, str]:
    try:
        taxonomy = load_taxonomy(config.prompts)
    except ConfigError:  # the user's folder has changed since the run; the package's types are still known
        taxonomy = load_taxonomy()
    return {name: " ".join(kind.definition.split()) for name, kind in taxonomy.items()}
