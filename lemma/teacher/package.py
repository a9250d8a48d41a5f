"""The openai package, for one address: how a call is formed that is more than a plain one, and how errors are read.

The package's own way of sending costs a multiple of the call itself, so it sends nothing here: it forms a call in a
*rehearsal* without a network, and what came back with an error status is handed to it in another. It is loaded only
where that is wanted: loading it takes longer than a first call may.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2

from lemma.teacher.base import CallFailed
from lemma.teacher.http import Answer
from lemma.teacher.route import Call

if TYPE_CHECKING:
    import openai

_DECODED = {"content-encoding", "content-length", "transfer-encoding"}


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
        headers = tuple(
            (name, value)
            for name, value in request.headers.multi_items()
            if name.lower() != "host" and not name.lower().startswith("x-stainless")  # framing is the route's
        )
        url = urlsplit(str(request.url))
        # credentials in the address are in the headers by now
        return Call(urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2], fragment="")), headers)

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
