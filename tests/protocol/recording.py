"""Stands between lemma and a real server, and keeps what goes through: the server itself cannot be asked later."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Exchange:
    """One call and its answer."""

    body: dict[str, Any]
    status: int
    answer: dict[str, Any]

    @property
    def words(self) -> str:
        """All that the model was shown."""
        return str(self.body.get("prompt")) + "\n".join(turn["content"] for turn in self.body.get("messages", []))


class RecordingProxy:
    """Forwards calls to a server, many at once; a context manager.

    Attributes:
        exchanges: the calls that were answered, in the order of their answers.
    """

    def __init__(self, base_url: str) -> None:
        self.exchanges: list[Exchange] = []
        target = urlsplit(base_url).netloc
        exchanges = self.exchanges

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                connection = http.client.HTTPConnection(target)
                try:
                    connection.request("POST", self.path, body, {"content-type": "application/json"})
                    answer = connection.getresponse()
                    content = answer.read()
                finally:
                    connection.close()
                exchanges.append(Exchange(json.loads(body), answer.status, json.loads(content)))
                try:
                    self.send_response(answer.status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except ConnectionError:  # whoever asked was killed
                    self.close_connection = True

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: Any) -> None:
                pass  # connections that a killed process leaves

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._listener.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """As in a configuration."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}/v1"

    def __enter__(self) -> RecordingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(10)
