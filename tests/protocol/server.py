"""A small HTTP server on loopback that answers as a function says: for what `mock_teacher.py` has not.

It answers ``/v1/chat/completions`` and ``/v1/completions`` alike, keeps what it was asked, and can be stopped and
started again on the same port.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    number: int
    """How many came before it."""

    @property
    def user(self) -> str:
        """The last user message, or the prompt."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        return str([message["content"] for message in self.body["messages"] if message["role"] == "user"][-1])


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    is_dropped: bool = False
    """Whether the connection is closed instead of answering."""


Answering = Callable[[Call], Answer]


def reply(text: str | None, finish_reason: str = "stop", *, model: str = "stub-1", **message: Any) -> Answer:
    """A chat completion; further keywords go into its message, `usage` beside it."""
    usage = message.pop("usage", {"prompt_tokens": 10, "completion_tokens": 5})
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    return Answer(json.dumps({"model": model, "choices": [choice], "usage": usage}).encode())


def completion(text: str, finish_reason: str = "stop") -> Answer:
    """A completion without a chat."""
    choice = {"index": 0, "finish_reason": finish_reason, "text": text}
    return Answer(json.dumps({"model": "stub-1", "choices": [choice], "usage": {}}).encode())


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None, **more: str) -> Answer:
    """An error in the form of OpenAI's API; further keywords (`code`, `param`) go into it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Answer(json.dumps({"error": error}).encode(), status, headers or {})


class StubServer:
    """Answers until the block ends; a context manager.

    Attributes:
        calls: what it was asked, in order.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0
        self.calls: list[Call] = []

    @property
    def base_url(self) -> str:
        """As in a configuration."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> StubServer:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def start(self) -> None:
        """Listens, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def stop(self) -> None:
        """Breaks off every connection and refuses new ones."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        call = Call(head[0].split()[1], headers, json.loads(raw or b"{}"), len(self.calls))
        self.calls.append(call)
        answer = self._answering(call)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.is_dropped:
            return False
        fields = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {answer.status} Status\r\n{lines}\r\n".encode("latin-1") + answer.body)
        await writer.drain()
        return True
