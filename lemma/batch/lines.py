"""The lines of request and result files, in OpenAI's form, which vLLM, SGLang and others share.

::

    {"custom_id":"9f…","method":"POST","url":"/v1/chat/completions","body":{"model":…,"messages":[…],…}}
    {"custom_id":"9f…","response":{"status_code":200,"body":{"choices":[…],…}},"error":null}

`custom_id` is the request's key. Form: https://platform.openai.com/docs/api-reference/batch/request-output.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import orjson

from lemma.stages.base import Reply, Request
from lemma.stages.reading import encodable
from lemma.teacher.base import CallFailed
from lemma.teacher.openai import encode_body, kind_of_error, read_body, reply_from

KEY_CHARS = 32
WORDS_CHARS = 300


def path_of(request: Request) -> str:
    """The path that a request goes to; the same for all of a stage."""
    return "/v1/completions" if request.sampling.get("api") == "completions" else "/v1/chat/completions"


def request_line(request: Request, cap_name: str) -> bytes:
    """One request as a line.

    Args:
        request: what is asked.
        cap_name: what the endpoint calls the limit of the reply's tokens.
    """
    return orjson.dumps(
        {
            "custom_id": request.key,
            "method": "POST",
            "url": path_of(request),
            "body": orjson.Fragment(encode_body(request, cap_name)),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


Fate = Literal["answered", "refused", "open", "cap_name", "every", "parameter"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a line says of one request."""

    key: str
    fate: Fate
    """`answered` and `refused` hold a reply; all others leave the request open: `open` this time (expired, throttled, a
    fault of the server), `cap_name` since a reasoning model calls `max_tokens` otherwise, `every` and `parameter`
    since the endpoint would refuse every request like it."""
    reply: Reply | None = None
    words: str = ""
    """The endpoint's, where it gave no answer."""


@dataclass(frozen=True, slots=True)
class NoResult:
    """A line that says nothing of any request."""

    reason: Literal["unreadable", "request", "unknown"]
    """Cut short or no JSON; a request instead of a result; nothing that lemma asked."""


def read_result(line: bytes) -> Result | NoResult:
    """Reads a line of a result file; hostile ones too."""
    try:
        tree = read_body(line)
    except (ValueError, RecursionError):
        return NoResult("unreadable")
    if not isinstance(tree, Mapping):
        return NoResult("unknown")
    key = tree.get("custom_id")
    if not _is_key(key):
        return NoResult("unknown")
    response, error = tree.get("response"), tree.get("error")
    if response is None and error is None:
        return NoResult("request" if "method" in tree or "url" in tree else "unknown")
    body = response.get("body") if isinstance(response, Mapping) else None
    status = response.get("status_code") if isinstance(response, Mapping) else None
    if isinstance(body, Mapping) and "choices" in body and status in (200, None):
        try:
            reply = reply_from(key, body, is_batch=True)
        except CallFailed as failed:
            return Result(key, "open", words=_short(failed.detail))
        return Result(key, "refused" if reply.finish_reason == "refused" else "answered", reply)
    return _failure(key, status if isinstance(status, int) else 0, _error_of(body, error))


def _is_key(key: object) -> TypeGuard[str]:
    if not isinstance(key, str) or len(key) != KEY_CHARS:
        return False
    return key.isascii() and set(key) <= set("0123456789abcdef")


def _error_of(body: object, error: object) -> Mapping[str, Any]:
    """The error object: in the body, beside the response, or only its words."""
    for one in (body.get("error") if isinstance(body, Mapping) else None, error, body):
        if isinstance(one, Mapping) and "error" in one and isinstance(one["error"], Mapping):
            one = one["error"]
        if isinstance(one, Mapping):
            return one
        if isinstance(one, str) and one:
            return {"message": one}
    return {}


def _failure(key: str, status: int, error: Mapping[str, Any]) -> Result:
    code, param = _text(error.get("code")), _text(error.get("param"))
    words = _short(_text(error.get("message")) or code or f"status {status}")
    if status == 400 and param == "max_tokens" and "max_completion_tokens" in words:
        return Result(key, "cap_name", words=words)
    kind = kind_of_error(status, code, param)
    if kind == "refused":
        return Result(key, "refused", Reply(key, "", "refused", detail=words, created_s=time.time()), words)
    return Result(key, "open" if kind == "failed" else kind, words=words)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _short(words: str) -> str:
    return encodable(" ".join(words.split())[:WORDS_CHARS])
