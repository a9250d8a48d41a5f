"""Makes reflection and continuation follow more naturally from what stands before them.

Only connecting words change: no number, no claim and no computation is touched.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

from lemma.stages.base import SmoothUnit
from lemma.teacher.rules.forms import capitalised, pick, tagged
from lemma.teacher.rules.reword import lowered
from lemma.teacher.rules.wording import OPENERS

_BRIDGES: Final = (
    "Let me double-check that before going on.",
    "Before I go on, let me check this.",
    "That looks odd, so let me check it.",
    "Hmm, let me make sure of this step.",
    "I am not sure about that.",
    "Something about that step doesn't add up.",
    "Let me look at this once more.",
)
_FIXES: Final = (
    "So, correctly:",
    "With that put right:",
    "Going on from there:",
    "So, once more:",
    "Let me write that step properly.",
    "Now I can go on.",
    "Taking it from here:",
    "Alright, again from this point.",
)
_OPENER: Final = re.compile(
    r"\A(?:" + "|".join(re.escape(o) for o in sorted(OPENERS, key=len, reverse=True)) + r")[ ]+", re.IGNORECASE
)
_LEAD: Final = re.compile(r"\A(?:so|then|thus|therefore|hence|next|now|finally),?[ ]+(?=[A-Za-z])", re.IGNORECASE)
_ORDERS: Final = re.compile(r"(?:first|next|then|let|to|if|since|because|as|when|after|before)\b", re.IGNORECASE)
_CONNECTIVES: Final = ("So ", "Then ", "That means ", "This way, ", "Therefore, ", "Thus, ")


def smooth(unit: SmoothUnit, random: Random) -> str:
    """The reply to a smoothing unit; the prefix is given back as it is, for those who ask for it."""
    trajectory = unit.trajectory
    reflection = _smoothed_reflection(trajectory.reflection.strip(), random)
    continuation = trajectory.continuation.strip()
    if trajectory.strategy == "fix_continue":
        continuation = _smoothed_continuation(continuation, random)
    return tagged(prefix=trajectory.prefix, reflection=reflection, continuation=continuation)


def _smoothed_reflection(text: str, random: Random) -> str:
    opener = _OPENER.match(text)
    if opener is None or random.random() < 0.4:
        return text
    rest = text[opener.end() :]
    if random.random() < 0.5:
        return f"{pick(random, _BRIDGES)} {capitalised(rest)}"
    return capitalised(f"{pick(random, OPENERS)} {rest}")


def _smoothed_continuation(text: str, random: Random) -> str:
    if random.random() < 0.3:
        return text
    lead = _LEAD.match(text)
    rest = text[lead.end() :] if lead else text
    going_on = lowered(rest)
    if going_on != rest and not _ORDERS.match(rest) and random.random() < 0.5:
        return capitalised(pick(random, _CONNECTIVES) + going_on)
    separator = "\n" if "\n" in text else " "
    return f"{pick(random, _FIXES)}{separator}{text}"
