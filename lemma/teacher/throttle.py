"""How many calls one address takes at present: its limits obeyed, its window found, without asking it.

Pure and driven by a clock that is handed in (monotonic seconds). The window begins at `concurrency`, since a slow
start would cost a short run more than it spares; it halves where the address throttles, or answers ever more slowly
without answering more, and grows back: fast to three quarters of where it broke, then by a share of `concurrency`
each round trip (additive increase, multiplicative decrease).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

BURST_S: Final = 1.0
"""A limit a minute is spent evenly: this many seconds of it may be made up for at once."""
SLOWDOWN: Final = 3.0
"""Latency this many times its lowest is a sign that calls queue at the address."""
SAMPLES: Final = 64
GROWTH_ROUNDS: Final = 15


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What ``x-ratelimit-*`` headers say; None where they do not.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """

    requests: float | None = None
    """A minute."""
    remaining_requests: float | None = None
    tokens: float | None = None
    """A minute."""
    remaining_tokens: float | None = None


def read_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The limits that an answer's headers tell; None where they tell none. Garbage is not looked at."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return None
    names = ("limit-requests", "remaining-requests", "limit-tokens", "remaining-tokens")
    return RateLimits(*(_number(headers.get(f"x-ratelimit-{name}", "")) for name in names))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


class Bucket:
    """Fills with `per_minute` / 60 a second, up to `size`; pays out by what its `level` is lowered by."""

    __slots__ = ("at", "level", "rate", "size")

    def __init__(self, per_minute: float, now: float, level: float | None = None, size: float | None = None) -> None:
        self.rate = per_minute / 60
        self.size = size if size is not None else max(1.0, self.rate * BURST_S)
        self.level = self.size if level is None else level
        self.at = now

    def wait_s(self, now: float, amount: float) -> float:
        """Seconds until `amount` is there, or as much as it holds."""
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        missing = min(amount, self.size) - self.level
        return missing / self.rate if missing > 1e-9 else 0.0

    def set_rate(self, per_minute: float, burst_s: float) -> None:
        """Fills at another rate from now on, up to `burst_s` seconds of it."""
        self.rate = per_minute / 60
        self.size = max(1.0, self.rate * burst_s)


class Throttle:
    """One address.

    Args:
        concurrency: calls in flight at most.
        rpm: requests a minute at most.
        tpm: tokens a minute at most.

    Attributes:
        window: calls that may be in flight at present.
        in_flight: calls in flight.
        latency_s: of late, 0 while nothing was answered.
    """

    def __init__(self, concurrency: int, rpm: float | None = None, tpm: float | None = None) -> None:
        self.concurrency = concurrency
        self.window = float(concurrency)
        self.in_flight = 0
        self.latency_s = 0.0
        self._rpm, self._tpm = rpm, tpm
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._told_requests: Bucket | None = None
        self._told_tokens: Bucket | None = None
        self._is_begun = False
        self._until = -math.inf
        self._threshold = float(concurrency)
        self._cut_at = -math.inf
        self._latencies: list[float] = []
        self._lowest: tuple[float, float] | None = None
        self._before_cut: tuple[float, float] | None = None

    def _begin(self, now: float) -> None:
        self._is_begun = True
        if self._rpm is not None:
            self._requests = Bucket(self._rpm, now)
        if self._tpm is not None:
            self._tokens = Bucket(self._tpm, now)

    def wait_s(self, now: float, tokens: int) -> float:
        """0 where a call of about so many tokens may start; else seconds until it may, infinite: when one ends."""
        if not self._is_begun:
            self._begin(now)
        if self.in_flight >= int(self.window):
            return math.inf
        wait = max(0.0, self._until - now)
        for bucket, amount in (
            (self._requests, 1.0),
            (self._told_requests, 1.0),
            (self._tokens, tokens),
            (self._told_tokens, tokens),
        ):
            if bucket is not None:
                wait = max(wait, bucket.wait_s(now, amount))
        return wait

    def start(self, now: float, tokens: int) -> None:
        """A call begins."""
        self.in_flight += 1
        for bucket in (self._requests, self._told_requests):
            if bucket is not None:
                bucket.level -= 1
        for bucket in (self._tokens, self._told_tokens):
            if bucket is not None:
                bucket.level -= tokens

    def answered(self, now: float, began: float, estimated: int, tokens: int, limits: RateLimits | None) -> None:
        """A call that began at `began` was answered; it took `tokens`, not `estimated`."""
        self.in_flight -= 1
        if estimated != tokens:
            for bucket in (self._tokens, self._told_tokens):
                if bucket is not None:
                    bucket.level += estimated - tokens
        if limits is not None:
            self._hear(now, limits)
        latency = now - began
        self.latency_s += (latency - self.latency_s) * (0.1 if self.latency_s else 1.0)
        if began <= self._cut_at:  # what was sent before the last cut tells nothing of the window since
            return
        if self.window < self.concurrency and self.in_flight + 2 >= self.window:
            step = 1.0 if self.window < self._threshold else self.concurrency / GROWTH_ROUNDS / self.window
            self.window = min(float(self.concurrency), self.window + step)
        self._latencies.append(latency)
        if len(self._latencies) >= max(SAMPLES, self.window):
            self._end_epoch(now)

    def throttled(self, now: float, began: float, retry_after_s: float | None, limits: RateLimits | None) -> None:
        """A call was turned away (429, 503)."""
        self._obey(now, retry_after_s, limits)
        if began > self._cut_at:
            self._threshold = max(1.0, self.window * 0.75)
            self._cut(now)
            self._before_cut = None

    def _obey(self, now: float, retry_after_s: float | None, limits: RateLimits | None) -> None:
        self.in_flight -= 1
        if retry_after_s:
            self._until = max(self._until, now + retry_after_s)
        if limits is not None:
            self._hear(now, limits)

    def failed(self, now: float) -> None:
        """A call ended in another way."""
        self.in_flight -= 1

    def _cut(self, now: float) -> None:
        self.window = max(1.0, self.window / 2)
        self._latencies.clear()
        self._cut_at = now

    def _end_epoch(self, now: float) -> None:
        """Looks whether the calls of an epoch queued at the address; throughput by Little's law: calls / latency."""
        latency = max(median(self._latencies), 1e-9)
        throughput = self.window / latency
        self._latencies.clear()
        if self._before_cut is not None:
            window, before = self._before_cut
            self._before_cut = None
            if throughput < 0.85 * before:  # fewer calls were no quicker: this is how the address is now
                self.window = max(self.window, window)
                self._lowest = (latency, throughput)
            return
        if self._lowest is None or latency < self._lowest[0]:
            self._lowest = (latency, throughput)
        elif latency > SLOWDOWN * self._lowest[0] and throughput < 1.1 * self._lowest[1] and self.window > 8:
            self._before_cut = (self.window, throughput)
            self._cut(now)
            self._threshold = self.window

    def _hear(self, now: float, limits: RateLimits) -> None:
        """Keeps a mirror of the buckets that the address tells of; calls under way have left ours already."""
        if limits.requests and limits.remaining_requests is not None:
            self._told_requests = _mirror(self._told_requests, now, limits.requests, limits.remaining_requests)
        if limits.tokens and limits.remaining_tokens is not None:
            self._told_tokens = _mirror(self._told_tokens, now, limits.tokens, limits.remaining_tokens)


def _mirror(bucket: Bucket | None, now: float, limit: float, remaining: float) -> Bucket:
    if bucket is None or bucket.rate != limit / 60:
        return Bucket(limit, now, level=remaining, size=limit)
    bucket.wait_s(now, 0.0)
    bucket.level = min(bucket.level, remaining)
    return bucket
