"""The kinds of pictures a report is made of, as Vega-Lite specifications; narrow enough for a telephone.

Legends are not drawn: the page writes them, so that they wrap and are set in its own fonts. Names of datasets, models
and types stand in a specification as data only; rows and colours go by number, since sort orders and scales become
part of Vega's expressions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from lemma.terminal import flat

WIDTH: Final = 330
"""Of the plot, in pixels; the page puts several side by side where there is room."""
SERIES: Final = ("var(--accent)", "var(--second)", "var(--third)", "var(--fourth)", "var(--fifth)", "var(--sixth)")
_ROW: Final = 30
_DAY_S: Final = 86_400


class Chart(NamedTuple):
    """A picture to draw."""

    spec: dict[str, Any]
    """For Vega-Lite."""
    legend: list[tuple[str, str]]
    """(series, colour); empty where there is one series."""


class Bar(NamedTuple):
    """One bar, or a part of one."""

    label: str
    value: float
    series: str = ""
    said: str = ""
    """What stands at its end."""


_NO_XML: Final = re.compile("[\ufffe\uffff]")


def _colour(series: Sequence[str], colours: Sequence[str]) -> dict[str, Any]:
    if len(series) < 2:
        return {"value": colours[0]}
    return {
        "field": "colour",
        "type": "ordinal",
        "scale": {
            "domain": list(range(len(series))),
            "range": [colours[at % len(colours)] for at in range(len(series))],
        },
        "legend": None,
    }


def _legend(series: Sequence[str], colours: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, colours[at % len(colours)]) for at, name in enumerate(series)] if len(series) > 1 else []


def _names(bars: Sequence[Bar]) -> tuple[list[str], list[str]]:
    """Labels and series, each once, in their order."""
    return list(dict.fromkeys(bar.label for bar in bars)), list(dict.fromkeys(bar.series for bar in bars))


def _values(bars: Sequence[Bar], labels: Sequence[str], series: Sequence[str] = ()) -> dict[str, Any]:
    """Bars as data."""
    return {
        "values": [
            {
                "row": labels.index(bar.label),
                "colour": series.index(bar.series) if series else 0,
                "value": bar.value,
                "label": _drawable(bar.label),
                "said": bar.said,
            }
            for bar in bars
        ]
    }


def _drawable(text: str) -> str:
    """A name as it may stand in a picture: without what XML cannot hold or what turns the direction of writing."""
    return _NO_XML.sub("\ufffd", flat(text[:200]))


def stacked(bars: Sequence[Bar], colours: Sequence[str] = SERIES, *, is_share: bool = False) -> Chart:
    """Lying bars, a row for each label, its series end to end; the label stands above, what is said at the right."""
    labels, series = _names(bars)
    row = {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0}}
    stack = "normalize" if is_share else "zero"
    said = [bar for bar in bars if bar.said]
    spec: dict[str, Any] = {
        "width": WIDTH,
        "height": {"step": _ROW},
        "layer": [
            {
                "data": _values(bars, labels, series),
                "mark": {"type": "bar", "height": 9, "yOffset": 7},
                "encoding": {
                    "y": row,
                    "x": {"field": "value", "type": "quantitative", "stack": stack, "axis": None},
                    "color": _colour(series, colours),
                    "order": {"field": "colour"},
                },
            },
            {
                "data": _values([Bar(label, 0) for label in labels], labels),
                "mark": {"type": "text", "align": "left", "dy": -6, "limit": 215 if said else WIDTH},
                "encoding": {"y": row, "x": {"value": 0}, "text": {"field": "label"}},
            },
            {
                "data": _values(said, labels),
                "mark": {"type": "text", "align": "right", "dy": -6, "color": "var(--soft)"},
                "encoding": {"y": row, "x": {"value": WIDTH}, "text": {"field": "said"}},
            },
        ],
    }
    return Chart(spec, _legend(series, colours))


def grouped(bars: Sequence[Bar], colours: Sequence[str] = SERIES) -> Chart:
    """Lying bars, a group for each label with a thin bar for each series; the label stands above. Values are shares."""
    labels, series = _names(bars)
    thick = 7
    step = 20 + (thick + 1) * len(series)
    row = {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0}}
    layers: list[dict[str, Any]] = [
        {
            "data": _values([bar for bar in bars if bar.series == name], labels, series),
            "mark": {"type": "bar", "height": thick, "yOffset": 18 + (thick + 1) * at + thick / 2 - step / 2},
            "encoding": {
                "y": row,
                "x": {
                    "field": "value",
                    "type": "quantitative",
                    "axis": {"format": "%", "title": None, "tickCount": 4, "domain": False, "ticks": False},
                },
                "color": _colour(series, colours),
            },
        }
        for at, name in enumerate(series)
    ]
    layers.append(
        {
            "data": _values([Bar(label, 0) for label in labels], labels),
            "mark": {"type": "text", "align": "left", "baseline": "top", "dy": 4 - step / 2, "limit": WIDTH},
            "encoding": {"y": row, "x": {"value": 0}, "text": {"field": "label"}},
        }
    )
    return Chart({"width": WIDTH, "height": {"step": step}, "layer": layers}, _legend(series, colours))


def columns(bars: Sequence[Bar], x_title: str, colours: Sequence[str] = SERIES) -> Chart:
    """Standing columns, stacked by series; labels stay in their order."""
    labels, series = _names(bars)
    axis = {"title": None, "tickCount": 4, "domain": False, "ticks": False, "format": "~s"}
    spec: dict[str, Any] = {
        "width": WIDTH - 30,
        "height": 150,
        "data": _values(bars, labels, series),
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "label",
                "type": "ordinal",
                "sort": {"field": "row"},
                "scale": {"paddingInner": 0.15},
                "axis": {
                    "title": x_title,
                    "labelSeparation": 6,
                    "labelAngle": 0,
                    "labelOverlap": "greedy",
                    "ticks": False,
                    "grid": False,
                },
            },
            "y": {"field": "value", "type": "quantitative", "axis": axis},
            "color": _colour(series, colours),
            "order": {"field": "colour"},
        },
    }
    return Chart(spec, _legend(series, colours))


class Point(NamedTuple):
    """A value at a time."""

    time_s: float
    """Unix."""
    value: float
    series: str


def over_time(points: Sequence[Point], colours: Sequence[str] = SERIES) -> Chart:
    """Steps over time, in UTC, one colour for each series."""
    series = list(dict.fromkeys(point.series for point in points))
    times = [point.time_s for point in points]
    clock = "%H:%M" if max(times) - min(times) < _DAY_S else "%d %b"
    spec: dict[str, Any] = {
        "width": WIDTH - 30,
        "height": 130,
        "data": {
            "values": [
                {"time": 1000 * point.time_s, "value": point.value, "colour": series.index(point.series)}
                for point in points
            ]
        },
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "time",
                "type": "temporal",
                "scale": {"type": "utc"},
                "axis": {"title": None, "tickCount": 4, "grid": False, "labelOverlap": True, "format": clock},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "axis": {"title": None, "tickCount": 4, "format": "~s", "domain": False, "ticks": False},
            },
            "color": _colour(series, colours),
        },
    }
    return Chart(spec, _legend(series, colours))


class Interval(NamedTuple):
    """A share with its interval."""

    label: str
    value: float
    low: float
    high: float
    said: str


def intervals(rows: Sequence[Interval]) -> Chart:
    """A dot and its interval for each label, which stands above; values are shares."""
    row = {"field": "row", "type": "ordinal", "axis": None}
    axis = {"format": "%", "title": None, "tickCount": 4, "domain": False, "ticks": False}
    spec: dict[str, Any] = {
        "width": WIDTH,
        "height": {"step": _ROW},
        "data": {"values": [one._asdict() | {"row": at, "label": _drawable(one.label)} for at, one in enumerate(rows)]},
        "layer": [
            {
                "mark": {"type": "rule", "color": "var(--edge)", "strokeWidth": 2, "yOffset": 7},
                "encoding": {
                    "y": row,
                    "x": {"field": "low", "type": "quantitative", "axis": axis, "scale": {"domainMin": 0}},
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "yOffset": 7, "color": "var(--accent)"},
                "encoding": {"y": row, "x": {"field": "value", "type": "quantitative"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": -6, "limit": 220},
                "encoding": {"y": row, "x": {"value": 0}, "text": {"field": "label"}},
            },
            {
                "mark": {"type": "text", "align": "right", "dy": -6, "color": "var(--soft)"},
                "encoding": {"y": row, "x": {"value": WIDTH}, "text": {"field": "said"}},
            },
        ],
    }
    return Chart(spec, [])
