"""What a person sees while a stage works: a tqdm line on stderr, or where that is no terminal a line every 30 s."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from tqdm import tqdm

from lemma.budget import cost_usd
from lemma.config import Prices
from lemma.stages.base import Reply, Usage
from lemma.teacher.base import CallFailed

REFRESH_S = 0.5
PLAIN_LINE_S = 30.0
FAILURE_LINE_S = 30.0


class ProgressMeter:
    """Progress of one stage.

    Args:
        stage: its name.
        total: units expected; None where nobody can tell yet.
        prices: of the model asked.
        quiet: show nothing but what `say` is told.
        stream: where to; stderr by default.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stage: str,
        total: int | None,
        prices: Prices,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._total = total
        self._prices = prices
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._settled = 0
        self._from_disk = 0
        self._calls = 0
        self._failures = 0
        self._input = self._cached = self._output = 0
        self._last_line = self._last_refresh = clock()
        self._last_failure_line: float | None = None
        self._bar: tqdm[NoReturn] | None = None
        if self._is_terminal and not quiet:
            self._bar = tqdm(desc=f"{stage:8}", total=total, unit="unit", file=self._stream, dynamic_ncols=True)

    def settled(self, reply: Reply | None) -> None:
        """A draw is done: by this reply, or (None) by replies on disk."""
        self._settled += 1
        self._from_disk += reply is None
        if self._bar is not None:
            self._bar.update()
        elif not self._quiet and self._settled % 64 == 0:
            self._plain_line()

    def replied(self, reply: Reply) -> None:
        """A reply arrived."""
        self._calls += 1
        self._input += reply.usage.input_tokens
        self._cached += reply.usage.cached_input_tokens
        self._output += reply.usage.output_tokens
        if self._bar is not None and self._clock() - self._last_refresh > REFRESH_S:
            self._last_refresh = self._clock()
            self._bar.set_postfix_str(self._spent(), refresh=False)

    def failed(self, error: CallFailed) -> None:
        """A call failed and will be made again: the first is told, then one every half minute."""
        self._failures += 1
        now = self._clock()
        if self._last_failure_line is None or now - self._last_failure_line > FAILURE_LINE_S:
            self._last_failure_line = now
            words = " ".join(error.detail.split())[:200]
            self.say(f"{self._stage}: {self._failures} calls failed and are made again; the last: {words}")

    def say(self, line: str) -> None:
        """A line for the person, quiet or not."""
        if self._bar is not None:
            self._bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._bar.set_postfix_str(self._spent(), refresh=True)
            self._bar.close()
        elif not self._quiet:
            if not self._settled:
                return
            known = f", {self._from_disk} of them known before" if self._from_disk else ""
            print(f"{self._stage}: {self._settled} units done{known}{self._dash()}", file=self._stream, flush=True)

    def _plain_line(self) -> None:
        now = self._clock()
        if now - self._last_line < PLAIN_LINE_S:
            return
        self._last_line = now
        of = f" of {self._total}" if self._total is not None else ""
        print(f"{self._stage}: {self._settled}{of} units{self._dash()}", file=self._stream, flush=True)

    def _dash(self) -> str:
        spent = self._spent()
        return f"; {spent}" if spent else ""

    def _spent(self) -> str:
        if not self._input + self._output:
            return ""
        cost = cost_usd(Usage(self._input, self._cached, self._output), self._prices)
        money = "" if cost is None else f", ${cost:.2f}"
        return f"{self._calls} calls, {(self._input + self._output) / 1000:.0f}k tokens{money}"
