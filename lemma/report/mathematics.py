r"""LaTeX in texts, made into MathML when the report is written, so that the page needs neither script nor fonts for it.

MathML rather than KaTeX: browsers draw it by themselves, readers for the blind read it, and a page stays small and can
forbid everything that comes from elsewhere. The conversion is `math-core`'s; what it refuses is shown as it was
written. Its output goes into the page as a tree of the elements and attributes listed here and nothing else::

    {"$\\frac{1}{2}$": ["math", {}, ["mfrac", {}, ["mn", {}, "1"], ["mn", {}, "2"]]]}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from math_core import LatexToMathML

PATTERN: Final = (
    r"\$\$(?:[^$\\]|\\[\s\S]){1,1500}?\$\$"
    # a second opening sign ends the search, so that signs which never close cost no more than their length
    r"|\\\[(?:[^\\]|\\(?![\[\]])[\s\S]){1,1500}?\\\]"
    r"|\\\((?:[^\\]|\\(?![()])[\s\S]){1,800}?\\\)"
    r"|\\begin\{(align|equation|gather|multline)(\*?)\}(?:[^\\]|\\(?!begin\{\1)[\s\S]){1,1500}?\\end\{\1\2\}"
    # as pandoc has it, so that "$5 and $10" is money: no blank inside the signs, no digit behind the second
    r"|(?<![\\$])\$(?![\s$])(?:[^$\\\n]|\\[^\n]){1,600}?(?<!\s)\$(?!\d)"
)
"""Finds LaTeX; means the same in Python and in JavaScript, where the page looks for the same places."""

_ELEMENTS: Final = (
    "math mi mn mo ms mspace mtext menclose mfrac mmultiscripts mover mpadded mphantom mprescripts mroot mrow msqrt "
    "mstyle msub msubsup msup mtable mtd mtr munder munderover"
)
_ATTRIBUTES: Final = (
    "accent accentunder columnspan depth display displaystyle fence form height largeop linethickness lspace "
    "mathvariant maxsize minsize movablelimits notation rowspan rspace scriptlevel separator stretchy symmetric "
    "voffset width"
)
ELEMENTS: Final = frozenset(_ELEMENTS.split())
ATTRIBUTES: Final = frozenset(_ATTRIBUTES.split())
MOST_DEPTH: Final = 40

_FOUND = re.compile(PATTERN)
_ALIGNED = re.compile(r"text-align: ?(left|right)")
_MACROS: Final = {"mbox": r"\text{#1}", "hbox": r"\text{#1}"}

Node = list[Any]
"""``[element, attributes, child or text, …]``"""


def read_mathematics(texts: Iterable[str], most: int) -> dict[str, Node]:
    """LaTeX as it stands in the texts, with its signs → MathML; what cannot be converted is not there.

    Args:
        texts: where to look.
        most: pieces to convert; those beyond are passed over.
    """
    from math_core import LatexToMathML

    converter = LatexToMathML(macros=_MACROS, fancy_error=False)
    trees: dict[str, Node | None] = {}
    for text in texts:
        for match in _FOUND.finditer(text):
            if match[0] not in trees and len(trees) < most:
                trees[match[0]] = convert(converter, match[0])
    return {source: tree for source, tree in trees.items() if tree is not None}


def convert(converter: LatexToMathML, source: str) -> Node | None:
    """One piece of LaTeX; None where it cannot be converted."""
    from math_core import LatexError

    is_block = source.startswith(("$$", "\\[", "\\begin"))
    if source.startswith("\\begin"):
        latex = source
    else:
        latex = source[2:-2] if source.startswith(("$$", "\\")) else source[1:-1]
    try:
        root = ElementTree.fromstring(converter.convert_with_local_state(latex, displaystyle=is_block))
        return _tree(root, MOST_DEPTH)
    except (LatexError, ElementTree.ParseError, ValueError):
        return None


def _tree(element: ElementTree.Element, depth: int) -> Node:
    """The allowed part of an element.

    Raises:
        ValueError: an element is not allowed, or lies too deep.
    """
    if element.tag not in ELEMENTS or not depth:
        raise ValueError(element.tag)
    attributes = {name: value for name, value in element.attrib.items() if name in ATTRIBUTES}
    if aligned := _ALIGNED.search(element.get("style", "")):
        attributes["class"] = aligned[1]  # cells of tables; the page's own style sheet knows both
    children: Node = [element.text] if element.text else []
    for child in element:
        children.append(_tree(child, depth - 1))
        if child.tail:
            children.append(child.tail)
    return [element.tag, attributes, *children]
