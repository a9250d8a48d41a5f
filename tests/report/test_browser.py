"""The page in a real browser: `scripts/test_browser.sh` installs what these need; without it they are skipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.report import write_report
from tests.report.builders import mistake, problem, trajectory, write_run
from tests.report.test_page import HOSTILE, hostile_run

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")]

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("browser") / "example"
    config = run.with_name("config.yaml")
    config.write_text("data: [{dataset: rollouts, path: 'example:gsm8k', limit: 12}]\ndecontaminate: []\n")
    # in processes of their own: Playwright's own loop runs in this one
    for arguments in (("run", config, "-o", run, "--set", "teacher.backend=rules"), ("report", run, "--samples", 100)):
        command = [sys.executable, "-c", "from lemma.cli import main; main()", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)
    return run / "report.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Opened:
    """A page from disk that notes what it complains about and what it asks for."""

    def __init__(self, browser: Any, path: Path, anchor: str = "", **options: Any) -> None:
        self.context = browser.new_context(viewport=DESKTOP, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address + anchor)

    def _refuse(self, dialog: Any) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def items(self) -> list[dict[str, Any]]:
        return list(json.loads(self.page.locator("#data").text_content())["items"])

    def count(self) -> int:
        return int(self.page.locator("#count").inner_text().split()[0].replace(",", ""))

    def assert_quiet(self) -> None:
        assert self.said == []
        assert {url.partition("#")[0] for url in self.asked if not url.startswith("data:")} == {self.address}


@pytest.fixture
def opened(chromium: Any, example: Path) -> Iterator[Opened]:
    one = Opened(chromium, example)
    yield one
    one.assert_quiet()
    one.context.close()


def test_it_opens_from_disk_and_shows_the_first_trajectory(opened: Opened) -> None:
    items = opened.items()
    assert opened.count() == len(items)
    assert opened.page.locator("#list a").count() == len(items)
    assert opened.page.locator("#detail code").first.inner_text() == items[0]["id"]
    assert opened.page.locator("figure svg[role=img]").count() > 5


def test_the_marked_step_is_the_first_wrong_one(opened: Opened) -> None:
    for item in [one for one in opened.items() if one["kind"] == "kept"][:5]:
        opened.page.evaluate("id => { location.hash = id }", item["id"])
        opened.page.locator("#detail code", has_text=item["id"]).wait_for()
        mistake = item["record"]["mistake"]
        start, end = item["wrong"]
        marked = opened.page.locator("#detail .piece.wrong .text").first.text_content()
        assert marked == mistake["solution"][start:end].strip()
        assert opened.page.locator("#detail .piece.reflection").count() == 2  # smoothed, and before


def test_filters_search_and_reset_find_what_the_data_hold(opened: Opened) -> None:
    items, page = opened.items(), opened.page
    page.select_option("[data-filter=Origin]", label="injected")
    assert opened.count() == sum(item["origin"] == "injected" for item in items)
    page.select_option("[data-filter=Strategy]", label="fresh restart")
    both = [item for item in items if item["origin"] == "injected" and item["strategy"] == "fresh_restart"]
    assert opened.count() == len(both)
    page.get_by_role("button", name="Reset").click()
    page.locator("#count", has_text=f"{len(items)} of").wait_for()
    page.select_option("[data-filter=Outcome]", label="all rejected")
    assert opened.count() == sum(item["kind"] == "rejected" for item in items)
    page.get_by_role("button", name="Reset").click()
    wanted = items[3]["record"]["mistake"]["problem"]["question"][:40]
    page.locator("#query").fill(wanted.upper())
    assert 0 < opened.count() < len(items)
    assert page.locator("#detail mark").first.inner_text() == wanted
    page.locator("#query").fill("no such words anywhere")
    assert opened.count() == 0


def test_a_link_with_an_id_opens_that_trajectory(chromium: Any, example: Path, opened: Opened) -> None:
    item = opened.items()[-1]
    linked = Opened(chromium, example, f"#{item['id']}")
    assert linked.page.locator("#detail code").first.inner_text() == item["id"]
    assert linked.page.locator("#list a[aria-current]").get_attribute("href") == f"#{item['id']}"
    linked.assert_quiet()
    linked.context.close()


def test_keys_go_on_and_back_and_to_the_search(opened: Opened) -> None:
    page, items = opened.page, opened.items()
    code = page.locator("#detail code").first
    for key, at in (("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        assert code.inner_text() == items[at]["id"]
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.locator("#query").input_value() == "jk"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")


def test_a_trajectory_is_copied_as_the_line_in_its_file(chromium: Any, example: Path) -> None:
    one = Opened(chromium, example)
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    item = next(item for item in one.items() if item["kind"] == "kept")
    one.page.locator("[data-copy=json]").click()
    one.page.locator("[data-copy=json]", has_text="Copied").wait_for()
    copied = json.loads(one.page.evaluate("navigator.clipboard.readText()"))
    lines = [
        line for path in (example.parent / "smooth").glob("part-*.jsonl") for line in path.read_text().splitlines()
    ]
    whole = next(record for record in map(json.loads, lines) if record["id"] == item["id"])
    assert copied == whole
    assert list(copied) == list(whole)
    one.assert_quiet()
    one.context.close()


def test_the_theme_follows_the_system_and_the_switch(opened: Opened) -> None:
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_fault_and_nothing_is_wider_than_the_page(
    opened: Opened, scheme: str, size: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened.page
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.locator("details").first.evaluate("details => { details.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = axe.run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_hostile_text_does_nothing(chromium: Any, tmp_path: Path) -> None:
    run = hostile_run(tmp_path / "run", *HOSTILE, "<b>word</b> " * 90_000)
    write_report([run], None, 100)
    one = Opened(chromium, run / "report.html")
    for item in one.items():
        one.page.evaluate("id => { location.hash = id }", item["id"])
        one.page.locator("#detail code", has_text=item["id"]).wait_for()
        if item["kind"] == "kept" and "$" not in item["record"]["reflection"]:
            shown = one.page.locator("#detail .piece.reflection .text").first.text_content()
            assert shown == item["record"]["reflection"].strip("\n")
    assert one.page.locator("#detail img, #detail script, #detail b").count() == 0
    assert one.page.evaluate("document.scripts.length") == 2
    one.assert_quiet()
    one.context.close()


def test_mathematics_is_drawn_and_broken_latex_is_shown_as_written(chromium: Any, tmp_path: Path) -> None:
    of = problem(0, r"What is $\frac{1}{2} + x^2$, or $\frac{1}{$?")
    wrong = mistake(of)
    part: dict[str, list[Any]] = {"problems": [of], "analyze": [wrong], "smooth": [trajectory(wrong)]}
    run = write_run(tmp_path / "run", [part | {"correct": [trajectory(wrong, is_smoothed=False)]}])
    write_report([run], None, 10)
    one = Opened(chromium, run / "report.html")
    question = one.page.locator("#detail .card", has_text="Question").locator(".text").first
    assert question.locator("math mfrac").count() == 1
    assert r"or $\frac{1}{$?" in question.text_content()
    height = question.locator("mfrac").evaluate("fraction => fraction.getBoundingClientRect().height")
    assert height > question.locator("msup").evaluate("power => power.getBoundingClientRect().height")
    one.assert_quiet()
    one.context.close()


def test_it_is_read_without_scripts_and_printed_with_its_numbers(chromium: Any, example: Path) -> None:
    one = Opened(chromium, example, java_script_enabled=False)
    assert one.page.locator("figure svg").count() > 5
    assert not one.page.locator("#browser").is_visible()
    one.context.close()
    one = Opened(chromium, example)
    one.page.emulate_media(media="print")
    assert one.page.locator("details table").first.is_visible()
    assert not one.page.locator(".top").is_visible()
    one.context.close()


def test_a_page_of_many_megabytes_works_as_well(chromium: Any, tmp_path: Path) -> None:
    wrongs = [mistake(problem(number, f"{number} {'words of it ' * 4000}")) for number in range(60)]
    smoothed = [trajectory(wrong, reflection=f"\n{'a longer one ' * 3500}") for wrong in wrongs]
    run = write_run(
        tmp_path / "run",
        [{"problems": [wrong.problem for wrong in wrongs], "analyze": wrongs, "correct": [], "smooth": smoothed}],
    )
    write_report([run], None, 120)
    assert (run / "report.html").stat().st_size > 5_000_000
    one = Opened(chromium, run / "report.html")
    one.page.locator("#detail code").first.wait_for()
    assert one.count() > 10
    one.assert_quiet()
    one.context.close()
