"""One limit that several processes share: permits leased in small batches, by a rate that is found where it is lower.

Pure and driven by a clock that is handed in, as `lemma.teacher.throttle`. `SharedLimit` is the one place that knows the
limit of an address; each process asks it for permits through a `LeasedThrottle`, which never waits: it is told of them
when they come. Where the address turns calls away all the same, the rate is cut for all at once, at most once a
second, and grows back slowly (additive increase, multiplicative decrease).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lemma.teacher.pool import Address, Pool
from lemma.teacher.throttle import Bucket, RateLimits, Throttle

BURST_S: Final = 0.1
"""So many seconds of the limit may be made up for at once: what is not asked for by then is gone."""
CUT: Final = 0.85
CUT_EVERY_S: Final = 1.0
GROWTH: Final = 0.01
"""A second, of what the rate is."""
LOWEST: Final = 0.01
"""Of the limit that was given."""
LAPSE_S: Final = 1.0
"""A permit that was not used for so long is gone: used late, it would be one too many then."""
LOOK_AGAIN_S: Final = 0.01
PATIENCE_S: Final = 0.05
"""An address nearby is waited for so long before one farther off is asked."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a process asks for at an address."""

    permits: int
    """At most."""
    tokens: int
    """Of one call, about."""
    owed_tokens: int = 0
    """Used since the last wish beyond what was leased; negative: less."""
    throttled: int = 0
    """Calls turned away since the last wish."""


class SharedLimit:
    """The limit of one address, for all who call it.

    Args:
        rpm: requests a minute at most.
        tpm: tokens a minute at most.
        now: monotonic seconds.

    Attributes:
        share: of the limits that is given out at present, 0 to 1.
    """

    def __init__(self, rpm: float | None, tpm: float | None, now: float) -> None:
        self._requests = _small_bucket(rpm, now)
        self._tokens = _small_bucket(tpm, now)
        self._limits = (rpm, tpm)
        self.share = 1.0
        self._grown_at = now
        self._cut_at = -math.inf

    def hear(self, wish: Wish, now: float) -> None:
        """Takes in what a process tells beside its wish."""
        self._grow(now)
        if self._tokens is not None:
            self._tokens.level -= wish.owed_tokens
        if wish.throttled and now - self._cut_at >= CUT_EVERY_S:
            self._cut_at = now
            self._set(max(LOWEST, self.share * CUT))

    def take(self, wish: Wish, now: float) -> int:
        """Permits for a wish; 0 where `wait_s` has to pass before."""
        if self.wait_s(wish, now) > 0:
            return 0
        permits = wish.permits
        if self._requests is not None:
            permits = min(permits, max(1, int(self._requests.level + 1e-6)))
        if self._tokens is not None and wish.tokens:
            permits = min(permits, max(1, int(self._tokens.level / wish.tokens)))
        if self._requests is not None:
            self._requests.level -= permits
        if self._tokens is not None:
            self._tokens.level -= permits * wish.tokens
        return permits

    def wait_s(self, wish: Wish, now: float) -> float:
        """Seconds until a small batch is there for it: one by one they would cost more than the calls."""
        self._grow(now)
        wait = 0.0
        if self._requests is not None:
            wait = self._requests.wait_s(now, min(wish.permits, max(1.0, float(int(self._requests.size / 2)))))
        if self._tokens is not None:
            batch = min(wish.permits * wish.tokens, max(float(wish.tokens), self._tokens.size / 2))
            wait = max(wait, self._tokens.wait_s(now, batch))
        return wait

    def _grow(self, now: float) -> None:
        if self.share < 1.0:
            self._set(min(1.0, self.share * (1 + GROWTH * max(0.0, now - self._grown_at))))
        self._grown_at = now

    def _set(self, share: float) -> None:
        self.share = share
        for bucket, limit in zip((self._requests, self._tokens), self._limits, strict=True):
            if bucket is not None and limit is not None:
                bucket.set_rate(limit * share, BURST_S)


def _small_bucket(per_minute: float | None, now: float) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, now, size=max(1.0, per_minute / 60 * BURST_S))


class LeasedThrottle(Throttle):
    """One address as one process sees it: its own window, and permits that are leased.

    Args:
        concurrency: calls in flight at most.
        ask: sends a wish on its way; `granted` is called with what became of it.
    """

    def __init__(self, concurrency: int, ask: Callable[[LeasedThrottle, Wish], None]) -> None:
        super().__init__(concurrency)
        self._ask = ask
        self._permits = 0
        self._tokens_each = 0
        self._owed = 0
        self._turned_away = 0
        self._lapse_at = -math.inf
        self._asked_at: float | None = None

    def has_permit(self, now: float, tokens: int) -> bool:
        """Whether a call may start; if not, a wish is on its way from now on."""
        if self._permits and now < self._lapse_at:
            return True
        if self._asked_at is None:
            self._asked_at = now
            wish = Wish(max(1, int(self.window) - self.in_flight), tokens, self._owed, self._turned_away)
            self._tokens_each, self._owed, self._turned_away = tokens, 0, 0
            self._ask(self, wish)
        return False

    def waits_s(self, now: float) -> float:
        """How long the wish has been on its way."""
        return now - self._asked_at if self._asked_at is not None else 0.0

    def granted(self, permits: int, now: float) -> None:
        """A wish came back."""
        self._permits = permits
        self._lapse_at = now + LAPSE_S
        self._asked_at = None

    def start(self, now: float, tokens: int) -> None:
        """A call begins."""
        super().start(now, tokens)
        self._permits -= 1
        self._owed += tokens - self._tokens_each

    def answered(self, now: float, began: float, estimated: int, tokens: int, limits: RateLimits | None) -> None:
        """A call that began at `began` was answered; it took `tokens`, not `estimated`."""
        super().answered(now, began, estimated, tokens, limits)
        self._owed += tokens - estimated

    def throttled(self, now: float, began: float, retry_after_s: float | None, limits: RateLimits | None) -> None:
        """A call was turned away: the rate is cut for all, so the window of this process stays as it is."""
        self._obey(now, retry_after_s, limits)
        self._turned_away += 1


class SharedPool(Pool):
    """The addresses of one model, whose limits are shared with other processes.

    Args:
        urls: base URLs.
        concurrency: calls in flight at most, over all addresses.
        near: which of `urls` come first; others only where these are sick, full or have no permits left.
        ask: as `LeasedThrottle`'s, with the number of the address; None: no limits are set, none are shared.
    """

    def __init__(
        self,
        urls: list[str],
        concurrency: int,
        near: frozenset[int],
        ask: Callable[[int, LeasedThrottle, Wish], None] | None = None,
    ) -> None:
        super().__init__(urls, concurrency)
        if ask is not None:
            for number, address in enumerate(self.addresses):
                address.throttle = LeasedThrottle(concurrency, _asking(ask, number))
        near_ones = [address for number, address in enumerate(self.addresses) if number in near]
        self._near = frozenset(map(id, near_ones))

    def pick(self, now: float, tokens: int) -> Address | None:
        """The address nearby that would be done first with one more call; then one farther off."""
        if self._in_flight >= self._concurrency:
            return None
        for address in self._open(now, tokens):
            throttle = address.throttle
            if not isinstance(throttle, LeasedThrottle) or throttle.has_permit(now, tokens):
                return address
            if throttle.waits_s(now) < PATIENCE_S:
                return None  # permits are a moment away
        return None

    def wait_s(self, now: float, tokens: int) -> float:
        """Seconds until `pick` may find one; infinite: when a call ends."""
        wait = super().wait_s(now, tokens)
        return max(wait, LOOK_AGAIN_S) if wait < math.inf else wait

    def _open(self, now: float, tokens: int) -> list[Address]:
        open_ones = [one for one in self.addresses if self._room_s(one, now, tokens) == 0]
        return sorted(open_ones, key=lambda one: (id(one) not in self._near, one.work))

    def _room_s(self, address: Address, now: float, tokens: int) -> float:
        # nowhere else to go: that it fails is the engine's to see
        only = len(self.addresses) == 1
        return address.throttle.wait_s(now, tokens) if only else address.wait_s(now, tokens)


def _asking(ask: Callable[[int, LeasedThrottle, Wish], None], number: int) -> Callable[[LeasedThrottle, Wish], None]:
    return lambda throttle, wish: ask(number, throttle, wish)
