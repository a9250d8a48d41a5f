"""What a run has paid for: tokens and cost by stage, model and outcome; every reply on disk counts exactly once.

A finished part's manifest holds its sums. A part that is not finished is counted from its replies, also while they
are being appended. Prices are the configuration's present ones. Outcomes::

    kept      gave a record (each vote of a unit that was kept, if it could be read)
    rejected  was the last word about a unit, or about a vote, that gave none
    retried   could not be read or was cut short, so that another attempt followed
    refused   the endpoint would not answer, and may have counted tokens nevertheless
    unused    stands on disk, but the present configuration and problems do not ask for it
    open      belongs to a part that is not finished
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lemma.budget import Budget, Spent, cost_usd
from lemma.config import Config, Prices
from lemma.errors import ConfigError
from lemma.replies import read_replies
from lemma.sharding import Shard
from lemma.shards.folder import StageFolder, part_number
from lemma.shards.manifest import Manifest, StageUsage

OUTCOMES: Final = ("kept", "rejected", "retried", "refused", "unused", "open")
_LEAST_SURE: Final = ("unused", "open", "retried", "refused", "rejected", "kept")
"""Where a reply that stands in two parts is taken out again: where it was left behind, most likely."""

Fresh = Mapping[str, Mapping[int, Manifest]]
"""Stage → part → manifest, of the parts that are finished as the present configuration wants them."""


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """Replies of one stage, model and outcome."""

    stage: str
    model: str
    """As the endpoint calls it; empty where it did not say."""
    outcome: str
    """One of `OUTCOMES`."""
    usage: StageUsage
    cost_usd: float | None
    """None: a price is unknown."""


def prices_of(config: Config, stage: str) -> Prices:
    """The prices that a stage's replies are paid at: the student's or the teacher's."""
    endpoint = config.student if stage == "sample" else config.teacher
    return endpoint.prices if endpoint is not None else Prices()


def read_ledger(
    run: Path, config: Config, fresh: Fresh, parts: int, holds: Callable[[int], bool] = lambda part: True
) -> list[LedgerLine]:
    """Adds up all replies of a run; safe while the run is going on.

    Args:
        run: the run's folder.
        config: for the prices.
        fresh: the stages in use, each with its finished parts.
        parts: number of parts of the run; replies of others are not in use.
        holds: whose replies count, by the number of their part.

    Returns:
        Lines by stage, model and outcome.
    """
    lines = []
    for folder in sorted(path.parent for path in run.glob("*/replies")):
        stage = folder.name
        prices = prices_of(config, stage)
        for model, by_outcome in sorted(_stage_usage(run, stage, fresh.get(stage), parts, holds).items()):
            for outcome in OUTCOMES:
                if outcome in by_outcome:
                    usage = by_outcome[outcome]
                    lines.append(LedgerLine(stage, model, outcome, usage, cost_usd(usage, prices)))
    return lines


def _stage_usage(
    run: Path, stage: str, fresh: Mapping[int, Manifest] | None, parts: int, holds: Callable[[int], bool]
) -> dict[str, dict[str, StageUsage]]:
    """Model → outcome → sums of one stage."""
    folder = StageFolder(run, stage)
    sums: dict[str, dict[str, StageUsage]] = {}
    copied: dict[str, StageUsage] = {}

    def add(model: str, outcome: str, usage: StageUsage) -> None:
        sums.setdefault(model, {}).setdefault(outcome, StageUsage()).add(usage)

    for number in filter(holds, _numbers(folder)):
        is_in_use = fresh is not None and number < parts
        manifest = (fresh or {}).get(number)
        if is_in_use and manifest is not None:
            for model, by_outcome in manifest.usage.items():
                for outcome, usage in by_outcome.items():
                    add(model, outcome, usage)
            _add_all(copied, manifest.copied)
            continue
        totals, copies = _totals(folder, number)
        for model, usage in totals.items():
            add(model, "open" if is_in_use else "unused", usage)
        _add_all(copied, copies)
    for model, usage in copied.items():
        _take_out(sums[model], usage)
    return sums


def _numbers(folder: StageFolder) -> Iterator[int]:
    numbers = {part_number(path) for path in folder.replies(0).parent.glob("part-*.jsonl")}
    yield from sorted(number for number in numbers if number is not None)


def _add_all(totals: dict[str, StageUsage], more: Mapping[str, StageUsage]) -> None:
    for model, usage in more.items():
        totals.setdefault(model, StageUsage()).add(usage)


def _totals(folder: StageFolder, number: int) -> tuple[dict[str, StageUsage], dict[str, StageUsage]]:
    """Model → sums of a part, and of its copies among them. A manifest goes before its replies grow, so it is whole."""
    totals: dict[str, StageUsage] = {}
    manifest = folder.manifest(number)
    if manifest is not None:
        for model, by_outcome in manifest.usage.items():
            for usage in by_outcome.values():
                totals.setdefault(model, StageUsage()).add(usage)
        return totals, manifest.copied
    copies: dict[str, StageUsage] = {}
    for reply in read_replies(folder.reply_files(number)):
        totals.setdefault(reply.model, StageUsage()).count(reply)
        if reply.is_copy:
            copies.setdefault(reply.model, StageUsage()).count(reply)
    return totals, copies


def _take_out(by_outcome: dict[str, StageUsage], copied: StageUsage) -> None:
    """Takes copies out again, so that what was paid for once counts once."""
    for name in StageUsage.model_fields:
        left = getattr(copied, name)
        for outcome in _LEAST_SURE:
            usage = by_outcome.get(outcome)
            if usage is not None:
                taken = min(left, getattr(usage, name))
                setattr(usage, name, getattr(usage, name) - taken)
                left -= taken
    for outcome in [outcome for outcome, usage in by_outcome.items() if usage == StageUsage()]:
        del by_outcome[outcome]


def total_cost(lines: Iterable[LedgerLine]) -> float | None:
    """Cost of some lines together; None where that of one is unknown."""
    costs = [line.cost_usd for line in lines]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def budget_of(run: Path, config: Config, stage: str, is_batch: bool = False, shard: Shard | None = None) -> Budget:
    """The run's budget while `stage` is asked (in batches or not): less all that the run has paid for, of any stage.

    A shard's is its share of it, less what its own parts have cost.

    Raises:
        ConfigError: there is a limit in dollars, and a price of what was paid for is unknown.
    """
    limits = config.budget if shard is None else shard.budget(config.budget)
    spent = Spent()
    if limits.max_cost_usd is not None or limits.max_tokens is not None:
        lines = read_ledger(run, config, {}, 0, shard.holds if shard is not None else lambda part: True)
        tokens = sum(line.usage.input_tokens + line.usage.output_tokens for line in lines)
        unknown = next((line.stage for line in lines if line.cost_usd is None), None)
        if limits.max_cost_usd is not None and unknown is not None:
            role = "student" if unknown == "sample" else "teacher"
            raise ConfigError(
                f"budget.max_cost_usd: what {unknown} has cost so far cannot be told; give {role}.prices, "
                "or limit budget.max_tokens instead"
            )
        spent = Spent(tokens, sum(line.cost_usd or 0.0 for line in lines))
    shares = shard.count if shard is not None else 1
    return Budget(limits.max_cost_usd, limits.max_tokens, prices_of(config, stage), spent, is_batch, shares)
