"""Finding records in a run's files: by id or the beginning of one, or drawn by a seed.

Lines are told by the id that they begin with and parsed only where they are wanted; files are streamed, so that memory
does not grow with the run.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from lemma.counts import finished_parts
from lemma.errors import RunError
from lemma.records import content_hash, make_id
from lemma.shards.folder import StageFolder
from lemma.terminal import flat

RECORD_STAGES: Final = ("problems", "sample", "analyze", "inject", "correct", "smooth")
REJECTING_STAGES: Final = ("sample", "analyze", "inject", "correct", "smooth", "export")
SOURCES: Final = {
    "analyze": ("sample",),
    "correct": ("analyze", "inject"),
    "smooth": ("correct",),
    "export": ("smooth", "correct"),
}
"""Stage → where the records stand that its units work on; those of other stages work on problems."""
SHOWN_MATCHES: Final = 5

_ID: Final = re.compile(rb'\{"id":"([^"\\]{1,200})"')
_FORM: Final = re.compile(r"[a-z](-[0-9a-f]*)?")


class Line(NamedTuple):
    """One line of a run's files."""

    stage: str
    part: int
    is_rejection: bool
    id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Filters:
    """What a drawn record has to be; None lets everything pass."""

    error_type: str | None = None
    strategy: str | None = None
    origin: str | None = None

    def words(self) -> str:
        """For people."""
        wanted = {"--type": self.error_type, "--strategy": self.strategy, "--origin": self.origin}
        return " ".join(f"{name} {flat(value)}" for name, value in wanted.items() if value is not None)

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self == Filters()


class Labels(NamedTuple):
    """What records are filtered by; None where a record has no such thing."""

    error_type: str | None
    strategy: str | None
    origin: str | None

    def pass_(self, filters: Filters) -> bool:
        """Whether the filters let it pass."""
        wanted = (filters.error_type, filters.strategy, filters.origin)
        return all(want in (None, has) for want, has in zip(wanted, self, strict=True))


def lines_of(run: Path, stage: str, is_rejection: bool = False, part: int | None = None) -> Iterator[Line]:
    """Streams the lines of a stage's finished parts, or of one part."""
    folder = StageFolder(run, stage)
    numbers = [0] if stage == "export" else finished_parts(folder)
    for number in numbers if part is None else [part]:
        path = folder.rejected(number) if is_rejection else folder.part(number)
        try:
            with path.open("rb") as file:
                for raw in file:
                    known = _ID.match(raw)
                    if known is not None:
                        yield Line(stage, number, is_rejection, known[1].decode(errors="replace"), raw)
        except FileNotFoundError:
            continue  # a run going on has just taken it away
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def find(run: Path, wanted: str) -> Line:
    """The one line whose id is, or begins with, `wanted`; a row is found as what it was made from.

    Raises:
        RunError: there is none, or several.
    """
    matches: dict[str, Line] = {}
    for line, name in _candidates(run, wanted):
        if name == wanted:
            return line
        if name.startswith(wanted):
            matches.setdefault(name, line)
            if len(matches) > SHOWN_MATCHES:
                break
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        more = ", …" if len(matches) > SHOWN_MATCHES else ""
        shown = ", ".join(sorted(matches)[:SHOWN_MATCHES])
        raise RunError(f"several ids begin with {flat(wanted)}: {shown}{more}; give more of it")
    raise RunError(
        f"{run}: no finished part has a record or rejection whose id begins with {flat(wanted)[:80] or 'nothing'}; "
        "ids look like t-1d0c5e…, and without one `lemma show` draws a record"
    )


def _candidates(run: Path, wanted: str) -> Iterator[tuple[Line, str]]:
    """Lines that may be meant, each with the id that it is known by."""
    if not _FORM.fullmatch(wanted):
        return
    if wanted.startswith("r-"):
        # a row is known by a hash of its trajectory's id; a plain one's solution is a sample's or a problem's
        for stage in ("smooth", "correct", "sample", "problems"):
            yield from ((line, make_id("r", line.id)) for line in lines_of(run, stage))
        return
    if not wanted.startswith("x-"):
        for stage in RECORD_STAGES:
            yield from ((line, line.id) for line in lines_of(run, stage))
        return
    for stage in REJECTING_STAGES:
        yield from ((line, line.id) for line in lines_of(run, stage, is_rejection=True))


def draw(run: Path, filters: Filters, number: int, seed: int) -> list[Line]:
    """Trajectories of the last stage that has some, drawn by the seed: the same for the same seed and run.

    Raises:
        RunError: there is none, or none that the filters let pass.
    """
    for stage in ("smooth", "correct"):
        drawn, seen = _draw(((line, _labels_of) for line in lines_of(run, stage)), filters, number, seed)
        if drawn:
            return drawn
        if seen is not None:
            raise RunError(_none_fits(run, "trajectory", filters, seen))
    raise RunError(f"{run}: has no finished trajectories yet; `lemma run` makes them, and --rejected shows what failed")


def draw_rejected(run: Path, filters: Filters, number: int, seed: int) -> list[Line]:
    """Likewise among the rejections of all stages.

    Raises:
        RunError: there is none, or none that the filters let pass.
    """
    drawn, seen = _draw(_rejections(run, filters), filters, number, seed)
    if drawn:
        return drawn
    if seen is None:
        raise RunError(f"{run}: nothing was rejected in its finished parts")
    raise RunError(_none_fits(run, "rejection", filters, seen))


def _none_fits(run: Path, what: str, filters: Filters, seen: list[Counter[str]]) -> str:
    known = [
        f"{name} {', '.join(flat(value) for value, _ in counts.most_common(12))}"
        for name, counts in zip(("--type", "--strategy", "--origin"), seen, strict=True)
        if counts
    ]
    return f"{run}: no {what} fits {filters.words()}; there are {'; '.join(known) or 'none with such labels'}"


def _draw(
    lines: Iterator[tuple[Line, Any]], filters: Filters, number: int, seed: int
) -> tuple[list[Line], list[Counter[str]] | None]:
    """The drawn lines, and where labels were looked at, what there is; None where there is no line at all."""
    seen: list[Counter[str]] | None = None

    def passing() -> Iterator[Line]:
        nonlocal seen
        for line, labels_of in lines:
            seen = seen if seen is not None else [Counter(), Counter(), Counter()]
            if not filters.is_open:
                labels: Labels = labels_of(line)
                for counts, label in zip(seen, labels, strict=True):
                    counts.update([label] if label is not None else [])
                if not labels.pass_(filters):
                    continue
            yield line

    return heapq.nsmallest(
        number, passing(), key=lambda line: (content_hash("show", str(seed), line.id), line.id)
    ), seen


def _labels_of(line: Line) -> Labels:
    """Of a mistake's or trajectory's line."""
    try:
        tree = orjson.loads(line.raw)
        mistake = tree.get("mistake", tree)
        return Labels(mistake["error_type"], tree.get("strategy"), mistake["origin"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Labels(None, None, None)


def _rejections(run: Path, filters: Filters) -> Iterator[tuple[Line, Any]]:
    for stage in REJECTING_STAGES:
        parents: dict[str, Labels] = {}
        part = -1
        for line in lines_of(run, stage, is_rejection=True):
            if line.part != part and not filters.is_open and stage in ("correct", "smooth", "export"):
                part, parents = line.part, _parents(run, stage, line.part)
            yield line, lambda line, known=parents: _labels_of_rejection(line, known)


def _parents(run: Path, stage: str, part: int) -> dict[str, Labels]:
    """Id → labels of what the units of a part worked on."""
    where = None if stage == "export" else part
    return {line.id: _labels_of(line) for source in SOURCES[stage] for line in lines_of(run, source, part=where)}


def _labels_of_rejection(line: Line, parents: dict[str, Labels]) -> Labels:
    try:
        unit = orjson.loads(line.raw)["unit"]
        label, parent = unit["label"], parents.get(unit["parent"], Labels(None, None, None))
    except (ValueError, KeyError, TypeError):
        return Labels(None, None, None)
    if line.stage == "inject":
        return Labels(label, None, "injected")
    if line.stage == "analyze":
        return Labels(None, None, "student")
    return Labels(parent.error_type, label or parent.strategy, parent.origin)
