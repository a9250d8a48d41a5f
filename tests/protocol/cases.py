"""Bad replies, each to one prompt about one problem, and the reason that each has to be rejected for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import example_config
from tests.protocol.rules import GOOD, INJECTED_ANSWER, Rule, rule

MAX_CHARS = 1500
ATTEMPTS = 3
UNDECIDABLE = "9^{9^{9^9}}"
"""Comparing this with a number takes longer than anybody waits."""

_CALLS = {
    **dict.fromkeys(["missing_tag", "repeated_tag", "mixed_reply", "empty_reply", "unknown_verdict"], ATTEMPTS),
    **dict.fromkeys(["step_not_a_number", "step_out_of_range", "quote_mismatch", "unknown_error_type"], ATTEMPTS),
    "cut_short": 2,
}
"""Reason → replies that a unit may cost before it is rejected so; all others are final at once."""

STAGE_OF = {
    "analyze": "analyze",
    "inject": "inject",
    "fix_continue": "correct",
    "fresh_restart_connect": "correct",
    "fresh_restart_write": "correct",
    "smooth_joint": "smooth",
    "smooth_whole": "smooth",
}


@dataclass(frozen=True)
class Case:
    """One problem and what goes wrong about it."""

    name: str
    prompt: str
    reason: str
    text: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the rule: `status`, `finish_reason`."""
    has_right_sample: bool = True

    @property
    def calls(self) -> int:
        """Replies that a rejected unit costs."""
        return _CALLS.get(self.reason, 1)

    @property
    def label(self) -> str:
        """Label of the units that are rejected; empty where all of the problem's are."""
        return {"correct": self.prompt}.get(STAGE_OF[self.prompt], "").partition("_connect")[0].partition("_write")[0]

    def rule(self) -> Rule:
        """The bad reply, for this problem only."""
        return rule(self.prompt, self.text, rf"Case {self.name}: .*?", **self.more)


def _but(prompt: str, old: str, new: str) -> str:
    """The good reply with a part exchanged."""
    assert old in GOOD[prompt], (prompt, old)
    return GOOD[prompt].replace(old, new)


def _corrections(prompt: str, reflection: str, continuation: str) -> Iterable[Case]:
    """What can be wrong with a reflection and a continuation, whichever prompt asks for them."""

    def both(first: str = reflection, second: str = continuation) -> str:
        return f"<reflection>{first}</reflection>\n<continuation>{second}\n\\g<answer_line></continuation>"

    def case(name: str, reason: str, text: str, **more: Any) -> Case:
        return Case(f"{prompt}-{name}", prompt, reason, text, more, prompt != "fresh_restart_write")

    long = " ".join(f"Box number {number} is looked at by itself." for number in range(100))
    yield case("no-tags", "missing_tag", "I would simply say that the answer is right.")
    yield case("one-tag", "missing_tag", f"<reflection>{reflection}</reflection>")
    yield case("twice", "repeated_tag", both() + "\n" + both("Hm, no, this is something else again."))
    yield case("declines-and-answers", "mixed_reply", "<declined>It is right.</declined>" + both())
    yield case("declined", "teacher_declined", "<declined>The step is not wrong.</declined>")
    yield case("refused", "refused", "", status=400)
    yield case("filtered", "refused", "", finish_reason="content_filter")
    yield case("cut", "cut_short", both(), finish_reason="length")
    yield case("empty", "empty_reply", "")
    yield case("no-reflection", "no_reflection", both("Hmm!"))
    yield case("wrong-answer", "wrong_answer", both().replace("\\g<answer_line>", "The answer is: 123456"))
    yield case("no-answer", "no_answer", both().replace("\\g<answer_line>", "And so on, as said before, and so forth."))
    yield case("undecided", "undecided_answer", both().replace("\\g<answer_line>", f"The answer is: {UNDECIDABLE}"))
    yield case("leaked", "leaked_reference", both("Hmm, the ground truth says something else about this."))
    yield case("error-again", "error_repeated", both(second=f"{continuation}\nIn other words:\n\\g<prefix>"))
    yield case("tags", "section_tags", both(second=f"Continuation: {continuation}"))
    yield case("long", "too_long", both(second=long))
    yield case("loop", "loop", both(second="The boxes are counted once more, one by one. " * 9))


def _cases() -> Iterable[Case]:
    def analyze(name: str, reason: str, old: str, new: str) -> Case:
        return Case(f"analyze-{name}", "analyze", reason, _but("analyze", old, new))

    kind = "<error_type>calculation_error</error_type>"
    number = "<first_error_step>1</first_error_step>"
    wrong = "<verdict>wrong</verdict>"
    yield Case("analyze-no-tags", "analyze", "missing_tag", "I think that step 1 is odd.")
    yield analyze("no-explanation", "missing_tag", "<explanation>What", "What")
    yield analyze("empty-tag", "missing_tag", "\\g<quote>", "")
    yield analyze("twice", "repeated_tag", number, f"{number}<first_error_step>2</first_error_step>")
    yield analyze("no-such-step", "step_out_of_range", number, number.replace("1", "99"))
    yield analyze("step-zero", "step_out_of_range", number, number.replace("1", "0"))
    yield analyze("two-steps", "step_not_a_number", number, number.replace("1", "1 and 2"))
    yield analyze("quote", "quote_mismatch", "\\g<quote>", "nine yellow elephants")
    yield analyze("type", "unknown_error_type", kind, kind.replace("calculation", "typing"))
    yield analyze("negated-type", "unknown_error_type", kind, kind.replace("calc", "no calc"))
    yield analyze("verdict", "unknown_verdict", wrong, "<verdict>hard to say</verdict>")
    yield Case("analyze-correct", "analyze", "judged_correct", "<verdict>correct</verdict>", {}, False)
    yield Case("analyze-declined", "analyze", "teacher_declined", "<declined>There is no picture.</declined>")
    yield Case("analyze-refused", "analyze", "refused", "", {"status": 400})
    yield Case("analyze-filtered", "analyze", "refused", "", {"finish_reason": "content_filter"})
    yield Case("analyze-cut", "analyze", "cut_short", GOOD["analyze"], {"finish_reason": "length"})
    yield Case("analyze-empty", "analyze", "empty_reply", "  \n")
    yield Case("analyze-thinks-only", "analyze", "empty_reply", "<think>Let me see, step 1 …</think>\n")

    def inject(name: str, reason: str, old: str, new: str) -> Case:
        return Case(f"inject-{name}", "inject", reason, _but("inject", old, new))

    last = f"\\g<before_answer>{INJECTED_ANSWER}"
    yield Case("inject-no-tags", "inject", "missing_tag", "Here is a wrong solution: it is 999983.")
    yield inject("no-rest", "missing_tag", f"So the result is 999900 + 83 = {INJECTED_ANSWER}.\n{last}", "")
    yield inject("no-such-step", "step_out_of_range", "<altered_step>1<", "<altered_step>17<")
    yield inject("unchanged", "unchanged_step", " Together with the rest that makes 999900.", "  ")
    yield inject("equals", "answer_equals_reference", last, "\\g<before_answer>\\g<answer>")
    yield inject("undecided", "undecided_answer", last, f"\\g<before_answer>{UNDECIDABLE}")
    yield inject("no-answer", "no_answer", f"= {INJECTED_ANSWER}.\n{last}", "as said.\nAnd so on, and so forth.")
    yield inject("announced", "announced_error", "Together with", "Here comes the mistake: together with")
    yield inject("tags", "section_tags", "So the result", "### Correction\nSo the result")
    yield inject("loop", "loop", "So the result", "The boxes are counted once more, one by one. " * 9 + "So the result")
    yield inject("long", "too_long", "So the result", " ".join(f"Box {n} has its own lid." for n in range(99)) + " So")
    yield Case("inject-declined", "inject", "teacher_declined", "<declined>Nothing can be counted.</declined>")
    yield Case("inject-refused", "inject", "refused", "", {"status": 400})
    yield Case("inject-cut", "inject", "cut_short", GOOD["inject"], {"finish_reason": "length"})

    reflection, continuation = "Hmm, that sum is far off, so this wants another look.", "Done again, this comes out."
    yield from _corrections("fix_continue", reflection, continuation)
    yield from _corrections("fresh_restart_write", reflection, continuation)
    yield from _corrections("smooth_joint", reflection, continuation)
    again = _but("fix_continue", "Done again", "\\g<prefix>\nDone again")
    yield Case("fix_continue-prefix", "fix_continue", "prefix_repeated", again)
    connect = "fresh_restart_connect"
    yield Case("connect-no-tags", connect, "missing_tag", "Let me start over.")
    yield Case("connect-none", connect, "no_reflection", "<reflection></reflection>")
    leak = "<reflection>In the previous attempt the boxes were lost, so now anew.</reflection>"
    yield Case("connect-leaked", connect, "leaked_reference", leak)
    yield Case(
        "connect-tags", connect, "section_tags", "<reflection>Reflection: that is not what it says.</reflection>"
    )
    yield Case("connect-refused", connect, "refused", "", {"status": 400})


CASES = tuple(_cases())
GOOD_NAMES = tuple(f"good-{number}" for number in range(12))


def problem(name: str, number: int, has_right_sample: bool = True) -> dict[str, Any]:
    """A row of `rollouts`: a wrong sample, and perhaps a right one that goes another way than the reference."""
    boxes, each, away = 3 + number % 7, 12 + number, 5 + number % 3
    total, left = boxes * each, boxes * each - away
    wrong = f"Ann has {boxes} * {each} = {total + 2} pencils.\nShe keeps {total + 2} - {away} = {left + 2} pencils."
    right = f"Without the {away} that go, it is {away} less than all.\nAll are {total}, and {total} - {away} = {left}."
    solution = f"Ann has {boxes} * {each} = {total} pencils.\nShe keeps {total} - {away} = {left} pencils."
    samples = [{"text": f"{wrong}\nA: {left + 2}", "model": "student-1"}]
    if has_right_sample:
        samples.append({"text": f"{right}\nA: {left}", "model": "student-1"})
    return {
        "question": f"Case {name}: Ann fills {boxes} boxes with {each} pencils each and gives {away} pencils away. "
        "How many pencils does she keep?",
        "answer": f"{solution}\n#### {left}",
        "gt": str(left),
        "samples": samples,
    }


def write_problems(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """As JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def whole_run(folder: Path, base_url: str, num: int, *, concurrency: int, size: int, **more: Any) -> dict[str, Any]:
    """A configuration of a run whose every stage asks an endpoint, on `num` problems in parts of `size`."""
    data = write_problems(folder / "problems.jsonl", (problem(f"p{number}", number) for number in range(num)))
    return example_config(
        data=[{"dataset": "rollouts", "path": str(data)}],
        teacher={"backend": "openai", "model": "mock", "base_url": base_url, "concurrency": concurrency},
        inject={"types": {"calculation_error": 2, "operator_error": 1}},
        shards={"size": size},
        **more,
    ).model_dump(mode="json")
