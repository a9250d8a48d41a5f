"""Fresh & Restart (paper, section 3.3): notice, drop the approach, start anew with another, correct solution."""

from __future__ import annotations

import re
from typing import Final

from lemma.records import Mistake
from lemma.stages.base import CorrectUnit, Gold
from lemma.stages.golds import Golds
from lemma.steps import split_steps

_DIGITS: Final = re.compile(r"\d+(?:[.,]\d+)*")
_SPACES: Final = re.compile(r"[\s*_$]+")


def _shape(text: str) -> str:
    """`text` without spaces, case and values: the same path with other numbers has the same shape."""
    return _SPACES.sub("", _DIGITS.sub("#", text)).casefold()


def is_other_path(gold: Gold, mistake: Mistake) -> bool:
    """Whether `gold` sets out on another way than the mistake did.

    Its first step that computes (or its first, if none does) must not stand in the mistake's prefix, whatever the
    numbers: so neither a solution that begins alike nor the one that a mistake was injected into counts as another.
    """
    steps = split_steps(gold.text)
    first = next((step for step in steps if _DIGITS.search(step)), steps[0])
    shape = _shape(first.split("\n")[0])
    return bool(shape) and shape not in _shape(mistake.prefix)


class FreshRestart:
    """The new start is a correct sample of the student where there is one, else the reference."""

    name = "fresh_restart"
    templates: tuple[str, ...] = ("fresh_restart_connect", "fresh_restart_write")
    starts_anew = True

    def choose_gold(self, mistake: Mistake, golds: Golds, seed: str) -> tuple[Gold, bool]:
        """The first in seeded order that takes another path, verbatim; if none does, a guide for a new text."""
        candidates = [*golds.shuffled(seed, mistake.id), golds.reference]
        for gold in candidates:
            if is_other_path(gold, mistake):
                return gold, True
        return candidates[0], False

    def template_for(self, unit: CorrectUnit) -> str:
        """To connect with a given solution, or to write one."""
        return self.templates[0 if unit.is_gold_verbatim else 1]
