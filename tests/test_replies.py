"""Replies: kept for good, read whole or not at all, found wherever problems have moved to."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lemma.config import Config, DatasetSpec, ShardsConfig
from lemma.errors import DiskError, RunError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.records import Problem, content_hash
from lemma.replies import ReplyStore, StrayIndex, read_replies, read_reply, reply_line, shared
from lemma.report.calls import read_calls
from lemma.shards.folder import StageFolder
from lemma.stages.base import Reply, Request, SampleUnit, Usage
from lemma.status import read_status
from lemma.teacher.rules import RulesTeacher
from lemma.teacher.scripted import ScriptedTeacher
from tests.conftest import ROOT, example_config, files_of

HOSTILE = 'a\n\r\x00\u2028\x85"\\ {x} 🙂 </reply>\n{"key":"00"}\n'


def request(text: str, draw: int = 0, attempt: int = 0) -> Request:
    problem = Problem(id="p-1", dataset="d", question="q", reference_solution="1", answer="1")
    messages = ({"role": "user", "content": text},)
    return Request(SampleUnit("u-1", problem, draw), messages, "m", {"temperature": 0.5}, "", draw, attempt)


def answer(to: Request, text: str = "The answer is: 3") -> Reply:
    return Reply(to.key, text, "stop", "m", "thinking", Usage(7, 2, 5), "", 1763690000.25)


# ── one file ──


def test_a_reply_reads_back_as_it_was_however_hostile(tmp_path: Path) -> None:
    path = tmp_path / "replies/part-00000.jsonl"
    asked = [request(f"question {number}") for number in range(5)]
    texts = [HOSTILE, "", "x" * 300_000, "{half", "plain"]
    with ReplyStore(path) as store:
        assert len(store) == 0
        for one, text in zip(asked, texts, strict=True):
            assert store.get(one) is None
            store.append(answer(one, text), one)
            assert store.get(one) == answer(one, text)
    with ReplyStore(path) as store:
        assert len(store) == 5
        assert [store.get(one) for one in asked] == [answer(one, text) for one, text in zip(asked, texts, strict=True)]
    assert len(path.read_bytes().splitlines()) == 5


def test_a_line_says_which_unit_draw_and_attempt_it_belongs_to() -> None:
    one = request("x", draw=2, attempt=1)
    line = json.loads(reply_line(answer(one), one))
    assert (line["key"], line["unit"], line["draw"], line["attempt"]) == (one.key, "u-1", 2, 1)
    assert line["usage"] == [7, 2, 5]


def test_asking_a_store_without_replies_makes_no_file(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies/part-00000.jsonl") as store:
        assert store.get(request("x")) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 2, 30, -30, -2, -1])
def test_a_last_line_that_a_crash_cut_short_is_skipped_and_stays_a_line_of_its_own(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "part"
    one, two, three = request("1"), request("2"), request("3")
    whole = reply_line(answer(one), one)
    path.write_bytes(whole + reply_line(answer(two), two)[:cut])
    with ReplyStore(path) as store:
        assert store.get(one) == answer(one)
        assert store.get(two) is None
        store.append(answer(three), three)
        store.append(answer(two), two)
        assert store.get(three) == answer(three)
    assert path.read_bytes().startswith(whole), "what stood there is never rewritten"
    with ReplyStore(path) as store:
        assert [store.get(each) for each in (one, two, three)] == [answer(one), answer(two), answer(three)]


@pytest.mark.parametrize(
    "damage",
    [
        b"\n",
        b"{half\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b'{"key": 5}\n',
        b'{"key":"zz","text":"","finish_reason":"","model":"","reasoning":"","usage":[],"detail":"","created_s":0}\n',
        b'{"key":"00","text":"","finish_reason":"","model":"","reasoning":"","usage":[1],"detail":"","created_s":0}\n',
        b'{"key":7,"text":"","finish_reason":"","model":"","reasoning":"","usage":[1,2,3],"detail":"","created_s":0}\n',
        b'{"key":"00","text":"","finish_reason":"","model":"","reasoning":"","usage":5,"detail":"","created_s":0}\n',
        b'{"key":"00","text":5,"finish_reason":"","model":"","reasoning":"","usage":[1,2,3],"detail":"","created_s":0}\n',
        b'{"key":"00","text":"","finish_reason":"","model":"","reasoning":null,"usage":[1,2,3],"detail":"",'
        b'"created_s":0}\n',
        b"[" * 100_000 + b"\n",
        b"\x00" * 4096 + b"\n",
    ],
    ids=range(15),
)
def test_a_broken_line_in_the_middle_costs_only_itself(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "part"
    one, two = request("1"), request("2")
    raw = reply_line(answer(one), one) + damage + reply_line(answer(two), two)
    path.write_bytes(raw)
    with ReplyStore(path) as store:
        assert (store.get(one), store.get(two)) == (answer(one), answer(two))
        assert len(store) == 2
        assert store.broken_lines == 1
    assert path.read_bytes() == raw


def test_where_a_key_stands_twice_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "part"
    one = request("1")
    path.write_bytes(reply_line(answer(one, "first"), one) + reply_line(answer(one, "second"), one))
    for _ in range(2):
        with ReplyStore(path) as store:
            assert store.get(one) == answer(one, "first")
            store.append(answer(one, "third"), one)
            assert store.get(one) == answer(one, "first")
            assert len(store) == 1


def test_stores_that_are_opened_at_any_byte_of_the_file_read_whole_replies_only(tmp_path: Path) -> None:
    asked = [request(str(number)) for number in range(4)]
    raw = b"".join(reply_line(answer(one, HOSTILE), one) for one in asked)
    path = tmp_path / "part"
    for end in range(0, len(raw) + 1, 7):
        path.write_bytes(raw[:end])
        with ReplyStore(path) as store:
            found = [store.get(one) for one in asked]
        whole = raw[:end].count(b"\n")
        assert found == [answer(one, HOSTILE) for one in asked[:whole]] + [None] * (4 - whole)


def test_a_full_disk_while_appending_keeps_the_file_whole(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond 2000 bytes."""
    code = (
        "import sys; from pathlib import Path\n"
        "from lemma.errors import DiskError; from lemma.replies import ReplyStore\n"
        "from tests.test_replies import answer, request\n"
        "store = ReplyStore(Path(sys.argv[1]))\n"
        "kept = 0\n"
        "for number in range(40):\n"
        "    one = request(str(number))\n"
        "    try:\n"
        "        store.append(answer(one, 'x' * (400 if number % 5 else 10)), one)\n"
        "        kept += 1\n"
        "    except DiskError as error:\n"
        "        assert 'cannot be written' in str(error), error\n"
        "        assert store.get(one) is None\n"
        "store.close()\n"
        "print(kept)"
    )
    path = tmp_path / "part"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        # Python would keep the half of a compiled module that fits, for every process after this one to fail on
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == int(done.stdout) >= 4
    assert all(read_reply(line) is not None for line in lines)
    # what is short still fits after what was too long: nothing of the latter stayed
    assert {len(json.loads(line)["text"]) for line in lines} == {10, 400}


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with ReplyStore(tmp_path / "part") as store:
        pass
    (tmp_path / "replies").write_text("no folder")
    with ReplyStore(tmp_path / "new") as store:
        store.path = tmp_path / "replies/part"
        with pytest.raises(DiskError, match=r"replies/part: cannot be written"):
            store.append(answer(request("1")), request("1"))


def test_a_shared_reply_costs_nothing_and_says_the_same() -> None:
    one = request("1")
    assert shared(answer(one)) == replace(answer(one), usage=Usage())


# ── keys ──


def test_a_key_depends_on_what_is_asked_and_on_nothing_else() -> None:
    one = request("1")
    other_unit = replace(one, unit=SampleUnit("u-9", one.unit.problem, 0), prompt_hash="other")
    assert one.key == other_unit.key
    assert len({request("1", draw, attempt).key for draw in range(3) for attempt in range(3)}) == 9
    assert replace(one, model="n").key != one.key
    assert replace(one, sampling={"temperature": 0.6}).key != one.key
    assert len(bytes.fromhex(one.key)) == 16


def test_a_seed_is_an_endpoint_s_and_differs_by_unit_draw_and_attempt() -> None:
    one = request("1")
    seeds = {request("1", draw, attempt).seed for draw in range(9) for attempt in range(9)}
    assert len(seeds) == 81
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert replace(one, unit=SampleUnit("u-9", one.unit.problem, 0)).seed != one.seed
    assert replace(one, messages=()).seed == one.seed


# ── strays ──


def test_a_stray_is_found_once_and_is_at_home_afterwards(tmp_path: Path) -> None:
    one, two = request("1"), request("2")
    (tmp_path / "old-1").write_bytes(b"{half\n" + reply_line(answer(one), one))
    (tmp_path / "old-2").write_bytes(reply_line(answer(one, "later"), one) + reply_line(answer(two), two)[:-1])
    copy = replace(answer(one), is_copy=True)
    strays = StrayIndex([tmp_path / "gone", tmp_path / "old-1", tmp_path / "old-2"])
    with ReplyStore(tmp_path / "new", strays) as store:
        assert store.get(one) == replace(answer(one), is_copy=True), "the first of twins counts"
        assert store.get(two) is None, "a torn line is no reply"
        assert len(store) == 1
    with ReplyStore(tmp_path / "new") as store:
        assert store.get(one) == copy
    assert (tmp_path / "old-1").read_bytes() == b"{half\n" + reply_line(answer(one), one)


def endpoint_config(rows: int | None = 9, size: int = 4, **more: object) -> Config:
    teacher = {"backend": "openai", "model": "rules", "base_url": "http://127.0.0.1:9/v1", "concurrency": 8}
    return example_config(rows, teacher=teacher, shards={"size": size}, **more)


def work(run: Path, config: Config, paid: Counter[str]) -> int:
    """Runs all stages; returns how many calls were made, and counts them by key."""
    rules = RulesTeacher()
    teacher = ScriptedTeacher(lambda request, asked_before: rules.answer_now(request))
    with Pipeline(run, config, Options(quiet=True), lambda line: None, lambda role: teacher) as pipeline:
        pipeline.work(STAGES)
    paid.update(teacher.answered)
    return len(teacher.answered)


def records_of(run: Path) -> dict[str, bytes]:
    """Without what says how it came about: a target, once frozen, keeps the datasets that it was asked for."""
    return {name: raw for name, raw in files_of(run).items() if name.endswith(".jsonl") and "/" in name}


def test_another_part_size_asks_nothing_again_however_often_it_changes(tmp_path: Path) -> None:
    paid: Counter[str] = Counter()
    config = endpoint_config()
    assert work(tmp_path / "run", config, paid) > 30
    rows = (tmp_path / "run/export/train.jsonl").read_bytes()
    for size in (2, 100, 1, 4):
        assert work(tmp_path / "run", config.model_copy(update={"shards": ShardsConfig(size=size)}), paid) == 0
        assert (tmp_path / "run/export/train.jsonl").read_bytes() == rows
    assert set(paid.values()) == {1}


def test_a_dataset_put_in_front_and_taken_away_again_asks_for_its_own_only(tmp_path: Path) -> None:
    paid: Counter[str] = Counter()
    types = {"types": {"calculation_error": 1}}
    config = endpoint_config(inject=types)
    work(tmp_path / "run", config, paid)
    whole = records_of(tmp_path / "run")
    rows = [{"question": f"What is {n} + {n}?", "answer": f"{n} + {n} = {2 * n}\n#### {2 * n}"} for n in range(20, 26)]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    new = DatasetSpec(dataset="gsm8k", path=str(tmp_path / "new.jsonl"), name="mine")
    both = config.model_copy(update={"data": [new, *config.data]})
    asked = work(tmp_path / "run", both, paid)
    alone: Counter[str] = Counter()
    work(tmp_path / "alone", config.model_copy(update={"data": [new]}), alone)
    assert 0 < asked == alone.total()
    assert work(tmp_path / "run", config, paid) == 0
    assert records_of(tmp_path / "run") == whole
    assert set(paid.values()) == {1}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_crash_leaves_of_the_replies_only_what_is_gone_is_asked_for(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    config, run = endpoint_config(5, 2), tmp_path / "run"
    first: Counter[str] = Counter()
    work(run, config, first)
    whole = files_of(run)
    gone: set[str] = set()
    cut: set[str] = set()
    for path in sorted(run.glob("*/replies/*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        for number in range(len(lines)):
            if source.random() < 0.2:
                damage = [b"", b"\x00" * 50 + b"\n", lines[number][: source.randrange(1, 60)] + b"\n"]
                gone.add(json.loads(lines[number])["key"])
                lines[number] = source.choice(damage)
        path.write_bytes(b"".join(lines)[: -1 if source.random() < 0.3 else None])
        kept = {reply.key for line in path.read_bytes().splitlines(True)[:-1] if (reply := read_reply(line))}
        last = path.read_bytes().splitlines(True)[-1:]
        if last and not last[0].endswith(b"\n") and (torn := read_reply(last[0])) and torn.key not in kept:
            gone.add(torn.key)
            cut.add(torn.key)  # by its line's end alone: once that is written it is whole again, in the next round
    for manifest in run.glob("*/part-*.manifest"):
        if manifest.parent.name != "problems":
            manifest.unlink()
    again: Counter[str] = Counter()
    work(run, config, again)
    assert gone - cut <= set(again) <= gone
    assert set(again.values()) <= {1}
    assert files_of(run) == whole


def test_a_reply_whose_line_was_tampered_with_is_no_reply(tmp_path: Path) -> None:
    path = tmp_path / "part"
    one = request("1")
    store = ReplyStore(path)
    store.append(answer(one), one)
    path.write_bytes(path.read_bytes().replace(one.key.encode(), content_hash("other")[:32].encode()))
    assert store.get(one) is None
    store.close()


# ── files of later owners ──


def owned(run: Path, epoch: int) -> Path:
    return StageFolder(run, "analyze").replies(0, epoch)


def test_each_owner_appends_to_its_own_file_and_finds_what_all_have_paid_for(tmp_path: Path) -> None:
    asked = [request(str(number)) for number in range(3)]
    for epoch, one in enumerate(asked):
        with ReplyStore(owned(tmp_path, epoch)) as store:
            assert [store.get(each) is not None for each in asked] == [number < epoch for number in range(3)]
            store.append(answer(one, f"owner {epoch}"), one)
    files = StageFolder(tmp_path, "analyze").reply_files(0)
    assert [path.name for path in files] == ["part-00000.e0002.jsonl", "part-00000.e0001.jsonl", "part-00000.jsonl"]
    assert all(len(path.read_bytes().splitlines()) == 1 for path in files)
    with ReplyStore(owned(tmp_path, 0)) as store:
        assert [store.get(each) for each in asked] == [answer(one, f"owner {n}") for n, one in enumerate(asked)]
        assert {reply.key for reply in store.others({asked[0].key})} == {asked[1].key, asked[2].key}
    assert [reply.text for reply in read_replies(files)] == ["owner 2", "owner 1", "owner 0"]


def test_what_an_owner_thought_dead_appends_later_changes_nothing_of_its_successors(tmp_path: Path) -> None:
    one, two = request("1"), request("2")
    with ReplyStore(owned(tmp_path, 0)) as zombie:
        zombie.append(answer(two, "before"), two)
        with ReplyStore(owned(tmp_path, 1)) as successor:
            assert successor.get(two) == answer(two, "before")
            successor.append(answer(one, "successor"), one)
            zombie.append(answer(one, "zombie"), one)
            assert successor.get(one) == answer(one, "successor")
    for epoch in (0, 1, 2):
        with ReplyStore(owned(tmp_path, epoch)) as store:
            assert (store.get(one), store.get(two)) == (answer(one, "successor"), answer(two, "before"))
    assert [reply.text for reply in read_replies(StageFolder(tmp_path, "analyze").reply_files(0))] == [
        "successor",
        "before",
    ]


def test_only_files_of_the_part_are_its_files(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "analyze")
    folder.replies(0).parent.mkdir(parents=True)
    names = ["part-00000.jsonl", "part-000001.jsonl", "part-00000.ex.jsonl", ".part-00000.jsonl.tmp", "part-00000.e3"]
    for name in [*names, "part-00000.e0007.jsonl", "part-00001.e0001.jsonl", "part-00000.e0007.jsonl.gz"]:
        (folder.replies(0).parent / name).touch()
    assert [path.name for path in folder.reply_files(0)] == ["part-00000.e0007.jsonl", "part-00000.jsonl"]
    assert folder.reply_files(5) == []


def test_a_folder_that_copies_a_run_kept_elsewhere_appends_under_its_epoch(tmp_path: Path) -> None:
    assert StageFolder(tmp_path, "analyze").replies(3).name == "part-00003.jsonl"
    (tmp_path / ".epoch").write_text("4\n")
    assert StageFolder(tmp_path, "analyze").replies(3).name == "part-00003.e0004.jsonl"
    assert StageFolder(tmp_path, "analyze").replies(3, 0).name == "part-00003.jsonl"


def test_who_must_not_append_any_more_is_stopped_before_it_does(tmp_path: Path) -> None:
    is_held = [True]

    def guard() -> None:
        if not is_held[0]:
            raise RunError("another has it")

    with ReplyStore(owned(tmp_path, 0), guard=guard) as store:
        store.append(answer(request("1")), request("1"))
        is_held[0] = False
        with pytest.raises(RunError, match="another has it"):
            store.append(answer(request("2")), request("2"))
    assert len(owned(tmp_path, 0).read_bytes().splitlines()) == 1


def test_every_command_reads_the_replies_of_all_owners(tmp_path: Path) -> None:
    """A run whose replies are split over two files looks and costs as one whose replies stand in one."""
    one, two = tmp_path / "one", tmp_path / "two"
    for run in (one, two):
        with Pipeline(run, example_config(), Options(quiet=True), teacher=lambda role: RulesTeacher()) as pipeline:
            pipeline.work(STAGES[:2])
    for path in sorted(two.glob("*/replies/part-*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[::2]))
        path.with_name(path.name.replace(".jsonl", ".e0001.jsonl")).write_bytes(b"".join(lines[1::2]))
    for run in (one, two):
        for manifest in (run / "analyze").glob("*.manifest"):
            manifest.unlink()
    seen = []
    for run in (one, two):
        status = read_status(run)
        answered = [stage["answered"] for stage in status["stages"]]
        seen.append((answered, [stage["spent"] for stage in status["stages"]], read_calls(run, STAGES).timeless))
        teacher = ScriptedTeacher(lambda asked, before: pytest.fail(f"asked again: {asked.unit.id}, {before}"))
        with Pipeline(run, example_config(), Options(quiet=True), teacher=lambda role, it=teacher: it) as pipeline:  # type: ignore[misc]
            pipeline.work(STAGES[:2])
    assert seen[0] == seen[1]
    assert files_of(one) == files_of(two)
