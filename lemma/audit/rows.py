"""Which rows are judged: a stratified sample of a run's last trajectories, the same for everybody."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from lemma.errors import RunError
from lemma.records import Trajectory, content_hash
from lemma.shards.files import read_records
from lemma.shards.folder import StageFolder

Stratum = tuple[str, str, str]
"""(error type, strategy, origin)"""

_LINE_ID: Final = re.compile(rb'\{"id":"([^"\\]{1,200})"')


def stratum_of(row: Trajectory) -> Stratum:
    """What a row is drawn by."""
    return row.mistake.error_type, row.strategy, row.mistake.origin


def allocate(counts: Mapping[Stratum, int], number: int) -> dict[Stratum, int]:
    """Shares `number` rows among strata in proportion to their rows, by largest remainder; ties by name.

    Returns:
        Stratum → rows to draw, never more than it has; their sum is `number`, or all rows where there are fewer.
    """
    total = sum(counts.values())
    if number >= total:
        return dict(counts)
    parts = {stratum: divmod(number * count, total) for stratum, count in counts.items()}
    drawn = {stratum: whole for stratum, (whole, _) in parts.items()}
    behind = sorted(parts, key=lambda stratum: (-parts[stratum][1], stratum))
    for stratum in behind[: number - sum(drawn.values())]:
        drawn[stratum] += 1
    return drawn


def draw(run: Path, stage: str, number: int, seed: int) -> list[Trajectory]:
    """The sample, in an order that follows from ids and seed alone, so that its beginning is a fair sample too.

    Args:
        run: the run's folder.
        stage: whose trajectories are the last ones.
        number: rows wanted.
        seed: the configuration's.

    Raises:
        RunError: there are no finished trajectories, or a part is damaged.
    """
    counts: dict[Stratum, int] = {}
    pools: dict[Stratum, list[tuple[str, Trajectory]]] = {}
    for path in _parts(run, stage):
        for row in read_records(path, Trajectory):
            stratum = stratum_of(row)
            counts[stratum] = counts.get(stratum, 0) + 1
            pool = pools.setdefault(stratum, [])
            pool.append((content_hash("audit", str(seed), row.id), row))
            if len(pool) > 2 * number:  # memory stays bounded however large the run
                pools[stratum] = _first(pool, number)
    if not counts:
        raise RunError(f"{run}: has no finished trajectories yet ({stage}); `lemma run` makes them")
    drawn = allocate(counts, number)
    chosen = [one for stratum, pool in pools.items() for one in _first(pool, drawn[stratum])]
    return [row for _, row in _first(chosen, number)]


def _first(pool: list[tuple[str, Trajectory]], number: int) -> list[tuple[str, Trajectory]]:
    return sorted(pool, key=lambda one: (one[0], one[1].id))[:number]


def find(run: Path, stage: str, ids: Collection[str]) -> dict[str, Trajectory]:
    """The rows with these ids, as far as the run has them; other lines are passed over unread.

    Raises:
        RunError: a line that was asked for is damaged.
    """
    found: dict[str, Trajectory] = {}
    for path in _parts(run, stage):
        if len(found) == len(ids):
            break
        for number, line in _lines(path):
            known = _LINE_ID.match(line)
            if known is not None and known[1].decode(errors="replace") not in ids:
                continue
            try:
                row = Trajectory.model_validate_json(line)
            except ValidationError as error:
                raise RunError(f"{path}, line {number}: damaged ({error.errors()[0]['msg']})") from None
            if row.id in ids:
                found[row.id] = row
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, 1)
    except FileNotFoundError:
        return  # a run going on has just taken the part away
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def _parts(run: Path, stage: str) -> list[Path]:
    """The finished ones, in order."""
    folder = StageFolder(run, stage)
    return [folder.part(part) for part in folder.parts() if folder.manifest(part) is not None]
