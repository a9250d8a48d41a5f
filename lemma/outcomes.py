"""What a round of injection came to, part by part, where several processes work on it: each learns what others found.

::

    RUN/inject/rounds/1/part-00000.json    {"key": "9f…", "outcomes": [["p-1d0c…", 0, "kept", "calculation_error"], …]}

The files only spare the others a second derivation: they follow from the replies on disk, count only while their key
is that of the present plan, and go when injection is finished.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import orjson

from lemma.errors import RunError
from lemma.shards.files import write_whole
from lemma.shards.folder import StageFolder

Outcomes = dict[tuple[str, int], tuple[str, str]]
"""(problem id, slot) → ``("kept" | "declined", error type)``; slots that gave nothing are not in it."""


class OutcomeFiles:
    """The files of one round.

    Args:
        run: the run's folder.
        number: of the round.
        key: of all that the round's outcomes follow from, but the replies.
    """

    def __init__(self, run: Path, number: int, key: str) -> None:
        self._folder = _folder(run) / str(number)
        self._key = key

    def path(self, part: int) -> Path:
        """A part's file."""
        return self._folder / f"part-{part:05d}.json"

    def write(self, part: int, outcomes: Outcomes) -> None:
        """Tells the others.

        Raises:
            DiskError: writing failed.
        """
        rows = [[*place, *found] for place, found in outcomes.items()]
        write_whole(self.path(part), [orjson.dumps({"key": self._key, "outcomes": rows})])

    def read(self, part: int) -> Outcomes | None:
        """What another process told; None where nobody did, or not of this plan.

        Raises:
            RunError: the file cannot be read.
        """
        path = self.path(part)
        try:
            tree = json.loads(path.read_bytes())
            if tree["key"] != self._key:
                return None
            return {(str(row[0]), int(row[1])): (str(row[2]), str(row[3])) for row in tree["outcomes"]}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}; remove it, it is made anew") from None
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None  # damaged: derived anew


def has_outcomes(run: Path) -> bool:
    """Whether anything was told of rounds."""
    return _folder(run).exists()


def forget_outcomes(run: Path) -> None:
    """Removes all rounds' files."""
    shutil.rmtree(_folder(run), ignore_errors=True)


def _folder(run: Path) -> Path:
    return StageFolder(run, "inject").path / "rounds"
