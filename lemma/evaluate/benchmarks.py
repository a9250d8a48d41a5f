"""The benchmarks that `lemma eval` knows: how each is read, how the paper's script asks it, and where the hub has it.

The paper (arXiv 2503.17439, section 4.1) measures on GSM8K and MATH, in distribution, and on ASDiv, DeepMind
Mathematics, MAWPS, SVAMP and College-Math, out of it. Its script asks SVAMP, ASDiv and MAWPS with eight worked
examples, the others with none. In the configuration::

    eval:
      sets:
        - {set: gsm8k, path: data/gsm8k/test.jsonl}
        - {set: math500}                                   # from the hub

A set becomes an entry of `data:`, so that everything else reads it as it reads any data.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lemma.errors import ConfigError

WORDS: Final = "word problem"
COMPETITION: Final = "competition mathematics"
"""Kinds of worked examples, as `lemma.prompts` names them."""
BREAKDOWNS: Final = ("level", "subject", "type", "topic")
"""Fields of a problem's `meta` by which results are broken down, where they are there."""

_BARE: Final = {"id": "idx", "reference_solution": "answer", "answer": "answer"}
"""Sets of questions and answers: the answer is all that there is of a solution."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark."""

    title: str
    dataset: str
    """The reader of its files."""
    kind: str
    """Which worked examples suit it."""
    shots: int = 0
    """Worked examples in the paper's script."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Our field → theirs, for its files."""
    hub: tuple[str, str | None] | None = None
    """Name and subset on the hub; None: give a file, or `hub: true` and a name of your own choice."""
    hub_fields: Mapping[str, str] = field(default_factory=dict)
    """Our field → theirs, on the hub."""


_MATH_FIELDS: Final = {"level": "level", "subject": "subject", "type": "type"}

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "gsm8k": Benchmark(
        "GSM8K", "gsm8k", WORDS, hub=("openai/gsm8k", "main"), hub_fields={"reference_solution": "answer"}
    ),
    "math": Benchmark("MATH", "math", COMPETITION, hub_fields=_MATH_FIELDS),
    "math500": Benchmark(
        "MATH-500", "math", COMPETITION, hub=("HuggingFaceH4/MATH-500", None), hub_fields=_MATH_FIELDS
    ),
    "svamp": Benchmark("SVAMP", "jsonl", WORDS, 8, {**_BARE, "type": "meta.type"}),
    "asdiv": Benchmark("ASDiv", "jsonl", WORDS, 8, {**_BARE, "type": "meta.solution_type"}),
    "mawps": Benchmark("MAWPS", "jsonl", WORDS, 8, {**_BARE, "type": "meta.type"}),
    "college_math": Benchmark("College-Math", "jsonl", COMPETITION, 0, {**_BARE, "topic": "meta.data_topic"}),
    "deepmind_mathematics": Benchmark("DeepMind Mathematics", "jsonl", COMPETITION, 0, _BARE),
}
"""By name; all but the two of hendrycks/math and GSM8K are read as rows with `idx`, `question`, `answer`, `meta`."""


def expand_sets(tree: dict[str, Any]) -> None:
    """Adds an entry of `data:` for each of `eval.sets`, and decontaminates by nothing where nothing is said.

    What is no list of mappings is left as it is: reading the configuration tells it.

    Args:
        tree: a configuration as plain values; changed in place.

    Raises:
        ConfigError: an unknown set (the nearest is named), or one without a place.
    """
    section = tree.get("eval")
    if not isinstance(section, dict):
        return
    sets = section.get("sets")
    sources = [_source(one) for one in sets if isinstance(one, dict)] if isinstance(sets, list) else []
    own = tree.get("data")
    if sources:
        tree["data"] = [*(own if isinstance(own, list) else []), *sources]
    tree.setdefault("decontaminate", [])


def _source(one: Mapping[str, Any]) -> dict[str, Any]:
    name = one.get("set")
    if not isinstance(name, str) or name not in BENCHMARKS:
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), BENCHMARKS, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`?" if near else ""
        raise ConfigError(
            f"eval.sets: unknown set `{name}`; {hint or 'known are ' + ', '.join(BENCHMARKS)}"
            " (data of your own goes under `data:`)"
        )
    benchmark = BENCHMARKS[name]
    path, subset = one.get("path"), one.get("subset")
    is_hub = bool(one.get("hub")) or path is None
    if path is None:
        if benchmark.hub is None:
            raise ConfigError(
                f"eval.sets: `{name}` needs a `path:` (a JSON Lines file, or with `hub: true` a name there)"
            )
        path = benchmark.hub[0]
        subset = subset or benchmark.hub[1]
    source: dict[str, Any] = {"dataset": "hub" if is_hub else benchmark.dataset, "path": path, "name": name}
    fields = {**(benchmark.hub_fields if is_hub else benchmark.fields), **(one.get("fields") or {})}
    if one.get("fields") and not is_hub:
        source["dataset"] = "jsonl"  # rows of another form than the benchmark's own
    if fields:
        source["fields"] = fields
    if is_hub:
        source |= {"split": one.get("split") or "test", "subset": subset}
    if one.get("limit") is not None:
        source["limit"] = one["limit"]
    return source
