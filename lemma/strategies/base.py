"""What a correction strategy is: how it chooses the guiding solution, which prompt it sends, what it takes back.

A new strategy is one file with a class of this form and one call of `lemma.strategies.register`.
"""

from __future__ import annotations

from typing import Protocol

from lemma.records import Mistake
from lemma.stages.base import CorrectUnit, Gold
from lemma.stages.golds import Golds


class Strategy(Protocol):
    """A way to correct a mistake."""

    name: str
    """As written under `correct.strategies` and into the records."""
    templates: tuple[str, ...]
    """Every prompt that it may send, by file name."""
    starts_anew: bool
    """Whether the continuation is a solution from the beginning, which wants a line of its own."""

    def choose_gold(self, mistake: Mistake, golds: Golds, seed: str) -> tuple[Gold, bool]:
        """The guiding solution, and whether it is to stand, character for character, as the continuation."""
        ...

    def template_for(self, unit: CorrectUnit) -> str:
        """The prompt of a unit: one of `templates`.

        Its places: ``question``, ``prefix``, ``wrong_step``, ``explanation``, ``error_type``, ``solution``,
        ``answer_line``, ``manner``.
        """
        ...
