"""Pictures: Vega-Lite specifications drawn to inline SVG in which nothing but shapes and texts is left.

Vega-Lite by `vl-convert`: it draws in this process, without browser or network, and the page needs no script for
it. Colours are names of the page's own (`var(--accent)`), so a picture follows light and dark.
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

from markupsafe import Markup

ELEMENTS: Final = frozenset({"svg", "g", "path", "line", "rect", "text", "tspan", "circle"})
_ATTRIBUTES: Final = (
    "d x y x1 x2 y1 y2 dx dy cx cy r width height viewBox transform fill stroke stroke-width stroke-dasharray "
    "stroke-miterlimit opacity fill-opacity stroke-opacity font-size font-weight text-anchor"
)
ATTRIBUTES: Final = frozenset(_ATTRIBUTES.split())
VEGA_LITE: Final = "6.4"
_NAMESPACE: Final = "{http://www.w3.org/2000/svg}"

_CONFIG: Final = {
    "background": None,
    "font": "sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--edge)",
        "tickColor": "var(--edge)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 200,
    },
    "text": {"color": "var(--ink)", "fontSize": 11},
    "bar": {"color": "var(--accent)"},
    "line": {"color": "var(--accent)"},
}


def draw(spec: dict[str, Any], label: str) -> Markup:
    """A Vega-Lite specification as an inline picture.

    Args:
        spec: without ``$schema`` and looks; data stand in it as values.
        label: what the picture shows, for those who cannot see it; its numbers stand beside it as a table.
    """
    import vl_convert

    raw = vl_convert.vegalite_to_svg(
        {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": _CONFIG, **spec},
        vl_version=VEGA_LITE,
        allowed_base_urls=[],
    )
    picture = _clean(ElementTree.fromstring(raw))
    assert picture is not None
    picture.set("role", "img")
    picture.set("aria-label", label)
    return Markup(ElementTree.tostring(picture, encoding="unicode"))


def _clean(element: ElementTree.Element) -> ElementTree.Element | None:
    """A copy without anything that is no shape or text, nor what is not to be seen."""
    tag = element.tag.removeprefix(_NAMESPACE)
    if tag not in ELEMENTS or element.get("display") == "none" or element.get("opacity") == "0":
        return None
    copy = ElementTree.Element(tag, {name: value for name, value in element.attrib.items() if name in ATTRIBUTES})
    copy.text = element.text
    for child in element:
        kept = _clean(child)
        if kept is not None:
            copy.append(kept)
    if tag == "g":
        return copy if len(copy) else None
    return None if tag == "path" and copy.get("d") in (None, "", "M0,0h0v0h0Z") else copy
