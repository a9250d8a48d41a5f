"""Logic with three values: true, false, and None for what is undecided.

Example: ``every([True, None])`` is None, ``every([False, None])`` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def either(first: bool | None, second: Callable[[], bool | None]) -> bool | None:
    """True if either is; None if either is open. The second is only computed if needed."""
    if first:
        return True
    other = second()
    if other:
        return True
    return None if first is None or other is None else False


def every(found: Sequence[bool | None]) -> bool | None:
    """False if any is; else None if any is open."""
    if any(same is False for same in found):
        return False
    return None if any(same is None for same in found) else True
