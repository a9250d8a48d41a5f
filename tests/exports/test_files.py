from __future__ import annotations

from pathlib import Path

import pytest

from lemma.errors import DiskError
from lemma.exports.files import WholeFiles


def test_nothing_appears_before_all_is_written(tmp_path: Path) -> None:
    with WholeFiles(tmp_path / "export") as files:
        files.open("a.txt").write(b"1")
        files.open("sub/b.txt").write(b"2")
        assert not (tmp_path / "export/a.txt").exists()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"export/a.txt", "export/sub/b.txt"}
    assert (tmp_path / "export/sub/b.txt").read_bytes() == b"2"


def test_a_failure_leaves_what_was_there_and_no_leavings(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail() -> None:
        with WholeFiles(tmp_path) as files:
            files.open("a.txt").write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "export").write_text("a file")
    with WholeFiles(tmp_path / "export") as files, pytest.raises(DiskError, match=r"^[^\n]*export[^\n]*$"):
        files.open("a.txt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / ".a.txt.tmp").symlink_to("/dev/full")

    def fill() -> None:
        with WholeFiles(tmp_path) as files:
            files.open("a.txt").write(b"x")

    with pytest.raises(DiskError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []
