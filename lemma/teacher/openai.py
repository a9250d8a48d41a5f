"""Any OpenAI-compatible endpoint (api.openai.com, vLLM, SGLang, llama.cpp, …), through the openai package.

The package's own retries are switched off: a failed call goes back to the engine, which knows what else there is to
do. Bodies are read here, not by the package, so that a reply cut in the middle is a failed call and no crash. Form of
requests and replies: https://platform.openai.com/docs/api-reference/chat/create and …/completions/create.
"""

from __future__ import annotations

import email.utils
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from lemma.config import Endpoint
from lemma.errors import ConfigError, TeacherError
from lemma.stages.base import Reply, Request, Usage
from lemma.stages.reading import encodable
from lemma.teacher.base import CallFailed

if TYPE_CHECKING:
    import httpx2
    import openai
    from openai._types import RequestOptions

MAX_RETRY_AFTER_S = 3600.0
WHOLE = {"eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop"}
"""What some servers call a reply that ended by itself."""


class OpenAITeacher:
    """Calls an endpoint; many calls at once on one event loop.

    Args:
        endpoint: where it is and how many calls it takes.
        role: `teacher` or `student`, for messages.

    Raises:
        ConfigError: the key's environment variable is not set.
    """

    def __init__(self, endpoint: Endpoint, role: str) -> None:
        self._endpoint = endpoint
        self._role = role
        self._key = _api_key(endpoint, role)
        self._client: openai.AsyncOpenAI | None = None

    def _connect(self) -> openai.AsyncOpenAI:
        import openai

        from lemma.teacher.transport import AiohttpTransport

        return openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._endpoint.base_url,
            max_retries=0,
            timeout=None,  # the transport's
            default_headers=self._endpoint.headers or None,
            http_client=openai.DefaultAsyncHttpxClient(transport=AiohttpTransport(self._endpoint.timeout_s)),
        )

    async def answer(self, request: Request) -> Reply:
        """Makes one call.

        Raises:
            CallFailed: network, throttling, a fault of the server, a body that is not whole.
            TeacherError: wrong key, unknown model or address, no quota, a parameter that the endpoint does not take.
        """
        import httpx2
        import openai

        if self._client is None:
            self._client = self._connect()
        path, body = _body(request)
        try:
            response = await self._client.post(
                path, content=orjson.dumps(body), cast_to=httpx2.Response, options=AS_JSON
            )
        except openai.APIStatusError as error:
            return self._refusal(request, error)
        except openai.APITimeoutError:
            raise CallFailed(f"no answer within {self._endpoint.timeout_s:g} s") from None
        except openai.APIConnectionError as error:
            raise CallFailed(f"{error.message} {error.__cause__ or ''}".strip()) from None
        return _reply(request, response.content)

    def _refusal(self, request: Request, error: openai.APIStatusError) -> Reply:
        """A status of 400 or above: a refusal of this request, of this call, or of us altogether."""
        status, words = error.status_code, self._words(str(error.message))
        if status in (401, 403, 404) or error.code in ("insufficient_quota", "model_not_found"):
            raise TeacherError(f"{self._where()} refuses every call: {words}; {self._mend(status)}") from None
        if status in (400, 413, 422):
            about = (error.param or "").split(".")[0].split("[")[0]
            if about not in ("", "messages", "prompt"):
                raise TeacherError(
                    f"{self._where()} does not take the parameter `{about}`: {words}; "
                    f"see `{self._role}` in the configuration (temperature: null leaves it out)"
                ) from None
            return Reply(request.key, "", "refused", detail=words, created_s=time.time())
        raise CallFailed(words, status in (429, 503), _retry_after_s(error.response.headers)) from None

    def _words(self, message: str) -> str:
        """What the endpoint says, as one line; servers have been seen to repeat the key, we must not."""
        return encodable(" ".join(message.replace(self._key, "(key)").split())[:500])

    def _where(self) -> str:
        url = urlsplit(str(self._client.base_url)) if self._client is not None else None
        # host and path only: an address may carry a key
        return f"the {self._role} endpoint {url.hostname or ''}{url.path}" if url else f"the {self._role} endpoint"

    def _mend(self, status: int) -> str:
        if status == 404:
            return f"check `{self._role}.model` ({self._endpoint.model}) and `{self._role}.base_url`"
        if status in (401, 403):
            return f"check the key in the environment variable {self._endpoint.api_key_env}"
        return "check the account's quota"

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()


def _api_key(endpoint: Endpoint, role: str) -> str:
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if key:
        return key
    if endpoint.base_url is None:
        raise ConfigError(
            f"the environment variable {endpoint.api_key_env} is not set; put the {role}'s key there "
            f"(or name another variable under {role}.api_key_env)"
        )
    return "none"  # a server of one's own asks for no key, but the package wants one


AS_JSON: Final[RequestOptions] = {"headers": {"content-type": "application/json"}}


def _body(request: Request) -> tuple[str, dict[str, Any]]:
    """Path and body of the call."""
    sampling = {key: value for key, value in request.sampling.items() if key not in ("api", "extra_body")}
    body: dict[str, Any] = {"model": request.model, "seed": request.seed}
    body.update((key, value) for key, value in sampling.items() if value is not None)
    extra = request.sampling.get("extra_body")
    if isinstance(extra, Mapping):
        body.update(extra)
    if request.sampling.get("api") == "completions":
        body["prompt"] = "\n\n".join(message["content"] for message in request.messages)
        return "/completions", body
    body["messages"] = [dict(message) for message in request.messages]
    return "/chat/completions", body


def _reply(request: Request, content: bytes) -> Reply:
    try:
        tree = _tree(content)
        choice = tree["choices"][0]
        is_chat = "text" not in choice
        message = choice["message"] if is_chat else {}
        text = message.get("content") if is_chat else choice["text"]
        refusal = message.get("refusal")
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        finish_reason = str(choice.get("finish_reason"))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise CallFailed(f"the body is no whole reply ({type(error).__name__}): {content[:200]!r}") from None
    return Reply(
        key=request.key,
        text=encodable(text) if isinstance(text, str) else "",
        finish_reason="refused" if refusal else encodable(WHOLE.get(finish_reason, finish_reason)),
        model=encodable(str(tree.get("model") or "")),
        reasoning=encodable(str(reasoning)),
        usage=_usage(tree.get("usage")),
        detail=encodable(str(refusal)) if refusal else "",
        created_s=time.time(),
    )


def _tree(content: bytes) -> Any:
    """The body's JSON.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested beyond reason.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # some servers send half a surrogate pair, or NaN among the log-probabilities: answered, and paid for
        return json.loads(content)


def _usage(usage: object) -> Usage:
    """Tokens; what cannot be read counts as 0, since a reply must not be lost over its bill."""
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=_count(usage.get("prompt_tokens")),
        cached_input_tokens=_count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0,
        output_tokens=_count(usage.get("completion_tokens")),
    )


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    """What `retry-after-ms` or `Retry-After` (seconds or a date, RFC 9110 section 10.2.3) asks for."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            return min(MAX_RETRY_AFTER_S, max(0.0, float(value) * unit))
        except ValueError:
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if date is None:
        return None
    try:
        until_s = email.utils.mktime_tz(date)
    except (ValueError, OverflowError):  # the year 99999
        return None
    return min(MAX_RETRY_AFTER_S, max(0.0, until_s - time.time()))
