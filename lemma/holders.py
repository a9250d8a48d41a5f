"""Who works on a run or has a part of it, for those who wait for them: a line says once whom, and how to go on."""

from __future__ import annotations

import time
from typing import NamedTuple

TOLD_S = 20.0
"""How long somebody is waited for before a line says who."""
FREEING = "one that is stopped goes on by `kill -CONT` and its number on its machine; `kill -KILL` frees what it has"


class Other(NamedTuple):
    """A process that works on the same run, or is about to."""

    member: str
    """See `Leases.member`."""
    words: str
    """Who it is, for people."""
    is_enrolled: bool = True
    """Whether it has opened the run; until then it waits for others, or fetches files."""
    since_s: float = 0.0
    """When it came, in seconds since 1970; 0: nobody knows."""

    def told(self) -> str:
        """Who it is and since when, for people."""
        return since(self.words, self.since_s)


def since(words: str, since_s: float) -> str:
    """Who has something and since when, for people."""
    return f"{words}, since {time.strftime('%H:%M:%S', time.localtime(since_s))}," if since_s else words


def waiting_alone(place: str, holder: str) -> str:
    """What is told where `Leases.alone` waits for long."""
    return f"{place}: waiting for {holder or 'another process'} which does what one does at a time; {FREEING}"
