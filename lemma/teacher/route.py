"""How calls reach where they go: the address, the way there, and the head that all calls to it have in common."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that `Route` writes by itself."""
_SAFE = "/%:@!$&'()*+,;=~"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """Where a call goes, and what it says beside its body.

    Args:
        url: ``http`` or ``https``; without user and fragment.
        headers: (name, value).

    Raises:
        ValueError: that cannot be said in HTTP; says which part, and no value.
    """

    url: str
    headers: tuple[Header, ...]

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the address has to begin with http:// or https:// and to name a host")
        if not 0 < _port(parts) < 65536:  # raises ValueError by itself where it is no number
            raise ValueError("the address has port 0")
        for name, value in self.headers:
            if not name or not name.isascii() or any(char <= " " or char in ':"\x7f' for char in name):
                raise ValueError(f"{name!r} is no name of a header")
            if any((char < " " and char != "\t") or char == "\x7f" for char in value):
                raise ValueError(f"the header {name} holds a line break or another control character")


class Route:
    """How calls reach where they go.

    Attributes:
        url: where they go.
        key: connections with the same one may be used for each other's calls.
        hop: host and port to connect to: the address's own, or its proxy's.
        tunnel: what opens a way through the proxy, or nothing.
        head: the request's, up to the value of ``Content-Length``.
    """

    def __init__(self, call: Call, proxies: Mapping[str, str]) -> None:
        self.url = call.url
        url = urlsplit(call.url)
        port = _port(url)
        self.is_tls = url.scheme == "https"
        self.host = _ascii_host(url.hostname or "")
        authority = f"[{self.host}]" if ":" in self.host else self.host
        target = quote(url.path or "/", safe=_SAFE) + (f"?{quote(url.query, safe=_SAFE + '?')}" if url.query else "")
        self.hop = (self.host, port)
        self.tunnel = b""
        headers = [header for header in call.headers if header[0].lower() not in FRAMING]
        usual = authority if port == (443 if self.is_tls else 80) else f"{authority}:{port}"
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", usual))
        proxy = _proxy_for(url, proxies)
        if proxy is not None:
            self.hop = (_ascii_host(proxy.hostname or ""), proxy.port or 80)
            credentials = _credentials(proxy)
            if self.is_tls:
                way = f"{authority}:{port}"
                self.tunnel = _head(f"CONNECT {way} HTTP/1.1", [("Host", way), *credentials]) + b"\r\n\r\n"
            else:
                target = f"http://{usual}{target}"
                headers += credentials
        # a body that is packed would have to be unpacked here, and answers are short
        headers += [("Accept-Encoding", "identity"), ("Content-Length", "")]
        self.head = _head(f"POST {target} HTTP/1.1", headers)
        self.key = (self.is_tls, self.host, port, self.hop)


def _head(first: str, headers: Iterable[Header]) -> bytes:
    """The lines of a request, RFC 9112 section 3, without their end."""
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers)]).encode()


def _port(url: SplitResult) -> int:
    port = url.port
    return port if port is not None else 443 if url.scheme == "https" else 80


def _ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()


def _proxy_for(url: SplitResult, proxies: Mapping[str, str]) -> SplitResult | None:
    if not proxies or urllib.request.proxy_bypass(url.hostname or ""):
        return None
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address:
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError(
            f"the environment names a proxy of the kind {proxy.scheme}://, and only http:// can be used; set "
            f"{url.scheme.upper()}_PROXY, or NO_PROXY for {url.hostname}"
        )
    return proxy


def _credentials(proxy: SplitResult) -> list[Header]:
    """The header for a proxy that wants a name and a password, RFC 9110 section 11.7.2."""
    if proxy.username is None:
        return []
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [("Proxy-Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")]
