"""The thread that sends: what others wait for is done once all is up, however often that fails at first."""

from __future__ import annotations

from pathlib import Path

from lemma.errors import StorageError
from lemma.storage.mirror import Mirror
from lemma.storage.objects import open_objects
from lemma.storage.pushing import Pusher


def test_what_comes_after_files_is_done_in_order_and_again_where_the_storage_was_away(tmp_path: Path) -> None:
    there = open_objects(f"file://{tmp_path}/bucket/run")
    lines: list[str] = []
    done: list[tuple[str, bytes | None]] = []
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.yaml").write_bytes(b"a")
    mirror = Mirror(folder, there, tmp_path / "state.json", lines.append)
    pusher = Pusher(mirror, lambda: None, 60, 500, lines.append)

    def first() -> None:
        done.append(("first", there.read("run.yaml")))
        if len(done) == 1:
            raise StorageError("is away")

    pusher.after_push(first)
    pusher.after_push(lambda: done.append(("second", there.read("run.yaml"))))
    pusher.close()
    assert done == [("first", b"a"), ("first", b"a"), ("second", b"a")]
    assert lines == ["is away; trying again, all is on the local disk meanwhile"]
