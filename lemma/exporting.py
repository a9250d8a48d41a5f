"""The export stage over a run's folder: from the last trajectories to the dataset and its card."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemma import __version__
from lemma.audit.tally import read_audit
from lemma.config import Config
from lemma.datasets import Decontaminator
from lemma.distribution import read_injected
from lemma.exports import CardFacts, ExportSummary, OverlapFacts, SourceFacts, StageFacts, export_run
from lemma.groups import read_groups
from lemma.problems import ProblemsFolder
from lemma.records import Problem, Trajectory, content_hash
from lemma.shards.files import disk_errors, read_json, read_records, write_json
from lemma.shards.folder import StageFolder
from lemma.stages.base import Gold
from lemma.stages.golds import collect_golds

EXPORT_VERSION = "3"
LICENCES = {"gsm8k": "MIT", "math": "MIT"}


def last_stage(config: Config) -> str:
    """The stage whose trajectories are exported."""
    return "correct" if config.smooth.scope == "off" else "smooth"


@dataclass(frozen=True)
class RunSource:
    """What a run's folder has for an export."""

    run: Path
    config: Config
    """The run's own."""
    parts: tuple[int, ...]
    """Those that all stages have finished."""

    def hashes(self) -> list[str]:
        """Of all that is read: the trajectories and the samples."""
        folders = [StageFolder(self.run, name) for name in ("sample", last_stage(self.config))]
        manifests = [folder.manifest(part) for folder in folders for part in self.parts]
        return [manifest.output_hash if manifest else "" for manifest in manifests]

    def files(self) -> Iterator[Path]:
        """The files of trajectories, each seen to be what its manifest says.

        Raises:
            RunError: one was changed after it was written.
        """
        folder = StageFolder(self.run, last_stage(self.config))
        for part in self.parts:
            folder.verify(part)
            yield folder.part(part)

    def trajectories(self) -> Iterator[Trajectory]:
        """The last ones, in their order.

        Raises:
            RunError: a file was changed after it was written, or cannot be read.
        """
        for path in self.files():
            yield from read_records(path, Trajectory)

    def plain(self, answer_form: str, max_chars: int) -> Iterator[tuple[Problem, Sequence[Gold]]]:
        """Every problem with its correct solutions.

        Raises:
            RunError: as `trajectories`.
        """
        for part in self.parts:
            for name in ("problems", "sample"):
                StageFolder(self.run, name).verify(part)
            for group in read_groups(self.run, part, ("sample",)):
                golds = collect_golds(group, answer_form, max_chars)
                yield group.problem, (*golds.samples, golds.reference)


def finder_of_test_sets(names: Sequence[str]) -> Callable[[str], str | None]:
    """Tells how a question stands in a test set of `decontaminate`, in words; None if in none.

    Raises:
        ConfigError: an unknown test set.
        InputError: a file of one cannot be read.
    """
    known = Decontaminator.load(names)

    def find(question: str) -> str | None:
        found = known.match(question)
        return str(found) if found else None

    return find


class ExportWork:
    """The export of a run.

    Args:
        source: the run.
        left: number of parts that are not finished.
        stages: the yield table so far.
        target: ``inject/target.json``; empty where nothing was injected.
        students: names of the models sampled.
        problems: number of problems by dataset.
    """

    def __init__(
        self,
        source: RunSource,
        left: int,
        stages: Sequence[StageFacts],
        target: Mapping[str, Any],
        students: Sequence[str],
        problems: Mapping[str, int],
    ) -> None:
        run, config = source.run, source.config
        self._source = source
        self._config = config
        self.folder = run / "export"
        self._manifest = self.folder / "export.manifest"
        audit = read_audit(run, last_stage(config))  # an input of the card: verdicts that are new make it anew
        whole = len(source.parts)
        self._facts = dataclasses.replace(
            card_facts(config, stages, target, students, problems),
            audit=audit.figures if audit and audit.figures.rows else None,
            injected=read_injected(run),
            overlaps=_overlaps(run),
            unfinished=f"{left} of its {whole + left} parts were not finished when this was exported" if left else "",
        )
        self._fingerprint = self._hash()

    def _hash(self) -> str:
        """Of all that decides the export: the trajectories, the samples, what the card says, the configuration."""
        keys = ("export", "seed", "answer_form", "checks", "correct", "smooth", "inject", "decontaminate")
        content = json.dumps(self._config.content_of(*keys), sort_keys=True)
        return content_hash(EXPORT_VERSION, content, repr(self._facts), *self._source.hashes())

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
        config = self._config
        with disk_errors(self._manifest):
            self._manifest.unlink(missing_ok=True)
        summary = export_run(
            self._source.trajectories,
            lambda: self._source.plain(config.answer_form, config.checks.max_chars),
            self.folder,
            config,
            self._facts,
            finder_of_test_sets(config.decontaminate),
        )
        write_manifest(self._manifest, self._fingerprint, summary)
        return facts_of_export(summary)


def facts_of_export(summary: ExportSummary) -> StageFacts:
    """The export's line of the yield table."""
    kept = summary.trajectories - sum(summary.rejected.values())
    return StageFacts("export", summary.trajectories, kept, summary.rejected)


def write_manifest(path: Path, fingerprint: str, summary: ExportSummary) -> None:
    """Writes ``export.manifest``: what the folder was made from, its counts, and its files.

    Raises:
        DiskError: writing failed.
    """
    facts = facts_of_export(summary)
    write_json(
        path,
        {
            "fingerprint": fingerprint,
            "units": facts.units,
            "kept": facts.kept,
            "rejected": dict(facts.rejected),
            "rows": summary.rows,
            "files": list(summary.files),
        },
    )


def card_facts(
    config: Config,
    stages: Sequence[StageFacts],
    target: Mapping[str, Any],
    students: Sequence[str],
    problems: Mapping[str, int],
) -> CardFacts:
    """What a run knows of itself, for the card."""
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
