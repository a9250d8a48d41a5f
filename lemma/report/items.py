"""What the browser of trajectories shows, as plain trees for the page's JSON.

One item::

    {"run": 0, "id": "t-…", "kind": "kept", "stage": "smooth", "reason": "", "detail": "", "outcome": "exported",
     "dataset": "gsm8k", "type": "missing_step", "strategy": "fix_continue", "origin": "student", "level": "",
     "record": the line as it stands in the file, without `text`, "before": the trajectory before smoothing | null,
     "sample": the student's sample that a rejection speaks of | null, "reply": the teacher's last words | "",
     "wrong": [start, end] of the first wrong step in the solution, "said": {claim: verdict}, "notes": […]}

Offsets are in UTF-16 units, as JavaScript counts. Texts beyond `MOST_CHARS` are cut, and say so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from lemma.report.facts import RunFacts
from lemma.report.lines import Tree, find_records, find_replies, read_at, read_lines
from lemma.report.pick import Place
from lemma.report.scan import level_of
from lemma.steps import step_spans

MOST_CHARS: Final = 50_000
MOST_NAME_CHARS: Final = 100
REJECTED_SHARE: Final = 3
"""One in so many items is a rejection, as far as there are that many of both."""
_PARENT_STAGES: Final = {
    "analyze": ("sample",),
    "correct": ("analyze", "inject"),
    "smooth": ("correct",),
}
"""Where the records lie that rejections of a stage speak of; those of sample and inject speak of problems."""


def items_of(facts: RunFacts, number: int, at: int) -> list[Tree]:
    """The run's items: kept trajectories by kind, then rejections.

    Args:
        facts: the run.
        number: how many at most.
        at: the run's place among those of the report.

    Raises:
        RunError: a file was changed meanwhile.
    """
    found = facts.findings
    refused = min(found.rejected.counts.total(), number // REJECTED_SHARE)
    kept = found.kept.drawn(number - refused)
    rejected = found.rejected.drawn(number - len(kept))
    items = _kept(facts, kept)
    shown = {item["id"] for item in items}
    items += [item for item in _rejected(facts, rejected) if item["id"] not in shown]
    for item in items:
        item["run"] = at
        _describe_audit(facts, item)
    return [_cut(item) for item in items]


def texts_of(item: Tree) -> Iterator[str]:
    """All texts of an item in which mathematics may stand."""
    stack: list[Any] = [item["record"], item["before"], item["sample"], item["reply"]]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, str):
            yield one


# ── kept ──


def _kept(facts: RunFacts, places: Iterable[Place]) -> list[Tree]:
    trees = {tree["id"]: (place, tree) for place in places for tree in [read_at(facts.run, place)]}
    left_out = _left_out(facts.run, facts.finished.get("export", ()), trees.keys())
    by_part: dict[int, list[Tree]] = {}
    for place, tree in trees.values():
        by_part.setdefault(place.part, []).append(tree)
    before = {
        pair: tree for part, some in by_part.items() for pair, tree in _before_smoothing(facts, part, some).items()
    }
    items = []
    for identity, (place, tree) in trees.items():
        item = _trajectory_item(tree, place.stage)
        item["before"] = before.get(_pair(tree))
        if identity in left_out:
            item["reason"], item["detail"] = left_out[identity]
            item["outcome"] = f"left out at export: {item['reason']}"
        else:
            item["outcome"] = "exported" if facts.counts.export else "kept, not exported yet"
        items.append(item)
    return items


def _left_out(run: Path, parts: Collection[int], ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Trajectory → reason and detail, of those that the export left out."""
    return {
        tree["unit"]["parent"]: (tree["reason"], tree["detail"])
        for part in parts
        for _, tree in read_lines(run, "export", part, is_rejected=True)
        if tree["unit"]["parent"] in ids
    }


def _pair(tree: Tree) -> tuple[str, str]:
    """What a trajectory and its smoothed form share."""
    return tree["mistake"]["id"], tree["strategy"]


def _before_smoothing(facts: RunFacts, part: int, trees: Iterable[Tree]) -> dict[tuple[str, str], Tree]:
    """What the smoothed trajectories of a part were made from."""
    pairs = {_pair(tree) for tree in trees}
    if not pairs or facts.last != "smooth" or part not in facts.finished.get("correct", ()):
        return {}
    return {
        _pair(tree): {name: tree[name] for name in ("id", "prefix", "reflection", "continuation")}
        for _, tree in read_lines(facts.run, "correct", part)
        if _pair(tree) in pairs
    }


def _trajectory_item(tree: Tree, stage: str) -> Tree:
    mistake = tree["mistake"]
    return {
        **_item(tree["id"], "kept", stage, mistake["problem"]),
        "type": _short(mistake["error_type"]),
        "strategy": _short(tree["strategy"]),
        "origin": mistake["origin"],
        # the page puts it together again: it is most of the line, said twice
        "record": {name: value for name, value in tree.items() if name != "text"},
        "wrong": _wrong_step(mistake),
    }


def _item(identity: str, kind: str, stage: str, problem: Tree) -> Tree:
    return {
        "id": identity,
        "kind": kind,
        "stage": stage,
        "reason": "",
        "detail": "",
        "outcome": "",
        "dataset": _short(problem["dataset"]),
        "type": "",
        "strategy": "",
        "origin": "",
        "level": level_of(problem),
        "record": None,
        "before": None,
        "sample": None,
        "reply": "",
        "wrong": None,
        "said": {},
        "notes": [],
    }


def _wrong_step(mistake: Tree) -> list[int]:
    """Where the first wrong step lies in the solution, in UTF-16 units."""
    solution, end = mistake["solution"], mistake["prefix_end"]
    start = next((first for first, last in step_spans(solution) if last >= end), 0)
    return [_utf16(solution[:start]), _utf16(solution[:end])]


def _utf16(text: str) -> int:
    return len(text) + sum(ord(sign) > 0xFFFF for sign in text)


# ── rejected ──


def _rejected(facts: RunFacts, places: Iterable[Place]) -> list[Tree]:
    by_part: dict[tuple[str, int], list[Tree]] = {}
    for place in places:
        tree = read_at(facts.run, place, is_rejected=True)
        by_part.setdefault((place.stage, place.part), []).append(tree)
    return [
        item
        for (stage, part), trees in sorted(by_part.items())
        for item in _rejected_of_part(facts, stage, part, trees)
    ]


def _rejected_of_part(facts: RunFacts, stage: str, part: int, trees: list[Tree]) -> Iterator[Tree]:
    wanted = {tree["unit"]["parent"] for tree in trees}
    stages = (facts.last,) if stage == "export" else _PARENT_STAGES.get(stage, ())
    parents: dict[str, Tree] = {}
    before: dict[tuple[str, str], Tree] = {}
    for parent_stage in stages:
        # an export has one file of rejections for the whole run
        for number in sorted(facts.finished.get(parent_stage, ())) if stage == "export" else [part]:
            found = find_records(facts.run, parent_stage, number, wanted - parents.keys())
            parents |= found
            if stage == "export":
                before |= _before_smoothing(facts, number, found.values())
    replies = find_replies(facts.run, stage, part, {tree["unit"]["id"] for tree in trees})
    for tree in trees:
        parent = parents.get(tree["unit"]["parent"])
        item = _rejected_item(stage, tree, parent, replies.get(tree["unit"]["id"]))
        if stage == "export" and parent is not None:
            item["before"] = before.get(_pair(parent))
        yield item


def _rejected_item(stage: str, tree: Tree, parent: Tree | None, reply: Tree | None) -> Tree:
    unit = tree["unit"]
    if stage == "export" and parent is not None:
        item = _trajectory_item(parent, stage)
        item["outcome"] = f"left out at export: {_short(tree['reason'])}"
    else:
        item = _item(tree["id"], "rejected", stage, unit["problem"])
        item["record"] = tree
        item["outcome"] = f"rejected in {stage}: {_short(tree['reason'])}"
        if stage in ("correct", "smooth", "export"):
            item["strategy"] = _short(unit["label"])
        if stage == "inject":
            item["type"], item["origin"] = _short(unit["label"]), "injected"
        if stage == "analyze":
            item["sample"], item["origin"] = parent, "student"
        elif parent is not None:
            mistake = parent["mistake"] if stage == "smooth" else parent
            item |= {"type": _short(mistake["error_type"]), "origin": mistake["origin"]}
            item["wrong"] = _wrong_step(mistake)
            item["sample"] = mistake
            if stage == "smooth":
                item["before"] = {name: parent[name] for name in ("id", "prefix", "reflection", "continuation")}
    item["reason"], item["detail"] = _short(tree["reason"]), tree["detail"]
    item["reply"] = str(reply["text"]) if reply is not None else ""
    return item


# ── all ──


def _describe_audit(facts: RunFacts, item: Tree) -> None:
    if facts.audit is None:
        return
    identity = item["id"]
    for word, claims in (("wrong", facts.audit.wrong), ("disputed", facts.audit.disputed)):
        for claim in claims.get(identity, ()):
            item["said"][claim] = word
    item["notes"] = facts.audit.notes.get(identity, [])


def _short(name: str) -> str:
    """What filters and lists name things by."""
    return name if len(name) <= MOST_NAME_CHARS else f"{name[:MOST_NAME_CHARS]}…"


def _cut(tree: Any) -> Any:
    """Cuts texts that are too long for a page."""
    if isinstance(tree, str) and len(tree) > MOST_CHARS:
        return f"{tree[:MOST_CHARS]} […{len(tree) - MOST_CHARS:,} more characters stand in the run's folder]"
    if isinstance(tree, dict):
        return {name[:MOST_CHARS]: _cut(value) for name, value in tree.items()}
    return [_cut(one) for one in tree] if isinstance(tree, list) else tree
