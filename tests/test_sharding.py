"""`--shard I/N`: which parts are whose, and how limits are shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lemma.budget import Budget, Spent
from lemma.cli import app
from lemma.config import BudgetConfig, Prices, TeacherConfig
from lemma.errors import ConfigError
from lemma.ledger import budget_of
from lemma.sharding import Shard
from tests.conftest import example_config


def test_every_part_is_one_shards() -> None:
    for count in (1, 3, 4):
        shards = [Shard(index, count) for index in range(1, count + 1)]
        for part in range(20):
            assert [shard for shard in shards if shard.holds(part)] == [Shard.of(part, count)]
    assert [part for part in range(9) if Shard.parse(" 2/4 ").holds(part)] == [1, 5]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "a", "1", "1/4/2", "-1/4", "1.5/4", "", "٢/٤", "1/9999999"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form I/N"):
        Shard.parse(text)


def test_missing_parts_are_told_with_the_command_that_makes_them() -> None:
    assert Shard(1, 4).told([1, 5], 8, "lemma run --shard") == (
        "2 of 8 are missing (1, 5) that nobody works on: `lemma run --shard 2/4` makes them"
    )
    many = Shard(1, 4).told([part for part in range(40) if part % 4], 40, "lemma run --shard")
    assert many.startswith("30 of 40 are missing (1, 2, 3, 5, 6, 7, 9, 10, …) that")
    assert many.endswith("`lemma run --shard 2/4` (and so for 3/4, 4/4) makes them")


def test_rates_and_budget_are_divided_and_concurrency_is_not() -> None:
    endpoint = TeacherConfig(backend="openai", model="m", rpm=100, concurrency=32)
    mine = Shard(2, 4).endpoint(endpoint)
    assert (mine.rpm, mine.tpm, mine.concurrency) == (25, None, 32)
    assert Shard(2, 4).budget(BudgetConfig(max_cost_usd=10, max_tokens=1002)) == BudgetConfig(
        max_cost_usd=2.5, max_tokens=250
    )
    assert Shard(1, 4).budget(BudgetConfig()) == BudgetConfig()


def test_a_shards_budget_counts_what_its_own_parts_have_cost(tmp_path: Path) -> None:
    replies = tmp_path / "analyze/replies"
    replies.mkdir(parents=True)
    line = (
        '{"key":"%s","unit":"u","draw":0,"attempt":0,"text":"t","finish_reason":"stop","model":"m","reasoning":"",'
        '"usage":[100,0,20],"detail":"","created_s":1.0}\n'
    )
    for part in range(6):
        (replies / f"part-{part:05d}.jsonl").write_text(line % f"{part:032x}")
    config = example_config(budget={"max_tokens": 2000})
    assert budget_of(tmp_path, config, "analyze").tokens == 720
    assert [budget_of(tmp_path, config, "analyze", shard=Shard(index, 4)).tokens for index in (1, 2, 3, 4)] == [
        240,
        240,
        120,
        120,
    ]


def test_a_share_that_is_spent_is_told_with_the_whole_to_raise() -> None:
    tokens = Budget(None, 250, Prices(), Spent(tokens=260), shares=4)
    assert tokens.line() == (
        "the budget is reached: 260 of this one's share (1/4) of budget.max_tokens 1000 tokens; "
        "raise it with --set budget.max_tokens=2080"
    )
    dollars = Budget(2.5, None, Prices(), Spent(cost_usd=2.5), shares=4)
    assert "$2.50 of this one's share (1/4) of budget.max_cost_usd 10.00" in dollars.line()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sample", "--shard", "5/4"], "is not of the form I/N"),
        (["inject", "--shard", "1/4", "--partial"], "leave out --shard"),
        (["run", "--shard", "1/4", "--retarget"], "leave out --shard"),
    ],
)
def test_a_wrong_shard_is_an_error_of_usage(arguments: list[str], said: str, tmp_path: Path) -> None:
    command = [arguments[0], str(tmp_path / "config.yaml"), "-o", str(tmp_path / "run"), *arguments[1:]]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())
    assert not (tmp_path / "run").exists()
