"""How calls go out: by `lemma.teacher.http`, to where the openai package would send them.

Every call repeats one address and one set of headers with a body of its own. Where the address is more than a plain
one, and where an answer is an error, the package itself is asked (`lemma.teacher.package`). How many calls fly is the
engine's business.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from lemma import __version__
from lemma.errors import TeacherError
from lemma.teacher.base import CallFailed
from lemma.teacher.http import Answer, Broken, Http
from lemma.teacher.route import Call, Route

DEFAULT_BASE_URL = "https://api.openai.com/v1"
USER_AGENT = f"lemma/{__version__}"


class Wire:
    """Sends bodies and brings back answers.

    Args:
        timeout_s: for a whole call, from the connection to the last byte.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = Http()

    def route(self, call: Call) -> Route:
        """The way to where a call goes, to be kept.

        Raises:
            TeacherError: nothing can be sent there at all.
        """
        try:
            return self._http.route(call)
        except ValueError as error:
            raise _unusable(call.url, error) from None

    async def post(self, route: Route, body: bytes) -> Answer:
        """Makes a call; any status is an answer.

        Raises:
            CallFailed: the network or the server broke it off, or it took longer than `timeout_s`.
            TeacherError: nothing can be sent there at all.
        """
        try:
            return await self._http.post(route, body, self._timeout_s)
        except TimeoutError as error:
            raise CallFailed(str(error), kind="timeout") from None
        except Broken as error:
            raise CallFailed(f"Connection error: {error}", kind="connection") from None
        except ValueError as error:
            raise _unusable(route.url, error) from None

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()


def plain_call(base_url: str | None, path: str, api_key: str, headers: Mapping[str, str]) -> Call | None:
    """The call to `path` as the openai package would form it; None where that is more than a matter of joining.

    Args:
        base_url: None for the package's own (``OPENAI_BASE_URL``, or OpenAI's).
        path: such as ``/chat/completions``.
        api_key: sent as the bearer's token.
        headers: further ones; they win.

    Raises:
        TeacherError: that cannot be said in HTTP.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    parts = urlsplit(address)
    if parts.query or "@" in parts.netloc:  # Azure's classic form, or credentials
        return None
    own = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": USER_AGENT}
    own["Authorization"] = f"Bearer {api_key}"
    for header, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
        if value := os.environ.get(variable):
            own[header] = value
    by_name = {name.lower(): (name, value) for name, value in [*own.items(), *headers.items()]}
    url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))
    try:
        return Call(url, tuple(by_name.values()))
    except ValueError as error:
        raise _unusable(address, error) from None


def _unusable(address: str, error: ValueError) -> TeacherError:
    parts = urlsplit(address)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # an address may carry a key
    return TeacherError(f"{where}: cannot be called: {error}; check base_url and headers in the configuration")
