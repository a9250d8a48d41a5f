"""What a person sees while a stage works, and what it says it cost."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from lemma.budget import cost_usd
from lemma.config import Prices
from lemma.progress import FAILURE_LINE_S, PLAIN_LINE_S, ProgressMeter
from lemma.stages.base import Reply, Usage
from lemma.teacher.base import CallFailed
from tests.audit.builders import Terminal
from tests.conftest import example_config
from tests.protocol.commands import write_config

PRICES = Prices(input_usd_per_mtok=2.5, cached_input_usd_per_mtok=1.25, output_usd_per_mtok=10)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        return True


def reply(tokens: int = 500) -> Reply:
    return Reply("key", "text", "stop", usage=Usage(2 * tokens, tokens, tokens))


def meter(
    stream: io.StringIO, clock: Clock | None = None, total: int | None = None, quiet: bool = False
) -> ProgressMeter:
    return ProgressMeter("analyze", total, PRICES, quiet, stream, clock or Clock())


# ── cost ──


def test_cost_counts_cached_tokens_at_their_own_price() -> None:
    assert cost_usd(Usage(1_000_000, 0, 0), PRICES) == 2.5
    assert cost_usd(Usage(1_000_000, 1_000_000, 0), PRICES) == 1.25
    assert cost_usd(Usage(2_000_000, 1_000_000, 500_000), PRICES) == 2.5 + 1.25 + 5
    assert cost_usd(Usage(), PRICES) == 0


def test_a_cached_price_that_is_unknown_is_the_full_one() -> None:
    assert cost_usd(Usage(1_000_000, 1_000_000, 0), Prices(input_usd_per_mtok=3, output_usd_per_mtok=1)) == 3


@pytest.mark.parametrize(
    "prices",
    [Prices(), Prices(input_usd_per_mtok=1), Prices(output_usd_per_mtok=1), Prices(cached_input_usd_per_mtok=1)],
)
def test_a_price_that_is_unknown_makes_the_cost_unknown_and_never_nothing(prices: Prices) -> None:
    assert cost_usd(Usage(1000, 0, 1000), prices) is None


# ── where nobody looks: lines ──


def test_a_stage_that_ends_says_how_many_units_and_what_they_cost() -> None:
    out = io.StringIO()
    one = meter(out)
    for _ in range(10):
        one.replied(reply())
        one.settled(reply())
    one.settled(None)
    one.close()
    assert out.getvalue() == "analyze: 11 units done, 1 of them known before; 10 calls, 15k tokens, $0.07\n"


def test_a_stage_that_had_nothing_to_do_says_nothing() -> None:
    out = io.StringIO()
    meter(out).close()
    assert out.getvalue() == ""


def test_replies_that_cost_nothing_show_no_cost() -> None:
    out = io.StringIO()
    one = meter(out)
    one.replied(Reply("key", "text", "stop"))
    one.settled(Reply("key", "text", "stop"))
    one.close()
    assert out.getvalue() == "analyze: 1 units done\n"


def test_lines_come_every_half_minute_however_much_happens() -> None:
    out, clock = io.StringIO(), Clock()
    one = meter(out, clock, total=10_000)
    for _ in range(10_000):
        clock.now += PLAIN_LINE_S / 2_500
        one.settled(None)
    lines = out.getvalue().splitlines()
    assert 3 <= len(lines) <= 4
    assert lines[0].startswith("analyze: ")
    assert lines[0].endswith(" of 10000 units")


def test_quiet_shows_nothing_but_what_is_said() -> None:
    out, clock = io.StringIO(), Clock()
    one = meter(out, clock, quiet=True)
    for _ in range(200):
        clock.now += 10
        one.settled(None)
    one.say("Stopping.")
    one.close()
    assert out.getvalue() == "Stopping.\n"


def test_failures_are_told_at_once_and_then_every_half_minute_with_their_number() -> None:
    out, clock = io.StringIO(), Clock()
    one = meter(out, clock)
    for number in range(100):
        one.failed(CallFailed(f"status 500\n  number {number} " + "x" * 10_000))
        clock.now += FAILURE_LINE_S / 40
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1", "42", "83"]
    assert lines[1].startswith("analyze: 42 calls failed and are made again; the last: status 500 number 41 xxx")
    assert all(len(line) < 300 for line in lines)


def test_a_line_comes_though_nothing_happens() -> None:
    out, clock = io.StringIO(), Clock()
    one = meter(out, clock, total=10)
    for _ in range(100):
        clock.now += 2
        one.tick(in_flight=7)
    lines = out.getvalue().splitlines()
    assert len(lines) == 6
    assert set(lines) == {"analyze: 0 of 10 units; 7 in flight"}


def test_a_line_tells_speed_time_to_go_outcome_and_cost_so_far_and_projected() -> None:
    out, clock = io.StringIO(), Clock()
    parts = {0: (15, 5), 1: None}
    one = ProgressMeter("analyze", 100, PRICES, False, out, clock, outcome=parts.get)
    for _ in range(20):
        one.settled(None)  # known before: neither fast nor cheap
    for _ in range(40):
        one.replied(reply())
        one.settled(reply())
    one.finished(0)
    one.finished(1)
    clock.now += 40
    one.tick(in_flight=3)
    assert out.getvalue() == (
        "analyze: 60 of 100 units, 1.0/s, 00:40 to go; "
        "kept 15, rejected 5, 3 in flight, 40 calls, 60k tokens, $0.28 of about $0.55\n"
    )


def test_several_replies_that_make_a_unit_count_as_one() -> None:
    out, clock = io.StringIO(), Clock()
    one = ProgressMeter("analyze", 10, PRICES, False, out, clock, draws=3)
    for _ in range(15):
        one.settled(None)
    clock.now += PLAIN_LINE_S
    one.tick(0)
    one.close()
    assert out.getvalue() == "analyze: 5 of 10 units\nanalyze: 5 units done, 5 of them known before\n"


def test_what_an_endpoint_says_steers_no_terminal() -> None:
    out = io.StringIO()
    meter(out).failed(CallFailed("\x1b[2J\x07 no\r\n\u202e more"))
    assert out.getvalue() == "analyze: 1 calls failed and are made again; the last: �[2J� no � more\n"


# ── where a person looks: a bar ──


def test_a_bar_tells_what_is_in_flight_and_what_parts_gave() -> None:
    out, clock = Screen(), Clock()
    one = ProgressMeter("analyze", 4, PRICES, False, out, clock, outcome=lambda part: (2, 1))
    one.settled(None)
    one.replied(reply())
    one.settled(reply())
    one.finished(0)
    one.tick(in_flight=9)
    one.close()
    assert "2/4" in out.getvalue()
    assert "kept 2, rejected 1, 9 in flight, 1 calls, 2k tokens, $0.01" in out.getvalue()


def test_a_terminal_gets_a_bar_that_ends_with_the_cost() -> None:
    out, clock = Screen(), Clock()
    one = meter(out, clock, total=3)
    for _ in range(3):
        clock.now += 1
        one.replied(reply(100_000))
        one.settled(reply(100_000))
    one.say("a line between")
    one.close()
    text = out.getvalue()
    assert "a line between\n" in text
    last = text.rsplit("\r", 1)[-1]
    assert "3/3" in last
    assert "3 calls, 900k tokens, $4.12" in last


def test_a_quiet_terminal_gets_no_bar() -> None:
    out = Screen()
    one = meter(out, quiet=True)
    one.settled(None)
    one.close()
    assert out.getvalue() == ""


def test_the_bars_of_a_run_end_full_with_what_its_files_hold(tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "config.yaml", example_config(6).model_dump(mode="json", include={"data", "shards"})
    )
    run = tmp_path / "run"
    with Terminal("run", config, "-o", run, "--set", "decontaminate=[]") as terminal:
        terminal.until("\nexport ")
        assert terminal.end() == 0
    for stage in ("analyze", "correct", "smooth"):
        kept = sum(len(path.read_bytes().splitlines()) for path in (run / stage).glob("part-*.jsonl"))
        lost = sum(len(path.read_bytes().splitlines()) for path in (run / stage / "rejected").glob("part-*.jsonl"))
        last = [line for line in re.split("[\r\n]", terminal.screen) if line.startswith(stage) and "|" in line][-1]
        assert f" {kept + lost}/{kept + lost} " in last
        assert f"kept {kept}, rejected {lost}" in last
    assert re.search(r"inject 1: 100%.*? (\d+)/\1 ", terminal.screen)
