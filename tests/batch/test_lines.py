"""Reading result lines: OpenAI's, vLLM's, and what is no result at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.batch.lines import NoResult, Result, read_result

KEY = "0123456789abcdef0123456789abcdef"
BODY = {
    "model": "m",
    "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


def read(**line: Any) -> Result | NoResult:
    return read_result(json.dumps({"custom_id": KEY, **line}).encode() + b"\n")


@pytest.mark.parametrize(
    "response",
    [{"status_code": 200, "request_id": "r", "body": BODY}, {"body": BODY}],
    ids=["openai", "without_status"],
)
def test_an_answer_is_a_reply_at_the_price_of_batches(response: dict[str, Any]) -> None:
    result = read(id="vllm-1", response=response, error=None)
    assert isinstance(result, Result)
    assert result.reply is not None
    assert (result.fate, result.reply.text, result.reply.finish_reason) == ("answered", "Yes.", "stop")
    assert (result.reply.usage.batch_input_tokens, result.reply.usage.batch_output_tokens) == (7, 2)


def test_a_body_of_the_completions_api_is_read_as_well() -> None:
    result = read(response={"status_code": 200, "body": {"choices": [{"text": "4", "finish_reason": "length"}]}})
    assert isinstance(result, Result)
    assert result.reply is not None
    assert (result.reply.text, result.reply.finish_reason) == ("4", "length")


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "no", **fields}}


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        ({"response": {"status_code": 400, "body": error()}}, "refused"),
        ({"response": {"status_code": 400, "body": None}, "error": "too long"}, "refused"),
        ({"response": {"status_code": 400, "body": error(param="messages[0].content")}}, "refused"),
        ({"response": {"status_code": 400, "body": error(param="temperature")}}, "parameter"),
        ({"response": {"status_code": 401, "body": error()}}, "every"),
        ({"response": {"status_code": 429, "body": error(code="insufficient_quota")}}, "every"),
        ({"response": {"status_code": 429, "body": error()}}, "open"),
        ({"response": {"status_code": 500, "body": {}}}, "open"),
        ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, "open"),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, "open"),
        ({"response": {"status_code": 200, "body": {"choices": [{"message": 5}]}}}, "open"),
    ],
)
def test_errors_are_outcomes_as_in_live_calls(line: dict[str, Any], fate: str) -> None:
    result = read(**line)
    assert isinstance(result, Result)
    assert result.fate == fate
    assert (result.reply is not None) == (fate == "refused")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"custom_id": "' + KEY.encode() + b'", "resp\n', "unreadable"),
        (b"[" * 100_000 + b"\n", "unreadable"),
        (b"\xff\xfe\n", "unreadable"),
        (b"[1]\n", "unknown"),
        (b'{"custom_id": "request-1", "response": {"body": {}}}\n', "unknown"),
        (b'{"custom_id": ["' + KEY.encode() + b'"], "response": {"body": {}}}\n', "unknown"),
        (b'{"custom_id": "' + KEY.encode() + b'", "method": "POST", "url": "/v1/x", "body": {}}\n', "request"),
    ],
    ids=["cut", "deep", "no_utf8", "a_list", "not_ours", "no_text", "a_request"],
)
def test_a_line_that_is_no_result_says_why(line: bytes, reason: str) -> None:
    assert read_result(line) == NoResult(reason)  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["body", "error", "choices", "message", "status_code", "content"]), inner)
    ),
    max_leaves=12,
)


@given(response=JSON, fault=JSON)
def test_no_line_breaks_the_reader(response: Any, fault: Any) -> None:
    assert isinstance(read(response=response, error=fault), Result | NoResult)
