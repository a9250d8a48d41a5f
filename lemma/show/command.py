"""What `lemma show` does."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

from lemma.show.chain import chain_of
from lemma.show.finding import Filters, draw, draw_rejected, find
from lemma.show.page import Page
from lemma.status import require_run


def show(run: Path, wanted: str | None, is_rejected: bool, filters: Filters, number: int, seed: int) -> None:
    """Prints records to stdout: the one that is wanted, or some that are drawn.

    Args:
        run: the run's folder.
        wanted: an id, or the beginning of one; None draws.
        is_rejected: draw rejections rather than trajectories.
        filters: what may be drawn.
        number: how many are drawn at most.
        seed: the same seed draws the same from the same run.

    Raises:
        RunError: the folder is no run, or there is no such record.
    """
    require_run(run)
    if wanted is not None:
        lines = [find(run, wanted)]
    else:
        lines = (draw_rejected if is_rejected else draw)(run, filters, number, seed)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # texts may hold what the terminal's encoding has no sign for
    page = Page(Console(markup=False, emoji=False, highlight=False))
    for line in lines:
        page.show(chain_of(run, line))
