"""The ledger: every reply on disk counts exactly once, under what its money went into."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config, ShardsConfig
from lemma.errors import ConfigError, LemmaError, TeacherError
from lemma.ledger import OUTCOMES, LedgerLine, budget_of, read_ledger, total_cost
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest, StageUsage
from lemma.stages.base import Reply, Request, Usage
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import example_config

RULES = RulesTeacher()
PRICES = {"input_usd_per_mtok": 2.5, "cached_input_usd_per_mtok": 1.25, "output_usd_per_mtok": 10}


def priced(request: Request, **more: Any) -> Reply:
    """What the rules say, with tokens counted as an endpoint would."""
    reply = RULES.answer_now(request)
    sent = sum(len(message["content"]) for message in request.messages) // 4
    return replace(reply, model="scripted-1", usage=Usage(sent, sent // 2, 1 + len(reply.text) // 4), **more)


def faulty(request: Request, asked_before: int) -> Reply:
    """Every third first attempt unreadable, every seventh cut short, every eleventh refused and counted."""
    number = int(request.key[:8], 16)
    if request.attempt == 0 and number % 11 == 0:
        return priced(request, text="", finish_reason="refused", detail="no")
    if request.attempt == 0 and number % 7 == 0:
        return priced(request, finish_reason="length")
    if request.attempt == 0 and number % 3 == 0:
        return priced(request, text="I would rather talk.")
    return priced(request)


def answers(request: Request, asked_before: int) -> Reply:
    return priced(request)


def config_of(**more: Any) -> Config:
    teacher = {"backend": "openai", "model": "rules", "base_url": "http://127.0.0.1:9/v1", "prices": PRICES}
    return example_config(teacher=teacher, **more)


def work(run: Path, config: Config, script: Callable[[Request, int], Any], *stages: str) -> ScriptedTeacher:
    teacher = ScriptedTeacher(script)
    with Pipeline(run, config, Options(quiet=True), say=lambda line: None, teacher=lambda role: teacher) as pipeline:
        pipeline.work(stages or STAGES)
    return teacher


def fresh(run: Path) -> dict[str, dict[int, Manifest]]:
    """Every manifest there is, as if all were of the present configuration."""
    found: dict[str, dict[int, Manifest]] = {}
    for stage in STAGES[:-1]:
        folder = StageFolder(run, stage)
        found[stage] = {part: one for part in folder.parts() if (one := folder.manifest(part)) is not None}
    return found


def ledger(run: Path, config: Config, parts: int = 3) -> list[LedgerLine]:
    return read_ledger(run, config, fresh(run), parts)


def by_outcome(lines: list[LedgerLine], stage: str | None = None) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for line in lines:
        if stage in (None, line.stage):
            counts[line.outcome] += line.usage.replies
    return dict(counts)


def on_disk(run: Path) -> StageUsage:
    """The sum over all replies that were paid for, read without any code of ours."""
    total = StageUsage()
    for path in run.glob("*/replies/*.jsonl"):
        for line in path.read_bytes().splitlines():
            tree = json.loads(line)
            if not tree.get("copy"):
                sent, cached, output = tree["usage"]
                total.add(StageUsage(replies=1, input_tokens=sent, cached_input_tokens=cached, output_tokens=output))
    return total


def summed(lines: list[LedgerLine]) -> StageUsage:
    total = StageUsage()
    for line in lines:
        total.add(line.usage)
    return total


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished")
    work(run, config_of(), faulty)
    return run


def test_after_faults_and_retries_the_ledger_is_the_sum_over_all_replies_on_disk(tmp_path: Path) -> None:
    config = config_of()
    teacher = work(tmp_path, config, faulty)
    lines = ledger(tmp_path, config)
    assert summed(lines) == on_disk(tmp_path)
    assert summed(lines).replies == len(teacher.answered)
    assert set(by_outcome(lines)) == {"kept", "rejected", "retried", "refused"}
    assert {line.model for line in lines} == {"scripted-1"}


@pytest.mark.parametrize("stage", ["analyze", "inject", "correct", "smooth"])
def test_each_outcome_is_what_became_of_the_reply(finished: Path, stage: str) -> None:
    lines = [json.loads(line) for line in lines_of(finished, stage, "*")]
    kept = sum(len(path.read_bytes().splitlines()) for path in (finished / stage).glob("part-*.jsonl"))
    refused = sum(line["finish_reason"] == "refused" for line in lines)
    retried = sum(line["finish_reason"] == "length" or line["text"].startswith("I would") for line in lines)
    expected = {"kept": kept, "refused": refused, "retried": retried, "rejected": len(lines) - kept - refused - retried}
    assert by_outcome(ledger(finished, config_of()), stage) == {name: n for name, n in expected.items() if n}


def test_replies_of_unfinished_parts_are_open(tmp_path: Path) -> None:
    def stops(request: Request, asked_before: int) -> Any:
        return TeacherError("enough") if request.key.startswith("0") else priced(request)

    config = config_of()
    with pytest.raises(LemmaError, match="enough"):
        work(tmp_path, config, stops)
    lines = ledger(tmp_path, config)
    assert by_outcome(lines)["open"] > 0
    assert summed(lines) == on_disk(tmp_path)


def test_a_torn_last_line_is_not_counted(tmp_path: Path) -> None:
    config = config_of()
    work(tmp_path, config, answers)
    path = StageFolder(tmp_path, "correct").replies(1)
    whole = path.read_bytes()
    StageFolder(tmp_path, "correct").reopen(1)
    path.write_bytes(whole + whole[:200])
    lines = ledger(tmp_path, config)
    assert by_outcome(lines)["open"] == len(whole.splitlines())


def test_what_another_configuration_paid_for_is_unused(tmp_path: Path) -> None:
    work(tmp_path, config_of(), answers)
    before = ledger(tmp_path, config_of())
    other = config_of(answer_form="#### {answer}")
    teacher = work(tmp_path, other, answers)
    lines = ledger(tmp_path, other)
    assert summed(lines) == on_disk(tmp_path)
    assert summed(lines).replies == summed(before).replies + len(teacher.answered)
    assert by_outcome(lines)["unused"] > 0
    assert by_outcome(lines, "analyze") == by_outcome(before, "analyze")


def test_an_attempt_with_another_configuration_is_seen_after_going_back(tmp_path: Path) -> None:
    def stops(request: Request, asked_before: int) -> Any:
        if len(paid) == 20:
            return TeacherError("enough")
        paid.append(priced(request))
        return paid[-1]

    paid: list[Reply] = []
    config = config_of()
    work(tmp_path, config, answers)
    with pytest.raises(LemmaError, match="enough"):
        work(tmp_path, config_of(answer_form="#### {answer}"), stops)
    assert summed(ledger(tmp_path, config)) == on_disk(tmp_path)
    work(tmp_path, config, answers)
    lines = ledger(tmp_path, config)
    assert by_outcome(lines)["unused"] == len(paid)
    assert summed(lines) == on_disk(tmp_path)


@pytest.mark.parametrize("size", [2, 7, 50])
def test_problems_that_move_to_other_parts_cost_nothing_more(tmp_path: Path, size: int) -> None:
    config = config_of()
    work(tmp_path, config, faulty)
    before = ledger(tmp_path, config)
    moved = config.model_copy(update={"shards": ShardsConfig(size=size)})
    assert work(tmp_path, moved, faulty).answered == []
    parts = -(-12 // size)
    lines = ledger(tmp_path, moved, parts)
    assert summed(lines) == on_disk(tmp_path) == summed(before)
    assert by_outcome(lines) == by_outcome(before)
    assert total_cost(lines) == pytest.approx(total_cost(before))


def test_parts_and_stages_that_are_no_longer_in_use_are_unused(tmp_path: Path) -> None:
    config = config_of()
    work(tmp_path, config, answers)
    manifests = fresh(tmp_path)
    del manifests["smooth"]
    lines = read_ledger(tmp_path, config, manifests, 1)
    assert by_outcome(lines, "smooth") == {"unused": len(lines_of(tmp_path, "smooth", "*"))}
    assert by_outcome(lines, "analyze")["unused"] == len(lines_of(tmp_path, "analyze", "part-0000[12]*"))
    assert summed(lines) == on_disk(tmp_path)


def lines_of(run: Path, stage: str, pattern: str) -> list[bytes]:
    return [line for path in (run / stage / "replies").glob(pattern) for line in path.read_bytes().splitlines()]


def test_cached_input_is_priced_and_an_unknown_price_is_unknown(tmp_path: Path) -> None:
    config = config_of()
    work(tmp_path, config, answers)
    total = on_disk(tmp_path)
    fresh_tokens = total.input_tokens - total.cached_input_tokens
    cost = (fresh_tokens * 2.5 + total.cached_input_tokens * 1.25 + total.output_tokens * 10) / 1e6
    assert total_cost(ledger(tmp_path, config)) == pytest.approx(cost)
    assert total_cost(ledger(tmp_path, example_config())) is None


def test_the_rules_cost_nothing(tmp_path: Path) -> None:
    with Pipeline(tmp_path, example_config(), Options(quiet=True)) as pipeline:
        pipeline.work(STAGES)
    lines = ledger(tmp_path, example_config())
    assert summed(lines).replies == on_disk(tmp_path).replies > 60
    assert total_cost(lines) == 0


def test_lines_come_by_stage_model_and_outcome(tmp_path: Path) -> None:
    config = config_of()
    work(tmp_path, config, faulty)
    keys = [(line.stage, line.model, OUTCOMES.index(line.outcome)) for line in ledger(tmp_path, config)]
    assert keys == sorted(set(keys))


def test_the_budget_counts_what_any_stage_has_paid_for(tmp_path: Path) -> None:
    config = config_of(budget={"max_cost_usd": 100})
    work(tmp_path, config, faulty)
    total = on_disk(tmp_path)
    budget = budget_of(tmp_path, config, "smooth")
    assert budget.tokens == total.input_tokens + total.output_tokens
    assert budget.cost_usd == pytest.approx(total_cost(ledger(tmp_path, config)))
    assert budget_of(tmp_path, config_of(), "smooth").tokens == 0  # without a limit nothing is looked up


def test_a_budget_over_what_cannot_be_priced_is_told(tmp_path: Path) -> None:
    config = config_of(budget={"max_cost_usd": 100})
    work(tmp_path, config, answers, "sample", "analyze")
    path = StageFolder(tmp_path, "sample").replies(0)
    path.parent.mkdir()
    path.write_bytes(StageFolder(tmp_path, "analyze").replies(0).read_bytes())
    StageFolder(tmp_path, "sample").reopen(0)
    with pytest.raises(ConfigError, match=r"what sample has cost .* give student\.prices"):
        budget_of(tmp_path, config, "correct")
    assert budget_of(tmp_path, config_of(budget={"max_tokens": 9}), "correct").is_exhausted
