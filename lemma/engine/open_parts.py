"""The parts that are open: which of their draws lack a reply, and when a part lacks none."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping

from lemma.derive import Chain
from lemma.engine.base import Meter, Part
from lemma.engine.finishing import Finishing
from lemma.engine.waiting import Job, OpenPart
from lemma.errors import LemmaError
from lemma.shards.files import disk_errors
from lemma.stages.base import Stage

BREATHE_EVERY = 64  # draws that lack nothing between two looks at signals and arriving replies
SYNC_EVERY_S = 2.0


class OpenParts:
    """Opens parts one by one, as there is room for what they lack.

    Args:
        stage: what to ask.
        parts: by number, in order.
        meter: told of draws that lack nothing.
        finishing: where a part goes that lacks nothing.
    """

    def __init__(self, stage: Stage, parts: Mapping[int, Part], meter: Meter, finishing: Finishing) -> None:
        self._stage = stage
        self._parts = parts
        self._meter = meter
        self._finishing = finishing
        self._open: dict[int, OpenPart] = {}

    def missing(self) -> Iterator[Job | None]:
        """All that lacks a reply, part by part; parts that lack none go straight to the derive pass.

        Now and then None, where there is much that lacks nothing: the loop has to breathe.
        """
        stage = self._stage
        known = 0
        for part in self._parts.values():
            if not part.claim():
                continue
            opened = OpenPart(part)
            self._open[part.number] = opened
            for group in part.groups():
                for unit in stage.units(group):
                    for draw in range(stage.draws(unit)):
                        chain = Chain(stage, unit, draw)
                        while chain.outcome is None:
                            reply = opened.store.get(chain.request)
                            if reply is None:
                                break
                            chain.feed(reply)
                        if chain.outcome is None:
                            opened.open_chains += 1
                            yield Job(opened, chain)
                            continue
                        self._meter.settled(None)
                        known += 1
                        if known % BREATHE_EVERY == 0:
                            yield None
            opened.is_enumerated = True
            self.settle(opened)

    def settle(self, opened: OpenPart) -> None:
        """Hands a part to the derive pass once nothing of it is missing."""
        if opened.open_chains or not opened.is_enumerated or self._finishing.error is not None:
            return
        part = opened.part
        del self._open[part.number]
        opened.store.close(sync=False)  # the derive pass syncs it
        self._finishing.submit(part)

    async def keep_synced(self) -> None:
        """Makes replies survive a power cut, in groups and beside the loop: a disk may take its time."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            for opened in list(self._open.values()):
                descriptor = opened.store.take_unsynced()
                if descriptor is None:
                    continue
                try:
                    with disk_errors(opened.store.path):
                        await loop.run_in_executor(None, _sync, descriptor)
                except LemmaError as error:
                    self._finishing.stop(error)

    def close(self) -> None:
        """Closes the files of those that still lack something."""
        for opened in self._open.values():
            with contextlib.suppress(LemmaError):  # the first error is the one to tell
                opened.store.close()


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
