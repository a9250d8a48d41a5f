"""The problems of a merged run: those of its runs, part by part, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from lemma.merging.sources import Source, lines_of
from lemma.problems import MERGED, ProblemsFolder
from lemma.shards.files import write_json, write_whole
from lemma.shards.folder import part_number
from lemma.shards.manifest import Manifest


class ProblemsMerge:
    """Writes ``problems/`` and gives every part its number.

    Args:
        sources: the runs; their `numbers`, `rest` and `dropped` are filled.
        run: the merged run's folder.

    Attributes:
        doubles: number of a source → problems that a source before it has as well.
    """

    def __init__(self, sources: Sequence[Source], run: Path) -> None:
        self._sources = sources
        self._run = run
        self.doubles: Counter[int] = Counter()

    def write(self) -> None:
        """Does it.

        Raises:
            RunError: a file of a run is damaged.
            DiskError: writing failed.
        """
        self._write_problems()
        self._number_rest()

    def _write_problems(self) -> None:
        """Part by part; those of which no problem is left fall away."""
        seen: set[str] = set()
        number = 0
        folder = ProblemsFolder(self._run)
        for source in self._sources:
            old = ProblemsFolder(source.run)
            for part in range(source.stages.parts):
                old.verify(part)
                ids = [_id(line, "id") for line in lines_of(old.part(part))]
                double = seen.intersection(ids)
                seen.update(ids)
                if double:
                    source.dropped[part] = double
                if len(double) < len(ids):
                    source.numbers[part] = number
                    self._write_part(source, part, len(ids))
                    number += 1
        write_whole(folder.set_aside_path, self._set_aside())
        write_json(folder.summary_path, self._summary(number))

    def _write_part(self, source: Source, part: int, problems: int) -> None:
        old, new, number = ProblemsFolder(source.run), ProblemsFolder(self._run), source.numbers[part]
        dropped = source.dropped.get(part, set())
        left = problems - len(dropped)
        files = {
            new.part(number).name: write_whole(new.part(number), _without(old.part(part), "id", dropped)),
            f"rollouts/{new.rollouts(number).name}": write_whole(
                new.rollouts(number), _without(old.rollouts(part), "problem", dropped)
            ),
        }
        new.write_manifest(
            Manifest(
                stage="problems", part=number, fingerprint="", inputs={}, files=files, units=left, kept=left, rejected=0
            )
        )

    def _set_aside(self) -> Iterator[bytes]:
        for source in self._sources:
            path = ProblemsFolder(source.run).set_aside_path
            if path.exists():
                yield from lines_of(path)
            for part, ids in sorted(source.dropped.items()):
                for number, line in enumerate(lines_of(ProblemsFolder(source.run).part(part)), 1):
                    problem = orjson.loads(line)
                    if problem["id"] in ids:
                        place = str(ProblemsFolder(source.run).part(part))
                        detail = f"{problem['id']} is in a run that was merged before"
                        aside = {"file": place, "line": number, "reason": "duplicate_id", "detail": detail}
                        self.doubles[self._sources.index(source)] += 1
                        _count_double(source.summary["sources"], problem["dataset"])
                        yield orjson.dumps(aside, option=orjson.OPT_APPEND_NEWLINE)

    def _summary(self, parts: int) -> dict[str, Any]:
        summaries = [source.summary for source in self._sources]
        datasets: Counter[str] = Counter()
        folder = ProblemsFolder(self._run)
        samples = 0
        for part in range(parts):
            datasets.update(_id(line, "dataset") for line in lines_of(folder.part(part)))
            samples += sum(1 for _ in lines_of(folder.rollouts(part)))
        return {
            "fingerprint": MERGED,
            "merged": [str(source.run) for source in self._sources],
            "parts": parts,
            "problems": datasets.total(),
            "samples": samples,
            "datasets": dict(sorted(datasets.items())),
            "sources": [one for summary in summaries for one in summary["sources"]],
        }

    def _number_rest(self) -> None:
        """Gives numbers behind all others to what holds replies alone."""
        number = sum(len(source.numbers) for source in self._sources)
        strays = []
        for source in self._sources:
            there = {part_number(path) for path in source.run.glob("*/replies/part-*.jsonl")}
            for part in sorted(part for part in there if part is not None and part not in source.numbers):
                source.rest[part] = number
                number += 1
            everywhere = source.numbers | source.rest
            strays += [everywhere[part] for part in ProblemsFolder(source.run).strays() if part in everywhere]
        if strays:
            write_json(ProblemsFolder(self._run).strays_path, {"parts": sorted(strays)})


def _count_double(sources: Sequence[dict[str, Any]], dataset: str) -> None:
    """A problem that was read from a source, of that dataset if one is, is set aside after all."""
    some = [one for one in sources if one["kept"]]
    one = next((one for one in some if one["dataset"] == dataset), some[0])
    one["kept"] -= 1
    one["set_aside"] = dict(sorted((Counter(one["set_aside"]) + Counter(["duplicate_id"])).items()))


def _without(path: Path, key: str, dropped: set[str]) -> Iterator[bytes]:
    """The lines of a file but those of some problems."""
    for line in lines_of(path):
        if not dropped or _id(line, key) not in dropped:
            yield line


def _id(line: bytes, key: str) -> str:
    return str(orjson.loads(line)[key])
