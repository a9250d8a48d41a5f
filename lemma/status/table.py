"""A run's status for people: a table where it fits, a few lines a stage where the terminal is narrow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lemma.audit.report import status_line
from lemma.failures import FAILURES
from lemma.plan import money
from lemma.terminal import flat

_LOST: Final = ("kept", "rejected", "retried", "refused", "unused", "open")
_HEAD: Final = ("stage", "parts", "units", "kept", "rejected", "left", "replies", "tokens", "cost", "expected", "speed")
_OPTIONAL: Final = ("expected", "speed")
"""Columns that are left out where they are empty."""
SHOWN_REASONS: Final = 4
PLAIN_COLUMNS: Final = 140
"""Where nobody says how wide it may be."""


def status_table(status: Mapping[str, Any], columns: int = PLAIN_COLUMNS) -> str:
    """What `read_status` gave, as text.

    Args:
        status: the tree.
        columns: how wide it may become; only words longer than that go beyond.
    """
    head = f"{status['run']}: {status['problems']} problems"
    if status["set_aside"]:
        head += f", set aside {_reasons(status['set_aside'])}"
    if status["in_use_by"]:
        head += f"; in use by {status['in_use_by']}"
    tail = f"in all: {status['tokens']} tokens, {money(status['cost_usd'])}; of the replies {_replies(status)}"
    mix = [
        f"injected, {name}: {one['kept']} of {one['slots']}, {one['shortfall']} short, types off their target by "
        f"{one['total_variation']:.3f} (total variation)"
        for name, one in status["injected"].items()
    ]
    audited = [status_line(status["audit"])] if status["audit"] else []
    lines = [*_wrapped(head, columns), *_stages(status, columns), *_export(status, columns)]
    for line in (*_batches(status), tail, *mix, *audited, *status["warnings"]):
        lines += _wrapped(line, columns)
    return "\n".join(lines)


def _wrapped(text: str, columns: int, margin: str = "") -> list[str]:
    """Lines of at most so many columns, all but the first indented."""
    rest = margin + "  "
    return textwrap.wrap(
        flat(text), max(20, columns), initial_indent=margin, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _stages(status: Mapping[str, Any], columns: int) -> Iterator[str]:
    plans = {stage["stage"]: stage for stage in (status["estimate"] or {}).get("stages", [])}
    rows = [_HEAD, *(_row(stage, plans.get(stage["stage"])) for stage in status["stages"])]
    used = [
        at
        for at, head in enumerate(_HEAD)
        if head not in _OPTIONAL or any(row[at] not in ("", "–") for row in rows[1:])
    ]
    widths = {at: max(len(row[at]) for row in rows) for at in used}
    is_wide = sum(widths.values()) + 2 * (len(used) - 1) <= columns
    if is_wide:
        yield "  ".join(_cell(_HEAD[at], at, widths) for at in used).rstrip()
    for row, stage in zip(rows[1:], status["stages"], strict=True):
        if is_wide:
            yield "  ".join(_cell(row[at], at, widths) for at in used).rstrip()
        else:
            cells = [f"{_HEAD[at]} {row[at]}" for at in used[1:]]
            yield from _wrapped(f"{row[0]}: {', '.join(cells)}", columns)
        for remark in _remarks(stage):
            yield from _wrapped(remark, columns, "    ")


def _cell(text: str, at: int, widths: Mapping[int, int]) -> str:
    return text.rjust(widths[at]) if at else text.ljust(widths[at])


def _row(stage: Mapping[str, Any], plan: Mapping[str, Any] | None) -> tuple[str, ...]:
    spent = stage["spent"].values()
    cost = money(stage["cost_usd"])
    if stage["left"] and stage["projected_usd"]:
        cost += f" of about {money(stage['projected_usd'])}"
    speed = "" if stage["units_per_s"] is None else f"{stage['units_per_s']:.1f}/s"
    if stage["eta_s"]:
        speed += f", {duration(stage['eta_s'])} to go"
    return (
        stage["stage"],
        f"{stage['parts_done']}/{stage['parts']}",
        str(stage["units"]),
        str(stage["kept"]),
        str(stage["rejected"]),
        "–" if stage["left"] is None else str(stage["left"]),
        str(sum(outcome["replies"] for outcome in spent)),
        _short(sum(outcome["input_tokens"] + outcome["output_tokens"] for outcome in spent)),
        cost,
        f"{plan['calls']} calls, {money(plan.get('total_usd'))}" if plan else "–",
        speed,
    )


def _remarks(stage: Mapping[str, Any]) -> Iterator[str]:
    if stage["reasons"]:
        yield f"rejected: {_reasons(stage['reasons'])}"
    if stage["answered"]:
        yield f"in parts that are not finished: {stage['answered']} units answered"
    if failed := stage["failed_calls"]["kinds"]:
        kinds = ", ".join(f"{FAILURES[kind]} {calls}" for kind, calls in failed.items())
        yield f"calls that gave no reply, and cost no attempt: {kinds}"
    old = stage["outdated"]
    if old["parts"]:
        yield (
            f"{old['parts']} finished parts are of another configuration, version or input: {old['kept']} kept, "
            f"{old['rejected']} rejected; the next run makes them anew from the replies"
        )
    if len(stage["models"]) > 1:
        for model, spent in stage["models"].items():
            costs = [one["cost_usd"] for one in spent.values()]
            tokens = sum(one["input_tokens"] + one["output_tokens"] for one in spent.values())
            replies = sum(one["replies"] for one in spent.values())
            cost = money(None if None in costs else sum(costs))
            yield f"{model or '(a model without a name)'}: {replies} replies, {tokens} tokens, {cost}"


def _reasons(reasons: Mapping[str, int]) -> str:
    """The commonest ones."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{reason} {count}" for reason, count in ordered[:SHOWN_REASONS]]
    if len(ordered) > SHOWN_REASONS:
        shown.append(f"{sum(count for _, count in ordered[SHOWN_REASONS:])} for other reasons")
    return ", ".join(shown)


def _export(status: Mapping[str, Any], columns: int) -> Iterator[str]:
    export = status["export"]
    if export is None:
        return
    there = status["stages"][-1]["kept"] if status["stages"] else 0
    text = f"export: {export['rows']} rows of {export['units']} trajectories"
    if export["reasons"]:
        text += f"; left out: {_reasons(export['reasons'])}"
    if export["units"] != there:
        text += f"; there are {there} trajectories now"
    yield from _wrapped(text, columns)


def _batches(status: Mapping[str, Any]) -> Iterator[str]:
    for one in status["batches"]:
        count, requests = one["batches"], one["requests"]
        yield (
            f"{one['stage']}: {count} batch{'es' if count > 1 else ''} with {requests} "
            f"request{'s' if requests > 1 else ''} under way, {one['done']} of them done when last looked at "
            f"(`lemma batch status {status['run']}`)"
        )


def _replies(status: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {sum(stage['spent'].get(name, {}).get('replies', 0) for stage in status['stages'])}" for name in _LOST
    )


def _short(tokens: int) -> str:
    if tokens < 10_000:
        return str(tokens)
    return f"{tokens / 1000:.0f}k" if tokens < 10_000_000 else f"{tokens / 1e6:.1f}M"


def duration(seconds: float) -> str:
    """For people: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
