"""HTTP/1.1 for calls: a POST and its whole answer, one at a time on each of many connections that are kept alive.

Thousands of like calls to one address want little of HTTP, and a general client's time for the rest is a multiple of
theirs. So here is only what they want: the head is written once for all of them, a call is one write and one future.
Answers are read by httptools (the parser of Node.js), connections are made by aiohappyeyeballs (RFC 8305) and asyncio.

Nothing is asked twice here: a call that a connection lost is the caller's to make again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import time
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohappyeyeballs
import httptools

from lemma.teacher.route import Call, Route

CONNECT_S = 30.0
IDLE_S = 75.0
"""A connection that nobody used for so long is not used again; many servers close it about then."""
ADDRESS_S = 300.0
"""So long the addresses of a host are remembered: a thousand connections at once are one question."""
HAPPY_EYEBALLS_S = 0.25
"""Between trying one address of a host and the next, RFC 8305 section 5."""
MAX_HEAD_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole.

    Attributes:
        headers: by their names in lower case; one that stands several times is joined by commas.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class Broken(Exception):
    """The network or the server broke a call off; says how, in words for people."""


class Http:
    """Connections to any number of addresses, opened as they are needed.

    Which proxy they go through the environment says (``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``);
    certificates are checked against the system's (``SSL_CERT_FILE``, ``SSL_CERT_DIR``).
    """

    def __init__(self) -> None:
        self._idle: dict[Any, list[_Connection]] = {}
        self._all: set[_Connection] = set()
        self._hosts: dict[tuple[str, int], tuple[float, asyncio.Task[Any]]] = {}
        self._proxies = urllib.request.getproxies()
        self._turn = -1

    def route(self, call: Call) -> Route:
        """The way there, to be kept: it is the same for all calls to one place.

        Raises:
            ValueError: there is no way to such an address, or through such a proxy.
        """
        return Route(call, self._proxies)

    async def post(self, route: Route, body: bytes, timeout_s: float) -> Answer:
        """Makes a call; any status is an answer.

        Args:
            route: where to.
            body: of the request.
            timeout_s: for all of it, from the connection to the last byte.

        Raises:
            Broken: no connection, or it was broken off.
            TimeoutError: it took longer; its words say what did.
            ValueError: there is no such host.
        """
        doing = "connection"
        try:
            async with asyncio.timeout(timeout_s):
                connection = self._take_idle(route) or await self._connect(route, timeout_s)
                doing = "answer"
                try:
                    answer = await connection.ask(b"%b%d\r\n\r\n%b" % (route.head, len(body), body))
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"no {doing} within {timeout_s:g} s") from None
        if connection.is_reusable:
            connection.idle_since = time.monotonic()
            self._idle.setdefault(route.key, []).append(connection)
        else:
            connection.abort()
        return answer

    async def close(self) -> None:
        """Closes all connections; calls under way are broken off."""
        for connection in list(self._all):
            connection.abort()
        for _, task in self._hosts.values():
            task.cancel()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _take_idle(self, route: Route) -> _Connection | None:
        idle = self._idle.get(route.key)
        while idle:
            connection = idle.pop()  # the one used last: others may grow old and be closed
            if connection.is_reusable and time.monotonic() - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self, route: Route, timeout_s: float) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(CONNECT_S, timeout_s)):
                sock = await aiohappyeyeballs.start_connection(
                    await self._addresses(*route.hop), happy_eyeballs_delay=HAPPY_EYEBALLS_S, loop=loop
                )
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    if route.tunnel:
                        await _tunnel(loop, sock, route.tunnel)
                    _, connection = await loop.create_connection(
                        lambda: _Connection(self._all),
                        sock=sock,
                        ssl=_tls() if route.is_tls else None,
                        server_hostname=route.host if route.is_tls else None,
                    )
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"no connection within {min(CONNECT_S, timeout_s):g} s") from None
        except (OSError, UnicodeError) as error:  # of the network, of TLS, of a host's name
            raise Broken(f"cannot connect to {route.hop[0]}:{route.hop[1]}: {_words(error)}") from None
        return connection

    async def _addresses(self, host: str, port: int) -> list[Any]:
        """The addresses of a host, each time another one first; asked for once by all who want them."""
        known = self._hosts.get((host, port))
        if known is None or time.monotonic() - known[0] > ADDRESS_S or _has_failed(known[1]):
            loop = asyncio.get_running_loop()
            task = loop.create_task(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            known = self._hosts[host, port] = (time.monotonic(), task)
        found = list(await asyncio.shield(known[1]))
        self._turn += 1
        first = self._turn % len(found)
        return found[first:] + found[:first]


class _Connection(asyncio.Protocol):
    """One connection: a question, its answer, the next question."""

    def __init__(self, registry: set[_Connection]) -> None:
        self._registry = registry
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._received = 0
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._is_headed = False
        self.is_reusable = True
        self.idle_since = 0.0

    async def ask(self, data: bytes) -> Answer:
        """Sends a request and waits for its answer.

        Raises:
            Broken: there came no whole one.
        """
        if self._transport is None:
            raise Broken("the server closed the connection")
        self._waiter = asyncio.get_running_loop().create_future()
        self._received = 0
        self._begin()
        self._transport.write(data)
        return await self._waiter

    def abort(self) -> None:
        """Closes the connection at once."""
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> None:
        self._headers = {}
        self._chunks = []
        self._is_headed = False

    def _break(self, words: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(Broken(words))
        self.abort()

    # ── asyncio.Protocol ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast(asyncio.Transport, transport)  # other loops have classes of their own
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self._received += len(data)
        try:
            if self._waiter is not None:
                self._parser.feed_data(data)
            elif self._transport is not None:
                self.abort()  # nothing was asked: whatever it is, the next answer must not begin with it
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(f"the answer is no HTTP: {error}")
            return
        if self._received > (MAX_BODY_BYTES if self._is_headed else MAX_HEAD_BYTES):
            self._break("the answer has no end")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._registry.discard(self)
        self._transport = None
        self.is_reusable = False
        if self._waiter is None:
            return
        is_framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if error is None and self._is_headed and not is_framed:
            self._complete()  # a body that ends where the connection does, RFC 9112 section 6.3
        elif error is not None:
            self._break(_words(error))
        else:
            when = "in the middle of its answer" if self._received else "without an answer"
            self._break(f"the server closed the connection {when}")

    # ── httptools ──

    def on_message_begin(self) -> None:
        """An answer begins, asked for or not."""
        if self._waiter is None:
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or (after the body) a trailer."""
        if self._is_headed:
            return
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_headed = True

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, or it was one of those that announce another (RFC 9110 section 15.2)."""
        if self._waiter is None:
            return
        if 100 <= self._parser.get_status_code() < 200:
            self._begin()
            return
        self.is_reusable = self.is_reusable and self._parser.should_keep_alive()
        self._complete()

    def _complete(self) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size():
            self.is_reusable = False  # it answered before it had read the question
        content = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        encoding = self._headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            try:
                content = _unpacked(content, encoding)
            except (zlib.error, ValueError) as error:
                self._break(f"the answer's body cannot be unpacked ({encoding[:20]}): {error}")
                return
        answer = Answer(self._parser.get_status_code(), self._headers, content)
        waiter, self._waiter = self._waiter, None
        self._begin()  # the answer's headers are its own from here on
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)


async def _tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, request: bytes) -> None:
    """Has a proxy pass on all that follows, RFC 9110 section 9.3.6."""
    await loop.sock_sendall(sock, request)
    head = b""
    while b"\r\n\r\n" not in head:
        # byte by byte at its end, so that nothing of what follows is taken; it comes once a connection
        data = await loop.sock_recv(sock, 1)
        head += data
        if not data or len(head) > MAX_HEAD_BYTES // 16:
            raise OSError("the proxy closed the connection")
    status = head.split(b"\r\n")[0].split(b" ", 2)[1:]
    if not status or not status[0].startswith(b"2"):
        raise OSError(f"the proxy refuses: {b' '.join(status).decode('latin-1')[:100]}")


def _unpacked(content: bytes, encoding: str) -> bytes:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError("not asked for, and not known")
    unpacker = zlib.decompressobj(wbits=47)  # of either form, https://docs.python.org/3/library/zlib.html
    unpacked = unpacker.decompress(content, MAX_BODY_BYTES)
    if not unpacker.eof:
        raise ValueError("it is not whole, or too long")
    return unpacked


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    with contextlib.suppress(NotImplementedError):
        context.set_alpn_protocols(["http/1.1"])
    return context


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
