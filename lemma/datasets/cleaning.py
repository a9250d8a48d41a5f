r"""Cleans texts once, when a dataset is read: calculator marks out, final answer read.

GSM8K's solutions carry marks for a calculator (openai/grade-school-math, "Calculation Annotations")::

    Natalia sold 48/2 = <<48/2=24>>24 clips in May.
    #### 72

A mark is no part of what the solver says: the text around it reads the same without it. Trained on, it would
be imitated.

Both patterns here are linear: none repeats over characters that its neighbour could take as well.
"""

from __future__ import annotations

import re

from pydantic import JsonValue

# no blank just inside: `a << b` and `b >> c` of program code stay
_MARK = re.compile(r"<<(?![\s<>])([^<>\n]*)(?<!\s)>>")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
FINAL_ANSWER_SIGN = "####"


def take_out_marks(text: str) -> tuple[str, list[tuple[int, str]]]:
    """Takes GSM8K's ``<<48/2=24>>`` out of a text and strips its ends.

    A mark that is not closed on its line stays: the text is then cut or no such mark.

    Returns:
        The cleaned text, and each mark's inside with the character offset in the cleaned text where it stood
        (which is where the result that it computes begins).
    """
    text = text.strip()
    kept: list[str] = []
    marks: list[tuple[int, str]] = []
    end = offset = 0
    for found in _MARK.finditer(text):
        kept.append(text[end : found.start()])
        offset += found.start() - end
        end = found.end()
        marks.append((offset, found[1]))
    kept.append(text[end:])
    joined = "".join(kept)
    # with a mark at either end, stripping has to be done once more
    lead = len(joined) - len(joined.lstrip())
    cleaned = joined.strip()
    return cleaned, [(min(max(at - lead, 0), len(cleaned)), mark) for at, mark in marks]


def marks_meta(marks: list[tuple[int, str]]) -> dict[str, JsonValue]:
    """The marks as they go into a problem's `meta`; no key where there are none."""
    return {"calculator_marks": [[at, mark] for at, mark in marks]} if marks else {}


def final_answer(solution: str) -> str:
    r"""The answer that a reference solution ends in: behind ``####``, else in the last ``\boxed{…}``.

    ``####`` counts on the last line only: elsewhere it is a heading.

    Returns:
        The answer without blanks at its ends; thousands commas are taken out behind ``####``, the content of
        a box is kept as it is. Empty if there is none.
    """
    return answer_behind_sign(solution) or boxed(solution)


def answer_behind_sign(solution: str) -> str:
    """What stands behind ``####`` on the last line, without thousands commas; empty if nothing does."""
    last_line = solution.rstrip().rpartition("\n")[2]
    return without_thousands_commas(
        last_line.rpartition(FINAL_ANSWER_SIGN)[2] if FINAL_ANSWER_SIGN in last_line else ""
    )


def without_thousands_commas(answer: str) -> str:
    """``1,450,000`` as ``1450000``."""
    return _THOUSANDS_COMMA.sub("", answer.strip())


def boxed(text: str) -> str:
    r"""The content of the last ``\boxed{…}`` or ``\fbox{…}``, braces balanced; of ``\boxed 2`` the ``2``.

    Returns:
        The content, stripped; empty if there is no box, or its brace is never closed.
    """
    boxes = [found.end() for found in _BOX.finditer(text)]
    if not boxes:
        return ""
    start = boxes[-1]
    while start < len(text) and text[start] == " ":
        start += 1
    if text[start : start + 1] != "{":
        return text[start:].partition("\n")[0].partition("$")[0].strip().rstrip(".")
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\":  # \{ and \} group nothing
            at += 2
            continue
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return text[start + 1 : at].strip()
        at += 1
    return ""
