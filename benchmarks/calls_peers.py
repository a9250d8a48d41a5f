"""Peers of `benchmarks/calls.py`, each run in a process of its own: the same bodies, each reply appended to a file.

    python benchmarks/calls_peers.py raw|lean|default|published URL BODIES CONCURRENCY N OUT

Prints one JSON line: CPU seconds of this process beside its start, and the calls made.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import orjson

Call = Callable[[bytes], Awaitable[str]]


def cpu_s() -> float:
    """Of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def drive(call: Call, bodies: Iterator[bytes], concurrency: int, out: str) -> int:
    """Workers that make calls one after the other."""
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    done = 0

    async def worker() -> None:
        nonlocal done
        for body in bodies:
            os.write(file, orjson.dumps(await call(body)) + b"\n")
            done += 1

    await asyncio.gather(*[worker() for _ in range(concurrency)])
    os.close(file)
    return done


async def raw(url: str, bodies: Iterator[bytes], concurrency: int, out: str) -> int:
    """Aiohttp and orjson, nothing else: the limit."""
    import aiohttp

    headers = {"content-type": "application/json", "authorization": "Bearer none"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(body: bytes) -> str:
            async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
                return str(orjson.loads(await response.read())["choices"][0]["message"]["content"])

        return await drive(call, bodies, concurrency, out)


async def lean(url: str, bodies: Iterator[bytes], concurrency: int, out: str) -> int:
    """The openai package's `post` over a small transport on aiohttp."""
    import aiohttp
    import httpx2
    import openai

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    class Transport(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            content = await request.aread()
            async with session.request(
                request.method, str(request.url), headers=request.headers.multi_items(), data=content
            ) as response:
                return httpx2.Response(response.status, content=await response.read(), request=request)

    http_client = openai.DefaultAsyncHttpxClient(transport=Transport())
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, timeout=None, http_client=http_client)

    async def call(body: bytes) -> str:
        response = await client.post(
            "/chat/completions",
            content=body,
            cast_to=httpx2.Response,
            options={"headers": {"content-type": "application/json"}},
        )
        return str(orjson.loads(response.content)["choices"][0]["message"]["content"])

    try:
        return await drive(call, bodies, concurrency, out)
    finally:
        await session.close()


async def default(url: str, bodies: Iterator[bytes], concurrency: int, out: str) -> int:
    """The openai package as its documentation shows it, with connections enough."""
    import httpx2
    import openai

    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    http_client = openai.DefaultAsyncHttpxClient(limits=limits)
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http_client)

    async def call(body: bytes) -> str:
        response = await client.chat.completions.create(**orjson.loads(body))
        return response.choices[0].message.content or ""

    return await drive(call, bodies, concurrency, out)


def published(url: str, bodies: list[bytes], for_s: float) -> int:
    """As the published code: 8 processes, one synchronous call each, for a while."""
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        return sum(pool.starmap(_one_by_one, [(url, bodies[number::8], for_s) for number in range(8)]))


def _one_by_one(url: str, bodies: list[bytes], for_s: float) -> int:
    import openai

    client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
    until = time.monotonic() + for_s
    for done, body in enumerate(bodies):
        if time.monotonic() > until:
            return done
        client.chat.completions.create(**orjson.loads(body))
    return len(bodies)


def main() -> None:
    """Runs one peer."""
    name, url, path, concurrency, count, out = sys.argv[1:7]
    with open(path, "rb") as file:
        bodies = list(itertools.islice(file, int(count)))
    before = cpu_s()
    if name == "published":
        done = published(url, bodies, 15.0)
    else:
        peer = {"raw": raw, "lean": lean, "default": default}[name]
        done = asyncio.run(peer(url, iter(bodies), int(concurrency), out))
    print(json.dumps({"calls": done, "cpu_s": cpu_s() - before}))


if __name__ == "__main__":
    main()
