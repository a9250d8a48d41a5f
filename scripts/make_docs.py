"""Makes the reference pages of ``docs/`` from the code: ``configuration.md`` and ``rejections.md``.

Usage::

    python scripts/make_docs.py [FOLDER]      (default: docs)

A key's meaning is the docstring under it in ``lemma/config/``; a reason's stands in ``lemma/reasons.py``.
"""

from __future__ import annotations

import ast
import json
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lemma import config
from lemma.reasons import CHECKS, EXPORT, READING, REPLIES, Reason

MADE = "<!-- made by scripts/make_docs.py; edit {source} and run it again -->"
GROUPS: Mapping[str, tuple[str, str, Mapping[str, Reason]]] = {
    "reading": (
        "When your files are read",
        "These stand in `RUN/problems/set_aside.jsonl`, each with its file and line number.",
        READING,
    ),
    "replies": (
        "When a reply is read",
        "These and all that follow stand in `RUN/<stage>/rejected/`, one object a line: `id`, `stage`, `unit`, "
        "`reason` and a `detail` that shows the place.",
        REPLIES,
    ),
    "checks": (
        "When a record is checked",
        "A guarantee of the dataset does not hold. This is final for the unit.",
        CHECKS,
    ),
    "export": ("When the dataset is written", "Nothing is wrong with these rows; they are too many.", EXPORT),
}


def docstrings() -> dict[tuple[str, str], str]:
    """(class, key) → the docstring under that key in ``lemma/config/``, on one line."""
    found: dict[tuple[str, str], str] = {}
    files = sorted(Path(config.__file__).parent.glob("*.py"))
    nodes = [node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body]
    for node in nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for key, text in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(key, ast.AnnAssign)
                and isinstance(key.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[node.name, key.target.id] = " ".join(str(text.value.value).split())
    return found


def type_words(annotation: Any) -> str:
    """A type as a person would say it: ``text or null``, ``number (≥ 0)``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [bound for one in arguments[1:] if isinstance(one, FieldInfo) for bound in one.metadata]
        return type_words(arguments[0]) + limits_of(bounds)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(one) for one in arguments)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin is list:
        return f"list of {type_words(arguments[0])}"
    if origin is dict:
        return f"mapping of text to {type_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, config.Section):
        return "section"
    names = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path", type(None): "null"}
    return names.get(annotation, "any value")


def limits_of(metadata: Sequence[Any]) -> str:
    """The bounds in it, `` (≥ 1)``, or nothing."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [f"{sign} {getattr(one, name)}" for one in metadata for name, sign in signs.items() if hasattr(one, name)]
    return f" ({', '.join(bounds)})" if bounds else ""


def default_of(info: FieldInfo) -> str:
    """Its default as YAML has it; `required` where there is none."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, config.Section) or value is PydanticUndefined:
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _section_in(annotation: Any) -> type[config.Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, config.Section):
        return annotation
    return next((found for one in get_args(annotation) if (found := _section_in(one))), None)


def _meaning(owner: type[config.Section], key: str, texts: Mapping[tuple[str, str], str]) -> str:
    for one in owner.__mro__:
        if (text := texts.get((one.__name__, key))) is not None:
            return text
    raise SystemExit(f"lemma/config/: {owner.__name__}.{key} has no docstring under it")


def key_rows(
    owner: type[config.Section], path: str, operational: bool, texts: Mapping[tuple[str, str], str]
) -> Iterator[tuple[str, str, str, str, str]]:
    """(key, type, default, kind, meaning) of each key, those of sections under them."""
    for key, info in owner.model_fields.items():
        is_operational = operational or info.json_schema_extra == config.OPERATIONAL
        inner, name = _section_in(info.annotation), f"{path}{key}"
        said = type_words(info.annotation) + limits_of(info.metadata)
        kind = "operational" if is_operational else "content"
        if inner is not None:
            kind = "operational" if is_operational else ""  # each of its keys says for itself
        yield f"`{name}`", said, default_of(info), kind, _meaning(owner, key, texts)
        if inner is not None:
            dot = "[]." if get_origin(info.annotation) is Annotated or get_origin(info.annotation) is list else "."
            yield from key_rows(inner, f"{name}{dot}", is_operational, texts)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def configuration() -> str:
    """The page of every configuration key."""
    head = ("key", "type", "default", "kind", "meaning")
    return f"""{MADE.format(source="lemma/config/")}

# Every configuration key

A configuration is a YAML file ([examples](../configs)). Unknown keys are refused, with the nearest known one. Any key can be given on the command line instead: `--set teacher.model=gpt-4o`.

*Content* keys decide what is asked or kept: changing one reopens the stages that depend on it, and only what the change touches is asked for anew. *Operational* keys decide how fast, where and for how much: they may change between any two commands on the same run. `data[].` stands for each entry of the list.

{_table(head, key_rows(config.Config, "", False, docstrings()))}
"""  # noqa: E501 - a paragraph is one line


def rejections() -> str:
    """The page of every reason."""
    parts = [
        MADE.format(source="lemma/reasons.py"),
        "# Every rejection reason, and what to do about it",
        "Nothing is dropped silently: whatever is asked is kept, rejected with one of these reasons, or left to do. "
        "`lemma status RUN` counts them. Some rejections are healthy; look closer where one reason takes more than "
        "a few percent of a stage. A changed setting asks only for what it touches.",
    ]
    for title, text, reasons in GROUPS.values():
        rows = ((f"`{name}`", one.meaning, one.advice) for name, one in reasons.items())
        parts += [f"## {title}", text, _table(("reason", "meaning", "what to do"), rows)]
    return "\n\n".join(parts) + "\n"


PAGES = {"configuration.md": configuration, "rejections.md": rejections}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs")
