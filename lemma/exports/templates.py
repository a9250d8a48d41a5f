"""How a question is put to a model that has no chat template of its own: `export.prompt`.

A template is a name of `TEMPLATES`, or a text of your own that holds ``{instruction}`` once. The same text has to stand
before the model when it is asked later. `paper` is the prompt that the published evaluation asks with (its README).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

from lemma.errors import ConfigError

PLACE: Final = "{instruction}"

TEMPLATES: Final[dict[str, str]] = {
    "paper": "### Instruction:\n{instruction}\n\n### Response: Let's think step by step.",
    "alpaca": (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{instruction}\n\n### Response:\n"
    ),
    "question": "{instruction}\n",
}


@dataclass(frozen=True, slots=True)
class Template:
    """What stands around a question, and what parts it from the answer."""

    text: str
    """Holds `PLACE` once."""

    @property
    def lead(self) -> str:
        """What an answer begins with: a blank, unless the prompt ends in one.

        A blank belongs to the word behind it in every common tokenizer, so that prompt and answer give the same tokens
        whether they are read together or apart.
        """
        return "" if self.text[-1:].isspace() else " "

    def prompt(self, question: str) -> str:
        """The question in its place; nothing else of either text is interpreted."""
        before, _, behind = self.text.partition(PLACE)
        return before + question + behind


def template_of(prompt: str) -> Template:
    """The template that `export.prompt` names or spells out.

    Raises:
        ConfigError: no known name, and no text that holds the place once.
    """
    if prompt in TEMPLATES:
        return Template(TEMPLATES[prompt])
    if prompt.count(PLACE) == 1:
        return Template(prompt)
    near = ", ".join(difflib.get_close_matches(prompt, TEMPLATES, n=len(TEMPLATES), cutoff=0))
    raise ConfigError(f"export.prompt: unknown {prompt!r}; known are {near}, or a text that holds {PLACE} once")
