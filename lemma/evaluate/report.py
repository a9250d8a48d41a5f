"""What a person sees of an evaluation: Markdown tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from lemma.evaluate.figures import CUT

Tree = Mapping[str, Any]

NONE: Final = "–"
MAX_LISTED: Final = 40
"""Disagreements on the screen; all stand in results.json."""


def results_text(results: Tree) -> str:
    """The tables of ``results.json``: the sets, what became of replies, reflections, breakdowns, agreement."""
    sets: Sequence[Tree] = results["sets"]
    has_models = len({one["model"] for one in sets}) > 1
    parts = [_accuracy(results, has_models), _reflections(sets, has_models)]
    parts += _breakdowns(sets, has_models)
    if results.get("agreement"):
        parts.append(_agreement(results["agreement"]))
    return "\n\n".join(part for part in parts if part)


def share_text(tree: Tree | None) -> str:
    """``65.5 % [63.0, 68.1]``, or a dash where there is nothing."""
    if tree is None or tree.get("share") is None:
        return NONE
    return f"{100 * tree['share']:.1f} % [{100 * tree['low']:.1f}, {100 * tree['high']:.1f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned; bars and line ends in cells cannot break it."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _label(one: Tree, has_models: bool) -> list[str]:
    return [one["title"], one["model"]] if has_models else [one["title"]]


def _accuracy(results: Tree, has_models: bool) -> str:
    sets: Sequence[Tree] = results["sets"]
    ways = [
        (way, head)
        for way, head in (("greedy", "pass@1"), ("samples", "mean"), ("majority", "majority"))
        if any(one[way] is not None for one in sets)
    ]
    head = [*(["set", "model"] if has_models else ["set"]), "problems", *(head for _, head in ways)]
    asked = results["asked"]
    known = {"right", "wrong", *([CUT] if asked else [])}  # the last has a column of its own
    rows = [
        [
            *_label(one, has_models),
            str(one["problems"]),
            *(_way_text(one[way], way) for way, _ in ways),
            *([cut_text(one)] if asked else []),
            _lost(one, known),
        ]
        for one in sets
    ]
    if any(mean["sets"] > 1 for mean in results["averages"]):
        for mean in results["averages"]:
            shares = [f"{100 * mean[way]:.1f} %" if mean[way] is not None else NONE for way, _ in ways]
            name = ["average", mean["model"]] if has_models else ["average"]
            cut = [cut_text(*(one for one in sets if one["model"] == mean["model"]))] if asked else []
            rows.append([*name, "", *shares, *cut, ""])
    text = table([*head, *(["cut at the limit"] if asked else []), "neither right nor wrong"], rows)
    if asked and any(cut_of(one)[0] for one in sets):
        text += (
            f"\n\nReplies cut at the limit (eval.max_tokens: {asked['max_tokens']}, or the server's own) count as "
            "wrong, as is usual; a higher limit may find some of them right."
        )
    return text


def cut_of(one: Tree) -> tuple[int, int]:
    """(replies cut at the limit, all replies) of a set."""
    told = [one[way] for way in ("greedy", "samples") if one[way] is not None]
    return sum(way["cut_short"]["replies"] for way in told), sum(way["replies"] for way in told)


def cut_text(*sets: Tree) -> str:
    """``12.5 % (20 of 160)``: the share of all replies that were cut at the limit."""
    cut, replies = (sum(counts) for counts in zip(*map(cut_of, sets), strict=True))
    return f"{100 * cut / replies:.1f} % ({cut} of {replies})" if replies else NONE


def _way_text(one: Tree | None, way: str) -> str:
    if one is None:
        return NONE
    number = one["k"] if way == "majority" else one["per_problem"] if way == "samples" else None
    return share_text(one) + (f" of {number}" if number is not None else "")


def _lost(one: Tree, known: Collection[str]) -> str:
    """What became of replies, beside those of the known verdicts."""
    counts: dict[str, int] = {}
    for way in ("greedy", "samples"):
        for verdict, count in (one[way] or {"verdicts": {}})["verdicts"].items():
            if verdict not in known:
                counts[verdict] = counts.get(verdict, 0) + count
    aside = sum((one.get("set_aside") or {}).values())
    said = [f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(counts.items())]
    return ", ".join([*said, *([f"{aside} lines unread"] if aside else [])])


def _reflections(sets: Sequence[Tree], has_models: bool) -> str:
    rows = []
    for one in sets:
        told = one["greedy"] or one["samples"]
        if told is None:
            continue
        found = told["reflections"]
        right, wrong = found["wrong_turned_right"], found["right_turned_wrong"]
        rows.append(
            [
                *_label(one, has_models),
                share_text(found),
                f"{right['count']} of {right['of']}" + (f": {share_text(right)}" if right["of"] else ""),
                f"{wrong['count']} of {wrong['of']}" + (f": {share_text(wrong)}" if wrong["of"] else ""),
            ]
        )
    if not rows:
        return ""
    head = ["set", *(["model"] if has_models else []), "replies that reflect", "wrong starts turned right"]
    return table([*head, "right starts turned wrong"], rows)


def _breakdowns(sets: Sequence[Tree], has_models: bool) -> list[str]:
    parts = []
    for one in sets:
        for kind, values in one["by"].items():
            if len(values) > 1:
                rows = [[value, str(figures["problems"]), share_text(figures)] for value, figures in values.items()]
                title = f"{one['title']} by {kind}" + (f", {one['model']}" if has_models else "")
                parts.append(table([title, "problems", "right"], rows))
    return parts


def _agreement(agreement: Tree) -> str:
    text = f"Agreement with the labels: {agreement['agreed']} of {agreement['labelled']}, {share_text(agreement)}"
    rows = [
        [
            f"{one['set']} {one['row']}, sample {one['draw'] + 1}",
            one["model"],
            "right" if one["claimed"] else "wrong",
            one["verdict"],
            NONE if one["answer"] is None else one["answer"][:60],
            one["reference"][:60],
        ]
        for one in agreement["disagreements"]
    ]
    if rows:
        text += "\n\n" + table(["row", "model", "label", "ours", "answer", "reference"], rows[:MAX_LISTED])
    if len(rows) > MAX_LISTED:
        text += f"\n\n{len(rows) - MAX_LISTED} more stand in results.json."
    return text
