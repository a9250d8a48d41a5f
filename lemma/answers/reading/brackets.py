r"""What stands inside which brackets: split a text outside of them, or take the outermost away.

Example: ``split_top("(1, 2), [3]", ",")`` is ``["(1, 2)", " [3]"]``.
"""

from __future__ import annotations

import re

_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")


def split_top(text: str, separators: str) -> list[str]:
    """Split at any of ``separators`` that stands outside of all brackets."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] in ("{", "}"):
            depth += 1 if text[position + 1] == "{" else -1
            position += 2
            continue
        if text.startswith(("\\langle", "\\rangle"), position):
            depth += 1 if text[position + 1] == "l" else -1
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(0, depth - 1)
        elif character in separators and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return parts


def inside_of(text: str) -> str | None:
    """What stands between the outermost brackets, where they span the whole text."""
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return text[7:-7]
    if text.startswith("\\{") and text.endswith("\\}"):
        return text[2:-2] if spans_whole(text[1:-2] + "}") else None
    if text.startswith(("(", "[", "{")) and text.endswith((")", "]", "}")) and spans_whole(text):
        return text[1:-1]
    return None


def spans_whole(text: str) -> bool:
    """Whether the first bracket of a text is closed by its last character."""
    depth = 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False


def unbraced(text: str) -> str:
    """The text without braces around the whole of it, unless they may be a set's."""
    while len(text) > 2 and text[0] == "{" and text[-1] == "}" and spans_whole(text) and "," not in text:
        text = text[1:-1].strip()
    return text


def untexted(text: str) -> str:
    r"""The text with the contents of each ``\text{...}`` in its place."""
    return _TEXT.sub(r"\1", text)
