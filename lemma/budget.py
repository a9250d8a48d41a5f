"""What a run may spend, watched call by call: a limit in dollars, in tokens, or both, over all of a run's stages.

A call is admitted only where its worst case fits beside all that is in flight; when it comes back the worst case is
exchanged for what it cost. So a limit is never exceeded by more than one reply: the one that may go while nothing is
in flight and something, however little, is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lemma.config import Prices
from lemma.stages.base import Usage

CAUTIOUS_TOKENS_PER_CHAR = 0.5
"""Assumed until enough replies were seen; English prose with formulas has 0.25 to 0.35."""
ENOUGH_REPLIES = 32


class Tokens(Protocol):
    """Counts of tokens: one reply's, or a sum."""

    @property
    def input_tokens(self) -> int:
        """Cached ones among them."""
        ...

    @property
    def cached_input_tokens(self) -> int:
        """Part of the input."""
        ...

    @property
    def output_tokens(self) -> int:
        """What the model wrote, its reasoning included."""
        ...

    @property
    def batch_input_tokens(self) -> int:
        """Part of the input, at the price of batches."""
        ...

    @property
    def batch_cached_input_tokens(self) -> int:
        """Part of that."""
        ...

    @property
    def batch_output_tokens(self) -> int:
        """Part of the output, at the price of batches."""
        ...


def cost_usd(usage: Tokens, prices: Prices) -> float | None:
    """Cost of some tokens in US dollars; None where a price that is needed is unknown. No tokens cost nothing.

    Cached input counts at its own price, or where that is unknown at the full one; what came in batches at their share.
    """
    if not (usage.input_tokens or usage.output_tokens):
        return 0.0
    if prices.input_usd_per_mtok is None or prices.output_usd_per_mtok is None:
        return None
    cached_price = prices.cached_input_usd_per_mtok
    if cached_price is None:
        cached_price = prices.input_usd_per_mtok
    saved = 1 - prices.batch_share
    sent = usage.input_tokens - saved * usage.batch_input_tokens
    cached = usage.cached_input_tokens - saved * usage.batch_cached_input_tokens
    written = usage.output_tokens - saved * usage.batch_output_tokens
    return (
        (sent - cached) * prices.input_usd_per_mtok + cached * cached_price + written * prices.output_usd_per_mtok
    ) / 1e6


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has paid for so far, all stages together."""

    tokens: int = 0
    """Input and output."""
    cost_usd: float = 0.0


class Reservation(NamedTuple):
    """The worst case of one call, set aside while it is in flight."""

    input_chars: int
    tokens: int
    cost_usd: float


_NOTHING = Reservation(0, 0, 0.0)


class Budget:
    """Admits calls of one role while there is money and tokens for them. Pure: no clock, no I/O.

    Args:
        max_cost_usd: limit in US dollars; None: none.
        max_tokens: limit in tokens, input and output together; None: none.
        prices: of the model that is asked. With `max_cost_usd` both input and output price are known (the
            configuration sees to it).
        spent: what the run has paid for before, of this role and any other.
        is_batch: whether calls are paid for at the price of batches.
        shares: how many processes share the run's budget in equal parts: the limits are one share.
        may_exceed: whether a call may go that need not fit, where nothing else is in flight.

    Attributes:
        tokens: spent so far, what was spent before included.
        cost_usd: likewise; stays what it was where a price is unknown.
        in_flight: calls admitted and not settled.
    """

    __slots__ = (
        "_is_refused",
        "_max_cost_usd",
        "_max_tokens",
        "_may_exceed",
        "_prices",
        "_ratio",
        "_reserved_tokens",
        "_reserved_usd",
        "_seen",
        "_shares",
        "_usd_per_input",
        "_usd_per_output",
        "cost_usd",
        "in_flight",
        "is_limited",
        "tokens",
    )

    def __init__(
        self,
        max_cost_usd: float | None,
        max_tokens: int | None,
        prices: Prices,
        spent: Spent,
        is_batch: bool = False,
        shares: int = 1,
        may_exceed: bool = True,
    ) -> None:
        self._shares = shares
        self._may_exceed = may_exceed
        self._is_refused = False
        self._max_cost_usd = max_cost_usd
        self._max_tokens = max_tokens
        self._prices = prices
        # a cached prefix may be dearer than nothing but is never sure: the worst case pays the higher price for all
        share = (prices.batch_share if is_batch else 1.0) / 1e6
        self._usd_per_input = max(prices.input_usd_per_mtok or 0.0, prices.cached_input_usd_per_mtok or 0.0) * share
        self._usd_per_output = (prices.output_usd_per_mtok or 0.0) * share
        self.is_limited = max_cost_usd is not None or max_tokens is not None
        self.tokens = spent.tokens
        self.cost_usd = spent.cost_usd
        self.in_flight = 0
        self._reserved_tokens = 0
        self._reserved_usd = 0.0
        self._ratio = 0.0
        self._seen = 0

    def reserve(self, input_chars: int, max_output_tokens: int) -> Reservation | None:
        """Sets a call's worst case aside.

        Args:
            input_chars: characters of all its messages.
            max_output_tokens: its cap.

        Returns:
            What to settle later, whatever comes of the call; None where there is no room for it: while calls are in
            flight ask again when one of them is settled, else the budget `is_exhausted`.
        """
        if not self.is_limited:
            return _NOTHING
        ratio = self._ratio
        if self._seen < ENOUGH_REPLIES and ratio < CAUTIOUS_TOKENS_PER_CHAR:
            ratio = CAUTIOUS_TOKENS_PER_CHAR
        input_tokens = int(input_chars * ratio) + 1
        tokens = input_tokens + max_output_tokens
        cost = input_tokens * self._usd_per_input + max_output_tokens * self._usd_per_output
        if self.in_flight or not self._may_exceed:
            if self._max_tokens is not None and self.tokens + self._reserved_tokens + tokens > self._max_tokens:
                self._is_refused = not self.in_flight
                return None
            if self._max_cost_usd is not None and self.cost_usd + self._reserved_usd + cost > self._max_cost_usd:
                self._is_refused = not self.in_flight
                return None
        elif self.is_exhausted:
            return None
        self._is_refused = False
        self.in_flight += 1
        self._reserved_tokens += tokens
        self._reserved_usd += cost
        return Reservation(input_chars, tokens, cost)

    def settle(self, reservation: Reservation, usage: Usage | None) -> None:
        """Exchanges a reservation for what the call cost; None where it failed and nothing was paid."""
        if not self.is_limited:
            return
        self.in_flight -= 1
        self._reserved_tokens -= reservation.tokens
        self._reserved_usd -= reservation.cost_usd
        if not self.in_flight:
            self._reserved_usd = 0.0  # what rounding left
        if usage is None:
            return
        self.tokens += usage.input_tokens + usage.output_tokens
        self.cost_usd += cost_usd(usage, self._prices) or 0.0
        if usage.input_tokens and reservation.input_chars:
            self._seen += 1
            self._ratio = max(self._ratio, usage.input_tokens / reservation.input_chars)

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is in flight and nothing is left to make another call with."""
        if self.in_flight:
            return False
        return self._is_cost_reached or self._are_tokens_reached or (self._is_refused and not self._may_exceed)

    def share(self, among: int, tokens: int = 0, cost_usd: float = 0.0) -> Budget:
        """One of equal shares of what is left; they keep within it without the one reply more.

        Args:
            among: number of shares; a single one may take the one reply more.
            tokens: of what is left, set aside for others.
            cost_usd: likewise.
        """
        left_usd = None if self._max_cost_usd is None else max(0.0, self._max_cost_usd - self.cost_usd - cost_usd)
        left = None if self._max_tokens is None else max(0, self._max_tokens - self.tokens - tokens)
        return Budget(
            None if left_usd is None else left_usd / among,
            None if left is None else left // among,
            self._prices,
            Spent(),
            may_exceed=among == 1 and not tokens and not cost_usd,
        )

    def left(self) -> tuple[int, float]:
        """Tokens and US dollars that may still be spent; 0 where there is no such limit."""
        tokens = 0 if self._max_tokens is None else max(0, self._max_tokens - self.tokens)
        return tokens, 0.0 if self._max_cost_usd is None else max(0.0, self._max_cost_usd - self.cost_usd)

    @property
    def _is_cost_reached(self) -> bool:
        return self._max_cost_usd is not None and self.cost_usd >= self._max_cost_usd

    @property
    def _are_tokens_reached(self) -> bool:
        return self._max_tokens is not None and self.tokens >= self._max_tokens

    def line(self) -> str:
        """Which limit was reached and how to raise it, for the error that ends the run."""
        share = f"this one's share (1/{self._shares}) of " if self._shares > 1 else ""
        if self._max_tokens is not None and self._are_tokens_reached:
            raised = 2 * max(self._max_tokens, self.tokens) * self._shares
            limit_words = f"{share}budget.max_tokens {self._max_tokens * self._shares}"
            return (
                f"the budget is reached: {self.tokens} of {limit_words} tokens; "
                f"raise it with --set budget.max_tokens={raised}"
            )
        limit = (self._max_cost_usd or 0.0) * self._shares
        raised_usd = 2 * max(limit, self.cost_usd * self._shares) or 1.0
        return (
            f"the budget is reached: ${self.cost_usd:.2f} of {share}budget.max_cost_usd {limit:.2f}; "
            f"raise it with --set budget.max_cost_usd={raised_usd:.2f}"
        )
