"""Two models on the same problems: the difference, whether it is more than chance, reflections and error types.

Problems are paired by id. Where both runs were asked greedily, the exact McNemar test looks at the problems that one
alone solved; the interval of the difference is the bootstrap's over problems, whatever was asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from lemma.errors import RunError
from lemma.evaluate.benchmarks import BENCHMARKS
from lemma.evaluate.figures import Tally
from lemma.evaluate.intervals import bootstrap_mean, mcnemar_exact, wilson
from lemma.evaluate.items import EvalItem
from lemma.evaluate.report import NONE, share_text, table
from lemma.evaluate.run import items_of
from lemma.shards.files import read_json

ALL: Final = "all"
_DIGITS: Final = 6


@dataclass
class _Side:
    """One run, problem by problem."""

    models: dict[str, None] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    """Problem → its set."""
    greedy: dict[str, Fraction] = field(default_factory=dict)
    samples: dict[str, tuple[int, int]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def read(cls, items: Iterable[EvalItem]) -> _Side:
        side = cls()
        for item in side.tally.watch(items):
            side.models[item.model] = None
            side.questions[item.problem] = item.question
            side.sets[item.problem] = item.set
            if item.mode == "greedy":
                side.greedy[item.problem] = Fraction(item.is_right)
            else:
                right, replies = side.samples.get(item.problem, (0, 0))
                side.samples[item.problem] = right + item.is_right, replies + 1
        return side

    def shares(self, is_greedy: bool) -> dict[str, Fraction]:
        """Problem → share of its replies that are right."""
        if is_greedy:
            return self.greedy
        return {problem: Fraction(*pair) for problem, pair in self.samples.items()}


def compare_runs(first: Path, second: Path) -> dict[str, Any]:
    """Compares two runs.

    Returns:
        ``{"first": [model, …], "second": […], "is_greedy": …, "sets": […], "error_types": […]}``; see
        docs/evaluation.md.

    Raises:
        RunError: a folder is no finished run, or they have no problem in common.
    """
    one, other = _Side.read(items_of(first)), _Side.read(items_of(second))
    is_greedy = bool(one.greedy and other.greedy)
    mine, theirs = one.shares(is_greedy), other.shares(is_greedy)
    paired = [key for key in mine if key in theirs and one.questions[key] == other.questions[key]]
    if not paired:
        raise RunError(
            f"{first} and {second} have no problem in common that both were asked in the same way "
            "(greedily, or by samples); measure both on the same sets"
        )
    names = list(dict.fromkeys(one.sets[key] for key in paired))
    groups = {name: [key for key in paired if one.sets[key] == name] for name in names}
    if len(groups) > 1:
        groups[ALL] = paired
    return {
        "version": 1,
        "first": list(one.models),
        "second": list(other.models),
        "is_greedy": is_greedy,
        "unpaired": [len(mine) - len(paired), len(theirs) - len(paired)],
        "sets": [
            _pair_tree(name, [(mine[key], theirs[key]) for key in keys], is_greedy) for name, keys in groups.items()
        ],
        "reflections": [_sides(name, "reflections", one.tally, other.tally, is_greedy) for name in names],
        "cut_short": [_sides(name, "cut_short", one.tally, other.tally, is_greedy) for name in names],
        "error_types": _error_types(first, second),
    }


def _pair_tree(name: str, pairs: list[tuple[Fraction, Fraction]], is_greedy: bool) -> dict[str, Any]:
    number = len(pairs)
    differences = [theirs - mine for mine, theirs in pairs]
    low, high = bootstrap_mean(differences)
    only_first = sum(difference < 0 for difference in differences)
    only_second = sum(difference > 0 for difference in differences)
    return {
        "set": name,
        "problems": number,
        "first": round(float(sum(mine for mine, _ in pairs) / number), _DIGITS),
        "second": round(float(sum(theirs for _, theirs in pairs) / number), _DIGITS),
        "difference": round(float(sum(differences) / number), _DIGITS),
        "low": round(low, _DIGITS),
        "high": round(high, _DIGITS),
        "first_better": only_first,
        "second_better": only_second,
        "mcnemar_p": float(f"{mcnemar_exact(only_first, only_second):.4g}") if is_greedy else None,
    }


def _sides(name: str, key: str, one: Tally, other: Tally, is_greedy: bool) -> dict[str, Any]:
    """A figure of each of the two: how their replies reflect, or how many were cut."""
    tree: dict[str, Any] = {"set": name}
    way = "greedy" if is_greedy else "samples"
    for side, tally in (("first", one), ("second", other)):
        found = [set_tree[way][key] for set_tree in tally.trees() if set_tree["set"] == name and set_tree[way]]
        tree[side] = found[0] if len(found) == 1 else None  # several models: no one figure
    return tree


def _error_types(first: Path, second: Path) -> list[dict[str, Any]]:
    """Error types of the two runs' wrong solutions, where both were analysed (`lemma analyze`)."""
    sides = [_types(run) for run in (first, second)]
    if not all(sides):
        return []
    totals = [side.total() for side in sides]
    names = sorted({*sides[0], *sides[1]}, key=lambda name: (-sides[0][name], name))
    rows = []
    for name in names:
        row: dict[str, Any] = {"error_type": name}
        for side, counts, total in zip(("first", "second"), sides, totals, strict=True):
            low, high = wilson(counts[name], total)
            share = {"share": counts[name] / total, "low": low, "high": high}
            row[side] = {"count": counts[name], **{key: round(value, _DIGITS) for key, value in share.items()}}
        rows.append(row)
    return rows


def _types(run: Path) -> Counter[str]:
    tree = read_json(run / "analyze/distribution.json") or {}
    types = tree.get("types")
    if not isinstance(types, Mapping):
        return Counter()
    return Counter({str(name): int(one["count"]) for name, one in types.items()})


def comparison_text(tree: Mapping[str, Any]) -> str:
    """The tables of a comparison, for a person."""
    first, second = ", ".join(tree["first"]), ", ".join(tree["second"])
    rows = [
        [
            BENCHMARKS[one["set"]].title if one["set"] in BENCHMARKS else one["set"],
            str(one["problems"]),
            f"{100 * one['first']:.1f} %",
            f"{100 * one['second']:.1f} %",
            f"{100 * one['difference']:+.1f} [{100 * one['low']:+.1f}, {100 * one['high']:+.1f}]",
            f"{one['first_better']} / {one['second_better']}",
            NONE if one["mcnemar_p"] is None else f"{one['mcnemar_p']:.3g}",
        ]
        for one in tree["sets"]
    ]
    parts = [
        f"first: {first}; second: {second}; {'greedy' if tree['is_greedy'] else 'means over samples'}",
        table(["set", "problems", "first", "second", "difference", "better: first / second", "McNemar p"], rows),
        table(
            ["set", "", "reflects", "wrong turned right", "right turned wrong", "cut at the limit"],
            list(_side_rows(tree)),
        ),
    ]
    if sum(tree["unpaired"]):
        parts.append(f"Not compared: {tree['unpaired'][0]} problems of the first, {tree['unpaired'][1]} of the second.")
    if tree["error_types"]:
        types = [
            [one["error_type"], *(f"{one[side]['count']}: {share_text(one[side])}" for side in ("first", "second"))]
            for one in tree["error_types"]
        ]
        parts.append(table(["error type", "first", "second"], types))
    return "\n\n".join(parts)


def _side_rows(tree: Mapping[str, Any]) -> Iterable[list[str]]:
    for one, cut in zip(tree["reflections"], tree["cut_short"], strict=True):
        for side in ("first", "second"):
            found = one[side]
            if found is not None:
                turned = [found["wrong_turned_right"], found["right_turned_wrong"]]
                counts = [f"{way['count']} of {way['of']}" for way in turned]
                lost = f"{100 * cut[side]['share']:.1f} % ({cut[side]['replies']})"
                yield [one["set"], side, share_text(found), *counts, lost]
