"""Parts of a stage and their manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.shards.files import write_whole
from lemma.shards.folder import StageFolder, part_number
from lemma.shards.manifest import MANIFEST_VERSION, Manifest, StageUsage, sum_counts
from lemma.stages.base import Reply, Usage


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
