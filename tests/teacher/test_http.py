"""HTTP/1.1 against servers that send exactly these bytes: what is an answer, what is none, and what is used again."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import ssl
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lemma.teacher import http
from lemma.teacher.http import Answer, Broken, Http
from lemma.teacher.route import Call

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server on loopback that talks as a coroutine says, and counts connections."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.connections = 0
        self.port = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Server:
        return await self.start(None)

    async def start(self, tls: ssl.SSLContext | None) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close in the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            writer.transport.abort()

    def call(self, path: str = "/v1/x", headers: tuple[tuple[str, str], ...] = (), host: str = "127.0.0.1") -> Call:
        return Call(f"http://{host}:{self.port}{path}", headers)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def saying(*answers: bytes, closes: bool = False) -> Talk:
    """Answers each request of a connection with the next of these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        if closes:
            writer.close()
            await writer.wait_closed()
        await reader.read()

    return talk


def post(talk: Talk, count: int = 1, timeout_s: float = 20) -> tuple[list[Answer | Exception], int]:
    """What came of so many calls, one after the other; and how many connections they took."""

    async def go() -> tuple[list[Answer | Exception], int]:
        client = Http()
        found: list[Answer | Exception] = []
        async with Server(talk) as server:
            for _ in range(count):
                try:
                    found.append(await client.post(client.route(server.call()), b"{}", timeout_s))
                except (Broken, TimeoutError) as error:
                    found.append(error)
                await asyncio.sleep(0.02)  # what follows an answer may come a little later
            await client.close()
            return found, server.connections

    return asyncio.run(go())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

WHOLE = {
    "length": OK,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nTrailer: x\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + OK,
    "hints": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n" + gzip.compress(b"ok", mtime=0),
    "deflate": b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 10\r\n\r\n" + zlib.compress(b"ok"),
}


@pytest.mark.parametrize("form", WHOLE)
def test_a_whole_answer_is_read_and_its_connection_used_again(form: str) -> None:
    found, connections = post(saying(WHOLE[form], WHOLE[form]), count=2)
    assert [(one.status, one.content) for one in found if isinstance(one, Answer)] == [(200, b"ok")] * 2
    assert connections == 1


ONCE = {
    "told": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "more": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "garbage": OK + b"\0\1",
    "end": b"HTTP/1.1 200 OK\r\n\r\nok",
}


@pytest.mark.parametrize("form", ONCE)
def test_a_connection_that_may_be_out_of_step_is_not_used_again(form: str) -> None:
    found, connections = post(saying(ONCE[form], closes=form == "end"), count=2)
    assert [one.content for one in found if isinstance(one, Answer)] == [b"ok", b"ok"]
    assert connections == 2


def test_what_comes_unasked_between_two_calls_is_not_the_second_ones_answer() -> None:
    async def go() -> tuple[list[bytes], int]:
        is_sent = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(OK)
            if not is_sent.is_set():
                await asyncio.sleep(0.05)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
                is_sent.set()
            await reader.read()

        client = Http()
        async with Server(talk) as server:
            first = await client.post(client.route(server.call()), b"{}", 20)
            await is_sent.wait()
            await asyncio.sleep(0.05)  # the loop looks at its sockets
            second = await client.post(client.route(server.call()), b"{}", 20)
            await client.close()
            return [first.content, second.content], server.connections

    assert asyncio.run(go()) == ([b"ok", b"ok"], 2)


BROKEN = {
    "nothing": (b"", "without an answer"),
    "head": (b"HTTP/1.1 200 OK\r\nContent-", "in the middle"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", "in the middle"),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "in the middle"),
    "other": (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
    "upgrade": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "no HTTP"),
    "twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "no HTTP"),
    "both": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no HTTP"),
    "packed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "cannot be unpacked"),
    "unknown": (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok", "cannot be unpacked"),
}


@pytest.mark.parametrize("form", BROKEN)
def test_an_answer_that_is_not_whole_is_none(form: str) -> None:
    answer, words = BROKEN[form]
    (found,), _ = post(saying(answer, closes=True))
    assert isinstance(found, Broken)
    assert words in str(found)


def test_a_head_and_a_body_without_end_are_given_up() -> None:
    def endless(start: bytes, piece: bytes) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(start)
            while not reader.at_eof():
                writer.write(piece)
                await writer.drain()

        return talk

    (found,), _ = post(endless(b"HTTP/1.1 200 OK\r\n", b"A: " + b"b" * 4000 + b"\r\n"))
    assert isinstance(found, Broken)
    assert "no end" in str(found)
    (found,), _ = post(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (1 << 20)))
    assert isinstance(found, Broken)
    assert "no end" in str(found)


def test_a_packed_body_that_is_a_bomb_is_given_up() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(80)) + packer.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    (found,), _ = post(saying(head + bomb))
    assert isinstance(found, Broken)
    assert "too long" in str(found)


def test_what_takes_too_long_says_whether_it_was_the_connection_or_the_answer() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    (found,), _ = post(silent, timeout_s=0.1)
    assert str(found) == "no answer within 0.1 s"


def test_calls_at_once_have_a_connection_each_and_a_call_that_is_given_up_closes_its_own() -> None:
    async def go() -> tuple[int, int]:
        asked = asyncio.Event()
        go_on = asyncio.Event()
        num = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal num
            while True:
                await read_request(reader)
                num += 1
                if num == 20:
                    asked.set()
                await go_on.wait()
                writer.write(OK)

        client = Http()
        async with Server(talk) as server:
            tasks = [asyncio.create_task(client.post(client.route(server.call()), b"x", 20)) for _ in range(20)]
            await asked.wait()
            tasks[0].cancel()
            go_on.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            first = server.connections
            await asyncio.gather(*[client.post(client.route(server.call()), b"x", 20) for _ in range(20)])
            await client.close()
            return first, server.connections

    assert asyncio.run(go()) == (20, 21)


def test_the_request_is_what_the_call_says_and_framing_is_ours() -> None:
    async def go() -> list[bytes]:
        seen = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                seen.append(await read_request(reader))
                writer.write(OK)

        client = Http()
        async with Server(talk) as server:
            headers = (("X-A", "b"), ("Content-Length", "999"), ("Transfer-Encoding", "chunked"))
            await client.post(client.route(server.call("/v1/a b?c=d%20e", headers)), b"{}", 20)
            await client.post(client.route(server.call("", (("Host", "other.example"),))), b"\xc3\xa9", 20)
            await client.close()
        return [one.replace(b":%d\r\n" % server.port, b"\r\n") for one in seen]

    first, second = asyncio.run(go())
    assert first == (
        b"POST /v1/a%20b?c=d%20e HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert second.startswith(b"POST / HTTP/1.1\r\nHost: other.example\r\n")
    assert second.endswith(b"Content-Length: 2\r\n\r\n\xc3\xa9")


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://h/", (("A", "b\r\nEvil: 1"),)),
        ("http://h/", (("A", "b\0"),)),
        ("http://h/", (("A b", "c"),)),
        ("http://h/", (("", "c"),)),
        ("ftp://h/", ()),
        ("http:///x", ()),
        ("http://h:99999/", ()),
        ("http://h:0/", ()),
    ],
    ids=range(8),
)
def test_what_cannot_be_said_in_http_is_refused_and_no_value_is_repeated(
    url: str, headers: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Call(url, headers)
    assert "Evil" not in str(caught.value)


def test_a_host_without_connection_says_which() -> None:
    async def go() -> tuple[str, str]:
        client = Http()
        words = []
        for host in ("127.0.0.1:1", "host.invalid"):
            with pytest.raises(Broken) as caught:
                await client.post(client.route(Call(f"http://{host}/", ())), b"", 20)
            words.append(str(caught.value))
        await client.close()
        return words[0], words[1]

    refused, unknown = asyncio.run(go())
    assert refused.startswith("cannot connect to 127.0.0.1:1: ")
    assert unknown.startswith("cannot connect to host.invalid:80: ")


# ── TLS and proxies ──


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost that nobody has signed, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-keyout", str(path.with_name("key")), "-out", str(path.with_name("cert")), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.with_name("key").read_bytes() + path.with_name("cert").read_bytes())
    return path


async def ask_by_tls(certificate: Path, proxied: Callable[[int], Awaitable[None]] | None = None) -> Answer:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await Server(saying(OK)).start(context)
    if proxied is not None:
        await proxied(server.port)
    client = Http()
    try:
        return await client.post(client.route(Call(f"https://localhost:{server.port}/v1", ())), b"{}", 20)
    finally:
        await client.close()
        await server.__aexit__()


def test_a_certificate_that_nobody_signed_is_refused_and_one_that_is_trusted_is_not(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    http._tls.cache_clear()
    with pytest.raises(Broken, match="the certificate is not accepted"):
        asyncio.run(ask_by_tls(certificate))
    http._tls.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    try:
        assert asyncio.run(ask_by_tls(certificate)).content == b"ok"
    finally:
        http._tls.cache_clear()


@pytest.mark.parametrize("status", ["200 Connection established", "407 Proxy Authentication Required"])
def test_tls_goes_through_a_proxys_tunnel(certificate: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    http._tls.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "")
    seen: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nVia: test\r\n\r\n".encode())
        host, _, port = seen[-1].split()[1].decode().rpartition(":")
        other_reader, other_writer = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)

        try:
            await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))
        finally:
            other_writer.transport.abort()

    async def go() -> Answer:
        async with Server(tunnel) as proxy:

            async def proxied(port: int) -> None:
                monkeypatch.setenv("https_proxy", f"http://user:pass%3A@127.0.0.1:{proxy.port}")

            return await ask_by_tls(certificate, proxied)

    try:
        if status.startswith("200"):
            assert asyncio.run(go()).content == b"ok"
        else:
            with pytest.raises(Broken, match="the proxy refuses: 407"):
                asyncio.run(go())
    finally:
        http._tls.cache_clear()
    assert seen[0].startswith(b"CONNECT localhost:")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwYXNzOg==\r\n" in seen[0]


def test_a_proxy_of_another_kind_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ValueError, match="socks5://, and only http:// can be used"):
        Http().route(Call("http://host.invalid/", ()))
