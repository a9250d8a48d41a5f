"""Fix & Continue (paper, section 3.3): notice, mend the wrong step, go on from there to the answer."""

from __future__ import annotations

from lemma.checks import before_wrong_step
from lemma.records import Mistake
from lemma.stages.base import CorrectUnit, Gold
from lemma.stages.golds import Golds


class FixContinue:
    """Guided by the solution that shares most with the mistake's own beginning, so that going on from it is natural."""

    name = "fix_continue"
    templates: tuple[str, ...] = ("fix_continue",)
    starts_anew = False

    def choose_gold(self, mistake: Mistake, golds: Golds, seed: str) -> tuple[Gold, bool]:
        """For an injected mistake the solution that it was put into, else the reference."""
        if mistake.origin == "injected":
            before = before_wrong_step(mistake)
            for gold in (golds.reference, *golds.samples):
                if before and gold.text.startswith(before):
                    return gold, False
        return golds.reference, False

    def template_for(self, unit: CorrectUnit) -> str:
        """Always the same one."""
        return self.templates[0]
