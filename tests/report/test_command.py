"""``lemma report`` as people call it: where the page goes, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.builders import small_run
from tests.report.test_page import Page
from tests.test_cli import is_one_clear_line, lemma, write_config


def test_the_page_of_a_run_is_written_into_its_folder_or_where_one_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert lemma("run", write_config(tmp_path), "-o", run, "--quiet").status == 0
    done = lemma("report", run, "--samples", "5")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{run / 'report.html'}: ")
    page = (run / "report.html").read_text()
    assert len(Page(page).data["items"]) == 5
    assert lemma("report", run, "--samples", "5", "-o", tmp_path / "there/page.html").status == 0
    assert (tmp_path / "there/page.html").read_text() == page
    both = lemma("report", run, small_run(tmp_path / "other"), "-o", tmp_path / "both.html")
    assert both.status == 0
    assert (tmp_path / "both.html").is_file()


@pytest.mark.parametrize("kind", ["nothing", "an empty folder", "a folder of other things", "a file", "damaged"])
def test_what_is_no_run_is_told_in_one_line_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    if kind == "a file":
        path.write_text("text")
    elif kind == "damaged":
        (small_run(path) / "run.yaml").write_text("[1, {")
    elif kind != "nothing":
        path.mkdir()
        if kind == "a folder of other things":
            (path / "notes.txt").write_text("text")
    done = lemma("report", path, "-o", tmp_path / "page.html")
    assert (done.status, done.stdout) == (1, "")
    assert is_one_clear_line(done.stderr), done.stderr
    assert str(path) in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_no_run_several_without_a_place_and_a_place_that_cannot_be(tmp_path: Path) -> None:
    assert lemma("report").status == 2
    run = small_run(tmp_path / "run")
    several = lemma("report", run, run)
    assert several.status == 1
    assert is_one_clear_line(several.stderr)
    assert "-o report.html" in several.stderr
    (tmp_path / "file").write_text("text")
    done = lemma("report", run, "-o", tmp_path / "file/page.html")
    assert done.status == 1
    assert is_one_clear_line(done.stderr)
