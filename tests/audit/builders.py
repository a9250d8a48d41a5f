"""A run's folder with trajectories made by hand, and a `lemma` on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable
from pathlib import Path

from lemma.records import Trajectory
from lemma.runfile import write_runfile
from lemma.shards.files import to_line, write_whole
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from tests.conftest import ROOT
from tests.exports.builders import config_of, many, problem_of, trajectory_of

STAGE = "correct"
"""Of `config_of`: smoothing is off."""

TIMEOUT_S = 60.0


def write_part(run: Path, part: int, rows: Iterable[Trajectory], *, is_finished: bool = True) -> None:
    folder = StageFolder(run, STAGE)
    write_whole(folder.part(part), map(to_line, rows))
    manifest = Manifest(stage=STAGE, part=part, fingerprint="f", inputs={}, files={}, units=0, kept=0, rejected=0)
    if is_finished:
        folder.write_manifest(manifest)


def write_run(run: Path, rows: Iterable[Trajectory] | None = None) -> Path:
    """A run of the given rows, or of 40 in eight strata."""
    write_runfile(run, config_of(), {})
    write_part(run, 0, many(20) if rows is None else rows)
    return run


def hostile_row(number: int, text: str) -> Trajectory:
    row = trajectory_of(problem_of(number, f"Question {text}"), reflection=f"\n{text}\n")
    mistake = row.mistake.model_copy(update={"answer": text, "error_type": text})
    return row.model_copy(update={"mistake": mistake})


class Terminal:
    """`lemma` in a process of its own on a pseudo-terminal; a context manager, which ends both."""

    def __init__(self, *arguments: str | Path, encoding: str = "utf-8") -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 90, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from lemma.cli import main; main()", *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=environment | {"PYTHONIOENCODING": encoding},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self._slave = slave  # kept open, so that what was printed last can be read after the process
        self._raw = b""
        self.screen = ""
        self._seen = 0

    def until(self, text: str) -> str:
        """Reads until a text stands in what was printed since the last call; returns what came up to it."""
        deadline = time.monotonic() + TIMEOUT_S
        while (found := self.screen.find(text, self._seen)) < 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} did not come: {self.screen[self._seen :]!r}")
            self._read(0.2)
        start, self._seen = self._seen, found + len(text)
        return self.screen[start : self._seen]

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Waits for the process; its exit status."""
        status = self.process.wait(TIMEOUT_S)
        while self._read(0):
            pass
        return status

    def echoes(self) -> bool:
        """Whether the terminal is in its usual mode."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def set_line_mode(self) -> None:
        """Puts the terminal into its usual mode."""
        attributes = termios.tcgetattr(self._slave)
        attributes[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], timeout_s)
        if ready:
            self._raw += os.read(self._master, 65536)
            self.screen = self._raw.decode(errors="replace").replace("\r\n", "\n")
        return bool(ready)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


_STYLE = re.compile(r"\x1b\[[01]m")


def unstyled(screen: str) -> str:
    """Without bold on and off, the only sequences that the screen may hold."""
    return _STYLE.sub("", screen)
