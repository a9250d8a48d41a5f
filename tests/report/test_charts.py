from __future__ import annotations

import re
from xml.etree import ElementTree

from lemma.report.charts import Bar, Chart, Interval, Point, columns, grouped, intervals, over_time, stacked
from lemma.report.svg import ATTRIBUTES, ELEMENTS, draw

HOSTILE = '</text><script>alert("1")</script> \u202e & "x" {{ 7*7 }}'


def charts() -> list[Chart]:
    bars = [Bar(HOSTILE, 3, "kept", "3 of 5"), Bar(HOSTILE, 2, "lost"), Bar("b", 1, "kept"), Bar("b", 0, "lost")]
    return [
        stacked(bars),
        stacked(bars, is_share=True),
        grouped([bar._replace(value=bar.value / 10) for bar in bars]),
        columns(bars, HOSTILE),
        over_time([Point(1_700_000_000 + 60 * at, at % 7, HOSTILE) for at in range(20)]),
        intervals([Interval(HOSTILE, 0.1, 0.05, 0.2, "10 %")]),
    ]


def test_a_picture_holds_shapes_and_texts_and_nothing_that_acts() -> None:
    for chart in charts():
        root = ElementTree.fromstring(draw(chart.spec, HOSTILE))
        assert root.get("aria-label") == HOSTILE
        for element in root.iter():
            assert element.tag in ELEMENTS
            assert set(element.keys()) <= ATTRIBUTES | {"role", "aria-label"}


def test_hostile_labels_are_shown_as_text() -> None:
    for chart in charts()[:3]:
        root = ElementTree.fromstring(draw(chart.spec, "picture"))
        assert any("<script>" in (text.text or "") for text in root.iter("text"))


def test_pictures_follow_the_colours_of_the_page() -> None:
    for chart in charts():
        picture = draw(chart.spec, "picture")
        assert "var(--" in picture
        assert not re.search(r"#[0-9a-f]{3,6}\"", picture)


def test_the_same_numbers_give_the_same_picture() -> None:
    for first, second in zip(charts(), charts(), strict=True):
        assert draw(first.spec, "a") == draw(second.spec, "a")


def test_a_legend_names_the_series_where_there_are_several() -> None:
    assert [name for name, _ in stacked([Bar("a", 1, "kept"), Bar("a", 2, "lost")]).legend] == ["kept", "lost"]
    assert stacked([Bar("a", 1)]).legend == []
