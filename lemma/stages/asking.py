"""What the stages that ask the teacher have in common: requests, fingerprints, provenance."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Final

from pydantic import JsonValue

from lemma.answers import extract_answer
from lemma.config import Config
from lemma.endings import is_bare_answer
from lemma.errors import ConfigError
from lemma.prompts import COMPETITION, WORD_PROBLEM, Messages, Template
from lemma.records import MadeBy, Record, content_hash
from lemma.stages.base import Reply, Request, Unit, hash_sampling
from lemma.stages.forms import Form

FORM_PLACES: Final = ("how_to_reply", "examples")
"""Places of every teacher's prompt. One that has none of them says itself how to reply: in tags."""


def hash_content(content: Mapping[str, JsonValue]) -> str:
    """Hash of a part of the configuration, as canonical JSON."""
    return content_hash(json.dumps(content, sort_keys=True, separators=(",", ":")))[:32]


def require_readable(answer_form: str) -> None:
    """Whether the final answer can be read back from the configured form, which every trajectory ends in.

    Raises:
        ConfigError: it cannot.
    """
    line = answer_form.replace("{answer}", "72")
    if extract_answer(line) != "72" or not is_bare_answer(line):
        raise ConfigError(
            f"answer_form: the answer cannot be read back from {line!r}; use a form such as "
            "'The answer is: {answer}', '#### {answer}' or 'The final answer is $\\boxed{{answer}}$'"
        )


def pick(num: int, *seeds: str) -> int:
    """A number in [0, num), the same for the same seeds."""
    return int(content_hash(*seeds)[:15], 16) % num


class TeacherStage:
    """Base of the stages that ask the teacher.

    Args:
        config: the run's configuration.
        content_keys: the top-level keys whose content decides this stage's output, beside the teacher's.
        prompt_hashes: of everything that may be rendered.

    Raises:
        ConfigError: `answer_form` cannot be read back.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised when parsing or making changes what comes out, so that finished parts are derived anew."""
    reads: ClassVar[tuple[str, ...]]
    record_type: ClassVar[type[Record]]
    raises_cap: ClassVar[bool] = True

    def __init__(self, config: Config, content_keys: Sequence[str], prompt_hashes: Sequence[str]) -> None:
        require_readable(config.answer_form)
        self.config = config
        # part of every unit's id, and so of the seed that is sent: another seed gives other draws
        self._seed = str(config.seed)
        self.attempts = config.teacher.attempts
        content = config.content_of("teacher", "seed", *content_keys)
        self.config_hash = hash_content(content)
        self.fingerprint = content_hash(self.name, str(self.version), self.config_hash, *prompt_hashes)
        self._reply_form = config.teacher.reply_form
        self._sampling: dict[tuple[str, bool], tuple[dict[str, JsonValue], str]] = {}

    def _require(self, template: Template, needed: Collection[str], offered: Collection[str] = ()) -> Template:
        """The template, if its places can be filled and it asks in the form that is configured.

        Raises:
            ConfigError: otherwise.
        """
        must = [*needed, "how_to_reply"] if self._reply_form == "json" else needed
        return template.require(must, [*offered, *FORM_PLACES])

    def _bound(self, template: Template, form: Form, more: Mapping[str, str] | None = None) -> dict[str, Template]:
        """Kind of problem → the template with all that is the same for every problem of that kind (and `more`).

        Raises:
            ConfigError: an example's reply has not the form.
        """
        instructions = form.instructions(self._reply_form)
        bound = {}
        for kind in (WORD_PROBLEM, COMPETITION):
            shown = [
                f"{given}\nReply:\n{form.example(reply, self._reply_form)}"
                for given, reply in template.examples_for(kind)
            ]
            title = "An example" if len(shown) == 1 else "Examples"
            examples = f"{title}\n" + "\n\n".join(shown) if shown else ""
            bound[kind] = template.bind({**(more or {}), "how_to_reply": instructions, "examples": examples})
        return bound

    def _sampling_of(
        self, form: Form, is_cap_raised: bool, choices: Mapping[str, Collection[str]]
    ) -> tuple[dict[str, JsonValue], str]:
        """The parameters of a request, and their hash; with JSON, its schema is one of them."""
        known = self._sampling.get((form.name, is_cap_raised))
        if known is not None:
            return known
        teacher = self.config.teacher
        sampling: dict[str, JsonValue] = {
            "api": teacher.api,
            "max_tokens": teacher.max_tokens * (2 if is_cap_raised else 1),
            "extra_body": dict(teacher.extra_body),
        }
        if teacher.temperature is not None:
            sampling["temperature"] = teacher.temperature
        if self._reply_form == "json" and teacher.api == "chat":
            sampling["response_format"] = form.response_format(choices)
        self._sampling[form.name, is_cap_raised] = sampling, hash_sampling(sampling)
        return self._sampling[form.name, is_cap_raised]

    def _ask(
        self,
        unit: Unit,
        messages: Messages,
        form: Form,
        prompt_hash: str,
        draw: int,
        attempt: int,
        is_cap_raised: bool,
        choices: Mapping[str, Collection[str]] | None = None,
    ) -> Request:
        sampling, sampling_hash = self._sampling_of(form, is_cap_raised, choices or {})
        return Request(
            unit=unit,
            messages=messages,
            model=self.config.teacher.model,
            sampling=sampling,
            sampling_hash=sampling_hash,
            prompt_hash=prompt_hash,
            draw=draw,
            attempt=attempt,
        )

    def _made_by(self, request: Request, reply: Reply) -> MadeBy:
        return MadeBy(
            stage=self.name,
            model=request.model,
            prompt_hash=request.prompt_hash,
            request_key=reply.key or request.key,
            config_hash=self.config_hash,
        )
