"""Whether a failed call is made again, and after how long: tenacity's policies, without its sleeping.

The engine puts a waiting call back into its queue, so that it holds no place among the calls in flight; tenacity
therefore only computes the pause.
"""

from __future__ import annotations

import random

from lemma.teacher.base import CallFailed

MAX_WAIT_S = 60.0


class RetryPolicy:
    """Exponential pauses with jitter, from half a second to a minute; `Retry-After` counts where it is longer."""

    def __init__(self, random_source: random.Random | None = None) -> None:
        import tenacity

        self._state = tenacity.RetryCallState
        self._wait = tenacity.wait_exponential(multiplier=0.5, max=MAX_WAIT_S)
        # a source of its own: pauses must never touch the seeds that decide the data
        self._random = random_source or random.Random()

    def wait_s(self, failures: int, error: CallFailed) -> float:
        """Seconds to wait after the `failures`-th failure in a row (from 1)."""
        state = self._state(None, None, (), {})  # type: ignore[arg-type]
        state.attempt_number = failures
        # 1.0–1.5 ×: calls that failed together do not come back together
        pause = self._wait(state) * (1 + self._random.random() / 2)
        return max(pause, error.retry_after_s or 0.0)
