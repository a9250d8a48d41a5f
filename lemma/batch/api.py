"""The Batch API through the openai package: files up, batches made and looked at, files down.

Calls are patient: what the network or the server breaks off is tried again, with growing pauses, until nothing has
succeeded for `patience_s`. The one call that is never simply repeated makes a batch: where nobody knows whether it came
through, the caller looks for the batch first (`Unsure`).

https://developers.openai.com/api/docs/guides/batch
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

from lemma.config import Endpoint
from lemma.errors import Incomplete, TeacherError
from lemma.shards.files import disk_errors
from lemma.teacher.openai import api_key_of, kind_of_error, retry_after_s

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

T = TypeVar("T")

PACKAGE_RETRIES = 2
FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.5, 60.0, 1.5
CLOCKS_DIFFER_S = 86_400.0
"""How far a clock may be off, when a list of batches is searched back in time."""
QUEUE_FULL = "token_limit_exceeded"
GONE = frozenset({"failed", "completed", "expired", "cancelled"})
"""Statuses in which nothing more comes of a batch."""


class Unsure(Exception):
    """A batch may or may not have been made."""


class QueueFull(Exception):
    """The endpoint takes no more tokens into its queue at present."""


class NotThere(Exception):
    """The endpoint knows no such batch, or file."""


class Pauses:
    """Pauses that grow.

    Args:
        sleep: waits some seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._next_s = FIRST_PAUSE_S

    def reset(self) -> None:
        """Something happened: begins with short ones again."""
        self._next_s = FIRST_PAUSE_S

    def wait(self, at_least_s: float = 0.0) -> None:
        """Waits."""
        self._sleep(max(at_least_s, self._next_s))
        self._next_s = min(MAX_PAUSE_S, self._next_s * GROWTH)


class BatchApi:
    """One account's batches.

    Args:
        endpoint: where it is.
        role: `teacher` or `student`, for messages.
        clock: monotonic seconds.

    Raises:
        ConfigError: the key's environment variable is not set.
    """

    def __init__(self, endpoint: Endpoint, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._role = role
        self._key = api_key_of(endpoint, role)
        self._clock = clock
        self._client: openai.OpenAI | None = None

    @property
    def client(self) -> openai.OpenAI:
        """The package's client, made when it is first needed: loading it takes a while."""
        if self._client is None:
            self._client = self._make()
        return self._client

    def _make(self) -> openai.OpenAI:
        import openai

        address = self._endpoint.addresses[0]
        options: dict[str, Any] = {
            "api_key": self._key,
            "timeout": self._endpoint.timeout_s,
            "max_retries": PACKAGE_RETRIES,
            "default_headers": dict(self._endpoint.headers),
        }
        parts = urlsplit(address or "")
        version = parse_qs(parts.query).get("api-version")
        if version:
            base_url = urlunsplit(parts._replace(query="", fragment=""))
            return openai.AzureOpenAI(api_version=version[-1], base_url=base_url, **options)
        return openai.OpenAI(base_url=address, **options)

    # ── the calls ──

    def upload(self, path: Path, name: str) -> str:
        """Uploads a file of requests; returns its id."""

        def call() -> str:
            with path.open("rb") as file:
                return self.client.files.create(file=(name, file), purpose="batch").id

        return self._of_the_api(call)

    def create(self, file_id: str, url: str, metadata: Mapping[str, str]) -> Batch:
        """Makes a batch of an uploaded file.

        Raises:
            Unsure: look with `find` whether it was made.
            QueueFull: it was not: there is no room.
            TeacherError: it was not, and will not be.
        """
        import openai

        refused = Pauses()
        since = self._clock()
        while True:
            try:
                return self.client.with_options(max_retries=0).batches.create(
                    input_file_id=file_id,
                    endpoint=url,  # type: ignore[arg-type]
                    completion_window="24h",
                    metadata=dict(metadata),
                )
            except openai.APIStatusError as error:
                if error.code == QUEUE_FULL:
                    raise QueueFull(self._words(error)) from None
                if error.status_code >= 500:
                    raise Unsure(self._words(error)) from None
                if error.status_code != 429 or self._is_final(error):
                    raise self._final(error) from None
                self._give_up_after(since, self._words(error))
                refused.wait(retry_after_s(error.response.headers) or 0.0)
            except openai.OpenAIError as error:
                raise Unsure(self._words(error)) from None

    def find(self, metadata: Mapping[str, str], since_s: float) -> Batch | None:
        """The batch with this metadata, made after a moment (Unix time); None where there is none."""

        def call() -> Batch | None:
            for batch in self.client.batches.list(limit=100):
                if batch.created_at < since_s - CLOCKS_DIFFER_S:
                    return None  # the newest come first
                if batch.metadata and all(batch.metadata.get(name) == value for name, value in metadata.items()):
                    return batch
            return None

        return self._of_the_api(call)

    def look(self, batch_id: str) -> Batch:
        """A batch as it stands.

        Raises:
            NotThere: the endpoint does not know it.
        """
        return self._patiently(lambda: self.client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str) -> Batch:
        """Asks for a batch to be cancelled; what it finished meanwhile is still to be had.

        Raises:
            NotThere: the endpoint does not know it.
        """
        import openai

        def call() -> Batch:
            try:
                return self.client.batches.cancel(batch_id)
            except (openai.BadRequestError, openai.ConflictError):  # it ended meanwhile
                return self.client.batches.retrieve(batch_id)

        return self._patiently(call)

    def download(self, file_id: str, path: Path) -> None:
        """Downloads a file as a stream.

        Raises:
            NotThere: it is gone.
        """

        def call() -> None:
            path.unlink(missing_ok=True)
            with self.client.files.with_streaming_response.content(file_id) as answer, disk_errors(path):
                answer.stream_to_file(path)

        self._patiently(call)

    def drop_file(self, file_id: str) -> None:
        """Deletes an uploaded file, if it is still there: nothing can be made of it any more."""
        with contextlib.suppress(NotThere):
            self._patiently(lambda: self.client.files.delete(file_id))

    def close(self) -> None:
        """Lets go of connections; the next call opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # ── trouble ──

    def _of_the_api(self, call: Callable[[], T]) -> T:
        """As `_patiently`, for calls that every Batch API knows."""
        try:
            return self._patiently(call)
        except NotThere as error:
            raise TeacherError(f"{self.where} refuses: {error}{self._no_batches()}") from None

    def _no_batches(self) -> str:
        return f"; check `{self._role}.base_url`: not every endpoint has a Batch API (`backend: openai` asks live)"

    def _patiently(self, call: Callable[[], T]) -> T:
        import httpx2
        import openai

        since = self._clock()
        pauses = Pauses()
        while True:
            try:
                return call()
            except openai.NotFoundError as error:
                raise NotThere(self._words(error)) from None
            except openai.APIStatusError as error:
                if self._is_final(error):
                    raise self._final(error) from None
                words, wait_s = self._words(error), retry_after_s(error.response.headers) or 0.0
            except (openai.OpenAIError, httpx2.HTTPError) as error:
                words, wait_s = self._words(error), 0.0
            self._give_up_after(since, words)
            pauses.wait(wait_s)

    def _is_final(self, error: openai.APIStatusError) -> bool:
        return kind_of_error(error.status_code, error.code, None) != "failed"

    def _final(self, error: openai.APIStatusError) -> TeacherError:
        hint = ""
        if error.status_code in (401, 403):
            hint = f"; check the key in the environment variable {self._endpoint.api_key_env}"
        elif error.status_code == 404:
            hint = self._no_batches()
        return TeacherError(f"{self.where} refuses: {self._words(error)}{hint}")

    def _give_up_after(self, since: float, words: str) -> None:
        waited_s = self._clock() - since
        if waited_s > self._endpoint.patience_s:
            raise Incomplete(f"{self.where} did nothing for {waited_s:.0f} s; it last said: {words}")

    @property
    def where(self) -> str:
        """Host and path only: an address may carry a key."""
        url = urlsplit(str(self.client.base_url))
        return f"the {self._role} endpoint {url.hostname or ''}{url.path}"

    def _words(self, error: Exception) -> str:
        """What went wrong, as one line; servers have been seen to repeat the key, we must not."""
        words = str(getattr(error, "message", "") or error or type(error).__name__)
        return " ".join(words.replace(self._key, "(key)").split())[:300]
