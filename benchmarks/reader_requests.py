"""What is asked of a reader, kept beside the replies, so that scoring hangs on no code that chose or made it.

A round's ``requests.jsonl`` has one line for each request::

    {"name": "analyze", "source": "mr_gsm8k", "number": "27828", "unit": {"id": "u-…", "sample": {…}},
     "label": {"exact": [4, 4], "near": [3, 5], "has_right_answer": false}}

``unit`` is the stage's own, with all that it carries (problem, sample, mistake, trajectory, guiding solution).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from lemma.configfile import parse_config
from lemma.errors import UnitError
from lemma.prompts import Prompts
from lemma.stages.analyze import AnalyzeStage
from lemma.stages.base import AnalyzeUnit, CorrectUnit, InjectUnit, Reply, Request, SmoothUnit, Unit
from lemma.stages.correct import CorrectStage
from lemma.stages.inject import InjectStage
from lemma.stages.smooth import SmoothStage
from lemma.taxonomy import load_taxonomy

REQUESTS: Final = "requests.jsonl"
UNITS: Final[dict[str, type[Unit]]] = {
    "analyze": AnalyzeUnit,
    "inject": InjectUnit,
    "fix_continue": CorrectUnit,
    "fresh_restart": CorrectUnit,
    "smooth_joint": SmoothUnit,
}
TYPES: Final = {
    "question_misinterpretation": 0.3,
    "calculation_error": 0.3,
    "formula_confusion": 0.1,
    "concept_confusion": 0.1,
    "missing_step": 0.1,
    "counting_error": 0.05,
    "referencing_context_value_error": 0.05,
}
"""The order is the paper's (section 3.1): the first two dominate, then confusions; it tells no numbers in words."""
CONFIG: Final = parse_config(
    {
        "data": [{"dataset": "gsm8k", "path": "example:gsm8k"}],
        "teacher": {"backend": "openai", "model": "reader"},
        "inject": {"types": TYPES},
    },
    "benchmark",
)


@dataclass(frozen=True)
class Label:
    """What people say of a solution."""

    exact: tuple[int, int] | None
    """First and last of our steps that the first wrong one covers; null where all is right."""
    near: tuple[int, int] = (0, 0)
    """The same with the labelled steps before and after it."""
    has_right_answer: bool = False


@dataclass(frozen=True)
class Task:
    """One request to a reader."""

    name: str
    source: str
    number: str
    """Opaque, and the same whatever the prompts say."""
    stage: Any
    unit: Unit
    label: Label | None = None

    @property
    def request(self) -> Request:
        """What is asked."""
        request: Request = self.stage.request(self.unit, 0, 0, False)
        return request


@dataclass(frozen=True)
class Outcome:
    """What became of a reply."""

    task: Task
    text: str
    parsed: Any = None
    record: Any = None
    error: UnitError | None = None


def replayed(stage: Any, unit: Unit, text: str, task: Any = None) -> Outcome:
    """What the stage makes of a reply."""
    request = stage.request(unit, 0, 0, False)
    reply = Reply(request.key, text, "stop")
    parsed = None
    try:
        parsed = stage.parse(unit, reply)
        record = stage.make(unit, [(request, reply, parsed)])
        stage.check(unit, record)
    except UnitError as error:
        return Outcome(task, text, parsed, None, error)
    return Outcome(task, text, parsed, record)


class Stages:
    """The stage that asks and reads each kind of request, with the package's own prompts."""

    def __init__(self) -> None:
        prompts, taxonomy = Prompts(None), load_taxonomy(None)
        correct = CorrectStage(CONFIG, prompts, taxonomy)
        self._stages: dict[str, Any] = {
            "analyze": AnalyzeStage(CONFIG, prompts, taxonomy),
            "inject": InjectStage(CONFIG, prompts, taxonomy, {}),
            "fix_continue": correct,
            "fresh_restart": correct,
            "smooth_joint": SmoothStage(CONFIG, prompts, taxonomy),
        }

    def __getitem__(self, name: str) -> Any:
        return self._stages[name]


# ── on disk ──


def write_requests(tasks: Iterable[Task], folder: Path) -> None:
    """`requests.jsonl` in `folder`."""
    lines = []
    for task in tasks:
        row = {
            "name": task.name,
            "source": task.source,
            "number": task.number,
            "unit": TypeAdapter(UNITS[task.name]).dump_python(task.unit, mode="json"),
            "label": asdict(task.label) if task.label else None,
        }
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REQUESTS).write_text("".join(lines), encoding="utf-8")


def read_requests(path: Path) -> Iterator[Task]:
    """The requests of a round: a folder with ``requests.jsonl`` or ``requests.jsonl.gz``, or such a file.

    Raises:
        FileNotFoundError: there is none.
    """
    if path.is_dir():
        path = next((file for file in (path / REQUESTS, path / f"{REQUESTS}.gz") if file.exists()), path / REQUESTS)
    raw = path.read_bytes()
    stages, labels = Stages(), TypeAdapter(Label)
    for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8").splitlines():
        row = json.loads(line)
        name = row["name"]
        unit = TypeAdapter(UNITS[name]).validate_python(row["unit"])
        label = labels.validate_python(row["label"]) if row["label"] else None
        yield Task(name, row["source"], row["number"], stages[name], unit, label)
