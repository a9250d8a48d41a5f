"""What a person sees while a stage works: a tqdm line on stderr, or where that is no terminal a line every 30 s."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from tqdm import tqdm

from lemma.budget import cost_usd
from lemma.config import Prices
from lemma.failures import FailureLog
from lemma.stages.base import Reply, Usage
from lemma.teacher.base import CallFailed
from lemma.terminal import flat

REFRESH_S = 0.5
PLAIN_LINE_S = 30.0
FAILURE_LINE_S = 30.0
ENOUGH_DRAWS = 20  # before a cost is projected


class ProgressMeter:
    """Progress of one stage.

    Args:
        stage: its name.
        total: units expected; None where nobody can tell.
        prices: of the model asked.
        quiet: show nothing but what `say` is told.
        stream: where to; stderr by default.
        clock: monotonic seconds.
        draws: replies that make a unit.
        outcome: part → (kept, rejected) once it is on disk; None where it has no such thing.
        failures: counts calls that fail, for whoever looks at the run later.
    """

    def __init__(
        self,
        stage: str,
        total: int | None,
        prices: Prices,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        draws: int = 1,
        outcome: Callable[[int], tuple[int, int] | None] | None = None,
        failures: FailureLog | None = None,
    ) -> None:
        self._stage = stage
        self._total = total
        self._prices = prices
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._clock = clock
        self._draws = draws
        self._outcome = outcome
        self._failure_log = failures
        self._is_terminal = self._stream.isatty()
        self._settled = 0
        self._from_disk = 0
        self._calls = 0
        self._failures = 0
        self._in_flight = 0
        self._kept: int | None = None
        self._rejected = 0
        self._input = self._cached = self._output = 0
        self._began = self._last_line = self._last_refresh = clock()
        self._last_failure_line: float | None = None
        self._bar: tqdm[NoReturn] | None = None
        if self._is_terminal and not quiet:
            # the speed is that of all units that were asked about: those known before are taken off as `initial`
            self._bar = tqdm(
                desc=f"{stage:8}", total=total, unit="unit", file=self._stream, dynamic_ncols=True, smoothing=0
            )

    def settled(self, reply: Reply | None) -> None:
        """A draw is done: by this reply, or (None) by replies on disk."""
        self._settled += 1
        self._from_disk += reply is None
        if self._bar is not None:
            if self._settled % self._draws == 0:
                self._bar.initial = self._from_disk // self._draws
                self._bar.update()
        elif self._settled % 64 == 0:
            self._plain_line()

    def replied(self, reply: Reply) -> None:
        """A reply arrived."""
        self._calls += 1
        self._input += reply.usage.input_tokens
        self._cached += reply.usage.cached_input_tokens
        self._output += reply.usage.output_tokens
        if self._bar is not None and self._clock() - self._last_refresh > REFRESH_S:
            self._refresh()

    def finished(self, part: int) -> None:
        """A part is on disk, so that what its units gave is known."""
        counts = self._outcome(part) if self._outcome is not None else None
        if counts is not None:
            self._kept = (self._kept or 0) + counts[0]
            self._rejected += counts[1]

    def tick(self, in_flight: int) -> None:
        """Some seconds have passed, whether or not anything happened; so many calls are in flight."""
        self._in_flight = in_flight
        if self._failure_log is not None:
            self._failure_log.save_now_and_then()
        if self._bar is not None:
            self._refresh()
            self._bar.refresh()
        else:
            self._plain_line()

    def failed(self, error: CallFailed) -> None:
        """A call failed and will be made again: the first is told, then one every half minute."""
        self._failures += 1
        if self._failure_log is not None:
            self._failure_log.count(error.kind)
        now = self._clock()
        if self._last_failure_line is None or now - self._last_failure_line > FAILURE_LINE_S:
            self._last_failure_line = now
            words = flat(error.detail)[:200]
            self.say(f"{self._stage}: {self._failures} calls failed and are made again; the last: {words}")

    def say(self, line: str) -> None:
        """A line for the person, quiet or not."""
        if self._bar is not None:
            self._bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self._failure_log is not None:
            self._failure_log.save()
        self._in_flight = 0
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(self._facts()), refresh=True)
            self._bar.close()
        elif not self._quiet:
            if not self._settled:
                return
            known = f", {self._units(self._from_disk)} of them known before" if self._from_disk else ""
            self._print(f"{self._stage}: {self._units(self._settled)} units done{known}", self._facts())

    def _units(self, draws: int) -> int:
        return draws // self._draws

    def _refresh(self) -> None:
        assert self._bar is not None
        self._last_refresh = self._clock()
        self._bar.set_postfix_str(", ".join(self._facts()), refresh=False)

    def _plain_line(self) -> None:
        now = self._clock()
        if self._quiet or now - self._last_line < PLAIN_LINE_S:
            return
        self._last_line = now
        of = f" of {self._total}" if self._total is not None else ""
        text = f"{self._stage}: {self._units(self._settled)}{of} units"
        asked = self._units(self._settled - self._from_disk)
        if asked:
            speed = asked / max(1.0, now - self._began)
            text += f", {speed:.1f}/s"
            if self._total is not None:
                left = max(0, self._total - self._units(self._settled))
                text += f", {tqdm.format_interval(left / speed)} to go"
        self._print(text, self._facts())

    def _print(self, text: str, facts: list[str]) -> None:
        print("; ".join([text, ", ".join(facts)] if facts else [text]), file=self._stream, flush=True)

    def _facts(self) -> list[str]:
        """What is known beside the number of units; kept and rejected are those of finished parts."""
        facts = [] if self._kept is None else [f"kept {self._kept}", f"rejected {self._rejected}"]
        if self._in_flight:
            facts.append(f"{self._in_flight} in flight")
        if self._input + self._output:
            facts += [f"{self._calls} calls", f"{(self._input + self._output) / 1000:.0f}k tokens"]
            cost = cost_usd(Usage(self._input, self._cached, self._output), self._prices)
            if cost is not None:
                facts.append(f"${cost:.2f}{self._projected(cost)}")
        return facts

    def _projected(self, cost: float) -> str:
        """What the stage's units that are asked about now will have cost, from those that are done."""
        done = self._settled - self._from_disk
        if self._total is None or done < ENOUGH_DRAWS or self._settled >= self._total * self._draws:
            return ""
        return f" of about ${cost * (self._total * self._draws - self._from_disk) / done:.2f}"
