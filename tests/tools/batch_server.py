#!/usr/bin/env python3
"""A local server of OpenAI's Batch API: files up and down, batches made, listed, looked at and cancelled.

    python tests/tools/batch_server.py --upstream http://127.0.0.1:8000/v1 --looks 3
    python tests/tools/batch_server.py --canned 300

A batch moves one status on with every look at it (validating → in_progress → finalizing → completed), so that no clock
is needed; `--looks` makes it stay in_progress for more of them. Its requests are answered by the live endpoint
`--upstream`, or with canned text, when it leaves in_progress. Ends when its parent does (`--die-with-parent`).

Faults are a plan (`Plan`): which status a batch ends in, after what share of its requests, which requests fail, which
calls are throttled or broken off. `POST /plan` replaces it, `GET /stats` tells what was asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, cast

TERMINAL = ("failed", "completed", "expired", "cancelled")


@dataclass
class Plan:
    """What goes wrong."""

    looks: int = 1
    """How many looks find a batch in progress."""
    ends: list[str] = field(default_factory=list)
    """Statuses that the first batches end in; later ones complete."""
    share: float = 0.5
    """Of its requests, what a batch that does not complete has answered."""
    line_errors: dict[str, int] = field(default_factory=dict)
    """Request number in its batch → status of its error, in the first batch."""
    queue_requests: int = 10**9
    """A batch fails where more requests than this would be waiting."""
    throttled: int = 0
    """So many of the next calls are answered with 429."""
    broken_creates: int = 0
    """So many of the next batches are made, but the call is broken off before its answer."""
    cut_downloads: int = 0
    """So many of the next downloads end in the middle of a line, as if they were whole."""
    wants_completion_tokens: bool = False
    """The model is a reasoning model, which does not take `max_tokens`."""


class State:
    """Files, batches, and what was asked."""

    def __init__(self, folder: Path, upstream: str | None, canned: int) -> None:
        self.folder = folder
        self.upstream = upstream
        self.canned = " ".join(["word"] * canned)
        self.plan = Plan()
        self.lock = threading.RLock()
        self.tally = threading.Lock()
        self.files: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.executed: dict[str, int] = {}
        self.calls: list[str] = []
        self.sizes: list[int] = []

    # ── files ──

    def path(self, file_id: str) -> Path:
        return self.folder / file_id

    def add_file(self, name: str, purpose: str, content: bytes | None) -> dict[str, Any]:
        with self.lock:
            file_id = f"file-{len(self.files) + 1:06d}"
            if content is not None:
                self.path(file_id).write_bytes(content)
            self.files[file_id] = {
                "id": file_id,
                "object": "file",
                "bytes": len(content or b""),
                "created_at": int(time.time()),
                "filename": name,
                "purpose": purpose,
                "status": "processed",
            }
            return self.files[file_id]

    def requests(self) -> list[Path]:
        """The files of requests, in order."""
        return [self.path(one["id"]) for one in self.files.values() if one["purpose"] == "batch"]

    # ── batches ──

    def create(self, tree: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            batch_id = f"batch_{len(self.batches) + 1:06d}"
            batch = {
                "id": batch_id,
                "object": "batch",
                "endpoint": tree["endpoint"],
                "input_file_id": tree["input_file_id"],
                "completion_window": tree["completion_window"],
                "status": "validating",
                "created_at": int(time.time()),
                "metadata": tree.get("metadata"),
                "request_counts": {"total": 0, "completed": 0, "failed": 0},
                "output_file_id": None,
                "error_file_id": None,
                "errors": None,
                "looks": 0,
            }
            self.batches[batch_id] = batch
            return batch

    def waiting(self, but: dict[str, Any]) -> int:
        return sum(
            one["request_counts"]["total"]
            for one in self.batches.values()
            if one is not but and one["status"] not in ("validating", *TERMINAL)
        )

    def move_on(self, batch: dict[str, Any]) -> None:
        """One step, at a look."""
        status = batch["status"]
        if status == "validating":
            self._validate(batch)
        elif status == "in_progress":
            batch["looks"] += 1
            if batch["looks"] >= self.plan.looks:
                self._execute(batch, 1.0 if batch["end"] == "completed" else self.plan.share)
                batch["status"] = "finalizing"
        elif status == "finalizing":
            batch["status"] = batch["end"]
        elif status == "cancelling":
            if batch["output_file_id"] is None:
                self._execute(batch, self.plan.share)
            batch["status"] = "cancelled"

    def _validate(self, batch: dict[str, Any]) -> None:
        error = self._fault_of(batch)
        if error is not None:
            batch["status"] = "failed"
            batch["errors"] = {"object": "list", "data": [error]}
            return
        number = sum(one["status"] not in ("validating", "failed") for one in self.batches.values())
        batch["end"] = self.plan.ends[number] if number < len(self.plan.ends) else "completed"
        batch["number"] = number
        batch["status"] = "in_progress"
        self.sizes.append(batch["request_counts"]["total"])
        if batch["end"] == "failed":
            batch["status"] = "failed"
            error = {"code": "model_not_found", "message": "no such model", "line": 1, "param": "body.model"}
            batch["errors"] = {"object": "list", "data": [error]}

    def _fault_of(self, batch: dict[str, Any]) -> dict[str, Any] | None:
        """What is wrong with its file."""
        if batch["input_file_id"] not in self.files:
            return {"code": "file_not_found", "message": "the file is gone", "line": None, "param": None}
        ids, models = set(), set()
        number = 0
        with self.path(batch["input_file_id"]).open("rb") as file:
            for number, line in enumerate(file, 1):
                tree = json.loads(line)
                if tree["custom_id"] in ids or tree["url"] != batch["endpoint"] or tree["method"] != "POST":
                    return {"code": "invalid_line", "message": "double, or of another endpoint", "line": number}
                ids.add(tree["custom_id"])
                models.add(tree["body"]["model"])
        batch["request_counts"]["total"] = number
        if len(models) != 1 or number > 50_000 or self.path(batch["input_file_id"]).stat().st_size > 200_000_000:
            return {"code": "invalid_file", "message": "several models, or too large", "line": None, "param": None}
        if self.waiting(batch) + number > self.plan.queue_requests:
            return {"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}
        return None

    def _execute(self, batch: dict[str, Any], share: float) -> None:
        total = batch["request_counts"]["total"]
        answered = int(total * share)
        counts = batch["request_counts"]
        output, errors = (self.add_file(f"{batch['id']}_{kind}.jsonl", "batch_output", None) for kind in "oe")
        why = {"expired": "batch_expired", "cancelling": "batch_cancelled"}.get(
            batch["end"] if batch["status"] == "in_progress" else batch["status"], "batch_cancelled"
        )
        with (
            self.path(batch["input_file_id"]).open("rb") as requests,
            self.path(output["id"]).open("wb") as good,
            self.path(errors["id"]).open("wb") as bad,
            ThreadPoolExecutor(8) as pool,
        ):
            for number, (key, status, body) in enumerate(
                pool.map(self._answer_of(batch, answered), enumerate(requests))
            ):
                line: dict[str, Any] = {"id": f"batch_req_{number}", "custom_id": key}
                if status == 0:
                    line |= {"response": None, "error": {"code": why, "message": "This request could not be executed."}}
                else:
                    line |= {"response": {"status_code": status, "request_id": "r", "body": body}, "error": None}
                is_good = status == 200
                (good if is_good else bad).write(json.dumps(line).encode() + b"\n")
                counts["completed" if is_good else "failed"] += 1
        for name, file in (("output_file_id", output), ("error_file_id", errors)):
            if self.path(file["id"]).stat().st_size:
                batch[name] = file["id"]

    def _answer_of(self, batch: dict[str, Any], answered: int) -> Any:
        def answer(item: tuple[int, bytes]) -> tuple[str, int, Any]:
            number, line = item
            tree = json.loads(line)
            if number >= answered:
                return tree["custom_id"], 0, None
            with self.tally:
                self.executed[tree["custom_id"]] = self.executed.get(tree["custom_id"], 0) + 1
            status = self.plan.line_errors.get(str(number), 0) if batch["number"] == 0 else 0
            if self.plan.wants_completion_tokens and "max_tokens" in tree["body"]:
                message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
                return tree["custom_id"], 400, {"error": {"message": message, "param": "max_tokens", "code": "x"}}
            if status:
                return tree["custom_id"], status, {"error": {"message": f"fault {status}", "param": None, "code": None}}
            return tree["custom_id"], *self._complete(tree)

        return answer

    def _complete(self, tree: dict[str, Any]) -> tuple[int, Any]:
        if self.upstream is None:
            message = {"role": "assistant", "content": self.canned}
            usage = {"prompt_tokens": 400, "completion_tokens": 300, "total_tokens": 700}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return 200, {"object": "chat.completion", "model": "canned", "choices": [choice], "usage": usage}
        request = urllib.request.Request(
            self.upstream.removesuffix("/v1") + tree["url"],
            json.dumps(tree["body"]).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=100) as response:
                return 200, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def stats(self) -> dict[str, Any]:
        with self.lock:
            return {
                "executed": dict(self.executed),
                "calls": list(self.calls),
                "sizes": list(self.sizes),
                "files": list(self.files.values()),
                "batches": [public(batch) for batch in self.batches.values()],
            }


def public(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if name not in ("looks", "end", "number")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _json(self, status: int, tree: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(tree).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _error(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        self._json(status, {"error": {"message": message, "type": "x", "param": None, "code": code}}, headers)

    def _route(self, verb: str) -> None:
        state = self.state
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else self._chunks()
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        if parts == ["stats"]:
            self._json(200, state.stats())
            return
        if parts == ["plan"]:
            state.plan = Plan(**json.loads(content))
            self._json(200, {})
            return
        with state.lock:
            state.calls.append(f"{verb} {'/'.join(parts[1:3])}")
            if state.plan.throttled > 0:
                state.plan.throttled -= 1
                self._error(429, "slow down", "rate_limit_exceeded", **{"Retry-After": "0"})
                return
        if self.headers.get("Authorization", "") in ("", "Bearer "):
            self._error(401, "no key")
        elif parts[1] == "files":
            self._files(verb, parts[2:], content)
        elif parts[1] == "batches":
            self._batches(verb, parts[2:], content, query)
        else:
            self._error(404, "no such address")

    def _chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return b""
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _files(self, verb: str, parts: list[str], content: bytes) -> None:
        state = self.state
        if verb == "POST" and not parts:
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            form = {
                str(one.get_param("name", header="content-disposition")): one
                for one in BytesParser(policy=policy.HTTP).parsebytes(head + content).iter_parts()
            }
            body = cast(bytes, form["file"].get_payload(decode=True))
            purpose = cast(bytes, form["purpose"].get_payload(decode=True)).decode()
            self._json(200, state.add_file(str(form["file"].get_filename()), purpose, body))
        elif not parts:
            self._json(200, {"object": "list", "data": list(state.files.values()), "has_more": False})
        elif parts[0] not in state.files:
            self._error(404, f"No such File object: {parts[0]}")
        elif verb == "DELETE":
            with state.lock:
                del state.files[parts[0]]
                state.path(parts[0]).unlink()
            self._json(200, {"id": parts[0], "object": "file", "deleted": True})
        elif parts[1:] == ["content"]:
            self._download(state.path(parts[0]))
        else:
            self._json(200, state.files[parts[0]])

    def _download(self, path: Path) -> None:
        size = path.stat().st_size
        with self.state.lock:
            if self.state.plan.cut_downloads > 0:
                self.state.plan.cut_downloads -= 1
                size = size * 2 // 3
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with path.open("rb") as file:
            while size and (chunk := file.read(min(size, 1 << 20))):
                self.wfile.write(chunk)
                size -= len(chunk)

    def _batches(self, verb: str, parts: list[str], content: bytes, query: str) -> None:
        state = self.state
        if verb == "POST" and not parts:
            batch = state.create(json.loads(content))
            with state.lock:
                if state.plan.broken_creates > 0:
                    state.plan.broken_creates -= 1
                    self.close_connection = True
                    self.connection.close()
                    return
            self._json(200, public(batch))
        elif not parts:
            self._list(query)
        elif parts[0] not in state.batches:
            self._error(404, f"No batch found with id '{parts[0]}'")
        else:
            with state.lock:
                batch = state.batches[parts[0]]
                if parts[1:] == ["cancel"]:
                    if batch["status"] in TERMINAL:
                        self._error(409, f"Cannot cancel a batch with status {batch['status']}")
                        return
                    if batch["status"] == "validating":
                        state.move_on(batch)
                    batch["status"] = "cancelling"
                else:
                    state.move_on(batch)
                self._json(200, public(batch))

    def _list(self, query: str) -> None:
        options = dict(one.split("=") for one in query.split("&") if one)
        batches = list(reversed(self.state.batches.values()))
        ids = [batch["id"] for batch in batches]
        start = ids.index(options["after"]) + 1 if "after" in options else 0
        page = batches[start : start + int(options.get("limit", 20))]
        has_more = start + len(page) < len(batches)
        self._json(200, {"object": "list", "data": [public(batch) for batch in page], "has_more": has_more})

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_DELETE(self) -> None:
        self._route("DELETE")


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # the other side was killed, or we hung up ourselves
            super().handle_error(request, client_address)


class BatchServer:
    """The server in a thread of this process; a context manager."""

    def __init__(self, upstream: str | None = None, canned: int = 30, **plan: Any) -> None:
        self._folder = TemporaryDirectory()
        self.state = State(Path(self._folder.name), upstream, canned)
        self.state.plan = Plan(**plan)
        handler = type("BoundHandler", (Handler,), {"state": self.state})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> BatchServer:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._folder.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", default=None, help="a live endpoint that answers the requests")
    parser.add_argument("--canned", type=int, default=300, help="words of every reply, without --upstream")
    parser.add_argument("--looks", type=int, default=1)
    parser.add_argument("--plan", default="{}", help=f"JSON of {sorted(asdict(Plan()))}")
    parser.add_argument("--die-with-parent", action="store_true", help="end when stdin closes")
    arguments = parser.parse_args()
    plan = {"looks": arguments.looks, **json.loads(arguments.plan)}
    with BatchServer(arguments.upstream, arguments.canned, **plan) as server:
        print(f"listening on {server.base_url}", flush=True)
        try:
            if arguments.die_with_parent:
                sys.stdin.read()
            else:
                threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
