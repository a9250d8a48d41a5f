"""Rules by which a mock endpoint answers lemma's prompts, whatever the problem.

The patterns are made from the prompt files themselves, so that rewording a prompt needs no change here: the text
between two places is matched literally, and what filled a place can be put into the reply as ``\\g<place>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lemma.prompts import Prompts
from tests.protocol.server import Answer, Answering, Call, completion, refusal, reply

Rule = dict[str, Any]
"""``{"match": REGEX, "reply": TEXT or [TEXT, …], "expand": true, …}``, see ``mock_teacher.py``."""

INJECTED_ANSWER = "999983"

_INSIDE = {
    "analyze": {"steps": r"\[1\] (?P<quote>[^\n]{4,60}).*?"},
    "inject": {"steps": r"\[1\] (?P<first_step>[^\n]+).*?", "answer_form": r"(?P<before_answer>[^\n]*?)…[^\n]*"},
}
"""Prompt → place → what stands in it, where a reply needs a part of it."""

GOOD = {
    "analyze": "<analysis>\nThe very first line does not hold.\n</analysis>\n<verdict>wrong</verdict>\n"
    "<first_error_step>1</first_error_step>\n<quote>\\g<quote></quote>\n<error_type>calculation_error</error_type>\n"
    "<explanation>What this line works out does not come to that.</explanation>",
    "inject": "<altered_step>1</altered_step>\n<step>\\g<first_step> Together with the rest that makes 999900.</step>\n"
    f"<rest>So the result is 999900 + 83 = {INJECTED_ANSWER}.\n\\g<before_answer>{INJECTED_ANSWER}</rest>\n"
    "<explanation>The number 999900 comes from nowhere.</explanation>",
    "fix_continue": "<reflection>Hmm, that sum is far off, so this line wants another look.</reflection>\n"
    "<continuation>Done again with care, the numbers of the story lead to the result.\n\\g<answer_line></continuation>",
    "fresh_restart_connect": "<reflection>That sum cannot be what it says. Better to begin anew, slowly.</reflection>",
    "fresh_restart_write": "<reflection>That sum cannot be what it says. Better to begin anew, slowly.</reflection>\n"
    "<continuation>Taken one after the other, the things of the story come to this.\n\\g<answer_line></continuation>",
    "smooth_joint": "<reflection>Hold on. \\g<reflection></reflection>\n<continuation>\\g<continuation></continuation>",
    "smooth_whole": "<prefix>\\g<prefix></prefix>\n<reflection>Hold on. \\g<reflection></reflection>\n"
    "<continuation>\\g<continuation></continuation>",
}
"""Prompt → a reply that every check lets pass."""


def pattern(prompt: str, question: str = ".*?") -> str:
    """Matches the user message of a prompt; `question` matches the question alone."""
    sections = dict(Prompts().template(prompt).sections)
    inside = _INSIDE.get(prompt, {}) | {"question": question}
    pieces = [
        f"(?P<{piece}>{inside.get(piece, '.*?')})" if index % 2 else re.escape(piece)
        for index, piece in enumerate(sections["user"])
    ]
    return rf"\A{''.join(pieces)}\Z"


def rule(prompt: str, text: str | Sequence[str], question: str = ".*?", **more: Any) -> Rule:
    """How to answer a prompt; further keywords (`status`, `finish_reason`) as the mock has them."""
    return {"match": pattern(prompt, question), "reply": text, "expand": True, **more}


def good_rules() -> list[Rule]:
    """A good reply to every prompt of the teacher."""
    return [rule(prompt, text) for prompt, text in GOOD.items()]


def write_rules(path: Path, rules: Iterable[Rule]) -> Path:
    """The file that ``mock_teacher.py --reply-file`` reads."""
    path.write_text("".join(json.dumps(one) + "\n" for one in rules), encoding="utf-8")
    return path


def by_rules(rules: Iterable[Rule]) -> Answering:
    """The same for a `StubServer`, which speaks the completions API as well."""
    compiled = [(re.compile(one["match"], re.DOTALL), one) for one in rules]

    def answering(call: Call) -> Answer:
        matches = ((regex.search(call.user), one) for regex, one in compiled)
        match, one = next((match, one) for match, one in matches if match is not None)
        if "status" in one:
            return refusal(one["status"], "by rule")
        texts = [one["reply"]] if isinstance(one["reply"], str) else one["reply"]
        text = match.expand(texts[call.body["seed"] % len(texts)])
        answer = completion if "prompt" in call.body else reply
        return answer(text, one.get("finish_reason", "stop"))

    return answering
