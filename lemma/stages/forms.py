r"""The form of each stage's replies, once: from it come the instructions, the JSON schema and the reading.

A form is a list of fields. `teacher.reply_form` says how they are asked for::

    tags   <verdict>wrong</verdict>
           <first_error_step>2</first_error_step>
    json   {"declined": null, "verdict": "wrong", "first_error_step": 2}

Either way the same dict comes out: ``{"verdict": "wrong", "first_error_step": "2"}``. With ``json`` the request
carries the schema as ``response_format`` (https://platform.openai.com/docs/guides/structured-outputs); endpoints that
do not know it are held to the form by the instructions alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue

from lemma.errors import ConfigError, ParseError, Rejected
from lemma.stages.base import Reply
from lemma.stages.flatjson import scan_json
from lemma.stages.reading import clean, drop_thinking, encodable, require_whole, scan_tags

ReplyForm = Literal["tags", "json"]
DECLINED: Final = "declined"
_NOTHING: Final = frozenset({"", "null", "none", "no", "false", "n/a"})
"""How models that leave no part out write that they do not decline."""


@dataclass(frozen=True, slots=True)
class Field:
    """One part of a reply."""

    name: str
    holds: str
    """What goes in, as told to the teacher."""
    kind: Literal["text", "number", "thoughts"] = "text"
    """`thoughts`: room to think, never read."""
    choices: tuple[str, ...] = ()
    """The only values that there are."""
    when: str = ""
    """In which case it is given, such as "the verdict is `wrong`"; without one, always."""
    is_optional: bool = False
    """Need not be there."""
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What a reply consists of."""

    name: str
    fields: tuple[Field, ...]
    declines: str
    """When the teacher is to decline, as the beginning of a sentence: "If you cannot tell at all"."""
    notes: str = ""
    """Further words; fields are named ``<name>`` and shown as the form writes them."""

    # ── asking ──

    def instructions(self, reply_form: ReplyForm) -> str:
        """How to reply, for the prompt; the same for every request of a stage."""
        return "\n".join(self._in_json() if reply_form == "json" else self._in_tags())

    def _in_tags(self) -> list[str]:
        parts = "this part" if len(self.fields) == 1 else "each of these parts"
        order = "" if len(self.fields) == 1 else ", in this order"
        lines = [f"Give {parts} exactly once{order}, and nothing else."]
        case = ""
        for field in self.fields:
            if field.when != case:
                case = field.when
                lines.append(f"If {case}, also give:")
            lines.append(f"<{field.name}>{_holds(field)}</{field.name}>")
        notes = [self.notes] if self.notes else []
        return [*lines, *notes, f"{self.declines}, reply with <{DECLINED}>why, in one sentence</{DECLINED}> alone."]

    def _in_json(self) -> list[str]:
        lines = [
            "Reply with one JSON object and nothing else: no words and no code fence around it. Inside its strings a "
            'line break is written \\n, a quotation mark \\", and every backslash of LaTeX is doubled (\\\\frac). '
            "It has all of these keys, in this order."
        ]
        for name in self._order():
            if name == DECLINED:
                lines.append(
                    f'"{DECLINED}" (string or null): null. {self.declines}, one sentence that says why, and null for '
                    "all others."
                )
                continue
            field = next(field for field in self.fields if field.name == name)
            kind = "integer" if field.kind == "number" else "string"
            case = f", null unless {field.when}" if field.when else ""
            lines.append(f'"{field.name}" ({kind}{case}): {_holds(field)}')
        notes = re.sub(r"<(\w+)>", r'"\1"', self.notes)
        return [*lines, notes] if notes else lines

    def _order(self) -> list[str]:
        """The keys as JSON has them: what decides about all others comes as soon as there were thoughts."""
        thoughts = [field.name for field in self.fields if field.kind == "thoughts"]
        return [*thoughts, DECLINED, *(field.name for field in self.fields if field.kind != "thoughts")]

    def response_format(self, choices: Mapping[str, Collection[str]] | None = None) -> dict[str, JsonValue]:
        """The JSON schema as endpoints take it, strict: every key has to be there, none may be added.

        Args:
            choices: further fields of which only some values are allowed (error types).
        """
        known = {field.name: field for field in self.fields}
        properties: dict[str, JsonValue] = {}
        for name in self._order():
            field = known.get(name, Field(name, ""))
            kind: JsonValue = "integer" if field.kind == "number" else "string"
            allowed = [*field.choices, *(choices or {}).get(name, ())]
            properties[name] = {"type": [kind, "null"], **({"enum": [*allowed, None]} if allowed else {})}
        schema: dict[str, JsonValue] = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return {"type": "json_schema", "json_schema": {"name": self.name, "strict": True, "schema": schema}}

    def example(self, tags: str, reply_form: ReplyForm) -> str:
        """A worked reply, written in tags, in the form that is asked for.

        Raises:
            ConfigError: it is not in this form.
        """
        if reply_form == "tags":
            return tags
        try:
            found = dict(scan_tags(tags, self._order()))
        except ParseError as error:
            raise ConfigError(f"prompts: an example of {self.name} has not its form: {error}") from error
        if not found:
            raise ConfigError(f"prompts: an example of {self.name} has no part in tags: {tags[:80]!r}")
        numbers = {field.name for field in self.fields if field.kind == "number"}
        tree = {
            name: int(found[name]) if name in numbers and found.get(name, "").isdecimal() else found.get(name)
            for name in self._order()
        }
        return json.dumps(tree, ensure_ascii=False)

    # ── reading ──

    def read(self, reply: Reply, reply_form: ReplyForm) -> dict[str, str]:
        """The parts of a reply; room to think, and parts that are given in some cases only, need not be there.

        A reply in the form that was not asked for is read as well where it is plainly meant.

        Raises:
            ParseError: `empty_reply`, `missing_tag`, `repeated_tag`, `not_json`, or `mixed_reply` (it declines and
                answers at once).
            Rejected: `teacher_declined`, `refused`, `cut_short`.
        """
        text = drop_thinking(require_whole(reply))
        if not text.strip():
            raise ParseError("empty_reply", "nothing but thinking")
        found = self._once(self._parts(text, reply_form))
        if DECLINED in found:
            given = [name for name, content in found.items() if name != DECLINED and content]
            is_meant = found[DECLINED].strip(" .").lower() not in _NOTHING
            if given and is_meant:
                raise ParseError("mixed_reply", f"declines and gives {given[0]}")
            if not given:
                raise Rejected("teacher_declined", found[DECLINED])
            del found[DECLINED]
        always = (field for field in self.fields if not (field.when or field.is_optional))
        self.require(found, [field.name for field in always if field.kind != "thoughts"])
        return found

    def require(self, found: Mapping[str, str], names: Collection[str]) -> None:
        """Whether these parts are there and hold something.

        Raises:
            ParseError: `missing_tag`.
        """
        empty = {field.name for field in self.fields if field.may_be_empty}
        for name in names:
            if name not in found:
                raise ParseError("missing_tag", f"no {name}")
            if not found[name] and name not in empty:
                raise ParseError("missing_tag", f"{name} is empty")

    def _parts(self, text: str, reply_form: ReplyForm) -> list[tuple[str, str]]:
        names = self._order()
        if reply_form == "tags":
            if (tags := scan_tags(text, names)) or not (pairs := scan_json(text, names)):
                return tags
        elif not (pairs := scan_json(text, names)):
            if tags := scan_tags(text, names):
                return tags
            raise ParseError("not_json", text.strip()[:120])
        return [(name, clean(encodable(value))) for name, value in pairs if value is not None]

    def _once(self, parts: list[tuple[str, str]]) -> dict[str, str]:
        """As a dict without the thoughts.

        Raises:
            ParseError: `repeated_tag`.
        """
        thoughts = {field.name for field in self.fields if field.kind == "thoughts"}
        found: dict[str, str] = {}
        for name, content in parts:
            if name in thoughts:
                continue
            if found.setdefault(name, content) != content:
                raise ParseError("repeated_tag", f"{name} stands there twice with different contents")
        return found


def _holds(field: Field) -> str:
    return f"{' or '.join(field.choices)}, nothing else" if field.choices else field.holds


_REFLECTION: Final = Field("reflection", "the reflection", may_be_empty=True)
_CONTINUATION: Final = Field("continuation", "all that follows the reflection, through the answer line")
_UNSOUND: Final = "If the continuation is wrong and cannot be put right by small changes"
_WRONG: Final = "the verdict is `wrong`"

ANALYZE: Final = Form(
    "analyze",
    (
        Field(
            "analysis",
            "your check of the steps, one by one, up to the first wrong one; take the room that you need",
            kind="thoughts",
        ),
        Field("verdict", "", choices=("wrong", "correct")),
        Field("first_error_step", "the step's number, nothing else", kind="number", when=_WRONG),
        Field(
            "quote",
            "some five to twelve words in a row from that step, copied exactly, best those that are wrong",
            when=_WRONG,
        ),
        Field("error_type", "one name from the list, nothing else", when=_WRONG),
        Field(
            "explanation",
            "two or three sentences: what the step claims, why that is wrong, what would be right, with the numbers",
            when=_WRONG,
        ),
    ),
    "If you cannot tell at all (the problem is unreadable or needs a picture that is missing)",
)
INJECT: Final = Form(
    "inject",
    (
        Field("altered_step", "the number of the step you alter, nothing else", kind="number"),
        Field("step", "the altered step, whole, in place of the original one"),
        Field(
            "rest",
            "everything that comes after it, through the last line, which states the wrong answer in the form that is "
            "asked for",
            is_optional=True,
        ),
        Field(
            "explanation",
            "two or three sentences for the teacher: what was altered, why it is wrong, what would be right, with the "
            "numbers",
        ),
    ),
    "To decline",
    "The steps before the altered one stay as they are; do not write them. If you alter the last step, <step> ends "
    "with the answer line and <rest> is empty.",
)
CORRECT: Final = Form("correct", (_REFLECTION, _CONTINUATION), "To decline")
CONNECT: Final = Form(
    "connect",
    (
        _REFLECTION,
        # a name of its own: models write a continuation unbidden, and that is to be passed over
        Field("new_start", "a sound one, through the answer line", when="the new start is unsound", is_optional=True),
    ),
    "To decline",
)
SMOOTH_JOINT: Final = Form("smooth_joint", (_REFLECTION, _CONTINUATION), _UNSOUND)
SMOOTH_WHOLE: Final = Form(
    "smooth_whole",
    (Field("prefix", "the beginning, through the wrong step"), _REFLECTION, _CONTINUATION),
    _UNSOUND,
)
FORMS: Final = (ANALYZE, INJECT, CORRECT, CONNECT, SMOOTH_JOINT, SMOOTH_WHOLE)
