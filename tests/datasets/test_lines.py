from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from lemma.config import DatasetSpec
from lemma.datasets.lines import MAX_LINE_BYTES, file_rows, input_files
from lemma.datasets.rows import Row, SetAside
from lemma.errors import ConfigError, InputError


def read(path: Path | str) -> list[Row | SetAside]:
    return list(file_rows(DatasetSpec(dataset="jsonl", path=str(path))))


def summary(read: list[Row | SetAside]) -> list[tuple[int, object]]:
    return [(one.line, one.value.get("n") if isinstance(one, Row) else one.reason) for one in read]


def test_plain_gzip_crlf_bom_and_a_missing_last_line_end_read_alike(tmp_path: Path) -> None:
    rows = b'{"n":1}\n\n{"n":2}\n  \n{"n":3}'
    for name, content in {
        "plain.jsonl": rows,
        "crlf.jsonl": rows.replace(b"\n", b"\r\n"),
        "bom.jsonl": b"\xef\xbb\xbf" + rows,
        "packed.jsonl.gz": gzip.compress(rows),
        "two_members.gz": gzip.compress(rows[:9]) + gzip.compress(rows[9:]),
        "packed_without_ending": gzip.compress(b"\xef\xbb\xbf" + rows.replace(b"\n", b"\r\n")),
        "named.gz": rows,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert summary(read(tmp_path / name)) == [(1, 1), (3, 2), (5, 3)], name


def test_the_stem_has_no_endings(tmp_path: Path) -> None:
    (tmp_path / "a.b.jsonl.gz").write_bytes(b'{"n":1}')
    one = read(tmp_path / "a.b.jsonl.gz")[0]
    assert isinstance(one, Row)
    assert one.stem == "a.b"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"n": "caf\xe9"}', "not_utf8"),
        (b'{"n": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"n": 2', "broken_json"),
        (b'{"n": 2} {"n": 3}', "broken_json"),
        (b'{"n": "a\x00b"}', "broken_json"),
        (b"\x00\x00\x00\x00", "broken_json"),
        (b'{"n": "\\ud800"}', "broken_json"),
        (b'{"n": NaN}', "broken_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "broken_json"),
        (b'{"n": ' + b"[" * 100_000 + b"}", "broken_json"),
        (b"[1]", "broken_json"),
        (b'"text"', "broken_json"),
        (b"null", "broken_json"),
        (b"question,answer", "broken_json"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_number_and_the_rest_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n' + line + b'\n{"n":3}\n')
    assert summary(read(tmp_path / "a.jsonl")) == [(1, 1), (2, reason), (3, 3)]


def test_details_point_into_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n{"n": "caf\xe9"}\n{"n": 2\n[]\n')
    details = [one.detail for one in read(tmp_path / "a.jsonl") if isinstance(one, SetAside)]
    assert details == [
        "byte 0xe9 at position 11 of the line",
        "EOF while parsing an object at column 7",
        "a JSON list, no object",
    ]


def test_the_last_of_two_equal_keys_counts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1,"n":2}\n')
    assert summary(read(tmp_path / "a.jsonl")) == [(1, 2)]


def test_a_line_of_5_mb_is_read_and_one_beyond_the_limit_is_set_aside(tmp_path: Path) -> None:
    text = "x" * 5_000_000
    with gzip.open(tmp_path / "long.gz", "wb", compresslevel=1) as file:
        file.write(json.dumps({"n": text}).encode() + b"\n")
        file.write(b'{"n":"' + b"y" * (MAX_LINE_BYTES + 10) + b'"}\n')
        file.write(b'{"n":3}\n')
    assert summary(read(tmp_path / "long.gz")) == [(1, text), (2, "broken_json"), (3, 3)]


def test_rows_before_the_cut_of_a_gzip_file_are_kept_and_the_cut_is_told(tmp_path: Path) -> None:
    rows = [json.dumps({"n": number, "noise": os.urandom(40).hex()}) for number in range(1, 201)]
    packed = gzip.compress("\n".join(rows).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    *kept, cut = read(tmp_path / "cut.jsonl.gz")
    assert 50 < len(kept) < 150
    assert summary(kept) == [(number, number) for number in range(1, len(kept) + 1)]
    assert isinstance(cut, SetAside)
    assert (cut.line, cut.reason) == (len(kept) + 1, "broken_json")
    assert "damaged from here on" in cut.detail


def test_bytes_changed_inside_a_gzip_file_are_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(20_000))))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "bad.gz").write_bytes(bytes(packed))
    last = read(tmp_path / "bad.gz")[-1]
    assert isinstance(last, SetAside)
    assert "damaged" in last.detail


def test_a_glob_reads_its_files_sorted_and_passes_folders_over(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"n": name}))
    (tmp_path / "aa.jsonl").mkdir()
    assert [value for _, value in summary(read(tmp_path / "*.jsonl"))] == ["a", "b", "c"]


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].jsonl").write_text('{"n":1}\n')
    assert summary(read(tmp_path / "a[1].jsonl")) == [(1, 1)]


# mtime=0: the bytes are in the tests' names, which two workers must find alike
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "no such file"),
        ("*.none", None, "no file matches"),
        ("", None, "is a folder"),
        ("empty.jsonl", b"", "is empty"),
        ("blank.jsonl", b"\n \r\n", "is empty"),
        ("empty.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("bom.jsonl", b"\xef\xbb\xbf", "is empty"),
        ("utf16.jsonl", '{"n":1}'.encode("utf-16"), "is UTF-16"),
        ("latin.jsonl", b'{"n":"\xe9"}\n{"n":"\xe8"}\n', "not one line is a JSON object (line 1: byte 0xe9"),
        ("list.json", b'[\n{"n":1},\n{"n":2}\n]\n', "is one JSON list"),
        ("one_line_list.json", b'[{"n":1},{"n":2}]', "is one JSON list"),
        ("cut.gz", gzip.compress(b'{"n":1}\n', mtime=0)[:14], "not one line is a JSON object"),
        ("a\x00b", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = f"{tmp_path}/{name}"
    if content is not None:
        Path(path).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    said = str(caught.value)
    assert message in said
    assert "\n" not in said
    assert str(tmp_path) in said


def test_an_empty_path_and_an_unknown_example_are_errors_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="path"):
        input_files("")
    with pytest.raises(ConfigError, match="there is gsm8k"):
        input_files("example:math")
