"""Files of requests handed to an engine, and its results read back: every odd line is told, and nothing is lost."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lemma.batch.byhand import RequestWriter, read_replies
from lemma.batch.limits import Limits
from lemma.batching import show_batches, take_replies, write_requests
from lemma.configfile import parse_config
from lemma.errors import ConfigError, Incomplete, InputError, RunError
from tests.batch.builders import TO_ANALYZE, config_of, start_teacher, work, work_with
from tests.conftest import MockServer, example_config
from tests.protocol.commands import reply_lines, run_lemma

Start = Callable[..., MockServer]
SMALL: dict[str, Any] = {"teacher": {"max_tokens": 36}}
ANALYZED = "analyze/part-00000.jsonl"


def answers(base_url: str, requests: Path) -> list[dict[str, Any]]:
    """What ``vllm run-batch`` writes: one line a request, in any order."""
    lines = []
    for at, line in enumerate(requests.read_text("utf-8").splitlines()):
        asked = json.loads(line)
        call = urllib.request.Request(
            base_url.removesuffix("/v1") + asked["url"],
            json.dumps(asked["body"]).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call) as response:
            body = json.load(response)
        lines.append(
            {
                "id": f"vllm-{at}",
                "custom_id": asked["custom_id"],
                "response": {"status_code": 200, "request_id": f"vllm-batch-{at}", "body": body},
                "error": None,
            }
        )
    return lines[::-1]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """A run whose samples are scored."""
    return work(tmp_path / "run", config_of("openai", "http://127.0.0.1:9/v1", 6, **SMALL), ["sample"])


def test_a_stage_by_files_gives_the_very_bytes_of_a_live_one(mock_server: Start, sampled: Path, tmp_path: Path) -> None:
    teacher = start_teacher(mock_server, tmp_path)
    config = config_of("openai", teacher.base_url, 6, **SMALL)
    live = work(tmp_path / "live", config, TO_ANALYZE)
    requests, replies = tmp_path / "files/requests.jsonl", tmp_path / "replies.jsonl"
    rounds = 0
    while "nothing is left to ask" not in write_requests(sampled, "analyze", requests, config):
        rounds += 1
        write_lines(replies, answers(teacher.base_url, requests))
        assert "0 of the" in take_replies(sampled, [replies])
    assert rounds > 1, "some are asked for again"
    assert (sampled / ANALYZED).read_bytes() == (live / ANALYZED).read_bytes()
    keys = [json.loads(line)["key"] for line in reply_lines(sampled)]
    assert sorted(keys) == sorted(json.loads(line)["key"] for line in reply_lines(live))


def test_odd_lines_are_told_and_nothing_is_lost(mock_server: Start, sampled: Path, tmp_path: Path) -> None:
    teacher = start_teacher(mock_server, tmp_path)
    config = config_of("openai", teacher.base_url, 6, **SMALL)
    requests, replies = tmp_path / "requests.jsonl", tmp_path / "replies.jsonl"
    write_requests(sampled, "analyze", requests, config)
    lines = answers(teacher.base_url, requests)
    total = len(lines)
    foreign = {**lines[0], "custom_id": "f" * 32}
    named_otherwise = {**lines[0], "custom_id": "request-1"}
    failed = {"custom_id": lines[1]["custom_id"], "response": None, "error": {"message": "out of memory"}}
    write_lines(replies, [failed, lines[0], lines[0], foreign, named_otherwise, *lines[3:]])
    with replies.open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(lines[2])[:-20])
    told = take_replies(sampled, [replies, requests])
    for words in (
        f"analyze: {total - 2} replies stored",
        "1 errors, whose requests stay open; the first: out of memory",
        "1 lines about a request that stood there before",
        f"1 lines cut short or no JSON, the first: {replies} line {total + 4}",
        "2 lines about no request of this run",
        f"{total} lines that are requests, not results",
        f"analyze: 2 of the {total} requests written last lack a reply",
    ):
        assert words in told
    assert f"0 replies stored, {total - 2} were known before" in take_replies(sampled, [replies])
    assert len(reply_lines(sampled)) == total - 2
    assert "analyze: 2 replies stored" in take_replies(sampled, [write_lines(replies, lines[1:3])])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty; the engine wrote no results"),
        ("\n\n", "empty"),
        ("not json\n", "no line is whole JSON"),
        ('{"id": 1}\n', "no line is a result of a request by lemma"),
        ('{"custom_id": "%s", "method": "POST", "url": "/v1/x", "body": {}}\n' % ("a" * 32), "holds requests"),
        ('{"custom_id": "%s", "response": {"body": {"choices": [{"text": "x"}]}}}\n' % ("a" * 32), "another run's"),
    ],
    ids=["empty", "blank", "no_json", "other_json", "requests", "another_run"],
)
def test_a_file_of_no_use_is_refused_in_one_line(content: str, words: str, sampled: Path, tmp_path: Path) -> None:
    config = config_of("openai", "http://127.0.0.1:9/v1", 6, **SMALL)
    write_requests(sampled, "analyze", tmp_path / "requests.jsonl", config)
    replies = tmp_path / "replies.jsonl"
    replies.write_text(content, "utf-8")
    with pytest.raises(InputError, match=words) as raised:
        take_replies(sampled, [replies])
    assert "\n" not in str(raised.value)
    assert reply_lines(sampled) == []


def test_files_are_split_at_the_limits_and_listed_in_the_manifest(sampled: Path, tmp_path: Path) -> None:
    config = config_of("openai", "http://127.0.0.1:9/v1", 6, **SMALL)
    path = tmp_path / "out/re quests.jsonl"
    for limit in (4, 5):  # the second wave in files takes the place of the first
        writer = RequestWriter(sampled, path, Limits(limit))
        with pytest.raises(Incomplete):
            work_with(sampled, config, writer, ["analyze"])
    assert writer.wave is not None
    manifest = json.loads((tmp_path / "out/re quests.manifest.json").read_bytes())
    there = sorted(one.name for one in path.parent.iterdir())
    assert there == [*(one["name"] for one in manifest["files"]), "re quests.manifest.json"]
    sizes = [one["requests"] for one in manifest["files"]]
    assert sum(sizes) == manifest["requests"] == writer.wave.facts.requests
    assert set(sizes[:-1]) == {5}
    (path.parent / "re quests-00009.jsonl").write_text("mine", "utf-8")
    with pytest.raises(InputError, match=r"re quests-00009\.jsonl: exists, and is no earlier file of requests"):
        write_requests(sampled, "analyze", path, config)


def test_what_cannot_be_written_is_told(sampled: Path, tmp_path: Path) -> None:
    config = config_of("openai", "http://127.0.0.1:9/v1", 6)
    with pytest.raises(ConfigError, match="export: is no stage that asks"):
        write_requests(sampled, "export", tmp_path / "x.jsonl", config)
    with pytest.raises(ConfigError, match="rules, which needs no files"):
        write_requests(sampled, "analyze", tmp_path / "x.jsonl", example_config(6))
    with pytest.raises(RunError, match="analyze is not finished"):
        write_requests(sampled, "correct", tmp_path / "x.jsonl", config)
    with pytest.raises(RunError, match="nothing was ever asked in batches or files"):
        take_replies(sampled, [tmp_path / "x.jsonl"])


def test_replies_find_their_place_after_the_configuration_has_changed(
    mock_server: Start, sampled: Path, tmp_path: Path
) -> None:
    teacher = start_teacher(mock_server, tmp_path)
    requests, replies = tmp_path / "requests.jsonl", tmp_path / "replies.jsonl"
    write_requests(sampled, "analyze", requests, config_of("openai", teacher.base_url, 6, **SMALL))
    other = config_of("openai", teacher.base_url, 6, teacher={"max_tokens": 36, "temperature": 0.1})
    write_requests(sampled, "analyze", tmp_path / "other.jsonl", other)
    write_lines(replies, answers(teacher.base_url, requests))
    read = read_replies(sampled, [replies])
    assert read.stages["analyze"].stored == len(reply_lines(sampled)) > 0
    assert read.left["analyze"][0] == read.left["analyze"][1]


def test_the_commands_go_by_hand_from_samples_to_mistakes(mock_server: Start, tmp_path: Path) -> None:
    teacher = start_teacher(mock_server, tmp_path)
    tree = {
        "data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 2}],
        "decontaminate": [],
        "teacher": {"backend": "batch", "model": "m", "base_url": teacher.base_url},
    }
    run, requests, replies = tmp_path / "run", tmp_path / "requests.jsonl", tmp_path / "replies.jsonl"
    work(run, parse_config(tree, "test"), ["sample"])
    written = run_lemma("batch", "write", "analyze", "--run", run, "-o", requests)
    assert (written.returncode, "requests in 1 file" in written.stdout) == (0, True), written.stderr
    write_lines(replies, answers(teacher.base_url, requests))
    read = run_lemma("batch", "read", replies, "--run", run)
    assert (read.returncode, "replies stored" in read.stdout) == (0, True), read.stderr
    assert "by hand" in show_batches(run, None)
