"""HTTP for calls: aiohttp carries them, by the rules of the openai package.

The package's own way of sending costs a multiple of the call itself, more the more calls are in flight. So every call
repeats one address and one set of headers with a body of its own, through one aiohttp session. Where the address is
more than a plain one the package forms it, in a *rehearsal* without a network; and what comes back with an error
status is handed to it in another, so that its reading of errors counts. It is loaded only then: that takes longer than
a first call may. How many calls fly is the engine's business: the session has no limit of its own, and a call never
waits for a connection.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

import aiohttp
import httpx2
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from lemma import __version__
from lemma.teacher.base import CallFailed

if TYPE_CHECKING:
    import openai

CONNECT_S = 30.0
DEFAULT_BASE_URL = "https://api.openai.com/v1"
USER_AGENT = f"lemma/{__version__}"
_OWN_HEADERS = ("host", "content-length", "accept-encoding", "connection")
"""Headers that aiohttp writes by itself, as it can read what it asks for."""
_DECODED = {"content-encoding", "content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes


class Wire:
    """Sends bodies and brings back answers, through one session.

    Args:
        timeout_s: for a whole call, from the connection to the last byte.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str] = {}

    def _open(self) -> aiohttp.ClientSession:
        self._proxies = urllib.request.getproxies()
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(CONNECT_S, self._timeout_s))
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=75)
        # not `trust_env`: it would look for the host in ~/.netrc, whose credentials cannot stand beside the key
        return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    def _proxy_for(self, url: URL) -> str | None:
        """The proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``, …)."""
        if not self._proxies or url.host is None or urllib.request.proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme)

    async def post(self, call: Call, body: bytes) -> Answer:
        """Makes a call; any status is an answer.

        Raises:
            CallFailed: the network or the server broke it off, or it took longer than `timeout_s`.
        """
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.post(
                call.url, headers=call.headers, data=body, allow_redirects=False, proxy=self._proxy_for(call.url)
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except TimeoutError:
            raise CallFailed(f"no answer within {self._timeout_s:g} s", kind="timeout") from None
        except aiohttp.ClientError as error:
            words = f"Connection error. {error or type(error).__name__}"
            raise CallFailed(words, kind="connection") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()


@dataclass(frozen=True, slots=True)
class Call:
    """Where a call goes, and what it says beside its body."""

    url: URL
    headers: CIMultiDict[str]


def plain_call(base_url: str | None, path: str, api_key: str, headers: Mapping[str, str]) -> Call | None:
    """The call to `path` as the openai package would form it; None where that is more than a matter of joining.

    Args:
        base_url: None for the package's own (``OPENAI_BASE_URL``, or OpenAI's).
        path: such as ``/chat/completions``.
        api_key: sent as the bearer's token.
        headers: further ones; they win.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    parts = urlsplit(address)
    if parts.query or "@" in parts.netloc:  # Azure's classic form, or credentials
        return None
    own = CIMultiDict({"Accept": "application/json", "Content-Type": "application/json", "User-Agent": USER_AGENT})
    own["Authorization"] = f"Bearer {api_key}"
    for header, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
        if value := os.environ.get(variable):
            own[header] = value
    for name, value in headers.items():
        own[name] = value
    return Call(URL(address.rstrip("/") + path), own)


class _Rehearsal(httpx2.AsyncBaseTransport):
    """Stands in for the network: keeps what the package would send, and hands it what came."""

    def __init__(self) -> None:
        self.seen: httpx2.Request | None = None
        self.answer: ContextVar[Answer | None] = ContextVar("answer", default=None)  # calls fail side by side

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.seen = request
        answer = self.answer.get()
        if answer is None:
            return httpx2.Response(200, json={}, request=request)
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _DECODED]
        return httpx2.Response(answer.status, headers=headers, content=answer.content, request=request)


class Package:
    """The openai package, for one address: forms calls and reads errors, and never meets the network.

    Args:
        base_url: None for the package's own; with ``?api-version=…`` it is an Azure resource of the classic form.
        api_key: sent as the endpoint wants it.
        headers: further ones.
        model: some addresses hold it.
    """

    def __init__(self, base_url: str | None, api_key: str, headers: Mapping[str, str], model: str) -> None:
        import openai

        self._rehearsal = _Rehearsal()
        self._model = model
        http_client = openai.DefaultAsyncHttpxClient(transport=self._rehearsal)
        parts = urlsplit(base_url or "")
        version = parse_qs(parts.query).get("api-version")
        self.client: openai.AsyncOpenAI
        if version:
            self.client = openai.AsyncAzureOpenAI(
                api_key=api_key,
                api_version=version[-1],
                base_url=urlunsplit(parts._replace(query="", fragment="")),
                max_retries=0,
                default_headers=dict(headers),
                http_client=http_client,
            )
        else:
            self.client = openai.AsyncOpenAI(
                api_key=api_key,
                base_url=base_url,
                max_retries=0,
                default_headers=dict(headers),
                http_client=http_client,
            )

    async def form(self, path: str) -> Call:
        """The call that the package would make to `path`."""
        await self.client.post(path, body={"model": self._model}, cast_to=httpx2.Response)
        request = self._rehearsal.seen
        assert request is not None
        headers = CIMultiDict(
            (name, value)
            for name, value in request.headers.multi_items()
            if name.lower() not in _OWN_HEADERS and not name.lower().startswith("x-stainless")
        )
        # credentials in the address are in the headers by now
        return Call(URL(str(request.url), encoded=True).with_user(None), headers)

    async def error(self, path: str, answer: Answer) -> openai.APIStatusError:
        """What the package makes of an answer with an error status."""
        import openai

        self._rehearsal.answer.set(answer)
        try:
            await self.client.post(path, body={"model": self._model}, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            return error
        finally:
            self._rehearsal.answer.set(None)
        raise CallFailed(f"status {answer.status}")  # a redirect, or another status that is no error and no reply
