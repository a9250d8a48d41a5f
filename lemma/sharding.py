"""``--shard i/n``: which parts of a run a process sees to, and its share of what the endpoint and the budget allow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from lemma.config import BudgetConfig, Endpoint
from lemma.errors import ConfigError

E = TypeVar("E", bound=Endpoint)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` processes, or jobs of an array: every `count`-th part, from part `index` - 1 on."""

    index: int
    """From 1."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads ``2/8``.

        Raises:
            ConfigError: it is no such thing.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip(), re.ASCII)
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count:
            raise ConfigError(f"--shard {text}: is not of the form I/N, with I from 1 to N, such as 2/8")
        return cls(index, count)

    @classmethod
    def of(cls, part: int, count: int) -> Shard:
        """The shard that a part belongs to, where there are `count`."""
        return cls(part % count + 1, count)

    @property
    def member(self) -> str:
        """A name for it that may stand in a file's."""
        return f"{self.index}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, part: int) -> bool:
        """Whether the part is one of its own."""
        return part % self.count == self.index - 1

    def told(self, missing: Sequence[int], parts: int, command: str) -> str:
        """Which parts are missing, and what makes them.

        Args:
            missing: numbers of parts that belong to shards without a process.
            parts: number of parts.
            command: what makes those of the shard that is named behind it.
        """
        numbers = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        first, *others = sorted({Shard.of(part, self.count).index for part in missing})
        more = f" (and so for {', '.join(f'{index}/{self.count}' for index in others[:4])})" if others else ""
        return (
            f"{len(missing)} of {parts} are missing ({numbers}) that nobody works on: `{command} "
            f"{first}/{self.count}`{more} makes them"
        )

    def endpoint(self, endpoint: E) -> E:
        """An endpoint of which each shard may use the same share: `rpm` and `tpm` are divided, `concurrency` is not."""
        limits = {"rpm": endpoint.rpm, "tpm": endpoint.tpm}
        shares = {name: limit / self.count for name, limit in limits.items() if limit is not None}
        return endpoint.model_copy(update=shares)

    def budget(self, budget: BudgetConfig) -> BudgetConfig:
        """A budget of which each shard may spend the same share."""
        cost, tokens = budget.max_cost_usd, budget.max_tokens
        return BudgetConfig(
            max_cost_usd=None if cost is None else cost / self.count,
            max_tokens=None if tokens is None else max(1, tokens // self.count),
        )
