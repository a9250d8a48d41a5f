"""From items to figures: accuracy, majority, reflections, each with its 95 % interval, by set and model."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lemma.answers import answers_equal
from lemma.evaluate.benchmarks import BENCHMARKS
from lemma.evaluate.intervals import ratio_interval, wilson
from lemma.evaluate.items import EvalItem

MIN_VOTES: Final = 2
CUT: Final = "cut_short"
"""The verdict of a reply that did not end within its limit."""
_DIGITS: Final = 6


@dataclass
class _Replies:
    """The replies of one way of asking: greedy, or samples."""

    verdicts: Counter[str] = field(default_factory=Counter)
    by_problem: list[tuple[int, int]] = field(default_factory=list)
    """(right, replies) of each problem."""
    reflecting: list[tuple[int, int]] = field(default_factory=list)
    """(replies that reflect, replies) of each problem."""
    turns: Counter[str] = field(default_factory=Counter)
    """``wrong_to_right``, … of the replies that reflect."""
    starts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """`wrong` → (ended right, all) and `right` → (ended wrong, all) of each problem."""

    def count(self, items: Sequence[EvalItem]) -> None:
        """Adds the replies to one problem."""
        self.verdicts.update(item.verdict for item in items)
        self.by_problem.append((sum(item.is_right for item in items), len(items)))
        reflecting = [item for item in items if item.reflections]
        self.reflecting.append((len(reflecting), len(items)))
        self.turns.update(f"{item.start}_to_{'right' if item.is_right else 'wrong'}" for item in reflecting)
        for start, is_end in (("wrong", True), ("right", False)):
            ends = [item.is_right is is_end for item in reflecting if item.start == start]
            self.starts.setdefault(start, []).append((sum(ends), len(ends)))


@dataclass
class SetTally:
    """One set and model while items are counted."""

    greedy: _Replies = field(default_factory=_Replies)
    samples: _Replies = field(default_factory=_Replies)
    votes: list[tuple[int, bool]] = field(default_factory=list)
    """(votes cast or lost, whether the majority is right) of each problem."""
    by: dict[str, dict[str, list[tuple[int, int]]]] = field(default_factory=dict)
    """Level, … → its value → (right, replies) of each problem; greedy replies where there are any."""
    problems: int = 0

    def count(self, items: Sequence[EvalItem]) -> None:
        """Adds all replies of one model to one problem."""
        self.problems += 1
        greedy = [item for item in items if item.mode == "greedy"]
        samples = [item for item in items if item.mode != "greedy"]
        if greedy:
            self.greedy.count(greedy)
        if samples:
            self.samples.count(samples)
        if len(samples) >= MIN_VOTES:
            self.votes.append((len(samples), is_majority_right(samples)))
        told = greedy or samples
        for name, value in items[0].by.items():
            pair = (sum(item.is_right for item in told), len(told))
            self.by.setdefault(name, {}).setdefault(value, []).append(pair)


def is_majority_right(items: Sequence[EvalItem]) -> bool:
    """Whether the answer given most often is right: equal in value counts as the same, and what has none has no vote.

    Among answers given equally often the one that came first counts.
    """
    groups: list[list[EvalItem]] = []
    for item in items:
        if item.answer is None:
            continue
        for group in groups:
            first = group[0]
            # right ones are known to be equal; a right and a wrong one are known to differ
            if first.is_right == item.is_right and (item.is_right or answers_equal(first.answer or "", item.answer)):
                group.append(item)
                break
        else:
            groups.append([item])
    return bool(groups) and max(groups, key=len)[0].is_right


class Tally:
    """Counts items; those of one problem must come together."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], SetTally] = {}
        """(set, model) → its figures."""
        self.disagreements: list[EvalItem] = []
        """Given solutions about which the source says otherwise."""
        self.labelled = 0

    def watch(self, items: Iterable[EvalItem]) -> Iterator[EvalItem]:
        """Yields the items again and counts them on the way."""
        for _, group in itertools.groupby(items, lambda item: item.problem):
            by_model: dict[str, list[EvalItem]] = {}
            for item in group:
                by_model.setdefault(item.model, []).append(item)
                if item.claimed is not None:
                    self.labelled += 1
                    if item.claimed != item.is_right:
                        self.disagreements.append(item)
                yield item
            for model, own in by_model.items():
                self.sets.setdefault((own[0].set, model), SetTally()).count(own)

    def trees(self) -> list[dict[str, Any]]:
        """The figures by set and model, for ``results.json``: shares are fractions of 1."""
        return [_set_tree(name, model, tally) for (name, model), tally in self.sets.items()]

    def agreement(self) -> dict[str, Any] | None:
        """How far the source's labels are ours; None where it has none."""
        if not self.labelled:
            return None
        agreed = self.labelled - len(self.disagreements)
        fields = {"set", "row", "draw", "model", "claimed", "verdict", "answer", "reference"}
        return {
            "labelled": self.labelled,
            "agreed": agreed,
            **_share(agreed, self.labelled),
            "disagreements": [item.model_dump(include=fields) for item in self.disagreements],
        }


def _share(hits: int, trials: int) -> dict[str, float | None]:
    """A share with its Wilson interval."""
    if not trials:
        return {"share": None, "low": None, "high": None}
    return _rounded(hits / trials, *wilson(hits, trials))


def _clustered(pairs: Sequence[tuple[int, int]]) -> dict[str, float | None]:
    """A share with its interval: by problems drawn anew where some have several replies, else Wilson's."""
    hits, trials = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if not trials or all(pair[1] <= 1 for pair in pairs):
        return _share(hits, trials)
    return _rounded(hits / trials, *ratio_interval(pairs))


def _rounded(share: float, low: float, high: float) -> dict[str, float | None]:
    return {"share": round(share, _DIGITS), "low": round(low, _DIGITS), "high": round(high, _DIGITS)}


def _set_tree(name: str, model: str, tally: SetTally) -> dict[str, Any]:
    benchmark = BENCHMARKS.get(name)
    tree: dict[str, Any] = {
        "set": name,
        "title": benchmark.title if benchmark is not None else name,
        "model": model,
        "problems": tally.problems,
        "greedy": _replies_tree(tally.greedy),
        "samples": _replies_tree(tally.samples),
        "majority": None,
        "by": {
            kind: {value: {"problems": len(pairs), **_clustered(pairs)} for value, pairs in sorted(values.items())}
            for kind, values in sorted(tally.by.items())
        },
    }
    if tally.votes:
        right = sum(is_right for _, is_right in tally.votes)
        votes = {count for count, _ in tally.votes}
        tree["majority"] = {
            "k": votes.pop() if len(votes) == 1 else None,
            "problems": len(tally.votes),
            "right": right,
            **_share(right, len(tally.votes)),
        }
    return tree


def _replies_tree(replies: _Replies) -> dict[str, Any] | None:
    if not replies.by_problem:
        return None
    per_problem = {count for _, count in replies.by_problem}
    return {
        "replies": replies.verdicts.total(),
        "per_problem": per_problem.pop() if len(per_problem) == 1 else None,
        "right": replies.verdicts["right"],
        **_clustered(replies.by_problem),
        "verdicts": dict(sorted(replies.verdicts.items())),
        "cut_short": _cut(replies.verdicts),
        "reflections": {
            "replies": sum(hits for hits, _ in replies.reflecting),
            **_clustered(replies.reflecting),
            "turns": dict(sorted(replies.turns.items())),
            "wrong_turned_right": _turned(replies.starts["wrong"]),
            "right_turned_wrong": _turned(replies.starts["right"]),
        },
    }


def _cut(verdicts: Counter[str]) -> dict[str, Any]:
    """What a length limit ended: counted as wrong, though a longer limit might have made it right."""
    return {"replies": verdicts[CUT], "share": round(verdicts[CUT] / verdicts.total(), _DIGITS)}


def _turned(pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    hits, trials = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return {"count": hits, "of": trials, **_clustered([pair for pair in pairs if pair[1]])}


def averages(trees: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By model, the plain mean over sets, as papers report it; null where a set was not asked in that way."""
    found = []
    for model in dict.fromkeys(tree["model"] for tree in trees):
        own = [tree for tree in trees if tree["model"] == model]
        means: dict[str, Any] = {"model": model, "sets": len(own)}
        for way in ("greedy", "samples", "majority"):
            shares = [tree[way]["share"] for tree in own if tree[way] is not None]
            means[way] = round(sum(shares) / len(shares), _DIGITS) if len(shares) == len(own) else None
        found.append(means)
    return found
