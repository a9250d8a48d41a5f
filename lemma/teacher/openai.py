"""Any OpenAI-compatible endpoint (api.openai.com, Azure, vLLM, SGLang, llama.cpp, …), by the openai package's rules.

The package forms the calls and reads errors (`lemma.teacher.package`); a failed call goes back to the engine, which
knows what else there is to do. Bodies are read here, so that a reply cut in the middle is a failed call and no crash.
Form of requests and replies: https://platform.openai.com/docs/api-reference/chat/create and …/completions/create.
"""

from __future__ import annotations

import email.utils
import json
import os
import resource
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import orjson

from lemma.config import Endpoint
from lemma.errors import ConfigError, TeacherError
from lemma.stages.base import Reply, Request, Usage
from lemma.stages.reading import encodable
from lemma.teacher.base import CallFailed, FailureKind
from lemma.teacher.paced import PacedTeacher
from lemma.teacher.pool import Address, Pool
from lemma.teacher.throttle import RateLimits, read_limits

if TYPE_CHECKING:
    import openai

    from lemma.teacher.package import Package
    from lemma.teacher.route import Route
    from lemma.teacher.transport import Wire

MAX_RETRY_AFTER_S = 3600.0
SPARE_FILES = 128
"""What is open beside connections: parts, replies, libraries."""
WHOLE = {"eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop"}
"""What some servers call a reply that ended by itself."""


class OpenAITeacher(PacedTeacher):
    """Calls an endpoint, at one address or several; many calls at once on one event loop.

    Args:
        endpoint: where it is and how many calls it takes.
        role: `teacher` or `student`, for messages.
        pool: its addresses, where their limits are shared with other processes.

    Raises:
        ConfigError: the key's environment variable is not set, or so many connections cannot be open.
    """

    def __init__(self, endpoint: Endpoint, role: str, pool: Pool | None = None) -> None:
        urls = [url or "" for url in endpoint.addresses]
        _make_room(endpoint.concurrency, role)
        super().__init__(pool or Pool(urls, endpoint.concurrency, endpoint.rpm, endpoint.tpm))
        self._endpoint = endpoint
        self._role = role
        self._key = api_key_of(endpoint, role)
        self._cap_name = "max_tokens"
        self._wire: Wire | None = None
        self._packages: dict[str, Package] = {}
        self._routes: dict[tuple[str, str], Route] = {}

    def _package(self, address: Address) -> Package:
        from lemma.teacher.package import Package

        if address.url not in self._packages:
            endpoint = self._endpoint
            self._packages[address.url] = Package(address.url or None, self._key, endpoint.headers, endpoint.model)
        return self._packages[address.url]

    async def _find_route(self, wire: Wire, address: Address, path: str) -> Route:
        from lemma.teacher.transport import plain_call

        call = plain_call(address.url or None, path, self._key, self._endpoint.headers)
        if call is None:
            call = await self._package(address).form(path)
        route = self._routes[address.url, path] = wire.route(call)
        return route

    async def _call(self, request: Request, address: Address) -> tuple[Reply, RateLimits | None]:
        """Makes one call.

        Raises:
            CallFailed: network, throttling, a fault of the server, a body that is not whole.
            TeacherError: wrong key, unknown model or address, no quota, a parameter that the endpoint does not take.
        """
        if self._wire is None:
            from lemma.teacher.transport import Wire

            self._wire = Wire(self._endpoint.timeout_s)
        path = "/completions" if request.sampling.get("api") == "completions" else "/chat/completions"
        route = self._routes.get((address.url, path)) or await self._find_route(self._wire, address, path)
        cap_name = self._cap_name
        answer = await self._wire.post(route, encode_body(request, cap_name))
        limits = read_limits(answer.headers)
        if answer.status == 200:
            return read_reply(request, answer.content), limits
        error = await self._package(address).error(path, answer)
        if error.status_code == 400 and error.param == "max_tokens" and "max_completion_tokens" in str(error.message):
            self._cap_name = "max_completion_tokens"  # a reasoning model; the others in flight will say the same
            if cap_name == "max_tokens":
                raise CallFailed(self._words(str(error.message)), retry_after_s=0.0)
        return self._refusal(request, error, address, limits), limits

    def _refusal(
        self, request: Request, error: openai.APIStatusError, address: Address, limits: RateLimits | None
    ) -> Reply:
        """A status of 400 or above: a refusal of this request, of this call, or of us altogether."""
        status, words = error.status_code, self._words(str(error.message))
        kind = kind_of_error(status, error.code, error.param)
        if kind == "every":
            raise TeacherError(f"{self._where(address)} refuses every call: {words}; {self._mend(status)}") from None
        if kind == "parameter":
            raise TeacherError(
                f"{self._where(address)} does not take the parameter `{_about(error.param)}`: {words}; "
                f"see `{self._role}` in the configuration (temperature: null leaves it out)"
            ) from None
        if kind == "refused":
            return Reply(request.key, "", "refused", detail=words, created_s=time.time())
        wait_s = retry_after_s(error.response.headers)
        raise CallFailed(words, status in (429, 503), wait_s, limits, _kind_of_status(status)) from None

    def _words(self, message: str) -> str:
        """What the endpoint says, as one line; servers have been seen to repeat the key, we must not."""
        return encodable(" ".join(message.replace(self._key, "(key)").split())[:500])

    def _where(self, address: Address) -> str:
        url = urlsplit(str(self._package(address).client.base_url))
        # host and path only: an address may carry a key
        return f"the {self._role} endpoint {url.hostname or ''}{url.path}"

    def _mend(self, status: int) -> str:
        if status == 404:
            return f"check `{self._role}.model` ({self._endpoint.model}) and `{self._role}.base_url`"
        if status in (401, 403):
            return f"check the key in the environment variable {self._endpoint.api_key_env}"
        return "check the account's quota"

    async def close(self) -> None:
        """Closes the connections."""
        if self._wire is not None:
            await self._wire.close()


def _make_room(connections: int, role: str) -> None:
    """Lets the process open as many files as there may be connections, as far as the system allows.

    Many systems give a process 1,024 to begin with, and let it have more where it asks.

    Raises:
        ConfigError: that is not far enough.
    """
    wanted = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        raise ConfigError(
            f"{role}.concurrency is {connections}, but a process here may open {hard} files and connections at most; "
            f"set it to {max(1, hard - SPARE_FILES)}, or raise the limit (`ulimit -Hn`)"
        ) from None


ErrorKind = Literal["every", "parameter", "refused", "failed"]


def kind_of_error(status: int, code: str | None, param: str | None) -> ErrorKind:
    """What an error is about.

    Returns:
        `every`: us altogether (key, model name, quota) · `parameter`: one that every request has · `refused`: this
        request · `failed`: this call; it may be made again.
    """
    if status in (401, 403, 404) or code in ("insufficient_quota", "model_not_found"):
        return "every"
    if status in (400, 413, 422):
        return "refused" if _about(param) in ("", "messages", "prompt") else "parameter"
    return "failed"


def _kind_of_status(status: int) -> FailureKind:
    if status == 429:
        return "throttled"
    return "server_error" if status >= 500 else "other"


def _about(param: str | None) -> str:
    """The parameter that an error names, without what is inside it."""
    return (param or "").split(".")[0].split("[")[0]


def api_key_of(endpoint: Endpoint, role: str) -> str:
    """The key, from its environment variable.

    Raises:
        ConfigError: it is not set, and the endpoint is OpenAI's.
    """
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if key:
        return key
    if endpoint.base_url is None:
        raise ConfigError(
            f"the environment variable {endpoint.api_key_env} is not set; put the {role}'s key there "
            f"(or name another variable under {role}.api_key_env)"
        )
    return "none"  # a server of one's own asks for no key, but the package wants one


@lru_cache(maxsize=64)
def _constant_message(role: str, content: str) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps({"role": role, "content": content}))


def _message(message: Mapping[str, str]) -> Mapping[str, str] | orjson.Fragment:
    """A message for the body; instructions are the same in every request of a stage, and long."""
    return _constant_message(message["role"], message["content"]) if message["role"] == "system" else message


def encode_body(request: Request, cap_name: str = "max_tokens") -> bytes:
    """The call's body as JSON.

    Args:
        request: what is asked.
        cap_name: what the endpoint calls the limit of the reply's tokens (reasoning models: `max_completion_tokens`).
    """
    body: dict[str, Any] = {"model": request.model, "seed": request.seed}
    for name, value in request.sampling.items():
        if value is not None and name not in ("api", "extra_body"):
            body[cap_name if name == "max_tokens" else name] = value
    extra = request.sampling.get("extra_body")
    if isinstance(extra, Mapping):
        body.update(extra)
    if request.sampling.get("api") == "completions":
        body["prompt"] = "\n\n".join(message["content"] for message in request.messages)
    else:
        body["messages"] = [_message(message) for message in request.messages]
    return orjson.dumps(body)


def read_reply(request: Request, content: bytes) -> Reply:
    """The reply in a body.

    Raises:
        CallFailed: it is no whole reply.
    """
    try:
        tree = read_body(content)
    except (ValueError, RecursionError) as error:
        words = f"the body is no whole reply ({type(error).__name__}): {content[:200]!r}"
        raise CallFailed(words, kind="unreadable") from None
    return reply_from(request.key, tree)


def reply_from(key: str, tree: Any, is_batch: bool = False) -> Reply:
    """The reply in a body that was read as JSON.

    Args:
        key: of the request.
        tree: the body.
        is_batch: whether it is paid for at the price of batches.

    Raises:
        CallFailed: it is no whole reply.
    """
    try:
        choice = tree["choices"][0]
        is_chat = "text" not in choice
        message = choice["message"] if is_chat else {}
        text = message.get("content") if is_chat else choice["text"]
        refusal = message.get("refusal")
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        finish_reason = str(choice.get("finish_reason"))
    except (LookupError, TypeError, AttributeError) as error:
        words = f"the body is no whole reply ({type(error).__name__}): {str(tree)[:200]!r}"
        raise CallFailed(words, kind="unreadable") from None
    return Reply(
        key=key,
        text=encodable(text) if isinstance(text, str) else "",
        finish_reason="refused" if refusal else encodable(WHOLE.get(finish_reason, finish_reason)),
        model=encodable(str(tree.get("model") or "")),
        reasoning=encodable(str(reasoning)),
        usage=_usage(tree.get("usage"), is_batch),
        detail=encodable(str(refusal)) if refusal else "",
        created_s=time.time(),
    )


def read_body(content: bytes) -> Any:
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


def _usage(usage: object, is_batch: bool) -> Usage:
    """Tokens; what cannot be read counts as 0, since a reply must not be lost over its bill."""
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=_count(usage.get("prompt_tokens")),
        cached_input_tokens=_count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0,
        output_tokens=_count(usage.get("completion_tokens")),
        is_batch=is_batch,
    )


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
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
