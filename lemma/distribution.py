"""The student's error type distribution, and the frozen target that injection aims at (paper, sections 3.1 and 3.2).

``analyze/distribution.json`` counts the types of all analysed mistakes, per dataset and student;
``inject/target.json`` is made from it once: without rare types and those that cannot be injected, scaled to 1.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lemma.config import InjectConfig
from lemma.errors import ConfigError
from lemma.records import Mistake
from lemma.shards.files import read_json, write_json
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.taxonomy import ErrorType


def tally_key(mistake: Mistake) -> str:
    """What a manifest counts a mistake under: ``["gsm8k","my-student","calculation_error"]``."""
    return json.dumps([mistake.problem.dataset, mistake.model, mistake.error_type], ensure_ascii=False)


def votes_key(dataset: str, model: str, split: str) -> str:
    """What a manifest counts the votes about a mistake under: ``["gsm8k","my-student","votes","2-1"]``."""
    return json.dumps([dataset, model, "votes", split], ensure_ascii=False)


def distribution_of(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Adds up the manifests of `analyze`.

    Returns:
        ``{"mistakes": n, "types": {type: {"count", "share"}}, "datasets": {name: {"mistakes", "types",
        "students": {model: {"mistakes", "types"}}}}}``; types by falling count. With `analyze.votes` above 1 also
        ``"agreement": {dataset: {"unanimous_share", "splits": {"3-0": n, "2-1": n}}}`` of the mistakes kept.
    """
    overall: Counter[str] = Counter()
    datasets: dict[str, dict[str, Counter[str]]] = {}
    splits: dict[str, Counter[str]] = {}
    for manifest in manifests:
        for key, count in manifest.tally.items():
            dataset, student, error_type, *rest = json.loads(key)
            if rest:  # a split of votes
                splits.setdefault(dataset, Counter())[rest[0]] += count
                continue
            overall[error_type] += count
            datasets.setdefault(dataset, {}).setdefault(student, Counter())[error_type] += count
    return {
        **_shares(overall),
        "datasets": {
            dataset: {
                **_shares(sum(students.values(), Counter())),
                "students": {student: _shares(counts) for student, counts in sorted(students.items())},
            }
            for dataset, students in sorted(datasets.items())
        },
        **(
            {"agreement": {dataset: _agreement(counts) for dataset, counts in sorted(splits.items())}} if splits else {}
        ),
    }


def _agreement(splits: Counter[str]) -> dict[str, Any]:
    unanimous = sum(count for split, count in splits.items() if split.endswith("-0"))
    return {
        "unanimous_share": round(unanimous / splits.total(), 6),
        "splits": dict(sorted(splits.items(), reverse=True)),
    }


def _shares(counts: Counter[str]) -> dict[str, Any]:
    total = counts.total()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "mistakes": total,
        "types": {name: {"count": count, "share": round(count / total, 6)} for name, count in ordered},
    }


def write_distribution(run: Path, manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Writes ``analyze/distribution.json`` and returns it."""
    distribution = distribution_of(manifests)
    write_json(run / "analyze" / "distribution.json", distribution)
    return distribution


def write_injected(run: Path, datasets: Mapping[str, Any]) -> None:
    """Writes ``inject/distribution.json``: what injection came to, by dataset (see `lemma.injection`)."""
    write_json(_injected_path(run), {"datasets": dict(datasets)})


def read_injected(run: Path) -> dict[str, Any]:
    """What `write_injected` wrote; empty where nothing was injected."""
    tree: dict[str, Any] = read_json(_injected_path(run)) or {}
    return dict(tree.get("datasets", {}))


def _injected_path(run: Path) -> Path:
    return StageFolder(run, "inject").path / "distribution.json"


def freeze_target(
    run: Path,
    config: InjectConfig,
    distribution: Mapping[str, Any],
    datasets: Iterable[str],
    taxonomy: Mapping[str, ErrorType],
    renew: bool = False,
    pilot: bool = False,
) -> tuple[dict[str, Any], bool]:
    """Makes ``inject/target.json``, or returns the one that was frozen before.

    Args:
        run: the run's folder.
        config: `inject` of the configuration.
        distribution: see `distribution_of`; not looked at where the configuration gives shares.
        datasets: names of all datasets of the run's problems.
        taxonomy: all error types.
        renew: make it anew even if there is one (`--retarget`).
        pilot: mark it as made from a few problems, so that the next run without the mark makes it anew.

    Returns:
        The target, ``{"types": …, "min_share": …, "mistakes": n, "datasets": {name: {"target": {type: share},
        "left_out": {type: {"share", "why"}}, "from": "its own mistakes" | …}}}``, and whether the analysis has since
        grown beyond what it was made from.

    Raises:
        ConfigError: nothing to draw from.
    """
    path = StageFolder(run, "inject").path / "target.json"
    wish = {"types": config.types, "min_share": config.min_share}
    frozen = read_json(path)
    if renew or (frozen is not None and bool(frozen.get("pilot")) != pilot):
        frozen = None
    names = sorted(set(datasets))
    if frozen is not None and {key: frozen.get(key) for key in wish} == wish:
        known = frozen["datasets"]
        if isinstance(known, dict) and set(names) <= set(known):
            return frozen, frozen["mistakes"] != distribution["mistakes"]
    target: dict[str, Any] = {**wish, "mistakes": distribution["mistakes"], "datasets": {}}
    if pilot:
        target["pilot"] = True
    kept = frozen["datasets"] if frozen is not None and {key: frozen.get(key) for key in wish} == wish else {}
    for name in names:
        # what was frozen stays; only a dataset that has come since is added
        target["datasets"][name] = kept[name] if name in kept else _target_of(name, config, distribution, taxonomy)  # type: ignore[operator, index]
    write_json(path, target)
    return target, False


def merged_target(targets: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """What several runs of one configuration aimed at, taken together: by dataset, weighted by problems.

    Args:
        targets: see `freeze_target`.
        problems: of each run: dataset → number of problems.
    """
    merged: dict[str, Any] = {key: targets[0][key] for key in ("types", "min_share")}
    merged |= {"mistakes": sum(target["mistakes"] for target in targets), "datasets": {}}
    for name in sorted({name for target in targets for name in target["datasets"]}):
        found = [
            (target["datasets"][name], counts.get(name, 0))
            for target, counts in zip(targets, problems, strict=True)
            if name in target["datasets"]
        ]
        entries, weights = [entry for entry, _ in found], [weight for _, weight in found]
        if all(entry == entries[0] for entry in entries):
            merged["datasets"][name] = entries[0]
            continue
        total = sum(weights) or 1
        shares: Counter[str] = Counter()
        for entry, weight in found:
            for kind, share in entry["target"].items():
                shares[kind] += share * weight / total
        merged["datasets"][name] = {
            "target": {kind: round(share, 6) for kind, share in sorted(shares.items())},
            "left_out": {kind: why for entry in entries for kind, why in entry["left_out"].items() if not shares[kind]},
            "from": "the runs that were merged",
        }
    return merged


def check_types(config: InjectConfig, taxonomy: Mapping[str, ErrorType]) -> None:
    """Tells a wrong `inject.types` before anything is paid for.

    Raises:
        ConfigError: an unknown type, or none that can be injected.
    """
    if isinstance(config.types, str):
        return
    unknown = sorted(set(config.types) - set(taxonomy))
    if unknown:
        raise ConfigError(f"inject.types: unknown error type `{unknown[0]}`; known: {', '.join(sorted(taxonomy))}")
    _cut(_given_shares(config.types), config, taxonomy, "inject.types")


def _given_shares(types: Mapping[str, float]) -> dict[str, float]:
    total = sum(types.values())
    return {name: share / total for name, share in types.items() if share > 0}


def _target_of(
    dataset: str, config: InjectConfig, distribution: Mapping[str, Any], taxonomy: Mapping[str, ErrorType]
) -> dict[str, Any]:
    if isinstance(config.types, str):
        own = distribution["datasets"].get(dataset)
        counted = own if own is not None else distribution
        shares = {name: entry["share"] for name, entry in counted["types"].items()}
        source = "its own mistakes" if own is not None else "the mistakes of the other datasets"
        if not shares:
            raise ConfigError(
                "inject.types is `analysed`, but the analysis found no mistake to learn from; "
                "give shares, such as `inject: {types: {calculation_error: 0.6, missing_step: 0.4}}`"
            )
    else:
        shares = _given_shares(config.types)
        source = "the configuration"
    target, left_out = _cut(shares, config, taxonomy, f"inject: {dataset}")
    return {"target": target, "left_out": left_out, "from": source}


def _cut(
    shares: Mapping[str, float], config: InjectConfig, taxonomy: Mapping[str, ErrorType], where: str
) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Shares without rare types and those that cannot be injected, scaled to 1; and what was left out."""
    left_out: dict[str, dict[str, Any]] = {}
    for name, share in shares.items():
        if name not in taxonomy or not taxonomy[name].injectable:
            left_out[name] = {"share": share, "why": "cannot be injected"}
        elif share < config.min_share:
            left_out[name] = {"share": share, "why": f"below min_share {config.min_share:g}"}
    rest = {name: share for name, share in shares.items() if name not in left_out}
    if not rest:
        why = ", ".join(f"{name} {entry['why']}" for name, entry in left_out.items())
        raise ConfigError(f"{where}: no type is left to draw from ({why})")
    total = sum(rest.values())
    return {name: round(share / total, 6) for name, share in sorted(rest.items())}, left_out
