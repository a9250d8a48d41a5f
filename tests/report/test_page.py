from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lemma.records import Rejection
from lemma.report import make_report
from lemma.report.page import embedded
from tests.report.builders import (
    made_by,
    mistake,
    problem,
    rejection,
    reply,
    sample,
    trajectory,
    write_run,
)

HOSTILE = (
    "</script><script>alert(1)</script><!--<script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7*7 }} {% raw %} ${7*7} `x` <%= 7 %>",
    "\u202eright to left\u202c \u2066x\u2069 \u2028 \u2029 \u0000",
    r"$\frac{1}{$ \[ \begin{align} $$",
    "Grüße \U0001f600 \ufffd 中文",
)


class Page(HTMLParser):
    """The elements of a page, and what the script blocks hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open = tag
        if tag in self.blocks:
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.blocks:
            self.blocks[self._open][-1] += data

    @property
    def data(self) -> Any:
        return json.loads(self.blocks["script"][0])


def hostile_run(run: Path, *texts: str) -> Path:
    """Each text in every field that takes one; trajectories and rejections in the order of the texts."""
    part: dict[str, list[Any]] = {name: [] for name in ("problems", "sample", "analyze", "correct", "smooth")}
    lost: dict[str, list[Rejection]] = {"analyze": [], "correct": []}
    replies = []
    for number, text in enumerate(texts):
        solutions: dict[str, Any] = {"reference_solution": text, "answer": text}
        meta = {"level": text, text: [text, {text: text}]}
        of = problem(number, text, dataset=text, meta=meta, **solutions)
        more: dict[str, Any] = {"model": text, "answer": text, "explanation": text, "error_type": text}
        wrong = mistake(of, f"{text}\n{text}", made_by=made_by(text, text), **more)
        fields: dict[str, Any] = {"strategy": text, "reflection": f"\n{text}", "continuation": f"\n{text}"}
        sampled = sample(of, text, model=text)
        lost["analyze"].append(rejection("analyze", of, sampled.id, text, text, text))
        lost["correct"].append(rejection("correct", of, wrong.id, text, text, text))
        part["problems"].append(of)
        part["sample"].append(sampled)
        part["analyze"].append(wrong)
        part["correct"].append(trajectory(wrong, is_smoothed=False, **fields))
        part["smooth"].append(trajectory(wrong, is_smoothed=True, **fields))
        replies.append(reply(lost["analyze"][-1].unit.id, text, model=text, detail=text))
    return write_run(run, [part], [lost], {"analyze": replies})


def test_hostile_text_in_every_field_is_text_and_nothing_else(tmp_path: Path) -> None:
    page, items = make_report([hostile_run(tmp_path / "run", *HOSTILE)], 100)
    parsed = Page(page)
    assert items == 3 * len(HOSTILE)
    assert parsed.elements["script"] == 2
    assert parsed.elements["style"] == 1
    assert not {"img", "iframe", "object", "embed", "base"} & parsed.elements.keys()
    names = {name for _, name, _ in parsed.attributes}
    assert not [name for name in names if name.startswith("on")]
    assert "style" not in names
    for tag, name, value in parsed.attributes:
        if name in ("href", "src", "action"):
            assert value.startswith("#") or (tag, value) == ("link", "data:,")
    kept = [item["record"] for item in parsed.data["items"] if item["kind"] == "kept"]
    assert {one["reflection"] for one in kept} == {f"\n{text}" for text in HOSTILE}
    assert {one["mistake"]["problem"]["question"] for one in kept} == set(HOSTILE)


def test_a_folder_with_a_hostile_name_is_named_as_text(tmp_path: Path) -> None:
    page, _ = make_report([hostile_run(tmp_path / "<img src=x onerror=alert(1)>", "x")], 10)
    assert Page(page).elements["img"] == 0


@pytest.mark.slow
def test_very_long_texts_are_cut_and_the_page_stays_small(tmp_path: Path) -> None:
    page, items = make_report([hostile_run(tmp_path / "run", "<b> word " * 120_000)], 10)
    assert items == 3
    assert len(page) < 25_000_000
    assert "more characters stand in the run" in page


def test_embedded_json_is_read_back_as_it_was_and_cannot_end_its_element() -> None:
    tree = {"a": [*HOSTILE, "\ud800"], "</script>": "<!-- ]]>"}
    text = embedded(tree)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == tree


def test_the_policy_names_the_script_and_the_style_that_stand_there(tmp_path: Path) -> None:
    parsed = Page(make_report([hostile_run(tmp_path / "run", "x")], 10)[0])
    (found,) = [value for _, name, value in parsed.attributes if name == "content" and "default-src" in value]
    hashes = re.findall(r"(style|script)-src 'sha256-([^']+)'", found)
    blocks = {"style": parsed.blocks["style"][0], "script": parsed.blocks["script"][1]}
    assert len(hashes) == 2
    for kind, digest in hashes:
        assert base64.b64encode(hashlib.sha256(blocks[kind].encode()).digest()).decode() == digest
    assert "default-src 'none'" in found
    assert "unsafe" not in found


def test_the_script_shows_texts_in_no_way_that_could_run_them() -> None:
    script = (Path(__file__).parents[2] / "lemma/report/assets/report.js").read_text(encoding="utf-8")
    banned = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest")
    assert [word for word in (*banned, "import(", "new Function", "style.cssText") if word in script] == []
