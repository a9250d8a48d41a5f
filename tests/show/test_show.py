"""`lemma show`: any record or rejection with its chain, on a terminal and in a pipe, whatever its texts hold."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lemma.cli import app, main
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.records import make_id
from lemma.show.chain import chain_of
from lemma.show.finding import RECORD_STAGES, Filters, draw, draw_rejected, find
from lemma.show.page import Page
from tests.audit.builders import Terminal, hostile_row, write_run
from tests.audit.test_screen import TERMINAL_ATTACKS
from tests.conftest import ROOT, example_config
from tests.exports.builders import HOSTILE, problem_of, trajectory_of

MARKUP = ["[bold red]x[/] [link=http://evil]y[/link] [/nothing] \\[z] :smile: [@click=app.bell]b[/]"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("show") / "run"
    with Pipeline(run, example_config(12), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    return run


def lines(run: Path, stage: str, folder: str = "") -> Iterator[dict[str, Any]]:
    for path in sorted((run / stage / folder).glob("part-*.jsonl")):
        yield from map(json.loads, path.read_bytes().splitlines())


def show(*arguments: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["show", *map(str, arguments)])
    assert done.exit_code == status, done.output
    return done.output


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line on stderr of a command that ends with 1."""
    before, sys.argv = sys.argv, ["lemma", "show", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


# ── what is shown ──


def test_a_trajectory_shows_the_whole_chain_with_the_wrong_step_marked(finished: Path) -> None:
    record = next(lines(finished, "smooth"))
    mistake = record["mistake"]
    text = show(finished, record["id"])
    marked = [line[2:] for line in text.splitlines() if line.startswith("▶ ")]
    assert "\n".join(marked).strip() == mistake["solution"][: mistake["prefix_end"]].splitlines()[-1].strip()
    for part in (mistake["problem"]["question"], mistake["problem"]["reference_solution"], mistake["explanation"]):
        assert part.splitlines()[0].strip() in text
    for mark, part in (("? ", record["reflection"]), ("+ ", record["continuation"])):
        shown = [line[2:].strip() for line in text.splitlines() if line.startswith(mark)]
        wanted = [line.strip() for line in part.splitlines() if line.strip()]
        assert all(line in shown for line in wanted)
    titles = [
        "QUESTION",
        "REFERENCE SOLUTION",
        "CORRECTED by rules",
        "SMOOTHED by rules",
        "CHECKS",
        "WHAT BECAME OF IT",
    ]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)


def test_a_trajectory_before_and_after_smoothing_is_one_chain(finished: Path) -> None:
    smoothed = next(lines(finished, "smooth"))
    text = show(finished, smoothed["id"])
    corrected = re.search(r"CORRECTED .*\((t-\w+)\)", text)
    assert corrected is not None
    head, _, rest = show(finished, corrected[1]).partition("\n")
    assert corrected[1] in head
    assert rest == text.partition("\n")[2]


def test_every_record_and_rejection_is_found_by_its_id_and_by_a_beginning_that_is_its_own(finished: Path) -> None:
    ids = {record["id"] for stage in RECORD_STAGES for record in lines(finished, stage)}
    ids |= {record["id"] for stage in STAGES for record in lines(finished, stage, "rejected")}
    for name in sorted(ids)[:: max(1, len(ids) // 15)]:
        assert find(finished, name).id == name
        short = next(name[:n] for n in range(1, 30) if sum(other.startswith(name[:n]) for other in ids) == 1)
        assert find(finished, short).id == name
        assert name in show(finished, short).splitlines()[0]


def test_a_rejection_shows_its_reason_and_the_reply_that_it_came_from(finished: Path) -> None:
    rejection = next(lines(finished, "analyze", "rejected"))
    replies = [one for one in lines(finished, "analyze", "replies") if one["unit"] == rejection["unit"]["id"]]
    text = show(finished, rejection["id"])
    assert f"REJECTED AT ANALYZE: {rejection['reason']}" in text
    assert rejection["detail"].splitlines()[0] in text
    assert "THE REPLY IT CAME FROM: by rules, ended with stop" in text
    assert replies[-1]["text"].splitlines()[0] in text
    assert "SAMPLE by " in text


def test_what_became_of_a_record_is_told_with_ids_that_lead_on(finished: Path) -> None:
    wrong = next(one for one in lines(finished, "sample") if one["is_correct"] is False)
    for name in (wrong["problem"]["id"], wrong["id"], next(lines(finished, "analyze"))["id"]):
        told = show(finished, name).partition("WHAT BECAME OF IT")[2]
        for follower in re.findall(r"\((\w-\w+)\)", told):
            assert show(finished, follower)
        assert "(" in told


def test_a_row_of_the_dataset_is_found_as_its_trajectory(finished: Path) -> None:
    row = json.loads((finished / "export/train.jsonl").read_bytes().splitlines()[0])
    line = find(finished, row["id"])
    assert make_id("r", line.id) == row["id"]
    assert json.loads(line.raw)["text"] == row["output"]


# ── what is drawn ──


def test_the_same_seed_draws_the_same_and_another_another(finished: Path) -> None:
    assert show(finished, "-n", "3", "--seed", "1") == show(finished, "-n", "3", "--seed", "1")
    assert show(finished, "-n", "3", "--seed", "1") != show(finished, "-n", "3", "--seed", "2")
    few, more = (draw(finished, Filters(), number, 7) for number in (2, 5))
    assert more[:2] == few


@pytest.mark.parametrize("filters", [Filters(strategy="fresh_restart"), Filters(origin="injected")])
def test_only_what_fits_is_drawn_and_all_of_it_can_be(finished: Path, filters: Filters) -> None:
    drawn = [json.loads(line.raw) for line in draw(finished, filters, 10_000, 0)]
    fits = [
        one["id"]
        for one in lines(finished, "smooth")
        if filters.strategy in (None, one["strategy"]) and filters.origin in (None, one["mistake"]["origin"])
    ]
    assert sorted(one["id"] for one in drawn) == sorted(fits)


def test_rejections_are_drawn_by_the_labels_of_what_they_worked_on(finished: Path) -> None:
    every = draw_rejected(finished, Filters(), 10_000, 0)
    assert len(every) == sum(1 for stage in STAGES for _ in lines(finished, stage, "rejected"))
    injected = draw_rejected(finished, Filters(origin="injected"), 10_000, 0)
    student = draw_rejected(finished, Filters(origin="student"), 10_000, 0)
    assert {line.stage for line in injected} >= {"inject"}
    assert {line.stage for line in student} >= {"analyze"}
    assert len(injected) + len(student) == len(every)
    kind = next(lines(finished, "inject", "rejected"))["unit"]["label"]
    assert any(line.stage == "inject" for line in draw_rejected(finished, Filters(error_type=kind), 10_000, 0))


# ── what cannot be shown ──


def test_an_id_that_is_none_or_several_is_told_in_one_line(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no finished part has a record or rejection whose id begins with t-ffffffffff" in refused(
        capsys, finished, "t-ffffffffff"
    )
    assert "several ids begin with t-: t-" in refused(capsys, finished, "t-")
    assert "�[2J" in refused(capsys, finished, "\x1b[2J")
    assert "\x1b" not in refused(capsys, finished, "t-\x1b]0;x")


def test_no_run_an_empty_one_and_nothing_that_fits_are_told_in_one_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no run" in refused(capsys, tmp_path / "none")
    assert "there is no run" in refused(capsys, tmp_path)
    assert "no trajectory fits --type nope; there are --type " in refused(capsys, finished, "--type", "nope")
    assert "no rejection fits --strategy x" in refused(capsys, finished, "--rejected", "--strategy", "x")
    shutil.copy(finished / "run.yaml", tmp_path)
    assert "has no finished trajectories yet" in refused(capsys, tmp_path)
    assert "nothing was rejected" in refused(capsys, tmp_path, "--rejected")


def test_an_id_and_a_filter_are_two_things(finished: Path) -> None:
    assert "leave out --rejected" in show(finished, "t-1", "--rejected", status=2)


def test_a_damaged_line_is_told_with_its_place(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = run / "smooth/part-00000.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first[:200] + b"\n" + rest)
    name = json.loads(first)["id"]
    assert f"smooth, part 0: the line of {name} is damaged" in refused(capsys, run, name)


# ── terminals, pipes, and texts that attack them ──


@pytest.mark.parametrize("text", [*HOSTILE, *TERMINAL_ATTACKS, *MARKUP])
def test_nothing_in_a_record_steers_the_terminal_and_markup_stays_text(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path, [hostile_row(1, text)])
    shown = show(run)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
    for piece in re.findall(r"[\w\[\]/=@:<>{}$|\\-]{3,}", text):
        assert piece in shown


def test_on_a_terminal_parts_are_coloured_and_no_line_is_wider(tmp_path: Path) -> None:
    long = trajectory_of(problem_of(1, "word " * 60 + "中文" * 80))
    run = write_run(tmp_path, [long])
    with Terminal("show", run) as terminal:
        assert terminal.end() == 0
        assert "\x1b[33m? " in terminal.screen
        assert "\x1b[32m+ " in terminal.screen
        assert "\x1b[1;31m▶ " in terminal.screen
        bare = re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)
    assert "\x1b" not in bare
    assert all(sum(2 if "一" <= char <= "鿿" else 1 for char in line) <= 90 for line in bare.splitlines())


def test_in_a_pipe_and_with_no_color_nothing_is_coloured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path)
    assert "\x1b" not in show(run)
    monkeypatch.setenv("NO_COLOR", "1")
    with Terminal("show", run) as terminal:
        assert terminal.end() == 0
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.screen)
        assert "▶ That makes 99." in re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    run = write_run(tmp_path, [trajectory_of(problem_of(n, "word " * 5000)) for n in range(40)])
    process = subprocess.Popen(
        [sys.executable, "-c", "from lemma.cli import main; main()", "show", str(run), "-n", "40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("── t-".encode())
        process.stdout.close()
        process.wait(60)
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
    finally:
        process.kill()
        process.wait()


def test_a_terminal_without_unicode_shows_what_it_can(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "from lemma.cli import main; main()", "show", str(run)],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"? That makes 99." in done.stdout


def test_long_texts_are_shown_in_linear_time(tmp_path: Path) -> None:
    run = write_run(tmp_path, [trajectory_of(problem_of(1, "x" * 200_000 + " a" * 200_000 + "-" * 100_000))])
    screen = io.StringIO()
    page = Page(Console(file=screen, force_terminal=True, width=80, markup=False, highlight=False))
    page.show(chain_of(run, draw(run, Filters(), 1, 0)[0]))
    assert screen.getvalue().count(" a") >= 190_000
    assert len(show(run)) > 700_000
