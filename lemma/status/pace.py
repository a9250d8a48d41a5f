"""How far a stage is inside its open parts, and how fast: read off the replies, which carry their time of arrival.

A part that is finished is known by its manifest; of one that is not, only its replies are on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from lemma.shards.folder import StageFolder

WINDOW_S: Final = 60.0
"""Speed is that of the last minute."""


@dataclass(slots=True)
class Pace:
    """What the replies of a stage say."""

    answered: dict[int, int] = field(default_factory=dict)
    """Open part → units that have a reply to each of their draws; some may still earn another attempt."""
    recent: int = 0
    """Units with a reply in the window."""
    since_s: float = 0.0
    """Unix time of the first of these replies."""

    def units_per_s(self, now_s: float) -> float | None:
        """None where nothing came of late, or nobody noted when (the embedded teacher)."""
        return self.recent / max(1.0, now_s - self.since_s) if self.recent else None


def read_pace(folder: StageFolder, draws: int, finished: Collection[int], parts: int, now_s: float) -> Pace:
    """Reads the replies of a stage's open parts, and of those that were written to within the window.

    Args:
        folder: the stage's.
        draws: replies that a unit wants.
        finished: its finished parts.
        parts: number of parts of the run.
        now_s: Unix time.
    """
    pace = Pace(since_s=now_s)
    for part in range(parts):
        is_open = part not in finished
        paths = [path for path in folder.reply_files(part) if is_open or _is_recent(path, now_s)]
        drawn: dict[str, set[int]] = {}
        recent = set()
        for unit, draw, created_s in (arrival for path in paths for arrival in _arrivals(path)):
            drawn.setdefault(unit, set()).add(draw)
            if 0 < now_s - created_s < WINDOW_S:
                recent.add(unit)
                pace.since_s = min(pace.since_s, created_s)
        pace.recent += len(recent)
        if is_open and paths:
            pace.answered[part] = sum(len(seen) >= draws for seen in drawn.values())
    return pace


def _is_recent(path: Path, now_s: float) -> bool:
    """Whether it was written to within the window."""
    try:
        return now_s - path.stat().st_mtime < WINDOW_S
    except OSError:
        return False


def _arrivals(path: Path) -> Iterator[tuple[str, int, float]]:
    """(unit, draw, time of arrival) of each whole line."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                reply = orjson.loads(line)
                yield str(reply["unit"]), int(reply["draw"]), float(reply["created_s"])
