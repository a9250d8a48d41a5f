"""The engine, one for all stages: asks for what is missing, keeps every reply, hands whole parts to the derive pass.

The event loop only sends, receives and appends. Parsing that decides about another attempt is inline and cheap;
records are made part by part in a process beside it, from disk; a teacher that is a program answers there. Parts are
opened lazily, the next as soon as there is room, and nothing waits at a part's end. A call that waits for its next
attempt holds no place.

`base` says what an engine works on and whom it tells; `asking` makes calls to an endpoint, for the draws that
`open_parts` finds and `waiting` keeps; `computing` has a program answer; `finishing` takes parts through the derive
pass; `engine` runs it all.
"""

from __future__ import annotations

from lemma.engine.base import REFUSALS_TOLERATED, Meter, Part
from lemma.engine.engine import Engine

__all__ = ["REFUSALS_TOLERATED", "Engine", "Meter", "Part"]
