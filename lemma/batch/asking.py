"""What a stage has to ask next, written as one wave: a pass over its parts from disk, one part at a time.

Parts that lack no reply are finished on the way. Memory holds the keys of the wave, 16 bytes each, and nothing else of
its requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from lemma.batch.limits import Limits, RequestFile, SplitWriter
from lemma.batch.lines import path_of, request_line
from lemma.batch.waves import Row, Wave, WaveFacts, Waves, row_line
from lemma.budget import Budget
from lemma.derive import Chain
from lemma.engine import Part
from lemma.errors import Incomplete
from lemma.replies import ReplyStore
from lemma.shards.files import disk_errors
from lemma.stages.base import Request, Stage

MAX_WAVE = 1_000_000
"""Requests in a wave at most: the rest is asked in the next."""


@dataclass
class Asked:
    """The files of a wave that is being written."""

    writer: SplitWriter
    rows: IO[bytes]
    cap_name: str
    keys: set[bytes] = field(default_factory=set)
    url: str = ""

    def add(self, request: Request, part: int) -> None:
        """Writes a request; the second unit that asks the very same is only noted beside it."""
        key = bytes.fromhex(request.key)
        if key not in self.keys:
            self.keys.add(key)
            self.url = path_of(request)
            self.writer.write(request_line(request, self.cap_name))
        self.rows.write(row_line(Row(request.key, part, request.unit.id, request.draw, request.attempt)))


class Asker:
    """Passes over the parts of one stage.

    Args:
        stage: what is asked.
        parts: those that are not finished.
        waves: where waves are kept.
    """

    def __init__(self, stage: Stage, parts: Sequence[Part], waves: Waves) -> None:
        self._stage = stage
        self._parts = {part.number: part for part in parts}
        self._waves = waves

    def write_wave(
        self,
        budget: Budget,
        limits: Limits,
        cap_name: str,
        kind: Literal["api", "files"],
        path_for: Path | None = None,
    ) -> tuple[Wave, list[RequestFile]] | None:
        """Writes the next wave, as far as the budget reaches.

        Args:
            budget: what may be spent.
            limits: of one file.
            cap_name: see `request_line`.
            kind: see `WaveFacts`.
            path_for: folder of the files of requests; by default the wave's own.

        Returns:
            The wave and its files; None where nothing is left to ask and every part is finished.

        Raises:
            Incomplete: the budget is reached.
        """
        draft = self._waves.draft()
        folder = path_for or draft
        name = "batch" if path_for is None else ".requests"
        writer = SplitWriter(lambda number: folder / f"{name}-{number:05d}.jsonl", limits)
        rows_path = draft / "rows.jsonl"
        try:
            with disk_errors(rows_path), rows_path.open("xb") as rows:
                asked = Asked(writer, rows, cap_name)
                self._ask(asked, budget)
                rows.flush()
                os.fsync(rows.fileno())
            writer.finish()
        finally:
            writer.abandon()
        if not asked.keys:
            if budget.is_exhausted and self._parts:
                raise Incomplete(budget.line())
            draft.joinpath("rows.jsonl").unlink()
            draft.rmdir()
            return None
        facts = WaveFacts(
            stage=self._stage.name,
            number=self._waves.next_number(),
            kind=kind,
            created_s=time.time(),
            requests=len(asked.keys),
            batches=len(writer.files),
            url=asked.url,
            cap_name=cap_name,
            max_requests=limits.requests,
        )
        counts = [file.requests for file in writer.files] if kind == "api" else []
        return self._waves.commit(draft, facts, counts), writer.files

    def _ask(self, asked: Asked, budget: Budget) -> None:
        for part in list(self._parts.values()):
            store = part.open_replies()
            is_whole = True
            try:
                for request in self._missing(part, store):
                    is_whole = False
                    if len(asked.keys) >= MAX_WAVE or not _is_affordable(request, budget):
                        return
                    asked.add(request, part.number)
                store.sync()
            finally:
                store.close(sync=False)
            if is_whole:
                self._finish(part)

    def _missing(self, part: Part, store: ReplyStore) -> Iterator[Request]:
        """The next request of each draw that lacks a reply."""
        stage = self._stage
        for group in part.groups():
            for unit in stage.units(group):
                for draw in range(stage.draws(unit)):
                    chain = Chain(stage, unit, draw)
                    while chain.outcome is None:
                        reply = store.get(chain.request)
                        if reply is None:
                            yield chain.request
                            break
                        chain.feed(reply)

    def _finish(self, part: Part) -> None:
        with part.open_replies() as store:
            store.sync_all()
            result = part.finish(store)
        part.finished(result)
        del self._parts[part.number]


def _is_affordable(request: Request, budget: Budget) -> bool:
    if not budget.is_limited:
        return True
    cap = request.sampling.get("max_tokens")
    chars = sum(len(message["content"]) for message in request.messages)
    return budget.reserve(chars, cap if isinstance(cap, int) else 0) is not None
