r"""Process labels: which steps are right, and which of two next steps is better, from the same trajectories.

``steps.jsonl`` (`steps`), as TRL's `PRMTrainer` reads it: a solution in its steps, each right or wrong::

    {"prompt": question, "completions": ["She sold 48/2 = 24.", "48+24 = 71."], "labels": [true, false], …}

A mistake gives its steps through the first wrong one (`prefix_end`), the last of them false: of what follows from a
wrong step nothing is known. Its correction gives what held, and the steps that lead to the reference, all true; so does
a plain solution.

``pairs.jsonl`` (`pairs`), as TRL's `DPOTrainer` reads it: after the same right steps, the corrected step and the wrong
one::

    {"prompt": prompt and right steps, "chosen": corrected step, "rejected": wrong step, "rest": what follows, …}

``prompt + chosen + rest`` is a whole solution that reaches the reference. A pair is made where Fix & Continue corrected
the step; one that fails a check is left out and counted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, NamedTuple

from lemma.checks import before_wrong_step, reaches_answer, wrong_step
from lemma.config import ExportConfig
from lemma.endings import strip_answer
from lemma.errors import Rejected
from lemma.exports.base import ExportFormat, Labels
from lemma.exports.templates import Template, template_of
from lemma.records import Mistake, TrainingRow, Trajectory, make_id
from lemma.steps import split_steps, step_spans

_LOOKS_BACK: Final = re.compile(
    r"\b(?:wait|sorry|oops|hold on|mistake[ns]?|errors?|wrong(?:ly)?|incorrect(?:ly)?|correct(?:ed|ly|ing|ion)|actually"
    r"|instead|again|recheck|double-check|should have|earlier)\b",
    re.IGNORECASE,
)
"""Words by which a step shows that another was tried before it."""


class Steps(NamedTuple):
    """A solution in its steps."""

    texts: list[str]
    """Without the blanks around them."""
    labels: list[bool]


def mistake_steps(mistake: Mistake) -> Steps:
    """The steps through the first wrong one: all right but the last.

    Raises:
        Rejected: `labels_off`, where the steps do not end at `prefix_end` as `first_error_step` says.
    """
    texts = []
    for start, end in step_spans(mistake.solution):
        texts.append(mistake.solution[start : min(end, mistake.prefix_end)])
        if end >= mistake.prefix_end:
            break
    if "".join(texts) != mistake.prefix or len(texts) != mistake.first_error_step:
        raise Rejected("labels_off", f"{len(texts)} steps, the first wrong one is {mistake.first_error_step}")
    return Steps([text.strip() for text in texts], [True] * (len(texts) - 1) + [False])


def corrected_steps(trajectory: Trajectory) -> Steps | None:
    """The steps of the solution that the correction makes, all right; None where a plugin's strategy made it.

    Raises:
        Rejected: where it does not reach the reference.
    """
    if trajectory.strategy not in ("fix_continue", "fresh_restart"):
        return None
    held = before_wrong_step(trajectory.mistake) if trajectory.strategy == "fix_continue" else ""
    reaches_answer(trajectory.continuation, trajectory.mistake.problem.answer)
    return _all_right([*split_steps(held), *split_steps(_correction(trajectory))])


def _correction(trajectory: Trajectory) -> str:
    """The continuation without words that lead into it ("Going on from there:"): they follow a reflection only."""
    steps = split_steps(trajectory.continuation.strip())
    while len(steps) > 1 and not _has_digit(steps[0]) and _has_digit(trajectory.mistake.prefix):
        steps = steps[1:]
    return "".join(steps)


def _all_right(texts: list[str]) -> Steps:
    whole = [text.strip() for text in texts if not text.isspace()]
    return Steps(whole, [True] * len(whole))


def step_labels(row: TrainingRow, trajectory: Trajectory | None) -> Labels:
    """The lines of ``steps.jsonl`` that a row gives: of the mistake and of its correction, or of a plain solution."""
    labels = Labels()
    if trajectory is None:
        labels.lines.append(_step_line(row, row.id, _all_right(split_steps(row.output))))
        return labels
    mistake = trajectory.mistake
    try:
        labels.lines.append(_step_line(row, mistake.id, mistake_steps(mistake)))
    except Rejected as rejected:
        labels.left_out.append(rejected.reason)
    try:
        if (steps := corrected_steps(trajectory)) is not None:
            labels.lines.append(_step_line(row, trajectory.id, steps))
    except Rejected as rejected:
        labels.left_out.append(rejected.reason)
    return labels


def _step_line(row: TrainingRow, parent: str, steps: Steps) -> dict[str, object]:
    return {
        "prompt": row.instruction,
        "completions": steps.texts,
        "labels": steps.labels,
        "id": make_id("l", parent, "steps"),
        "dataset": row.dataset,
        "error_type": row.error_type,
        "origin": row.origin,
    }


class Pair(NamedTuple):
    """Two next steps after the same right ones."""

    held: str
    """The right steps, without the blank behind them."""
    gap: str
    """That blank."""
    chosen: str
    rejected: str
    rest: str


def pair_of(trajectory: Trajectory) -> Pair:
    """The corrected step against the wrong one.

    Raises:
        Rejected: `same_step`, `looks_back`, `no_claim`, or why it does not reach the reference.
    """
    mistake = trajectory.mistake
    reaches_answer(trajectory.continuation, mistake.problem.answer)
    before = before_wrong_step(mistake)
    held = before.rstrip()
    rejected = wrong_step(mistake).strip()
    correction = _correction(trajectory)
    chosen = split_steps(correction)[0].rstrip()
    if _bare(chosen) == _bare(rejected):
        raise Rejected("same_step", chosen[:200])
    if (words := _LOOKS_BACK.search(chosen)) is not None:
        raise Rejected("looks_back", words[0])
    if _has_digit(rejected) and not _has_digit(chosen):
        raise Rejected("no_claim", chosen[:200])
    return Pair(held, before[len(held) :], chosen, rejected, correction[len(chosen) :])


def _bare(step: str) -> str:
    """A step as compared: without the final answer, case or blanks."""
    return "".join((strip_answer(step) or step).split()).casefold()


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _pair_labels(template: Template, row: TrainingRow, trajectory: Trajectory | None) -> Labels:
    labels = Labels()
    if trajectory is None or trajectory.strategy != "fix_continue":
        return labels
    try:
        pair = pair_of(trajectory)
    except Rejected as rejected:
        labels.left_out.append(rejected.reason)
        return labels
    # the blank goes to the step: in the prompt it would be a token of its own
    gap = pair.gap if pair.held else template.lead
    held = template.lead + pair.held if pair.held else ""
    labels.lines.append(
        {
            "prompt": template.prompt(row.instruction) + held,
            "chosen": gap + pair.chosen,
            "rejected": gap + pair.rejected,
            "rest": pair.rest,
            "answer": trajectory.answer,
            "id": make_id("l", trajectory.id, "pair"),
            "dataset": row.dataset,
            "error_type": row.error_type,
            "origin": row.origin,
        }
    )
    return labels


STEPS = ExportFormat(
    "steps.jsonl", "steps_validation.jsonl", None, "prompt, completions, labels (a step each)", labels=step_labels
)


def pairs_format(config: ExportConfig) -> ExportFormat:
    """The format as configured.

    Raises:
        ConfigError: an unknown prompt.
    """
    template = template_of(config.prompt)

    def labels(row: TrainingRow, trajectory: Trajectory | None) -> Labels:
        return _pair_labels(template, row, trajectory)

    return ExportFormat("pairs.jsonl", "pairs_validation.jsonl", None, "prompt, chosen, rejected, rest", labels=labels)


PAIRS = replace(pairs_format(ExportConfig()), configured=pairs_format)
