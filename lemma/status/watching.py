"""Looking at a run again and again, until Ctrl-C."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lemma.status.table import PLAIN_COLUMNS, status_table
from lemma.status.tree import read_status

EVERY_S: Final = 2.0
CALM: Final = 5.0
"""Between two looks passes at least so many times what a look takes: a large run is not slowed down by it."""


def watch(run: Path, as_json: bool) -> None:
    """Shows the status in place on a terminal; elsewhere a table, or one line of JSON, where something has changed.

    Raises:
        RunError: the folder is no run.
    """
    try:
        if as_json or not sys.stdout.isatty():
            _print(run, as_json)
        else:
            _redraw(run)
    except KeyboardInterrupt:
        return


def _looks(run: Path) -> Iterator[dict[str, Any]]:
    while True:
        began = time.monotonic()
        yield read_status(run)
        time.sleep(max(EVERY_S, CALM * (time.monotonic() - began)))


def _print(run: Path, as_json: bool) -> None:
    last = ""
    for status in _looks(run):
        text = json.dumps(status, ensure_ascii=False) if as_json else status_table(status, PLAIN_COLUMNS)
        if text != last:
            print(text if as_json else f"{text}\n", flush=True)
        last = text


def _redraw(run: Path) -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, vertical_overflow="crop") as live:
        for status in _looks(run):
            table = status_table(status, shutil.get_terminal_size().columns)
            live.update(Text(table, no_wrap=True, overflow="ellipsis"), refresh=True)
