"""`lemma eval`: problems are read and the student sampled as in any run, then every reply is graded.

::

    RUN/problems, RUN/sample    as in any run: resumable, every reply kept
    RUN/eval/items.jsonl        every reply, graded: see `lemma.evaluate.items`
    RUN/eval/results.json       the figures
    RUN/eval/results.md         the same for people
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from lemma.config import Config
from lemma.configfile import parse_config
from lemma.errors import ConfigError, RunError
from lemma.evaluate.figures import Tally, averages
from lemma.evaluate.items import EvalItem, grade_part
from lemma.evaluate.report import results_text
from lemma.pipeline import Options, Pipeline, RunStages
from lemma.shards.files import to_line, write_json, write_whole
from lemma.shards.manifest import StageUsage
from lemma.stages.sample import SampleStage
from lemma.status import config_of

FOLDER: Final = "eval"
RESULTS_VERSION: Final = 1


def run_eval(run: Path, config: Config, options: Options) -> str:
    """Asks what is missing, grades everything, writes the results.

    Returns:
        The results for a person.

    Raises:
        ConfigError: the configuration has no `eval:`, or nobody to ask.
        LemmaError: of any kind; what was paid for is on disk.
    """
    if config.eval is None:
        raise ConfigError("the configuration has no `eval:` section; configs/eval.yaml is an example")
    with Pipeline(run, config, options) as pipeline:
        if config.student is None and not any(source["samples"] for source in pipeline.stages.problems["sources"]):
            raise ConfigError("`student:` is missing: the model that is measured; configs/eval.yaml is an example")
        pipeline.work(["sample"])
        results = _write(run, config, pipeline.stages)
    return results_text(results)


def grade_samples(path: Path, run: Path, limit: int | None, options: Options) -> str:
    """Grades solutions that were sampled elsewhere (see dataset `rollouts`), asking nobody.

    Raises:
        InputError: the file is missing or holds no samples.
        LemmaError: the folder cannot be used.
    """
    source = {"dataset": "rollouts", "path": str(path), "limit": limit}
    tree = {"data": [source], "decontaminate": [], "eval": {}}
    return run_eval(run, parse_config(tree, str(path)), options)


def _write(run: Path, config: Config, stages: RunStages) -> dict[str, Any]:
    tally = Tally()
    folder = run / FOLDER
    lines = (to_line(item) for item in tally.watch(_graded(run, stages)))
    write_whole(folder / "items.jsonl", lines)
    section = config.eval
    assert section is not None
    sets = tally.trees()
    aside = _set_aside(config, stages.problems)
    for one in sets:
        one["set_aside"] = aside.get(one["set"], {})
    results: dict[str, Any] = {
        "version": RESULTS_VERSION,
        "asked": section.model_dump(mode="json", exclude={"sets"}) if config.student is not None else None,
        "sets": sets,
        "averages": averages(sets),
        "usage": _usage(stages),
    }
    if (agreement := tally.agreement()) is not None:
        results["agreement"] = agreement
    write_json(folder / "results.json", results)
    write_whole(folder / "results.md", [results_text(results).encode(), b"\n"])
    return results


def _graded(run: Path, stages: RunStages) -> Iterator[EvalItem]:
    work = stages.work_of("sample")
    assert work is not None
    assert isinstance(work.stage, SampleStage)
    for part in range(stages.parts):
        yield from grade_part(run, part, work.stage)


def _set_aside(config: Config, problems: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Set → reason → lines that could not be read: they are no part of its figures, and that must be seen."""
    found: dict[str, dict[str, int]] = {}
    for spec, source in zip(config.data, problems["sources"], strict=True):
        own = found.setdefault(spec.name or spec.dataset, {})
        for reason, count in source["set_aside"].items():
            own[reason] = own.get(reason, 0) + count
    return found


def _usage(stages: RunStages) -> dict[str, int]:
    """Tokens of all replies that the results are made of."""
    total = StageUsage()
    for manifest in stages.fresh_manifests()["sample"].values():
        for by_outcome in manifest.usage.values():
            for outcome, usage in by_outcome.items():
                if outcome != "unused":
                    total.add(usage)
    return total.model_dump()


def items_of(run: Path) -> Iterator[EvalItem]:
    """The items of an evaluation, or of any run whose student was sampled.

    Raises:
        RunError: the folder is no run, holds nothing yet, or is damaged.
    """
    path = run / FOLDER / "items.jsonl"
    if path.is_file():
        yield from _read_items(path)
        return
    stages = RunStages.look(run, config_of(run))
    work = stages.work_of("sample")
    if work is None or not stages.parts or work.stale():
        raise RunError(f"{run}: its sampling is not finished; run the command that made it again")
    yield from _graded(run, stages)


def _read_items(path: Path) -> Iterator[EvalItem]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield EvalItem.model_validate(orjson.loads(line))
            except (ValidationError, ValueError):
                raise RunError(f"{path}, line {number}: damaged; run `lemma eval` again, it is made anew") from None
