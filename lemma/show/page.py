"""A chain as a person reads it: marks in the margin say all, colours only repeat it, and texts are shown as they are.

On a terminal lines are wrapped to its width; elsewhere each line of a text stays one line, without any colour.
"""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from lemma.checks import before_wrong_step, wrong_step
from lemma.reasons import REASONS
from lemma.records import Mistake, Rejection, Trajectory
from lemma.show.chain import Chain, verdict_of
from lemma.terminal import flat, safe

MOST_COLUMNS: Final = 110
WRAPPED_CHARS: Final = 10_000
"""Longer lines are wrapped piece by piece: the time that rich takes grows faster than a line."""
WRONG: Final = "▶ "
REFLECTED: Final = "? "
CONTINUED: Final = "+ "
BARE: Final = "  "
_STYLES: Final = {WRONG: "bold red", REFLECTED: "yellow", CONTINUED: "green", BARE: ""}
CHECKED: Final = (
    "passed: its answer is the reference's and the mistake's is not; the reflection names the error; the wrong step "
    "does not stand again; no new equation is false; no tags, leaks or loops"
)
KEPT_WORDS: Final = "; it begins with the mistake's own words through the wrong step"


class Page:
    """Where chains are shown.

    Args:
        console: of rich; whether it is a terminal, how wide and with which colours, it knows.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._columns = max(20, min(console.width, MOST_COLUMNS)) if console.is_terminal else None

    def show(self, chain: Chain) -> None:
        """Prints a chain."""
        self._head(chain)
        problem = chain.problem
        self._section("QUESTION", "", problem.question)
        self._section("REFERENCE SOLUTION", f", answer {problem.answer}", problem.reference_solution)
        if chain.mistake is not None:
            self._mistake(chain.mistake)
        elif chain.sample is not None:
            sample = chain.sample
            answer = "no answer" if sample.answer is None else f"answer {sample.answer}"
            self._section("SAMPLE", f" by {sample.model}: {answer}, {verdict_of(sample)}", sample.text)
        if chain.corrected is not None:
            self._trajectory("CORRECTED", chain.corrected)
        if chain.smoothed is not None:
            self._trajectory("SMOOTHED", chain.smoothed)
        last = chain.smoothed or chain.corrected
        if last is not None and (chain.rejection is None or chain.rejection.stage == "export"):
            has_own_words = last.text.startswith(last.mistake.prefix)
            self._section("CHECKS", "", CHECKED + (KEPT_WORDS if has_own_words else ""))
        if chain.rejection is not None:
            self._rejection(chain, chain.rejection)
        if chain.onward:
            self._section("WHAT BECAME OF IT", "", "\n".join(map(flat, chain.onward)))
        self._print("", "")

    def _head(self, chain: Chain) -> None:
        labels = [chain.id, chain.problem.dataset, f"{chain.stage}, part {chain.part}"]
        if chain.mistake is not None:
            labels += [chain.mistake.origin, chain.mistake.error_type]
        last = chain.smoothed or chain.corrected
        if last is not None:
            labels.append(last.strategy)
        self._print(f"── {flat(' · '.join(labels))} ──", "bold")

    def _mistake(self, mistake: Mistake) -> None:
        who = "WRONG SOLUTION" if mistake.origin == "student" else "SOLUTION WITH AN INJECTED MISTAKE"
        where = f"first wrong step, number {mistake.first_error_step}, marked {WRONG.strip()}"
        self._title(who, f" by {mistake.model}, answer {mistake.answer}; {where}")
        self._text(before_wrong_step(mistake), BARE)
        self._text(wrong_step(mistake), WRONG)
        self._text(mistake.solution[mistake.prefix_end :], BARE)
        if mistake.explanation:
            self._section("WHY", f": {mistake.error_type}", mistake.explanation)

    def _trajectory(self, how: str, one: Trajectory) -> None:
        self._title(how, f" by {one.made_by.model}, {one.strategy} ({one.id})")
        if one.prefix != one.mistake.prefix:  # smoothed as a whole: it begins in other words
            self._section("  IT BEGINS", "", one.prefix)
        self._title("  REFLECTION", f", marked {REFLECTED.strip()}")
        self._text(one.reflection, REFLECTED)
        self._title("  CONTINUATION", f", marked {CONTINUED.strip()}")
        self._text(one.continuation, CONTINUED)

    def _rejection(self, chain: Chain, rejection: Rejection) -> None:
        label = f" ({rejection.unit.label})" if rejection.unit.label else ""
        meaning = REASONS.get(rejection.reason, "a reason of a plugin")
        self._section(
            f"REJECTED AT {rejection.stage.upper()}",
            f"{label}: {rejection.reason}",
            f"{meaning}\n{rejection.detail}" if rejection.detail else meaning,
        )
        if chain.replies:
            reply = chain.replies[-1]
            many = f", the last of {len(chain.replies)}" if len(chain.replies) > 1 else ""
            by = f"{many}: by {reply.model or 'a model without a name'}, ended with {reply.finish_reason}"
            self._section("THE REPLY IT CAME FROM", by, reply.text or reply.detail or "(empty)")
        elif rejection.stage != "export":
            self._section("THE REPLY IT CAME FROM", "", "(none: nothing was asked, or its replies are gone)")

    # ── lines ──

    def _section(self, title: str, rest: str, text: str) -> None:
        self._title(title, rest)
        self._text(text, BARE)

    def _title(self, title: str, rest: str) -> None:
        """`title` is ours; `rest` may hold what comes from the run."""
        self._print(title + " ".join(safe(rest).split("\n")), "bold")

    def _text(self, text: str, margin: str) -> None:
        # blank lines around it say nothing; how a line is indented may
        for line in safe(text).strip("\n").rstrip().split("\n") if text.strip() else []:
            self._print(line.expandtabs(4), _STYLES[margin], margin)

    def _print(self, line: str, style: str, margin: str = "") -> None:
        if self._columns is None:
            self._console.print(Text(margin + line), soft_wrap=True)
            return
        for start in range(0, max(1, len(line)), WRAPPED_CHARS):
            text = Text(line[start : start + WRAPPED_CHARS], style)
            for piece in text.wrap(self._console, self._columns - len(margin)) if text else [text]:
                piece.rstrip()
                self._console.print(Text.assemble((margin, style), piece), soft_wrap=True)
