"""The commands that compare answers: of a model on benchmarks, or two by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lemma.cli.options import LimitOption, QuietOption, SetOption
from lemma.errors import Interrupted


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
