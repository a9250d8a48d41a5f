"""Small objects by name: all that heartbeat leases stand on."""

from __future__ import annotations

from typing import Protocol


class ConditionalStore(Protocol):
    """Small objects by name, which all processes see at once as they were written last.

    Raises:
        LemmaError: the store cannot be reached, or refuses.
    """

    def create(self, name: str, body: bytes) -> bool:
        """Makes an object; False where there is one of that name."""
        ...

    def write(self, name: str, body: bytes) -> None:
        """Makes or replaces an object."""
        ...

    def read(self, name: str) -> bytes | None:
        """An object; None where there is none."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The objects whose names begin so, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Removes an object, where there is one."""
        ...

    def age_s(self, name: str) -> float | None:
        """How long ago an object was written, by the store's own clock; None: it cannot tell, or there is none."""
        ...
