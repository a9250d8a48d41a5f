"""The endpoint teacher against real local servers: what each status means, and what is read from a reply."""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.config import Config, TeacherConfig
from lemma.errors import ConfigError, Incomplete, TeacherError
from lemma.pipeline import Options, Pipeline
from lemma.stages.base import Reply, Request, Unit, Usage
from lemma.teacher.base import CallFailed
from lemma.teacher.openai import OpenAITeacher
from tests.conftest import MockServer, example_config
from tests.protocol.commands import KEY, reply_lines, run_lemma, write_config
from tests.protocol.server import Answer, Answering, Call, StubServer, completion, refusal, reply

DECLINED = "<declined>not today</declined>"
"""A reply that every stage takes as final."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(answering: Answering, *, timeout_s: float = 20, base_url: str | None = None, **sampling: Any) -> Reply:
    """The reply to one request, by a server that answers so (or another address)."""
    request = Request(
        unit=Unit("u-1"),
        messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}),
        model="some-model",
        sampling={"temperature": 0.7, "max_tokens": 50, **sampling},
        prompt_hash="",
    )

    async def go(base_url: str) -> Reply:
        teacher = OpenAITeacher(
            TeacherConfig(backend="openai", model="some-model", base_url=base_url, timeout_s=timeout_s), "teacher"
        )
        try:
            place = teacher.claim(request)
            assert place is not None
            return await teacher.answer(request, place)
        finally:
            await teacher.close()

    with StubServer(answering) as server:
        return asyncio.run(go(base_url or server.base_url))


def endpoint(base_url: str, limit: int = 12, **more: Any) -> Config:
    teacher = {"backend": "openai", "model": "some-model", "base_url": base_url, "concurrency": 8} | more
    return example_config(limit, teacher=teacher)


def analyze(run: Path, config: Config, say: Callable[[str], None] = lambda line: None) -> dict[str, int]:
    """Runs the first two stages; returns the counts of the second."""
    with Pipeline(run, config, Options(quiet=True), say=say) as pipeline:
        pipeline.work(["sample", "analyze"])
        facts = pipeline.stages.facts("analyze")
    return {"units": facts.units, **facts.rejected}


# ── what is sent and read ──


def test_a_chat_request_has_all_parameters_and_the_seed() -> None:
    seen: list[Call] = []

    def answering(call: Call) -> Answer:
        seen.append(call)
        return reply("4")

    ask(answering, extra_body={"top_p": 0.9, "seed": 7})
    body = dict(seen[0].body)
    assert seen[0].path == "/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert [message["role"] for message in body.pop("messages")] == ["system", "user"]
    assert body == {"model": "some-model", "temperature": 0.7, "max_tokens": 50, "top_p": 0.9, "seed": 7}


def test_a_parameter_that_is_null_is_left_out() -> None:
    seen: list[Call] = []

    def answering(call: Call) -> Answer:
        seen.append(call)
        return reply("4")

    ask(answering, temperature=None)
    assert "temperature" not in seen[0].body
    assert seen[0].body["seed"] >= 0


def test_the_completions_api_gets_the_messages_as_one_text() -> None:
    seen: list[Call] = []

    def answering(call: Call) -> Answer:
        seen.append(call)
        return completion(" 4", "length")

    found = ask(answering, api="completions")
    assert seen[0].path == "/v1/completions"
    assert seen[0].body["prompt"] == "Be brief.\n\nWhat is 2 + 2?"
    assert "messages" not in seen[0].body
    assert (found.text, found.finish_reason) == (" 4", "length")


def test_reasoning_usage_and_the_model_that_answered_are_kept() -> None:
    usage = {"prompt_tokens": 90, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 64}}
    found = ask(lambda call: reply("4", model="some-model-0131", reasoning_content="2 and 2 …", usage=usage))
    assert found.usage == Usage(90, 64, 30)
    assert found.reasoning == "2 and 2 …"
    assert found.model == "some-model-0131"
    assert ask(lambda call: reply("4", reasoning="as OpenRouter names it")).reasoning == "as OpenRouter names it"


def test_a_model_that_refuses_in_the_message_has_refused() -> None:
    found = ask(lambda call: reply(None, refusal="I cannot help with that."))
    assert (found.finish_reason, found.text, found.detail) == ("refused", "", "I cannot help with that.")


@pytest.mark.parametrize(("theirs", "ours"), [("eos", "stop"), ("end_turn", "stop"), ("content_filter",) * 2])
def test_what_servers_call_a_whole_reply_is_stop(theirs: str, ours: str) -> None:
    assert ask(lambda call: reply("4", theirs)).finish_reason == ours


def test_no_content_is_an_empty_reply() -> None:
    assert ask(lambda call: reply(None)).text == ""


def test_a_lone_surrogate_and_a_nan_are_read_past() -> None:
    """Servers that cut a text inside a pair, or send the log-probability of nothing, have answered all the same."""
    body = b'{"model":"m","choices":[{"finish_reason":"stop","logprob":NaN,"message":{"content":"4 \\ud83d"}}]}'
    assert ask(lambda call: Answer(body)).text == "4 \ufffd"


@pytest.mark.parametrize("usage", ["none", [1], {"prompt_tokens": "many"}, {"prompt_tokens_details": [3]}, None])
def test_a_usage_that_cannot_be_read_is_unknown_and_costs_no_reply(usage: object) -> None:
    found = ask(lambda call: reply("4", usage=usage))
    assert found.text == "4"
    assert found.usage.input_tokens == 0


def test_the_environments_proxy_is_used_and_its_netrc_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    seen: list[Call] = []

    def answering(call: Call) -> Answer:
        seen.append(call)
        return reply("4")

    ask(answering)
    with StubServer(answering) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        ask(answering, base_url="http://host.invalid/v1")
    assert [call.path for call in seen] == ["/v1/chat/completions", "http://host.invalid/v1/chat/completions"]
    assert {call.headers["authorization"] for call in seen} == {f"Bearer {KEY}"}


# ── a call failed ──


NO_REPLIES = [b"", b"null", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":"x"}', b"<html>"]
NO_REPLIES += [b'{"choices":[{"text":3', b'{"error":{"message":"overloaded"}}', b'{"choices":[{"message":"odd"}]}']
NO_REPLIES += [b'{"choices":[{"message":null}]}', b"[" * 100_000, b"9" * 10_000]


@pytest.mark.parametrize("body", NO_REPLIES, ids=range(len(NO_REPLIES)))
def test_a_body_that_is_no_whole_reply_is_a_failed_call(body: bytes) -> None:
    with pytest.raises(CallFailed):
        ask(lambda call: Answer(body))


def test_a_slow_answer_is_a_failed_call() -> None:
    with pytest.raises(CallFailed, match=r"no answer within 0\.2 s") as caught:
        ask(lambda call: Answer(b"", delay_s=20), timeout_s=0.2)
    assert caught.value.kind == "timeout"


def test_a_dropped_connection_is_a_failed_call() -> None:
    with pytest.raises(CallFailed):
        ask(lambda call: Answer(b"", is_dropped=True))


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 504, 529])
def test_a_fault_of_the_server_is_a_failed_call(status: int) -> None:
    with pytest.raises(CallFailed) as caught:
        ask(lambda call: refusal(status, "out of order"))
    assert "out of order" in caught.value.detail
    assert not caught.value.is_throttled


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "0.5", "retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "1e99"}, 3600),
        ({"Retry-After": "nan"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], wait_s: float | None) -> None:
    with pytest.raises(CallFailed) as caught:
        ask(lambda call: refusal(429, "slow down", headers))
    assert caught.value.is_throttled
    assert caught.value.retry_after_s == wait_s


def test_retry_after_may_be_a_date() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    with pytest.raises(CallFailed) as caught:
        ask(lambda call: refusal(503, "slow down", {"Retry-After": date}))
    assert caught.value.retry_after_s == pytest.approx(99, abs=10)


def test_a_reasoning_model_gets_its_limit_under_the_name_that_it_knows(tmp_path: Path) -> None:
    caps: list[tuple[object, object]] = []

    def answering(call: Call) -> Answer:
        caps.append((call.body.get("max_tokens"), call.body.get("max_completion_tokens")))
        if "max_tokens" in call.body:
            return refusal(400, "Unsupported parameter: use 'max_completion_tokens' instead.", param="max_tokens")
        return reply("<verdict>correct</verdict>", reasoning_content="Let me see.")

    with StubServer(answering) as server:
        counts = analyze(tmp_path / "run", endpoint(server.base_url, temperature=None, concurrency=1))
    assert counts["units"] == counts["judged_correct"] > 5
    assert caps[0] == (2048, None)
    assert set(caps[1:]) == {(None, 2048)}
    assert '"reasoning":"Let me see."' in (tmp_path / "run/analyze/replies/part-00000.jsonl").read_text()


# ── all calls are refused, or this one ──


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(401, "Incorrect API key"), ["Incorrect API key", "OPENAI_API_KEY"]),
        (refusal(403, "Project has no access"), ["no access", "OPENAI_API_KEY"]),
        (refusal(404, "The model does not exist", code="model_not_found"), ["teacher.model", "some-model", "base_url"]),
        (refusal(429, "You exceeded your quota", code="insufficient_quota"), ["quota"]),
        (refusal(400, "Unsupported value", param="temperature"), ["`temperature`", "configuration"]),
        (refusal(400, "Too small", param="max_tokens"), ["`max_tokens`"]),
        (Answer(b"<html>\nnot\nfound</html>", 404), ["base_url"]),
        (Answer(b"\xff\xfe\n\n", 401), ["OPENAI_API_KEY"]),
    ],
)
def test_what_no_call_will_get_past_ends_the_run_in_one_line(answer: Answer, words: list[str]) -> None:
    with pytest.raises(TeacherError) as caught:
        ask(lambda call: answer)
    said = str(caught.value)
    assert "\n" not in said
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "flagged by our policy", code="content_filter"),
        refusal(400, "the message is too long", param="messages"),
        refusal(400, "the message is too long", param="messages[1].content"),
        refusal(413, "too large"),
        refusal(422, "unprocessable"),
        Answer(b"not JSON", 400),
        Answer(b'{"error":"a text"}', 400),
        Answer(b'{"detail":["a list"]}', 400),
        Answer(b'{"error":{"message":"half a pair \\ud83d"}}', 400),
    ],
)
def test_a_request_that_is_refused_is_a_reply(answer: Answer) -> None:
    found = ask(lambda call: answer)
    assert (found.finish_reason, found.text) == ("refused", "")
    assert found.detail.encode()


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_server_that_repeats_the_key_does_not_make_us_tell_it(status: int) -> None:
    try:
        said = ask(lambda call: refusal(status, f"bad key {call.headers['authorization']}")).detail
    except (CallFailed, TeacherError) as error:
        said = str(error)
    assert "bad key" in said
    assert KEY not in said


def test_a_key_that_is_not_set_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        OpenAITeacher(TeacherConfig(backend="openai", model="some-model"), "teacher")
    OpenAITeacher(TeacherConfig(backend="openai", model="m", base_url="http://127.0.0.1:1/v1"), "teacher")


# ── whole runs ──


def test_a_key_that_expires_ends_the_run_and_what_was_in_flight_is_kept(tmp_path: Path) -> None:
    def answering(call: Call) -> Answer:
        if call.number == 12:
            return refusal(401, "Incorrect API key")
        answer = reply(DECLINED)
        return answer if call.number < 12 else dataclasses.replace(answer, delay_s=0.3)

    with StubServer(answering) as server:
        with pytest.raises(TeacherError, match="OPENAI_API_KEY"):
            analyze(tmp_path / "run", endpoint(server.base_url))
        asked = len(server.calls)
        assert asked <= 12 + 8
        assert len(reply_lines(tmp_path / "run")) == asked - 1
        counts = analyze(tmp_path / "run", endpoint(server.base_url))
    assert len(reply_lines(tmp_path / "run")) == counts["units"] == len(server.calls) - 1


def test_a_wrong_key_is_one_line_and_status_1_and_the_key_is_written_nowhere(tmp_path: Path) -> None:
    with StubServer(
        lambda call: refusal(401, f"Incorrect API key provided: {call.headers['authorization']}")
    ) as server:
        config = write_config(tmp_path / "c.yaml", endpoint(server.base_url, 3).model_dump(mode="json"))
        ended = run_lemma("run", config, "-o", tmp_path / "run", "--quiet")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("lemma: the teacher endpoint 127.0.0.1")
    assert ended.stderr.count("\n") == 1
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert KEY not in ended.stderr
    assert KEY.encode() not in written


def test_headers_and_addresses_that_hold_secrets_are_written_nowhere(tmp_path: Path) -> None:
    with StubServer(lambda call: reply(DECLINED)) as server:
        address = server.base_url.replace("//", "//user:hidden-1@") + "?token=hidden-2"
        config = endpoint(address, 2, headers={"X-Token": "hidden-3"})
        said: list[str] = []
        analyze(tmp_path / "run", config, said.append)
        assert server.calls[0].headers["x-token"] == "hidden-3"
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"hidden" not in path.read_bytes()
    assert "hidden" not in "".join(said)


def test_a_refused_connection_is_told_at_once_and_ends_with_status_3(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tree = endpoint(f"http://127.0.0.1:{port}/v1", 3, patience_s=1).model_dump(mode="json")
    ended = run_lemma("run", write_config(tmp_path / "c.yaml", tree), "-o", tmp_path / "run", "--quiet")
    assert ended.returncode == 3
    first, *_, last = ended.stderr.splitlines()
    assert first.startswith("analyze: 1 calls failed")
    assert str(port) in first
    assert last.startswith("lemma: no call succeeded for ")
    assert last.endswith("; the same command goes on")


def test_an_unknown_host_ends_with_what_the_network_says(tmp_path: Path) -> None:
    with pytest.raises(Incomplete, match=r"no call succeeded .* host\.invalid"):
        analyze(tmp_path / "run", endpoint("http://host.invalid/v1", 3, patience_s=0.6))


def test_a_throttled_run_waits_as_told_and_completes(tmp_path: Path) -> None:
    times: list[float] = []

    def answering(call: Call) -> Answer:
        times.append(time.monotonic())
        if call.number == 0:
            return refusal(429, "slow down", {"retry-after-ms": "900"})
        return reply(DECLINED)

    with StubServer(answering) as server:
        counts = analyze(tmp_path / "run", endpoint(server.base_url, 3, concurrency=1))
    assert times[1] - times[0] >= 0.9
    assert len(times) == counts["units"] + 1
    assert counts["teacher_declined"] == counts["units"]


@pytest.mark.parametrize("kinds", ["500,503,429,reset,badjson", "timeout"])
def test_every_unit_completes_though_calls_fail(
    tmp_path: Path, mock_server: Callable[..., MockServer], kinds: str
) -> None:
    rules = tmp_path / "rules.jsonl"
    rules.write_text(json.dumps({"match": "", "reply": DECLINED}))
    faults = ["--fault", "0.3", "--fault-kinds", kinds, "--fault-attempts", "2", "--fault-retry-after", "0"]
    server = mock_server("--reply-file", str(rules), *faults, "--hang-s", "30")
    counts = analyze(tmp_path / "run", endpoint(server.base_url, 12, concurrency=64, timeout_s=0.6))
    stats = server.stats()
    assert counts == {"units": counts["units"], "teacher_declined": counts["units"]}
    assert len(reply_lines(tmp_path / "run")) == counts["units"] == stats["ok"]
    assert stats["duplicates"] == 0
    assert sum(stats["faults"].values()) > 10


def test_a_server_that_stops_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    def answering(call: Call) -> Answer:
        return dataclasses.replace(reply(DECLINED), delay_s=0.02)

    with StubServer(answering) as server:
        said: list[str] = []

        def restart() -> None:
            while len(server.calls) < 15:
                time.sleep(0.002)
            server.stop()
            time.sleep(1.2)
            server.start()

        restarting = threading.Thread(target=restart)
        restarting.start()
        try:
            counts = analyze(tmp_path / "run", endpoint(server.base_url), said.append)
        finally:
            restarting.join(20)
        assert len(reply_lines(tmp_path / "run")) == counts["units"]
        assert counts["units"] < len(server.calls) <= counts["units"] + 8
