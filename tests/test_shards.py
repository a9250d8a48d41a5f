"""Files that appear whole or not at all, manifests, and the lock."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemma.errors import DiskError, RunError
from lemma.records import Problem
from lemma.shards import (
    MANIFEST_VERSION,
    Manifest,
    RunLock,
    StageFolder,
    StageUsage,
    part_number,
    read_json,
    read_records,
    sha256_of,
    sum_counts,
    to_line,
    write_json,
    write_whole,
)
from lemma.stages.base import Reply, Usage
from tests.conftest import ROOT


def problem(name: str = "p-1", question: str = "How many?") -> Problem:
    return Problem(id=name, dataset="d", question=question, reference_solution="1", answer="1")


def manifest(part: int = 0, **more: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "stage": "sample",
            "part": part,
            "fingerprint": "f",
            "inputs": {"problems": "a"},
            "files": {"part-00000.jsonl": "b"},
            "units": 3,
            "kept": 2,
            "rejected": 1,
            "reasons": {"no_answer": 1},
            **more,
        }
    )


# ── whole files ──


def test_a_written_file_holds_the_chunks_and_the_hash_is_theirs(tmp_path: Path) -> None:
    digest = write_whole(tmp_path / "deep/er/file", [b"one\n", b"", b"two\n"])
    assert (tmp_path / "deep/er/file").read_bytes() == b"one\ntwo\n"
    assert digest == hashlib.sha256(b"one\ntwo\n").hexdigest() == sha256_of(tmp_path / "deep/er/file")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit, DiskError])
def test_a_write_that_breaks_off_leaves_what_stood_there_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def breaks_off() -> Iterator[bytes]:
        yield b"half of the new"
        raise error("stop")

    path = tmp_path / "part-00000.jsonl"
    with pytest.raises(error):
        write_whole(path, breaks_off())
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_whole(path, breaks_off())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_not_there_while_it_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seen: list[bool] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(3):
            seen.append(path.exists())
            yield b"x" * 100_000

    write_whole(path, chunks())
    assert seen == [False] * 3
    assert path.stat().st_size == 300_000


def test_a_process_killed_while_writing_leaves_no_part_of_the_file(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from lemma.shards import write_whole\n"
        "def chunks():\n"
        "    yield b'half'\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(Path(sys.argv[1]), chunks())"
    )
    path = tmp_path / "part-00000.jsonl"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    assert StageFolder(tmp_path.parent, tmp_path.name).parts() == [0]  # what lies about is no part
    write_whole(path, [b"new"])
    assert [one.name for one in tmp_path.iterdir()] == ["part-00000.jsonl"]


def test_a_refused_write_names_the_file_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError, match=r"file/inside: cannot be written: .*; what was written so far is kept"):
        write_whole(tmp_path / "file/inside", [b"x"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DiskError, match="folder: cannot be written: Is a directory"):
        write_whole(tmp_path / "folder", [b"x"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_hostile_record_is_one_line_that_reads_back(tmp_path: Path) -> None:
    hostile = problem(question='{"a": 1}\n\r\x00\x1f\u2028\u2029\x85 {braces} %s 🙂 "quotes" \\ </x>')
    line = to_line(hostile)
    assert line.count(b"\n") == 1
    write_whole(tmp_path / "part", [line, line])
    assert list(read_records(tmp_path / "part", Problem)) == [hostile, hostile]


# ── reading back ──


def test_a_damaged_line_is_named_with_its_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "part-00000.jsonl"
    for damaged in (b"{half\n", b"\xff\n", b"[]\n", b"{}\n", to_line(problem())[:-2] + b',"more":1}\n'):
        path.write_bytes(to_line(problem()) + damaged)
        records = read_records(path, Problem)
        assert next(records) == problem()
        with pytest.raises(RunError, match=r"part-00000\.jsonl, line 2: damaged .*remove the \.manifest") as caught:
            next(records)
        assert "\n" not in str(caught.value)


def test_a_missing_part_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"part-00007\.jsonl: the file is missing; remove the part's \.manifest"):
        next(read_records(tmp_path / "part-00007.jsonl", Problem))


def test_small_json_reads_back_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "target.json"
    assert read_json(path) is None
    write_json(path, {"a": [1, "×"]})
    assert read_json(path) == {"a": [1, "×"]}
    for text in ("{", "[1]", "\xff", ""):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(RunError, match=r"target\.json: damaged: .*remove the file, it is made anew"):
            read_json(path)


# ── manifests and folders ──


def test_a_manifest_reads_back_as_it_was(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "sample")
    assert folder.manifest(3) is None
    written = manifest(3, tally={'["d","m","right"]': 2}, usage={"m": {"kept": StageUsage(replies=4, input_tokens=9)}})
    folder.write_manifest(written)
    assert folder.manifest(3) is None, "the part itself is not there"
    for name in written.files:
        write_whole(folder.path / name, [b"x"])
    assert folder.manifest(3) == written


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]", b'{"version": 1}'])
def test_a_damaged_manifest_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    folder = StageFolder(tmp_path, "sample")
    folder.write_manifest(manifest())
    folder.manifest_path(0).write_bytes(damage)
    assert folder.manifest(0) is None


def test_a_manifest_of_another_version_counts_as_none(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "sample")
    folder.write_manifest(manifest(version=MANIFEST_VERSION + 1))
    assert folder.manifest(0) is None
    tree = json.loads(folder.manifest_path(0).read_bytes())
    folder.manifest_path(0).write_text(json.dumps(tree | {"version": MANIFEST_VERSION, "from_the_future": 1}))
    assert folder.manifest(0) is None


def test_a_reopened_part_is_not_finished_and_keeps_its_records_until_they_are_replaced(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "sample")
    write_whole(folder.part(0), [b"records"])
    folder.write_manifest(manifest())
    folder.reopen(0)
    folder.reopen(0)
    assert folder.manifest(0) is None
    assert folder.part(0).read_bytes() == b"records"


def test_what_a_part_holds_decides_its_output_hash_and_nothing_else() -> None:
    one = manifest()
    assert one.output_hash == manifest(fingerprint="g", inputs={}, units=9).output_hash
    assert one.output_hash != manifest(files={"part-00000.jsonl": "c"}).output_hash
    twice = {"part-00000.jsonl": "b", "rejected/part-00000.jsonl": "c"}
    assert manifest(files=twice).output_hash == manifest(files=dict(reversed(twice.items()))).output_hash


def test_parts_are_found_by_their_numbers_only(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "sample")
    assert folder.parts() == []
    for name in ("part-00000.jsonl", "part-00002.manifest", "part-123456.jsonl", "part-x.jsonl", ".part-00009.tmp"):
        write_whole(folder.path / name, [])
    assert folder.parts() == [0, 2, 123456]
    assert part_number(Path("part-00012.manifest")) == 12
    assert part_number(Path("target.json")) is None


def test_dropped_parts_lose_all_but_their_replies(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path, "sample")
    for number in range(4):
        for path in (folder.part(number), folder.rejected(number), folder.replies(number)):
            write_whole(path, [b"x"])
        folder.write_manifest(manifest(number))
    folder.drop_from(2)
    assert folder.parts() == [0, 1]
    assert sorted(path.name for path in folder.path.glob("rejected/*")) == ["part-00000.jsonl", "part-00001.jsonl"]
    assert len(list(folder.path.glob("replies/*"))) == 4


def test_sums_add_up_over_manifests() -> None:
    more: dict[str, Any] = {"tally": {"k": 2}}
    counts, reasons, tally = sum_counts([manifest(**more), manifest(1, **more), manifest(2, rejected=0, kept=3)])
    assert counts == {"units": 9, "kept": 7, "rejected": 2}
    assert (reasons["no_answer"], tally["k"]) == (3, 4)
    assert not any(sum_counts([]))


def test_usage_adds_up() -> None:
    total = StageUsage()
    total.add(StageUsage(replies=1, input_tokens=5, cached_input_tokens=2, output_tokens=3))
    total.count(Reply("k", "text", "stop", usage=Usage(5, 2, 3)))
    assert total == StageUsage(replies=2, input_tokens=10, cached_input_tokens=4, output_tokens=6)


# ── the lock ──


def test_a_second_lock_on_a_folder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run"):
        for _ in range(2):  # a refusal takes nothing away
            with pytest.raises(RunError, match=rf"run: in use by process {os.getpid()} on .*; wait for it to end"):
                RunLock(tmp_path / "run").__enter__()
        with RunLock(tmp_path / "other"):
            pass


def test_a_lock_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        raise ZeroDivisionError
    with RunLock(tmp_path):
        pass
    with RunLock(tmp_path):
        pass


def test_a_lock_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from lemma.shards import RunLock\n"
        "with RunLock(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on "):
            RunLock(tmp_path).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    with RunLock(tmp_path):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError, match="cannot be written"):
        RunLock(tmp_path / "file").__enter__()
