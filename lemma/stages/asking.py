"""What the stages that ask the teacher have in common: requests, fingerprints, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import JsonValue

from lemma.answers import extract_answer
from lemma.config import Config
from lemma.endings import is_bare_answer
from lemma.errors import ConfigError
from lemma.prompts import Messages
from lemma.records import MadeBy, Record, content_hash
from lemma.stages.base import Reply, Request, Unit


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
        self._sampling = {cap: self._sampling_at(cap) for cap in (False, True)}

    def _sampling_at(self, is_cap_raised: bool) -> dict[str, JsonValue]:
        teacher = self.config.teacher
        sampling: dict[str, JsonValue] = {
            "api": teacher.api,
            "max_tokens": teacher.max_tokens * (2 if is_cap_raised else 1),
            "extra_body": dict(teacher.extra_body),
        }
        if teacher.temperature is not None:
            sampling["temperature"] = teacher.temperature
        return sampling

    def _ask(
        self, unit: Unit, messages: Messages, prompt_hash: str, draw: int, attempt: int, is_cap_raised: bool
    ) -> Request:
        return Request(
            unit=unit,
            messages=messages,
            model=self.config.teacher.model,
            sampling=self._sampling[is_cap_raised],
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
