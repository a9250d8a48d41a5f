"""``README.md``: the dataset card, in the form that the Hugging Face hub reads.

Its front matter names the files of each configuration and split, so that ``load_dataset(folder)`` gives the rows and
``load_dataset(folder, "messages")`` another form of them, and the columns' types, so that a file whose first rows
hold nulls loads too. See huggingface.co/docs/hub/datasets-cards and …/datasets-manual-configuration. A pure function
of its arguments: no time, no path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lemma.config import Config
from lemma.exports.base import ExportFormat
from lemma.exports.facts import CardFacts, RowCounts, StageFacts
from lemma.exports.labels import label_error
from lemma.exports.markdown import Cells, fenced, percent, table, word
from lemma.exports.registry import ROWS
from lemma.reasons import REASONS
from lemma.records import TrainingRow

DEMONSTRATION = (
    "> **Made from test questions: a demonstration, do not train on it.** A model trained on these rows has seen\n"
    "> questions that it would be tested on."
)

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(
    facts: CardFacts,
    config: Config,
    formats: Mapping[str, ExportFormat],
    counts: RowCounts,
    export: StageFacts,
    example: TrainingRow | None,
) -> str:
    """The whole card.

    Args:
        facts: what the run knows of itself.
        config: for the guarantees and the seed.
        formats: those that were written beside the rows.
        counts: of the rows written.
        export: the export's own line of the yield table.
        example: a row to show.
    """
    sections = [
        _front_matter(formats, counts),
        "# Error-corrective solutions",
        *([DEMONSTRATION] if facts.is_demonstration else []),
        *([f"> **Not the whole run:** {facts.unfinished}."] if facts.unfinished else []),
        _opening(facts, counts),
        _files(formats, counts),
        *([_example(example)] if example else []),
        _contents(facts, counts),
        *([_injected(facts.injected)] if facts.injected else []),
        _yields([*facts.stages, export], facts.runs),
        *([_overlaps(facts)] if facts.decontaminated else []),
        _guarantees(facts, config),
        *([label_error(facts.audit)] if facts.audit else []),
        _origin(facts, config),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(formats: Mapping[str, ExportFormat], counts: RowCounts) -> str:
    import yaml

    listed = {"default": ROWS} | {name: form for name, form in formats.items() if form.is_json}
    size = next((name for limit, name in _SIZES if counts.rows < limit), "n>1M")
    tree: dict[str, Any] = {
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "math", "reasoning", "self-correction"],
        "size_categories": [size],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == "default" else {}),
                "data_files": [
                    {"split": split, "path": path}
                    for split, path in (("train", form.train), ("validation", form.validation))
                    if _has_lines(name, form, counts, split)
                ],
            }
            for name, form in listed.items()
            if _has_lines(name, form, counts, "train")
        ],
        "dataset_info": [{"config_name": "default", "features": _features()}],
    }
    return f"---\n{yaml.safe_dump(tree, sort_keys=False)}---"


def _has_lines(name: str, form: ExportFormat, counts: RowCounts, split: str) -> bool:
    """Whether a file is listed: the hub takes no empty one, but rows are to be found even where there are none."""
    if form.labels is not None:
        return bool(counts.lines[name, split])
    return bool(counts.splits[split]) or split == "train"


def _features() -> list[dict[str, object]]:
    """The columns of `TrainingRow` as the hub's front matter writes them."""
    pairs = [{"name": name, "list": "int64"} for name in ("prefix", "reflection", "continuation")]
    return [
        {"name": name, "struct": pairs} if name == "spans" else {"name": name, "dtype": "string"}
        for name in TrainingRow.model_fields
    ]


def _opening(facts: CardFacts, counts: RowCounts) -> str:
    splits = f"{counts.splits['train']:,} rows to train on"
    if counts.splits["validation"]:
        splits += f", {counts.splits['validation']:,} to validate on (of other problems)"
    plain = counts.origins["plain"]
    return (
        f"{splits}. {f'All but {plain:,} plain solutions begin' if plain else 'Each begins'} as a wrong solution,\n"
        "through its first wrong step; then a reflection notices, and a continuation reaches the right answer. They\n"
        "teach a model to notice and mend its own mistakes (the method: LEMMA, arXiv 2503.17439). Made by lemma\n"
        f"{word(facts.version)}."
    )


def _files(formats: Mapping[str, ExportFormat], counts: RowCounts) -> str:
    rows: list[Cells] = []
    for name, form in {"default": ROWS, **formats}.items():
        held_out = counts.lines[name, "validation"] if form.labels else counts.splits["validation"]
        files = f"`{form.train}`" + (f", `{form.validation}`" if held_out else "")
        in_train = counts.lines[name, "train"] if form.labels else counts.splits["train"]
        rows.append([files, f"{in_train:,}" + (f", {held_out:,}" if held_out else ""), form.columns])
    parts = [
        "## Files\n\n" + table(["file", "rows", "a row holds"], rows),
        "`spans` are character offsets [start, end) of prefix, reflection and continuation in `output`: train\n"
        "on the last two alone, if you like. `strategy`, `error_type`, `origin` and `spans` are null for a plain\n"
        "solution.",
    ]
    if "llamafactory" in formats:
        parts.append(
            "`llamafactory/` is trained on as it is: `cd llamafactory && llamafactory-cli train train.yaml` (full\n"
            "fine-tuning), or `train_lora.yaml` (one GPU)."
        )
    if any(form.labels for form in formats.values()):
        parts.append(_labels(counts))
    return "\n\n".join(parts)


def _labels(counts: RowCounts) -> str:
    said = (
        "Process labels: in `steps`, every step before the first wrong one is right, that one is wrong, and what\n"
        "follows it is left out; the steps of a correction count as right, since they lead to the reference. In\n"
        "`pairs`, both steps follow the same right ones; `prompt + chosen + rest` reaches the reference."
    )
    rows: list[Cells] = [
        [word(name), word(reason), count, REASONS.get(reason, "")]
        for (name, reason), count in sorted(counts.left_out.items(), key=lambda item: (-item[1], item[0]))
    ]
    return said + ("\n\n" + table(["left out of", "reason", "rows", "meaning"], rows) if rows else "")


def _example(row: TrainingRow) -> str:
    parts = [f"**Question**\n\n{fenced(row.instruction)}"]
    if row.spans is None:
        parts.append(f"**Solution**\n\n{fenced(row.output)}")
    else:
        for name, (start, end) in row.spans.model_dump().items():
            parts.append(f"**{name.capitalize()}**\n\n{fenced(row.output[start:end].strip())}")
    return "## A row, in its parts\n\n" + "\n\n".join(parts)


def _contents(facts: CardFacts, counts: RowCounts) -> str:
    parts = [
        "## What is in it",
        _count_table("dataset", counts.datasets),
        _count_table("origin of the mistake", counts.origins),
        _count_table("strategy", counts.strategies),
    ]
    types = sorted({name for name, _ in counts.error_types} | set(facts.target))
    types.sort(key=lambda name: -_of_type(counts, name))
    if types:
        whole = counts.error_types.total()
        rows: list[Cells] = [
            [
                word(name),
                counts.error_types[name, "student"],
                counts.error_types[name, "injected"],
                percent(_of_type(counts, name), whole),
                f"{100 * facts.target[name]:.1f} %" if name in facts.target else "–",
            ]
            for name in types
        ]
        parts.append(table(["error type", "student", "injected", "share", "share aimed at in injection"], rows))
    return "\n\n".join(parts)


def _injected(datasets: Mapping[str, Any]) -> str:
    rows: list[Cells] = []
    for dataset, came_to in datasets.items():
        for name, entry in came_to["types"].items():
            aimed, share = (f"{100 * entry[key]:.1f} %" for key in ("target", "share"))
            rows.append([word(dataset), word(name), aimed, entry["drawn"], entry["kept"], share])
    sums = [
        f"{word(dataset)}: {came_to['kept']:,} of {came_to['slots']:,} mistakes made, {came_to['shortfall']:,} short; "
        f"total variation distance from the target {came_to['total_variation']:.3f}."
        for dataset, came_to in datasets.items()
    ]
    heads = ["dataset", "error type", "share aimed at", "asked", "kept", "share kept"]
    return "\n\n".join(["## Injected mistakes: aimed at and kept", table(heads, rows), *sums])


def _of_type(counts: RowCounts, name: str) -> int:
    return counts.error_types[name, "student"] + counts.error_types[name, "injected"]


def _count_table(head: str, counter: Counter[str]) -> str:
    # by count, ties by name: the order of arrival must not show
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rows: list[Cells] = [[word(name), count, percent(count, counter.total())] for name, count in ordered]
    return table([head, "rows", "share"], rows)


def _yields(stages: Sequence[StageFacts], runs: int) -> str:
    yields = table(
        ["stage", "units", "kept", "rejected", "left", "yield"],
        [
            [
                word(one.name),
                one.units,
                one.kept,
                sum(one.rejected.values()),
                one.left,
                percent(one.kept, one.units),
            ]
            for one in stages
        ],
    )
    reasons: list[Cells] = [
        [word(one.name), word(reason), count, REASONS.get(reason, "")]
        for one in stages
        for reason, count in sorted(one.rejected.items(), key=lambda item: (-item[1], item[0]))
    ]
    why = "\n\n" + table(["stage", "reason", "units", "meaning"], reasons) if reasons else ""
    added = (
        f"Added up over {runs} runs, export aside: what several asked about is counted for each.\n\n"
        if runs > 1
        else ""
    )
    return f"## What was kept of what was asked\n\n{added}{yields}{why}"


def _overlaps(facts: CardFacts) -> str:
    if facts.runs > 1:
        return (
            "## Test questions left out\n\n"
            "Each run left out what it found when it read its problems, as its own card tells. All rows were held\n"
            "against the test sets once more when the runs were put together; what that found is counted above, as\n"
            "`contaminated`."
        )
    rows: list[Cells] = [[word(one.dataset), word(one.test_set), one.exact, one.overlap] for one in facts.overlaps]
    found = table(["problems of", "in the test set", "exact", "by 13-grams"], rows) if rows else "None was found."
    return (
        "## Test questions left out\n\n"
        + found
        + "\n\nLeft out when the problems were read, before anything was asked. *Exact*: the whole question, up to\n"
        "blanks, case and LaTeX style. *By 13-grams*: at least half of the question's runs of 13 words stand in the\n"
        "test set; often it is a test question with other numbers. A question of fewer words is known by the first\n"
        "alone."
    )


def _guarantees(facts: CardFacts, config: Config) -> str:
    if config.smooth.scope == "whole":
        verbatim = (
            "The wrong claim of the first wrong step still stands before the reflection (the text around it was\n"
        )
        verbatim += "   smoothed)."
    else:
        verbatim = "It begins with the mistake's own text through its first wrong step, character for character."
    tests = ", ".join(map(word, facts.decontaminated))
    where = f"in none of these test sets: {tests}" if tests else "not checked against any test set"
    near = config.export.near_duplicates
    copies = (
        "no exact copy of the row stands elsewhere in the dataset"
        if near is None
        else "no copy of the row stands elsewhere in the dataset, and no near copy before it\n"
        f"   (the same numbers, and an estimated {100 * near:g} % or more of the word pairs)"
    )
    return f"""## What every row with a mistake guarantees

1. Its final answer equals the reference answer: decided, not guessed.
2. The mistake had an answer, and it differs from the reference, decided likewise.
3. {verbatim}
4. A reflection stands between error and correction; the wrong step is corrected, not repeated.
5. Reflection and continuation speak as one who solves: no section tags, no "ground truth", no "reference solution".
6. It is whole: ended by its author, at most {config.checks.max_chars:,} characters, no loops.
7. It says where it came from (`id` leads to the run's records).
8. Its question is {where}; {copies}.

A right final answer does not prove that every step before it is right."""


def _origin(facts: CardFacts, config: Config) -> str:
    sources: list[Cells] = [[word(one.dataset), one.problems, _licence(one.licence)] for one in facts.sources]
    students = ", ".join(map(word, facts.students)) or "none (all mistakes were injected)"
    return (
        "## Where it comes from\n\n"
        + table(["problems of", "problems read", "licence of the source"], sources)
        + f"\n\nStudent: {students}. Teacher: {word(facts.teacher)}. Seed {config.seed}.\n\n"
        "Questions and reference solutions stay under the licence of their source. What a model wrote is subject to\n"
        "the terms of that model too. Name a licence above (`license:`) when you publish this, after reading both."
    )


def _licence(licence: str | None) -> str:
    return word(licence) if licence else "not known here; see the source"
