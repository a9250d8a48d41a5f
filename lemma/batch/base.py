"""What answers in files: the contract between the pipeline and the ways to ask a stage in waves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from lemma.budget import Budget
from lemma.engine import Part
from lemma.stages.base import Stage


@runtime_checkable
class Offline(Protocol):
    """A teacher that takes requests in files and answers them all together, some time later."""

    def work(self, stage: Stage, parts: Sequence[Part], make_budget: Callable[[], Budget]) -> None:
        """Has a stage's parts answered and finished.

        Args:
            stage: what to ask.
            parts: those that are not finished, in order.
            make_budget: what may be spent, less all that is paid for at that moment.

        Raises:
            Incomplete: requests are under way.
        """
        ...
