"""Several addresses of one model: a call goes to the least busy that has room; one that is sick rests, then is probed.

Pure and driven by a clock that is handed in, as `lemma.teacher.throttle`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from lemma.teacher.throttle import RateLimits, Throttle

SICK_AFTER: Final = 5
"""Failures in a row, without an answer between."""
MAX_REST_S: Final = 60.0


class Address:
    """One address and how it fares.

    Attributes:
        url: base URL; empty for the client's own.
        throttle: what it takes.
    """

    __slots__ = ("_failures", "_is_probed", "_rest_s", "_rests_until", "throttle", "url")

    def __init__(self, url: str, throttle: Throttle) -> None:
        self.url = url
        self.throttle = throttle
        self._failures = 0
        self._rest_s = 1.0
        self._rests_until = -math.inf
        self._is_probed = False

    @property
    def is_sick(self) -> bool:
        """Whether it has not answered for some calls in a row."""
        return self._failures >= SICK_AFTER

    @property
    def work(self) -> float:
        """How long it would take with one more call, by its latency."""
        return (self.throttle.in_flight + 1) * (self.throttle.latency_s or 1e-3)

    def wait_s(self, now: float, tokens: int) -> float:
        """As `Throttle.wait_s`; a sick one takes one call after its rest."""
        if not self.is_sick:
            return self.throttle.wait_s(now, tokens)
        return math.inf if self._is_probed else max(0.0, self._rests_until - now)

    def start(self, now: float, tokens: int) -> None:
        """A call begins."""
        self._is_probed = self.is_sick
        self.throttle.start(now, tokens)

    def heal(self) -> None:
        """It answered."""
        self._failures = 0
        self._rest_s = 1.0
        self._is_probed = False

    def worsen(self, now: float) -> None:
        """It did not."""
        self._failures += 1
        if self._failures == SICK_AFTER or self._is_probed:
            self._rests_until = now + self._rest_s
            self._rest_s = min(MAX_REST_S, 2 * self._rest_s)
        self._is_probed = False


class Pool:
    """The addresses of one model.

    Args:
        urls: base URLs.
        concurrency: calls in flight at most, over all addresses; each may take as many.
        rpm: requests a minute at most, at each address.
        tpm: tokens a minute at most, at each address.
    """

    def __init__(
        self, urls: Sequence[str], concurrency: int, rpm: float | None = None, tpm: float | None = None
    ) -> None:
        self.addresses = [Address(url, Throttle(concurrency, rpm, tpm)) for url in urls]
        self._concurrency = concurrency
        self._in_flight = 0

    def pick(self, now: float, tokens: int) -> Address | None:
        """The address that would be done first with one more call, by its latency; None where none has room."""
        if self._in_flight >= self._concurrency:
            return None
        if len(self.addresses) == 1:  # nowhere else to go: that it fails is the engine's to see
            only = self.addresses[0]
            return only if only.throttle.wait_s(now, tokens) == 0 else None
        open_ones = [one for one in self.addresses if one.wait_s(now, tokens) == 0]
        return min(open_ones, key=lambda one: one.work, default=None)

    def wait_s(self, now: float, tokens: int) -> float:
        """Seconds until `pick` may find one; infinite: when a call ends."""
        if self._in_flight >= self._concurrency:
            return math.inf
        if len(self.addresses) == 1:
            return self.addresses[0].throttle.wait_s(now, tokens)
        return min(one.wait_s(now, tokens) for one in self.addresses)

    def start(self, address: Address, now: float, tokens: int) -> None:
        """A call begins."""
        self._in_flight += 1
        address.start(now, tokens)

    def answered(
        self, address: Address, now: float, began: float, estimated: int, tokens: int, limits: RateLimits | None
    ) -> None:
        """It was answered."""
        self._in_flight -= 1
        address.heal()
        address.throttle.answered(now, began, estimated, tokens, limits)

    def throttled(
        self, address: Address, now: float, began: float, retry_after_s: float | None, limits: RateLimits | None
    ) -> None:
        """It was turned away: the address is there, and takes fewer."""
        self._in_flight -= 1
        address.heal()
        address.throttle.throttled(now, began, retry_after_s, limits)

    def failed(self, address: Address, now: float) -> None:
        """It failed."""
        self._in_flight -= 1
        address.worsen(now)
        address.throttle.failed(now)
