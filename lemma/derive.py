"""The derive pass: from units and replies to records and rejections, a pure function.

What a reply leads to (another attempt, a record, a rejection) is decided here and nowhere else: while a run is going
on the engine feeds replies as they arrive, later a part is derived from the very same replies on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lemma.errors import ParseError, Rejected, UnitError
from lemma.records import Record, Rejection, UnitRef, make_id
from lemma.stages.base import Group, Reply, Request, Stage, Unit

DETAIL_CHARS = 500
"""A rejection quotes this much at most; the whole reply stands in ``replies/``."""


class Chain:
    """The attempts of one draw of a unit.

    A reply that cannot be read earns the next attempt, up to the stage's `attempts`; one that was cut at its length
    limit earns, once, an attempt with the limit raised; a refusal or a rejection is final.

    Attributes:
        request: what to ask next; meaningless once there is an `outcome`.
        outcome: None while open; then (request, reply, parsed) or the reason why there is none.
    """

    __slots__ = ("_is_cap_raised", "_stage", "_unreadable", "draw", "outcome", "request", "unit")

    def __init__(self, stage: Stage, unit: Any, draw: int) -> None:
        self._stage = stage
        self.unit = unit
        self.draw = draw
        self._unreadable = 0
        self._is_cap_raised = False
        self.request: Request = stage.request(unit, draw, 0, False)
        self.outcome: tuple[Request, Reply, Any] | UnitError | None = None

    def feed(self, reply: Reply) -> None:
        """Takes the reply to `request`: sets `outcome`, or `request` to the next attempt."""
        failure = self._read(reply)
        if failure is None:
            return
        if isinstance(failure, Rejected):
            self.outcome = failure
            return
        if failure.reason == "cut_short":
            if self._is_cap_raised or not self._stage.raises_cap:
                self.outcome = failure
                return
            self._is_cap_raised = True
        else:
            self._unreadable += 1
            if self._unreadable >= self._stage.attempts:
                self.outcome = failure
                return
        attempt = self.request.attempt + 1
        self.request = self._stage.request(self.unit, self.draw, attempt, self._is_cap_raised)

    def _read(self, reply: Reply) -> UnitError | None:
        if reply.finish_reason == "refused":
            return Rejected("refused", reply.detail)
        if reply.finish_reason == "content_filter":
            return Rejected("refused", "content filter")
        if reply.finish_reason == "length":
            return ParseError("cut_short", reply.text[-80:])
        if not reply.text.strip():
            return ParseError("empty_reply")
        try:
            self.outcome = (self.request, reply, self._stage.parse(self.unit, reply))
        except UnitError as error:
            return error
        return None


Lookup = Callable[[Request], Reply | None]


@dataclass
class Derived:
    """Counts of what units gave; they always add up: units = kept + rejected + left."""

    units: int = 0
    kept: int = 0
    rejected: int = 0
    left: int = 0
    replies: list[Reply] = field(default_factory=list)
    """The replies that the last unit used, for accounting; cleared with each unit."""
    fates: list[str] = field(default_factory=list)
    """What became of each of them: `read`, `retried` (another attempt followed), `refused` or `failed`."""


def derive(
    stage: Stage, groups: Iterable[Group], lookup: Lookup, derived: Derived
) -> Iterator[tuple[Any, Record | Rejection | None]]:
    """Derives groups in order: yields each unit with its record, its rejection, or None where it is left.

    A unit whose replies are not all at hand counts as left.
    """
    for group in groups:
        for unit in stage.units(group):
            derived.units += 1
            derived.replies.clear()
            derived.fates.clear()
            try:
                record = _derive_unit(stage, unit, lookup, derived)
            except UnitError as error:
                derived.rejected += 1
                yield unit, rejection(stage.name, unit, error)
                continue
            derived.left += record is None
            derived.kept += record is not None
            yield unit, record


def _derive_unit(stage: Stage, unit: Any, lookup: Lookup, derived: Derived) -> Record | None:
    """One unit's record; None where a reply is missing.

    Raises:
        UnitError: the unit gives none.
    """
    parsed = []
    failure: UnitError | None = None
    for draw in range(stage.draws(unit)):
        chain = Chain(stage, unit, draw)
        while chain.outcome is None:
            reply = lookup(chain.request)
            if reply is None:
                return None
            chain.feed(reply)
            derived.replies.append(reply)
            derived.fates.append(_fate(chain))
        if isinstance(chain.outcome, UnitError):
            failure = failure or chain.outcome
        else:
            parsed.append(chain.outcome)
    if failure is not None and not parsed:
        raise failure
    record = stage.make(unit, parsed)
    stage.check(unit, record)
    return record


def _fate(chain: Chain) -> str:
    """What became of the reply that the chain was fed last."""
    if chain.outcome is None:
        return "retried"
    if isinstance(chain.outcome, UnitError):
        return "refused" if chain.outcome.reason == "refused" else "failed"
    return "read"


def rejection(stage: str, unit: Unit, error: UnitError) -> Rejection:
    """The record of a unit that gave none."""
    detail = error.detail if len(error.detail) <= DETAIL_CHARS else error.detail[: DETAIL_CHARS - 1] + "…"
    return Rejection(
        id=make_id("x", unit.id, error.reason),
        stage=stage,
        unit=UnitRef(id=unit.id, problem=unit.problem, parent=unit.parent, label=unit.label),
        reason=error.reason,
        detail=detail,
    )
