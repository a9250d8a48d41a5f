"""Runs through a local Batch API and, for comparison, call by call, with the same replies."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lemma.batch.api import BatchApi, Pauses
from lemma.batch.base import Offline
from lemma.batch.limits import Limits
from lemma.batch.work import BatchTeacher
from lemma.config import Config
from lemma.pipeline import Options, Pipeline
from tests.conftest import MockServer, example_config, files_of
from tests.protocol.rules import GOOD, good_rules, rule, write_rules

STAGES = ("sample", "analyze", "inject", "correct", "smooth", "export")
TO_ANALYZE = STAGES[:2]
PRICES = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 10.0}


def trouble_rules(folder: Path) -> Path:
    """Replies of which some cannot be read, so that their units are asked again; by the request's seed."""
    broken = [rule("analyze", ["Let me see.", GOOD["analyze"], GOOD["analyze"]])]
    return write_rules(folder / "rules.jsonl", [*broken, *good_rules()])


def start_teacher(mock_server: Callable[..., MockServer], folder: Path) -> MockServer:
    """A live endpoint whose replies depend on the request alone."""
    return mock_server("--reply-file", str(trouble_rules(folder)))


def config_of(backend: str, base_url: str, limit: int = 12, **more: Any) -> Config:
    teacher = {"backend": backend, "model": "m", "base_url": base_url, "patience_s": 20, **more.pop("teacher", {})}
    return example_config(limit, teacher=teacher, **more)


def no_sleep(seconds: float) -> None:
    """In place of a pause: the server's batches move on by being looked at."""


def work(
    run: Path,
    config: Config,
    stages: Sequence[str] = STAGES,
    say: Callable[[str], None] | None = None,
    is_waiting: bool = True,
    limits: Limits | None = None,
) -> Path:
    """Runs stages, waiting without pauses."""

    def teacher(role: str) -> BatchTeacher:
        os.environ.setdefault("OPENAI_API_KEY", "none")
        api = BatchApi(config.teacher, role)
        return BatchTeacher(run, api, say or (lambda line: None), is_waiting, limits, Pauses(no_sleep))

    is_batch = config.teacher.backend == "batch"
    with Pipeline(run, config, Options(quiet=True), say, teacher if is_batch else None) as pipeline:
        pipeline.work(stages)
    return run


def made(run: Path) -> dict[str, bytes]:
    """All that was made of the replies."""
    return {name: content for name, content in files_of(run).items() if not name.startswith("batches/")}


def work_with(run: Path, config: Config, teacher: Offline, stages: Sequence[str]) -> None:
    """Runs stages with a teacher of the test's own."""
    with Pipeline(run, config, Options(quiet=True), teacher=lambda role: teacher) as pipeline:
        pipeline.work(stages)
