"""A folder and its objects: what is in one comes to the other, whole or not at all, and replies are only ever added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lemma.errors import RunError, StorageError
from lemma.shards.files import write_whole
from lemma.shards.folder import StageFolder
from lemma.shards.manifest import Manifest
from lemma.storage.mirror import Mirror
from lemma.storage.objects import Entry, Objects, open_objects

REPLIES = "analyze/replies/part-00000.jsonl"


def free() -> None:
    """The lease is held."""


@pytest.fixture
def there(tmp_path: Path) -> Objects:
    """The storage: a folder, through the same library that reaches any other."""
    return open_objects(f"file://{tmp_path}/bucket/run")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def machine(tmp_path: Path, there: Objects, told: list[str]) -> Callable[[str], Mirror]:
    """Opens the copy of a machine; twice is as after a crash."""

    def open_copy(name: str) -> Mirror:
        (tmp_path / name).mkdir(exist_ok=True)
        return Mirror(tmp_path / name, there, tmp_path / f"{name}.json", told.append)

    return open_copy


def write(mirror: Mirror, name: str, content: bytes) -> None:
    write_whole(mirror.folder / name, [content])


def append(mirror: Mirror, content: bytes, name: str = REPLIES) -> None:
    path = mirror.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(content)


def finish_part(mirror: Mirror, content: bytes) -> None:
    """A part as a stage writes it."""
    folder = StageFolder(mirror.folder, "analyze")
    folder.reopen(0)
    digest = write_whole(folder.part(0), [content])
    files = {folder.part(0).name: digest}
    folder.write_manifest(
        Manifest(stage="analyze", part=0, fingerprint="", inputs={}, files=files, units=1, kept=1, rejected=0)
    )


def tree(mirror: Mirror) -> dict[str, bytes]:
    return {
        str(path.relative_to(mirror.folder)): path.read_bytes() for path in mirror.folder.rglob("*") if path.is_file()
    }


def send(mirror: Mirror) -> None:
    mirror.push_replies()
    mirror.push_files(free)


def test_what_is_made_on_one_machine_comes_to_another(machine: Callable[[str], Mirror]) -> None:
    one, two = machine("one"), machine("two")
    one.fetch()
    write(one, "run.yaml", b"a")
    finish_part(one, b"record\n")
    append(one, b"first\nsecond\n")
    write(one, ".lock", b"stays")
    send(one)
    two.fetch()
    assert tree(two) == {name: content for name, content in tree(one).items() if name != ".lock"}
    assert len(tree(two)) == 4
    # and the other way, with what was changed, added and removed there
    write(two, "run.yaml", b"b")
    append(two, b"third\n")
    (two.folder / "analyze/part-00000.manifest").unlink()
    send(two)
    one.fetch()
    assert {**tree(two), ".lock": b"stays"} == {**tree(one), ".lock": b"stays"}
    assert (one.folder / REPLIES).read_bytes() == b"first\nsecond\nthird\n"


def test_replies_go_up_as_pieces_that_never_change(machine: Callable[[str], Mirror], there: Objects) -> None:
    one = machine("one")
    append(one, b"first\n")
    send(one)
    append(one, b"second\nthi")
    assert one.push_replies() == len(b"second\n"), "half a line is not sent"
    append(one, b"rd\n")
    send(one)
    assert one.push_replies() == 0
    pieces = {name: there.read(name) for name in there.listed()}
    assert pieces == {
        f"{REPLIES}/000000000000": b"first\n",
        f"{REPLIES}/000000000006": b"second\n",
        f"{REPLIES}/000000000013": b"third\n",
    }


def test_replies_that_a_machine_has_and_did_not_send_stay_and_are_sent(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    one, two = machine("one"), machine("two")
    append(one, b"first\n")
    send(one)
    append(one, b"second\n")  # and then the machine is gone
    two.fetch()
    later = "analyze/replies/part-00000.e0001.jsonl"
    append(two, b"of the next owner\n", later)
    send(two)
    back = machine("one")
    back.fetch()
    send(back)
    assert tree(back) == {REPLIES: b"first\nsecond\n", later: b"of the next owner\n"}
    two.fetch()
    assert tree(two) == tree(back)
    assert len(there.listed()) == 3


def test_a_piece_that_went_up_a_moment_before_a_crash_is_known_again(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    one = machine("one")
    append(one, b"first\n")
    there.put(f"{REPLIES}/000000000000", b"first\n", None)
    append(one, b"second\n")
    send(one)
    two = machine("two")
    two.fetch()
    assert tree(two) == tree(one)


def test_other_replies_at_the_same_place_are_told_and_left(machine: Callable[[str], Mirror], there: Objects) -> None:
    class Kept(Objects):
        """Makes objects once, as object storage does."""

        def put(self, name: str, content: bytes | Path, tag: str | None) -> str | None:
            return None if tag is None and self.tag(name) is not None else super().put(name, content, tag)

    one = machine("one")
    one.copy.objects = Kept(there._system, "s3://bucket/run", there._root)
    there.put(f"{REPLIES}/000000000000", b"of a copied folder\n", None)
    append(one, b"first\n")
    with pytest.raises(StorageError, match="other replies from byte 0 on"):
        one.push_replies()
    assert there.read(f"{REPLIES}/000000000000") == b"of a copied folder\n"


def test_a_missing_piece_is_told(machine: Callable[[str], Mirror], there: Objects) -> None:
    there.put(f"{REPLIES}/000000000006", b"second\n", None)
    with pytest.raises(StorageError, match="from byte 0 to 6 are missing"):
        machine("one").fetch()


def test_a_manifest_goes_up_only_with_the_files_that_it_names(machine: Callable[[str], Mirror], there: Objects) -> None:
    one = machine("one")
    finish_part(one, b"record\n")
    write(one, "analyze/part-00000.jsonl", b"replaced while it is sent\n")
    send(one)
    assert set(there.listed()) == {"analyze/part-00000.jsonl"}
    finish_part(one, b"another\n")
    send(one)
    assert set(there.listed()) == {"analyze/part-00000.jsonl", "analyze/part-00000.manifest"}


def test_a_manifest_goes_before_files_of_its_part_are_replaced(machine: Callable[[str], Mirror]) -> None:
    class Watched(Objects):
        done: list[str]

        def put(self, name: str, content: bytes | Path, tag: str | None) -> str | None:
            self.done.append(f"put {name}")
            return super().put(name, content, tag)

        def delete(self, name: str) -> None:
            self.done.append(f"delete {name}")
            super().delete(name)

    one = machine("one")
    watched = Watched(one.copy.objects._system, "", one.copy.objects._root)
    watched.done, one.copy.objects = [], watched
    finish_part(one, b"record\n")
    send(one)
    (one.folder / "analyze/part-00000.manifest").unlink()
    write(one, "analyze/part-00000.jsonl", b"other\n")
    send(one)
    part, manifest = "analyze/part-00000.jsonl", "analyze/part-00000.manifest"
    assert watched.done == [f"put {part}", f"put {manifest}", f"delete {manifest}", f"put {part}"]


def test_a_part_whose_file_in_the_storage_is_not_what_its_manifest_says_is_not_finished(
    machine: Callable[[str], Mirror], there: Objects, told: list[str]
) -> None:
    one, two = machine("one"), machine("two")
    finish_part(one, b"record\n")
    send(one)
    there.put("analyze/part-00000.jsonl", b"damaged\n", None)
    two.fetch()
    assert StageFolder(two.folder, "analyze").manifest(0) is None
    assert "is made anew" in told[0]
    finish_part(two, b"record\n")
    send(two)
    three = machine("three")
    three.fetch()
    assert tree(three) == tree(one)


def test_names_that_lead_out_of_the_folder_or_are_hidden_are_passed_over(
    machine: Callable[[str], Mirror], there: Objects, tmp_path: Path
) -> None:
    class Hostile(Objects):
        def listed(self, prefix: str = "") -> dict[str, Entry]:
            names = ["../out", "/etc/x", "a/../../out", ".lock", "a/.hidden", "a//b", "", "./x", "ok"]
            return {name: Entry(1, "t") for name in names}

        def fetch(self, name: str, path: Path) -> bool:
            path.write_bytes(b"x")
            return True

    one = machine("one")
    one.copy.objects = Hostile(there._system, "", there._root)
    one.fetch()
    assert tree(one) == {"ok": b"x"}
    assert not (tmp_path / "out").exists()


def test_a_file_that_comes_cut_short_is_not_taken(machine: Callable[[str], Mirror], there: Objects) -> None:
    class Short(Objects):
        def fetch(self, name: str, path: Path) -> bool:
            super().fetch(name, path)
            path.write_bytes(path.read_bytes()[:-1])
            return True

    one, two = machine("one"), machine("two")
    write(one, "run.yaml", b"whole")
    append(one, b"first\n")
    send(one)
    two.copy.objects = Short(there._system, "", there._root)
    with pytest.raises(StorageError, match="not all of its 5 bytes came"):
        two.fetch()
    assert tree(two) == {}


def test_a_file_that_is_removed_while_others_are_fetched_is_passed_over(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    class Stale(Objects):
        def listed(self, prefix: str = "") -> dict[str, Entry]:
            return {**super().listed(prefix), "inject/rounds/1.json": Entry(5, "t")}

    one, two = machine("one"), machine("two")
    write(one, "run.yaml", b"a")
    send(one)
    two.copy.objects = Stale(there._system, "", there._root)
    two.fetch()
    assert tree(two) == {"run.yaml": b"a"}


def test_a_file_that_is_replaced_while_it_is_fetched_comes_as_it_is_then(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    class Busy(Objects):
        def listed(self, prefix: str = "") -> dict[str, Entry]:
            found = super().listed(prefix)
            there.write("run.yaml", b"longer than before")
            return found

    one, two = machine("one"), machine("two")
    write(one, "run.yaml", b"first")
    send(one)
    two.copy.objects = Busy(there._system, "", there._root)
    two.fetch()
    assert tree(two) == {"run.yaml": b"longer than before"}


def test_who_waits_for_others_fetches_what_they_made_without_their_replies(machine: Callable[[str], Mirror]) -> None:
    one, two = machine("one"), machine("two")
    write(one, "run.yaml", b"a")
    append(one, b"first\n")
    send(one)
    two.fetch(is_final=False, with_replies=False)
    assert tree(two) == {"run.yaml": b"a"}
    assert two.push_replies() == 0
    two.fetch("analyze/", is_final=False)
    assert tree(two) == tree(one)
    assert two.push_replies() == 0


def test_a_manifest_that_is_listed_before_its_file_comes_with_it_the_next_time(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    """A long listing is not of one moment: what is made meanwhile may be in it in part."""

    class Torn(Objects):
        def listed(self, prefix: str = "") -> dict[str, Entry]:
            return {name: entry for name, entry in super().listed(prefix).items() if name.endswith(".manifest")}

    one, two = machine("one"), machine("two")
    finish_part(one, b"record\n")
    send(one)
    two.copy.objects = Torn(there._system, "", there._root)
    two.fetch(is_final=False)
    assert tree(two) == {}
    two.copy.objects = there
    two.fetch(is_final=False)
    assert tree(two) == tree(one)
    assert not two.push_files(free), "nothing of it goes back up"


def test_where_others_worked_meanwhile_what_was_made_here_and_not_sent_gives_way(
    machine: Callable[[str], Mirror],
) -> None:
    one, two = machine("one"), machine("two")
    one.fetch()
    write(one, "run.yaml", b"a")
    send(one)
    two.fetch()
    write(two, "run.yaml", b"theirs")
    send(two)
    for mirror in (one, machine("one")):
        write(mirror, "run.yaml", b"mine")
        write(mirror, "inject/target.json", b"mine")
    only_looked = machine("one")
    only_looked.fetch(is_final=False)
    assert tree(only_looked) == {"run.yaml": b"mine", "inject/target.json": b"mine"}, "looking takes nothing away"
    back = machine("one")
    back.fetch()
    assert tree(back) == {"run.yaml": b"theirs"}


def test_where_nobody_else_worked_what_was_made_here_counts(machine: Callable[[str], Mirror]) -> None:
    one = machine("one")
    one.fetch()
    write(one, "run.yaml", b"a")
    write(one, "analyze/old", b"a")
    send(one)
    write(one, "run.yaml", b"b")
    write(one, "inject/target.json", b"b")
    (one.folder / "analyze/old").unlink()
    looked = machine("two")
    looked.fetch(is_final=False)
    write(looked, "report.html", b"page")
    looked.push_file("report.html")
    again = machine("one")
    again.fetch(is_owned=True)
    assert tree(again) == {"run.yaml": b"b", "inject/target.json": b"b", "report.html": b"page"}
    send(again)
    two = machine("two")
    two.fetch()
    assert tree(two) == tree(again)


def test_who_was_taken_for_dead_sends_its_replies_and_nothing_else(
    machine: Callable[[str], Mirror], there: Objects
) -> None:
    def lost() -> None:
        raise RunError("taken for dead")

    one = machine("one")
    finish_part(one, b"record\n")
    append(one, b"paid for\n")
    one.push_replies()
    with pytest.raises(RunError, match="taken for dead"):
        one.push_files(lost)
    assert set(there.listed()) == {f"{REPLIES}/000000000000"}


def test_a_copy_whose_state_is_lost_or_damaged_finds_itself_again(
    machine: Callable[[str], Mirror], tmp_path: Path
) -> None:
    one = machine("one")
    finish_part(one, b"record\n")
    append(one, b"first\n")
    send(one)
    before = tree(one)
    for damage in (b"", b"{}", b"[1]", b'{"files": 5}'):
        (tmp_path / "one.json").write_bytes(damage)
        again = machine("one")
        again.fetch()
        assert tree(again) == before
        append(again, b"more\n")
        before[REPLIES] += b"more\n"
        send(again)
    two = machine("two")
    two.fetch()
    assert tree(two) == before
