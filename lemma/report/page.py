"""The page: one file, nothing from elsewhere.

Texts of problems and models reach it in two ways only: escaped by the template (names and numbers in tables), and as
JSON in a block that no browser runs, which the page's one script shows through `textContent`. A content security
policy allows that script and the style sheet by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from lemma import __version__
from lemma.report.figures import Section, is_number, shown, ticked


def render(
    title: str, lead: Sequence[str], tiles: Sequence[Any], sections: Sequence[Section], data: Mapping[str, Any]
) -> str:
    """The whole page.

    Args:
        title: of the page.
        lead: sentences under it: notes and warnings.
        tiles: tables of key figures, one for each run: (name, [(label, value, remark), …]).
        sections: the figures.
        data: for the browser of trajectories, as JSON.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    style, script = _asset("report.css"), _asset("report.js")
    environment = Environment(
        loader=DictLoader({"page": _asset("report.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "ticked": ticked}
    environment.tests["number"] = is_number
    return environment.get_template("page").render(
        title=title,
        lead=lead,
        tiles=tiles,
        sections=sections,
        items=len(data["items"]),
        version=__version__,
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded(data)),
    )


def policy(style: str, script: str) -> str:
    """The content security policy: this style and this script, nothing from any address."""
    return (
        f"default-src 'none'; style-src {_hash_of(style)}; script-src {_hash_of(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def embedded(tree: object) -> str:
    """JSON that may stand in a script element: ASCII, and without the signs that could end the element."""
    text = json.dumps(tree, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    # where blocks are trimmed, so are the texts that the browser hashes
    return files("lemma.report").joinpath("assets", name).read_text(encoding="utf-8").strip()
