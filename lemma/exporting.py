"""The export stage over a run's folder: from the last trajectories to the dataset and its card."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma import __version__
from lemma.audit.tally import read_audit
from lemma.config import Config
from lemma.distribution import read_injected
from lemma.exports import CardFacts, OverlapFacts, SourceFacts, StageFacts, export_run
from lemma.groups import read_groups
from lemma.problems import ProblemsFolder
from lemma.records import Problem, Trajectory, content_hash
from lemma.shards import StageFolder, disk_errors, read_json, read_records, write_json
from lemma.stages.base import Gold
from lemma.stages.golds import collect_golds

EXPORT_VERSION = "3"
LICENCES = {"gsm8k": "MIT", "math": "MIT"}


def last_stage(config: Config) -> str:
    """The stage whose trajectories are exported."""
    return "correct" if config.smooth.scope == "off" else "smooth"


class ExportWork:
    """The export of a run.

    Args:
        run: the run's folder.
        config: the run's configuration.
        parts: number of parts.
        stages: the yield table so far.
        target: ``inject/target.json``; empty where nothing was injected.
        students: names of the models sampled.
        problems: number of problems by dataset.
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        parts: int,
        stages: Sequence[StageFacts],
        target: Mapping[str, Any],
        students: Sequence[str],
        problems: Mapping[str, int],
    ) -> None:
        self._run = run
        self._config = config
        self._parts = parts
        self._folder = run / "export"
        self._manifest = self._folder / "export.manifest"
        audit = read_audit(run, last_stage(config))  # an input of the card: verdicts that are new make it anew
        figures = audit.figures if audit and audit.figures.rows else None
        facts = _card_facts(config, stages, target, students, problems)
        self._facts = dataclasses.replace(facts, audit=figures, injected=read_injected(run), overlaps=_overlaps(run))
        self._fingerprint = self._hash()

    def _hash(self) -> str:
        """Of all that decides the export: the trajectories, the samples, what the card says, the configuration."""
        config = self._config
        hashes = []
        for name in ("sample", last_stage(config)):
            folder = StageFolder(self._run, name)
            manifests = (folder.manifest(part) for part in range(self._parts))
            hashes += [manifest.output_hash if manifest else "" for manifest in manifests]
        content = config.content_of("export", "seed", "answer_form", "checks", "correct", "smooth", "inject")
        return content_hash(EXPORT_VERSION, json.dumps(content, sort_keys=True), repr(self._facts), *hashes)

    def fresh_facts(self) -> StageFacts | None:
        """The counts of the export that is there, if it is of the present run; else None."""
        manifest: dict[str, Any] | None = read_json(self._manifest)
        if manifest is None or manifest.get("fingerprint") != self._fingerprint:
            return None
        return StageFacts("export", manifest["units"], manifest["kept"], manifest["rejected"])

    def export(self) -> StageFacts:
        """Writes the folder.

        Raises:
            ConfigError: an unknown format.
            DiskError: writing failed.
        """
        with disk_errors(self._manifest):
            self._manifest.unlink(missing_ok=True)
        summary = export_run(self._trajectories, self._plain, self._folder, self._config, self._facts)
        kept = summary.trajectories - sum(summary.rejected.values())
        write_json(
            self._manifest,
            {
                "fingerprint": self._fingerprint,
                "units": summary.trajectories,
                "kept": kept,
                "rejected": dict(summary.rejected),
                "rows": summary.rows,
            },
        )
        return StageFacts("export", summary.trajectories, kept, summary.rejected)

    def _trajectories(self) -> Iterator[Trajectory]:
        source = StageFolder(self._run, last_stage(self._config))
        for part in range(self._parts):
            source.verify(part)
            yield from read_records(source.part(part), Trajectory)

    def _plain(self) -> Iterator[tuple[Problem, Sequence[Gold]]]:
        for part in range(self._parts):
            for name in ("problems", "sample"):
                StageFolder(self._run, name).verify(part)
            for group in read_groups(self._run, part, ("sample",)):
                golds = collect_golds(group, self._config.answer_form, self._config.checks.max_chars)
                yield group.problem, (*golds.samples, golds.reference)


def _card_facts(
    config: Config,
    stages: Sequence[StageFacts],
    target: Mapping[str, Any],
    students: Sequence[str],
    problems: Mapping[str, int],
) -> CardFacts:
    total = sum(problems.values())
    shares: dict[str, float] = {}
    for dataset, entry in target.get("datasets", {}).items():
        for name, share in entry["target"].items():
            shares[name] = shares.get(name, 0.0) + share * problems.get(dataset, 0) / total
    return CardFacts(
        version=__version__,
        sources=tuple(SourceFacts(name, count, LICENCES.get(name)) for name, count in sorted(problems.items())),
        decontaminated=tuple(config.decontaminate),
        students=tuple(students),
        teacher=config.teacher.model,
        stages=tuple(stages),
        target={name: round(share, 6) for name, share in sorted(shares.items())},
        is_demonstration=any(spec.path.startswith("example:") for spec in config.data),
    )


def _overlaps(run: Path) -> tuple[OverlapFacts, ...]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for source in (ProblemsFolder(run).summary() or {"sources": []})["sources"]:
        for test_set, how, count in source["contaminated"]:
            counts[source["dataset"], test_set, how] += count
    return tuple(
        OverlapFacts(dataset, test_set, counts[dataset, test_set, "exact"], counts[dataset, test_set, "overlap"])
        for dataset, test_set in sorted({(dataset, test_set) for dataset, test_set, _ in counts})
    )
