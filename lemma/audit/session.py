"""Judging in the terminal: one row at a time, one key a claim, every verdict on disk before the next is asked."""

from __future__ import annotations

import os
import re
import signal
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final

import typer

from lemma.audit.screen import render, wrapped
from lemma.audit.verdicts import CLAIMS, NOTE, VerdictFile
from lemma.records import Trajectory
from lemma.terminal import flat, safe

KEYS: Final = "y yes · n no · u unsure · b back · s skip the row · w write a note · r reference solution · q quit"
_VERDICTS: Final = {"y": "yes", "n": "no", "u": "unsure"}
_SEQUENCE: Final = re.compile(r"\x1b(?:[\[O][0-?]*[ -/]*[@-~]|.?)")  # what an arrow or a function key sends
_END: Final = "\x04"  # Ctrl-D


class Keyboard:
    """Single keys from a terminal, without echo; a context manager that gives it back as it was.

    The terminal stays in this mode between keys, so that nothing typed ahead is lost or echoed.

    Args:
        descriptor: of the terminal.
    """

    def __init__(self, descriptor: int) -> None:
        self._terminal = descriptor
        self._typed: list[str] = []

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._terminal)
        # behind Ctrl-Z and `fg` the shell's mode is on: ours has to be set anew
        self._old_handler = signal.signal(signal.SIGCONT, lambda *_: self._set_mode())
        self._by_line = False
        self._set_mode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGCONT, self._old_handler)
        self._by_line = True
        self._set_mode()

    def _set_mode(self) -> None:
        if self._by_line:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
        else:
            tty.setcbreak(self._terminal, termios.TCSADRAIN)

    def key(self) -> str:
        """The next key, in lower case; Ctrl-D where the terminal is gone."""
        while not self._typed:
            raw = os.read(self._terminal, 1024)
            self._typed = list(_SEQUENCE.sub("", raw.decode(errors="ignore"))) if raw else [_END]
        return self._typed.pop(0).lower()

    def line(self) -> str:
        """A line, edited and echoed as the terminal does it."""
        ahead, is_whole, rest = "".join(self._typed).partition("\n")
        self._typed = list(rest)
        if is_whole:
            return ahead.strip()
        self._by_line = True
        self._set_mode()
        try:
            return (ahead + os.read(self._terminal, 4096).decode(errors="replace")).strip()
        finally:
            self._by_line = False
            self._set_mode()


class Session:
    """One annotator going through a sample.

    Args:
        rows: the sample, at least one row.
        definitions: error type → what it means, in one line.
        verdicts: what was said before, and where it goes.
        keyboard: the annotator's.
        columns: asks how wide the terminal is.
    """

    def __init__(
        self,
        rows: Sequence[Trajectory],
        definitions: Mapping[str, str],
        verdicts: VerdictFile,
        keyboard: Keyboard,
        columns: Callable[[], int],
    ) -> None:
        self._rows = rows
        self._definitions = definitions
        self._verdicts = verdicts
        self._keyboard = keyboard
        self._columns = columns
        self._places = [(row, claim) for row in range(len(rows)) for claim in CLAIMS]

    def run(self) -> None:
        """Asks until the end of the sample, or until the annotator quits.

        Raises:
            DiskError: a verdict could not be written.
        """
        typer.echo(KEYS)
        shown, last = -1, len(self._places) - 1
        place = self._open_from(0)
        while True:
            if place is None:
                typer.echo("The sample ends here: b back · any other key ends ", nl=False)
                key = self._key()
                typer.echo()
                if key != "b":
                    return
                place = last
            last = place
            number, claim = self._places[place]
            if number != shown:
                self._show(number)
                shown = number
            self._ask(number, claim)
            key = self._key()
            typer.echo(_VERDICTS.get(key, ""))
            if key in ("q", _END):
                return
            place = self._after(key, place)

    def left(self) -> int:
        """Rows of the sample that are not judged in full."""
        return len({self._places[at][0] for at in range(len(self._places)) if self._is_open(at)})

    def _after(self, key: str, place: int) -> int | None:
        """Does what the key says; the next place, None at the end."""
        number, claim = self._places[place]
        row = self._rows[number]
        if key in _VERDICTS:
            self._verdicts.say(row, claim, _VERDICTS[key])
            return self._open_from(place + 1)
        if key == "b":
            return max(0, place - 1)
        if key == "s":
            return self._open_from((number + 1) * len(CLAIMS))
        if key == "w":
            self._note(row)
        elif key == "r":
            typer.echo(wrapped(row.mistake.problem.reference_solution, self._columns()))
        else:
            typer.echo(KEYS)
        return place

    def _key(self) -> str:
        key = self._keyboard.key()
        while key.isspace():  # Enter, out of habit
            key = self._keyboard.key()
        return key

    def _note(self, row: Trajectory) -> None:
        typer.echo("note (an empty line changes nothing): ", nl=False)
        text = safe(self._keyboard.line())
        if text:
            self._verdicts.say(row, NOTE, text)

    def _show(self, number: int) -> None:
        row = self._rows[number]
        mistake = row.mistake
        labels = " · ".join([mistake.problem.dataset, mistake.origin, row.strategy, mistake.error_type])
        head = flat(f"── row {number + 1} of {len(self._rows)} · {row.id} · {labels} ──")
        typer.echo(f"\n{typer.style(head, bold=True)}")
        definition = self._definitions.get(mistake.error_type, "(no definition at hand)")
        typer.echo(render(row, definition, self._columns()))
        note = self._verdicts.said(row, NOTE)
        if note:
            typer.echo(f"your note: {safe(note)}")

    def _ask(self, number: int, claim: str) -> None:
        before = self._verdicts.said(self._rows[number], claim)
        said = f" [so far: {before}]" if before else ""
        at = list(CLAIMS).index(claim) + 1
        text = CLAIMS[claim]
        typer.echo(f"{at}/{len(CLAIMS)} {text[0].upper()}{text[1:]}?{said} ", nl=False)

    def _is_open(self, place: int) -> bool:
        number, claim = self._places[place]
        return self._verdicts.said(self._rows[number], claim) is None

    def _open_from(self, place: int) -> int | None:
        return next((at for at in range(place, len(self._places)) if self._is_open(at)), None)
