"""HTTP for the openai package, carried by aiohttp.

The package's own transport looks through all its connections at each request, so that a call costs more the more
calls are in flight. This one costs a few tenths of a millisecond whatever their number; how many there are is the
engine's business, so the pool has no limit of its own and a call never waits for a connection.
"""

from __future__ import annotations

import urllib.request
from types import TracebackType

import aiohttp
import httpx2
from yarl import URL

CONNECT_S = 30.0
_NOT_OURS = {"content-encoding", "content-length", "transfer-encoding"}  # the body is handed on decoded and whole


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends httpx2 requests through one aiohttp session.

    Args:
        timeout_s: for a whole call, from the connection to the last byte.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str] = {}

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=75)
        # not `trust_env`: it would look for the host in ~/.netrc, whose credentials cannot stand beside the key
        return aiohttp.ClientSession(connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())

    def _proxy_for(self, url: URL) -> str | None:
        """The proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``, …)."""
        if not self._proxies or url.host is None or urllib.request.proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and reads the whole response.

        Raises:
            httpx2.TimeoutException: it took longer than `timeout_s`.
            httpx2.TransportError: the network or the server broke it off.
        """
        if self._session is None:
            self._session = self._open()
            self._proxies = urllib.request.getproxies()
        # credentials in the address are in the headers by now
        url = URL(str(request.url), encoded=True).with_user(None)
        try:
            async with self._session.request(
                request.method,
                url,
                headers=request.headers.multi_items(),
                data=await request.aread(),
                allow_redirects=False,
                proxy=self._proxy_for(url),
            ) as response:
                content = await response.read()
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except aiohttp.ClientConnectionError as error:
            raise httpx2.ConnectError(str(error) or type(error).__name__, request=request) from error
        except aiohttp.ClientError as error:
            raise httpx2.ReadError(str(error) or type(error).__name__, request=request) from error
        headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _NOT_OURS]
        return httpx2.Response(response.status, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()
