from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lemma.counts import count_run
from lemma.errors import ConfigError, RunError
from lemma.pipeline import Options, Pipeline
from lemma.report import make_report, write_report
from lemma.report.facts import names_of
from lemma.status import read_status
from tests.conftest import example_config
from tests.report.builders import problem, reply, sample, small_run, write_run
from tests.report.test_page import Page


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("report") / "example"
    with Pipeline(run, example_config(6, shards={"size": 2}), Options(quiet=True)) as pipeline:
        pipeline.work(("sample", "analyze", "inject", "correct", "smooth", "export"))
    return run


def tables(page: str) -> dict[str, list[list[str]]]:
    """Title of a figure → its table's lines."""
    from xml.etree import ElementTree

    body = page[page.index("<main>") : page.index("</main>") + 7].replace("<br>", "")
    for name in ("hidden", "open", "novalidate"):
        body = body.replace(f" {name}>", f' {name}="">')
    body = body[: body.index('<section id="trajectories"')] + "</main>"
    found = {}
    for figure in ElementTree.fromstring(body).iter("figure"):
        rows = [["".join(cell.itertext()) for cell in row] for row in figure.iter("tr")]
        found["".join(next(figure.iter("h3")).itertext())] = rows
    return found


def funnel(page: str) -> dict[str, tuple[int, int]]:
    """Step → (looked at, kept), as the page shows them."""
    rows = tables(page)["The funnel"][1:]
    return {name: (int(asked.replace(",", "")), int(kept.replace(",", ""))) for name, asked, kept, *_ in rows}


def assert_agrees(run: Path, page: str) -> None:
    """The page's counts are those of status and of the files."""
    shown, status = funnel(page), read_status(run)
    names = {"sample": "samples", "analyze": "mistakes of the student", "inject": "injected mistakes"}
    names |= {"correct": "trajectories", "smooth": "smoothed"}
    for stage in status["stages"]:
        if stage["parts_done"] or stage["stage"] != "smooth":
            assert shown[names[stage["stage"]]] == (stage["units"], stage["kept"])
            files = [path for path in (run / stage["stage"]).glob("part-*.jsonl")]
            assert stage["kept"] == sum(len(path.read_bytes().splitlines()) for path in files)
    export = status["export"] or {"units": 0, "kept": 0}
    assert shown["exported"] == (export["units"], export["kept"])
    assert shown["problems"][1] == status["problems"]


@pytest.fixture(scope="module")
def example_page(example: Path) -> str:
    return make_report([example], 60)[0]


def test_counts_in_report_status_and_files_agree(example: Path, example_page: str) -> None:
    page = example_page
    assert_agrees(example, page)
    found = tables(page)
    rows = {name: int(row[-1]) for name, *row in found["Yield by strategy"][1:]}
    assert sum(rows.values()) == count_run(example).rows
    assert sum(int(row[2]) for row in found["Yield by error type"][1:]) == count_run(example).stages["smooth"].kept
    assert sum(int(row[1]) + int(row[2]) for row in found["First wrong step"][1:]) == sum(
        count_run(example).stages[stage].kept for stage in ("analyze", "inject")
    )


def test_counts_agree_for_an_interrupted_run_too(example: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(example, run)
    for stage, part in (("correct", 2), ("smooth", 1), ("smooth", 2)):
        (run / stage / f"part-{part:05d}.manifest").unlink()
        (run / stage / f"part-{part:05d}.jsonl").unlink()
    shutil.rmtree(run / "export")
    assert_agrees(run, make_report([run], 40)[0])


def test_the_same_run_gives_the_same_bytes(example: Path, example_page: str, tmp_path: Path) -> None:
    shutil.copytree(example, tmp_path / "example")
    assert make_report([tmp_path / "example"], 60)[0] == example_page


def test_the_browser_shows_kept_and_rejected_of_every_kind(example: Path, example_page: str) -> None:
    data = Page(example_page).data
    items = data["items"]
    assert 15 < len(items) <= 60
    assert {item["kind"] for item in items} == {"kept", "rejected"}
    assert {item["strategy"] for item in items if item["kind"] == "kept"} == {"fix_continue", "fresh_restart"}
    assert {item["origin"] for item in items if item["kind"] == "kept"} == {"student", "injected"}
    lines = [line for path in (example / "smooth").glob("part-*.jsonl") for line in path.read_text().splitlines()]
    records = {record["id"]: record for record in map(json.loads, lines)}
    for item in items:
        if item["kind"] == "kept":
            whole = records[item["id"]]
            assert item["record"] == {name: value for name, value in whole.items() if name != "text"}
            start, end = item["wrong"]
            solution = whole["mistake"]["solution"].encode("utf-16-le")
            assert (
                solution[: 2 * end].decode("utf-16-le")
                == whole["mistake"]["solution"][: whole["mistake"]["prefix_end"]]
            )
            assert 0 <= start < end
            assert item["before"]["prefix"] == whole["prefix"]


def test_a_rejection_brings_what_it_speaks_of_and_the_last_reply(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    lost = json.loads((run / "analyze/rejected/part-00000.jsonl").read_text())
    path = run / "analyze/replies/part-00000.jsonl"
    path.parent.mkdir()
    lines = [reply(lost["unit"]["id"], "first"), reply(lost["unit"]["id"], "last", attempt=1), reply("u-else", "no")]
    path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))
    found = Page(make_report([run], 100)[0]).data["items"]
    items = {item["stage"]: item for item in found if item["kind"] == "rejected"}
    assert items["analyze"]["reply"] == "last"
    assert items["analyze"]["sample"]["text"] == "I do not know. The answer is: 7"
    assert items["correct"]["sample"]["origin"] == "injected"
    assert items["correct"]["type"] == "missing_step"
    assert items["inject"]["sample"] is None
    assert items["smooth"]["before"]["reflection"].startswith("\nWait")


def test_a_run_without_anything_has_a_report_that_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    page, items = make_report([run], 10)
    assert items == 0
    assert "Nothing yet." in page
    assert_agrees(run, page)
    of = problem(0)
    begun = write_run(tmp_path / "begun", [{"problems": [of], "sample": [sample(of)]}, {"problems": [problem(1)]}])
    assert make_report([begun], 10)[1] == 0


def test_a_run_of_another_version_is_shown_as_it_lies_there(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    for path in run.rglob("*.manifest"):
        tree: dict[str, Any] = json.loads(path.read_bytes())
        path.write_text(json.dumps({**tree, "version": 1, "colour": "red"}))
    runfile = run / "run.yaml"
    runfile.write_text(runfile.read_text().replace("config:", "config:\n  flavour: sweet"))
    page, items = make_report([run], 20)
    assert items == 5
    assert "shown as it lies there" in page
    assert "flavour" in page
    assert funnel(page)["trajectories"] == (2, 1)


def test_several_runs_stand_side_by_side(example: Path, tmp_path: Path) -> None:
    other = small_run(tmp_path / "example")
    with pytest.raises(ConfigError, match=r"-o report\.html"):
        write_report([example, other], None)
    line = write_report([example, other], tmp_path / "both.html", 30)
    page = (tmp_path / "both.html").read_text()
    assert "30 trajectories" in line or " to look at" in line
    names = names_of([example, other])
    assert len(set(names)) == 2
    found = tables(page)
    assert {row[0] for row in found["Right and wrong samples"][1:]} == set(names)
    assert f"The funnel · {names[0]}" in found
    assert "Error types of the runs" in found
    assert {item["run"] for item in Page(page).data["items"]} == {0, 1}


def test_the_report_goes_into_the_folder_of_the_run_and_leaves_all_else_alone(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    write_report([run], None, 10)
    assert (run / "report.html").stat().st_size > 10_000
    assert {
        path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "report.html"
    } == before


def test_a_folder_that_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        make_report([tmp_path / "nowhere"], 10)
    run = small_run(tmp_path / "run")
    path = run / "smooth/part-00000.jsonl"
    path.write_bytes(path.read_bytes()[:-40] + b"\n")
    with pytest.raises(RunError, match=r"line 1: damaged"):
        make_report([run], 10)
