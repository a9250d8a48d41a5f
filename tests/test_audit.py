"""`lemma audit`: keys on a real pseudo-terminal, kills, two annotators, and where its figures turn up."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lemma.audit.rows import draw
from lemma.audit.verdicts import CLAIMS, VerdictFile
from lemma.cli import app
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.records import Trajectory
from lemma.status import read_status, status_table
from tests.audit.builders import STAGE, Terminal, hostile_row, unstyled, write_run
from tests.audit.test_screen import TERMINAL_ATTACKS
from tests.conftest import example_config, files_of
from tests.exports.builders import HOSTILE
from tests.protocol.commands import run_lemma

ROWS = 3


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def sample(run: Path) -> list[Trajectory]:
    return draw(run, STAGE, ROWS, seed=0)


def lines_of(run: Path, name: str = "me") -> list[dict[str, str]]:
    return [json.loads(line) for line in (run / "audit" / f"{name}.jsonl").read_bytes().splitlines()]


def audit(run: Path, *arguments: str | Path, encoding: str = "utf-8") -> Terminal:
    return Terminal("audit", run, "-n", str(ROWS), *arguments, encoding=encoding)


def claim(number: int) -> str:
    return f"{number}/5 "


def cli(*arguments: str | Path, status: int = 0) -> str:
    """Runs a command in this process; what it prints."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == status, done.output
    return done.output


# ── keys ──


def test_a_whole_sample_is_judged_key_by_key_and_ends_with_the_report(run: Path) -> None:
    rows = sample(run)
    with audit(run) as terminal:
        for row in rows:
            shown = unstyled(terminal.until(claim(1)))
            for text in (
                row.id,
                row.mistake.problem.question,
                row.mistake.error_type,
                "▶ That makes 99.",
                "Wait, that sum",
            ):
                assert text in shown
            assert "writes down the right" in shown or "missing_step: " in shown  # the type's definition
            terminal.press("y")
            for number, key in ((2, "n"), (3, "y"), (4, "u"), (5, "y")):
                terminal.until(claim(number))
                terminal.press(key)
        terminal.until("The sample ends here")
        terminal.press("q")
        assert terminal.end() == 0
        report = terminal.screen[terminal.screen.index("3 rows judged: me 3") :]
        assert not terminal.process.stderr
    words = [line["said"] for line in lines_of(run)]
    assert words == ["yes", "no", "yes", "unsure", "yes"] * ROWS
    assert [line["id"] for line in lines_of(run)] == [row.id for row in rows for _ in CLAIMS]
    types = next(line for line in report.splitlines() if line.startswith(CLAIMS["type_is_right"]))
    assert types.split()[-7:] == ["0", "3", "0", "100.0", "%", "43.9–100.0", "%"]  # of three rows all types are wrong
    assert report.count("  wrong: type") == ROWS


def test_back_skip_note_reference_and_quit_do_what_they_say(run: Path) -> None:
    first, second, third = sample(run)
    with audit(run) as terminal:
        terminal.until(claim(1))
        terminal.press("y")
        terminal.until(claim(2))
        terminal.press("b")
        assert "[so far: yes]" in terminal.until(claim(1)) + terminal.until("]")
        terminal.press("n")
        terminal.until(claim(2))
        terminal.press("?")
        terminal.until("y yes · n no")
        terminal.until(claim(2))
        terminal.press("\x1b[A\n")  # an arrow and Enter say nothing
        terminal.press("w")
        terminal.until("note")
        terminal.press("näh, odd\n")
        terminal.until(claim(2))
        terminal.press("r")
        terminal.until(first.mistake.problem.reference_solution)
        terminal.until(claim(2))
        terminal.press("s")
        assert second.id in terminal.until(claim(1))
        terminal.press("b")  # back over a row's beginning
        shown = terminal.until(claim(5))
        assert first.id in shown
        assert "your note: näh, odd" in shown
        terminal.press("s")
        assert second.id in terminal.until(claim(1))
        terminal.press("q")
        assert terminal.end() == 0
        assert "0 of 3 rows are judged by me; the same command goes on" in terminal.screen
        assert terminal.echoes()
    assert [(line["claim"], line["said"]) for line in lines_of(run)] == [
        ("answer_is_wrong", "yes"), ("answer_is_wrong", "no"), ("note", "näh, odd"),
    ]  # fmt: skip
    assert {line["id"] for line in lines_of(run)} == {first.id}
    assert third.id not in terminal.screen


def test_keys_typed_ahead_are_neither_lost_nor_echoed(run: Path) -> None:
    with audit(run) as terminal:
        terminal.until(claim(1))
        terminal.press("ynuyn" * ROWS + "b")
        terminal.until("The sample ends here")
        terminal.until(claim(5))
        terminal.press("y")
        terminal.until("The sample ends here")
        terminal.press("q")
        assert terminal.end() == 0
    words = [line["said"] for line in lines_of(run)]
    assert words == ["yes", "no", "unsure", "yes", "no"] * ROWS + ["yes"]
    assert "nuy" not in terminal.screen


def test_ctrl_c_and_ctrl_d_leave_verdicts_on_disk_and_the_terminal_as_it_was(run: Path) -> None:
    for number, (key, status) in enumerate([("\x03", 130), ("\x04", 0)], 1):
        with audit(run) as terminal:
            terminal.until(claim(number))
            assert not terminal.echoes()
            terminal.press("y")
            terminal.until(claim(number + 1))
            terminal.press(key)
            assert terminal.end() == status
            assert terminal.echoes()
            assert "the same command goes on" in terminal.screen
        assert len(lines_of(run)) == number


def test_behind_ctrl_z_and_fg_single_keys_are_read_again(run: Path) -> None:
    with audit(run) as terminal:
        terminal.until(claim(1))
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.set_line_mode()  # as the shell does
        terminal.process.send_signal(signal.SIGCONT)
        terminal.press("y")
        terminal.until(claim(2))
        terminal.press("q")
        assert terminal.end() == 0
    assert len(lines_of(run)) == 1


def test_a_terminal_without_utf_8_shows_what_it_can(run: Path) -> None:
    with audit(run, encoding="latin-1") as terminal:
        shown = terminal.until(claim(1))
        assert "? That makes 99." in shown
        terminal.press("q")
        assert terminal.end() == 0


def test_a_killed_session_goes_on_behind_its_last_verdict(run: Path) -> None:
    with audit(run, "--by", "anna") as terminal:
        for at in range(7):
            terminal.until(claim(at % 5 + 1))
            terminal.press("y")
        terminal.until(claim(3))
        terminal.process.send_signal(signal.SIGKILL)
        assert terminal.end() == -signal.SIGKILL
    assert len(lines_of(run, "anna")) == 7
    with (run / "audit/anna.jsonl").open("ab") as file:
        file.write(b'{"id":"t-half')
    with audit(run, "--by", "anna") as terminal:
        shown = terminal.until(claim(3))
        assert "Passed over in audit/anna.jsonl: line 8" in shown
        assert sample(run)[1].id in shown
        terminal.press("yyy" + "yyyyy" + "q")
        assert terminal.end() == 0
        assert "3 rows judged: anna 3" in terminal.screen
    with VerdictFile(run, "anna") as verdicts:
        assert all(verdicts.said(row, one) == "yes" for row in sample(run) for one in CLAIMS)


def test_two_annotators_judge_the_same_rows_and_their_agreement_is_told(run: Path) -> None:
    for name, keys in (("anna", "yyyyy" * ROWS), ("bob", "yyyyy" * (ROWS - 1) + "ynyyy")):
        with audit(run, "--by", name) as terminal:
            terminal.until(claim(1))
            terminal.press(keys + "q")
            assert terminal.end() == 0
    told = cli("audit", run, "--report")
    assert told.splitlines()[0] == "3 rows judged: anna 3, bob 3"
    types = next(line for line in told.splitlines() if line.startswith(CLAIMS["type_is_right"]))
    assert types.split()[-9:] == ["1", "0.0", "%", "0.0–65.8", "%", "0.0–33.3", "%", "66.7", "%", "0.00"][-9:]
    assert told.count("undefined") == 4  # both said yes to all else


def test_hostile_rows_never_steer_the_terminal(tmp_path: Path) -> None:
    texts = [*HOSTILE, *TERMINAL_ATTACKS]
    run = write_run(tmp_path / "run", [hostile_row(number, text) for number, text in enumerate(texts)])
    with Terminal("audit", run) as terminal:
        terminal.until(claim(1))
        terminal.press("s" * len(texts) + "q")
        assert terminal.end() == 0
        assert f"0 of {len(texts)} rows" in terminal.screen
        assert [
            char for char in unstyled(terminal.screen) if not char.isprintable() and char not in "\n\ufeff\U0010ffff"
        ] == []


# ── without a terminal ──


def test_without_a_terminal_one_line_points_to_the_sheet(run: Path) -> None:
    done = run_lemma("audit", run)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("lemma: this is no terminal; ")
    assert "--export FILE.csv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sheet_goes_out_and_comes_back_by_the_command_line(run: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    assert "3 rows; fill the five verdict columns" in cli(
        "audit", run, "-n", str(ROWS), "--by", "anna", "--export", sheet
    )
    text = sheet.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == [row.id for row in sample(run)]
    filled = io.StringIO()
    writer = csv.DictWriter(filled, list(rows[0]))
    writer.writeheader()
    writer.writerows(row | dict.fromkeys(CLAIMS, "yes") for row in rows)
    sheet.write_text(filled.getvalue(), encoding="utf-8")
    told = cli("audit", run, "--by", "anna", "--import", sheet)
    assert told.splitlines()[0] == "15 new verdicts from 3 rows; 0 cells are empty"
    assert "3 rows judged: anna 3" in told
    cli("audit", run, "--report", "--import", sheet, status=2)


# ── where the figures turn up ──


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    with Pipeline(run, example_config(limit=12), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    return run


def export(run: Path) -> str:
    with Pipeline(run, example_config(limit=12), Options(quiet=True)) as pipeline:
        pipeline.work(["export"])
    return (run / "export/README.md").read_text(encoding="utf-8")


def test_status_and_card_tell_the_label_error_once_there_is_an_audit(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = files_of(run / "export")
    assert read_status(run)["audit"] is None
    assert "audit" not in status_table(read_status(run))
    rows = draw(run, "smooth", 10, seed=0)
    with VerdictFile(run, "anna") as verdicts:
        for row in rows:
            for one in CLAIMS:
                verdicts.say(row, one, "no" if one == "type_is_right" and row is rows[0] else "yes")
    status = read_status(run)
    assert status["audit"]["claims"]["type_is_right"]["label_error"] == 0.1
    assert "audit: 10 rows judged by 1; label error answer 0.0 % (0.0–27.8), type 10.0 % (1.8–40.4)" in status_table(
        status
    )
    card = export(run)
    assert "## How often its labels are wrong" in card
    assert "10 of the run's trajectories" in card
    assert "| the error type is right | 9 | 1 | 0 | 10.0 % | 1.8–40.4 % |" in card
    assert "anna" not in card
    after = files_of(run / "export")
    unlike = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert unlike == {"README.md", "export.manifest"}
    (run / "audit/anna.jsonl").unlink()
    export(run)
    assert files_of(run / "export") == before


def test_an_export_of_the_same_verdicts_has_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        run = tmp_path / name
        shutil.copytree(finished, run)
        rows = draw(run, "smooth", 5, seed=0)
        for annotator in ("anna", "bob", "cleo"):
            with VerdictFile(run, annotator) as verdicts:
                for row in rows if name == "one" else reversed(rows):  # in whatever order they were said
                    verdicts.say(row, "type_is_right", "no" if annotator == "bob" else "yes")
        export(run)
        found.append(files_of(run / "export"))
    assert found[0] == found[1]
