"""Correction strategies: one file each, found by name."""

from __future__ import annotations

from lemma.strategies.base import Strategy
from lemma.strategies.fix_continue import FixContinue
from lemma.strategies.fresh_restart import FreshRestart

__all__ = ["STRATEGIES", "FixContinue", "FreshRestart", "Strategy", "register"]

STRATEGIES: dict[str, Strategy] = {}
"""By name; a plugin adds its own with `register`."""


def register(strategy: Strategy) -> None:
    """Makes a strategy known; one of the same name is replaced."""
    STRATEGIES[strategy.name] = strategy


register(FixContinue())
register(FreshRestart())
