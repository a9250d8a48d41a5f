"""Puts a trajectory together: prefix, reflection and continuation, joined as the solution itself is laid out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lemma.endings import finish, is_bare_answer, strip_answer
from lemma.records import MadeBy, Mistake, Trajectory

_SPACE_RUN: Final = re.compile(r"\s*")
_BLOCK_END: Final = re.compile(r"(?:\\\]|\$\$|```|~~~|\\end\{[a-z*]{1,20}\}|\|)[.,;]?\Z")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reply says of a trajectory, without separators; `prefix` only where it was asked for anew."""

    reflection: str
    continuation: str
    prefix: str | None = None


def separator_after(solution: str, offset: int) -> str:
    """What parts the text at `offset` of a solution from what comes next: a space, a line break, or a blank line.

    As the solution does it there; at its end, as it does it elsewhere. Display mathematics, a table, code and an
    answer line want at least a new line.
    """
    run = _SPACE_RUN.match(solution, offset)
    following = run[0] if run is not None and run.end() < len(solution) else ""
    layout = following or strip_answer(solution)
    before = solution[:offset].rstrip()
    if "\n\n" in layout:
        return "\n\n"
    last_line = before[before.rfind("\n") + 1 :]
    if "\n" in layout or _BLOCK_END.search(before) or ("\n" in before and is_bare_answer(last_line)):
        return "\n"
    return " "


def assemble(
    mistake: Mistake,
    strategy: str,
    parts: Parts,
    *,
    trajectory_id: str,
    starts_anew: bool,
    answer_form: str,
    is_smoothed: bool,
    made_by: MadeBy,
) -> Trajectory:
    """The trajectory of some parts; its ending is put into the answer form, with the reference answer.

    The caller has compared the continuation's own answer with the reference before.
    """
    prefix = mistake.prefix if parts.prefix is None else parts.prefix
    separator = separator_after(mistake.solution, mistake.prefix_end)
    reflection = parts.reflection.strip()
    continuation = finish(parts.continuation.strip(), mistake.problem.answer, answer_form)
    first = "\n" if separator == " " and "\n" in reflection else separator
    body = strip_answer(continuation)
    second = "\n" if separator == " " and (starts_anew or "\n" in body or not body) else separator
    reflection, continuation = first + reflection, second + continuation
    return Trajectory(
        id=trajectory_id,
        mistake=mistake,
        strategy=strategy,
        prefix=prefix,
        reflection=reflection,
        continuation=continuation,
        text=prefix + reflection + continuation,
        answer=mistake.problem.answer,
        is_smoothed=is_smoothed,
        made_by=made_by,
    )
