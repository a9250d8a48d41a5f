"""Files of requests keep within their limits and lose no line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemma.batch.limits import Limits, SplitWriter
from lemma.errors import InputError


@given(sizes=st.lists(st.integers(1, 40), max_size=30), requests=st.integers(1, 7), most=st.integers(40, 120))
def test_every_file_is_within_both_limits_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], requests: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    writer = SplitWriter(lambda number: folder / f"{number}.jsonl", Limits(requests, most))
    lines = [b"x" * (size - 1) + b"\n" for size in sizes]
    numbers = [writer.write(line) for line in lines]
    writer.finish()
    assert numbers == sorted(numbers)
    contents = [file.path.read_bytes() for file in writer.files]
    assert b"".join(contents) == b"".join(lines)
    for file, content in zip(writer.files, contents, strict=True):
        assert 0 < file.requests == content.count(b"\n") <= requests
        assert file.bytes == len(content) <= most
        assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_a_request_larger_than_a_file_is_told(tmp_path: Path) -> None:
    writer = SplitWriter(lambda number: tmp_path / f"{number}.jsonl", Limits(10, 20))
    with pytest.raises(InputError, match="a request of 30 bytes is larger"):
        writer.write(b"x" * 30)
