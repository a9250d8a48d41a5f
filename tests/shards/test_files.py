"""Files that appear whole or not at all, and records that read back."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemma.errors import DiskError, RunError
from lemma.records import Problem
from lemma.shards.files import read_json, read_records, sha256_of, to_line, write_json, write_whole
from lemma.shards.folder import StageFolder
from tests.conftest import ROOT


def problem(name: str = "p-1", question: str = "How many?") -> Problem:
    return Problem(id=name, dataset="d", question=question, reference_solution="1", answer="1")


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
        "import os, signal, sys; from pathlib import Path; from lemma.shards.files import write_whole\n"
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
