"""Commands on a run that lives elsewhere: the storage is a folder here, through the library that reaches any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lemma.config import StorageConfig
from lemma.errors import Incomplete, RunError, StorageError
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.storage.objects import open_objects
from lemma.storage.runs import address_of, folder_of, looking, workers, working
from tests.conftest import example_config, files_of

CONFIG = example_config(limit=6)


def storage(tmp_path: Path, machine: str) -> StorageConfig:
    return StorageConfig(cache=tmp_path / machine, flush_s=0.05, lease_s=30, patience_s=0)


def work(run: Path, at: StorageConfig, stages: tuple[str, ...] = STAGES) -> Path:
    with working(run, at, say=lambda line: None, takes_leases=True) as (folder, leases):
        with Pipeline(folder, CONFIG, Options(quiet=True), leases=leases) as pipeline:
            pipeline.work(stages)
        return folder


def made(run: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_of(run).items() if name != ".epoch"}


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("s3://bucket/a/run", "s3://bucket/a/run"),
        ("gs://bucket/run", "gs://bucket/run"),
        ("file:///mnt/bucket/run", "file:///mnt/bucket/run"),
        ("runs/quick", None),
        ("/data/run", None),
        ("s3:run", None),
        ("x:/run", None),
    ],
)
def test_an_address_is_told_from_a_folder(given: str, address: str | None) -> None:
    assert address_of(Path(given)) == address
    assert address is not None or folder_of(Path(given), StorageConfig()) == Path(given)


def test_a_run_goes_on_on_another_machine_and_makes_the_same_bytes(tmp_path: Path) -> None:
    run = Path(f"file://{tmp_path}/bucket/run")
    first = work(run, storage(tmp_path, "a"), STAGES[:2])
    second = work(run, storage(tmp_path, "b"), STAGES[:-1])
    assert first != second
    with working(tmp_path / "local") as (folder, leases), Pipeline(folder, CONFIG, Options(quiet=True)) as pipeline:
        assert leases is None
        pipeline.work(STAGES[:-1])
    assert made(second) == made(tmp_path / "local")
    assert len(made(second)) > len(made(first))
    with looking(run, storage(tmp_path, "c")) as third:
        assert made(third) == made(second)
    assert workers(f"file://{tmp_path}/bucket/run") == []


def test_the_environment_says_where_copies_are_where_the_configuration_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEMMA_CACHE", str(tmp_path / "cache"))
    folder = folder_of(Path("s3://bucket/../run"), StorageConfig())
    assert folder.parent.parent == tmp_path / "cache"
    assert folder_of(Path("s3://bucket/run"), StorageConfig(cache=tmp_path)).parent.parent == tmp_path
    monkeypatch.delenv("LEMMA_CACHE")
    assert folder_of(Path("s3://b/r"), StorageConfig()).is_relative_to(Path("~/.cache/lemma").expanduser())


def test_two_commands_of_one_machine_do_not_share_a_copy(tmp_path: Path) -> None:
    run, at = Path(f"file://{tmp_path}/bucket/run"), storage(tmp_path, "a")
    with working(run, at, say=lambda line: None) as (folder, _):
        with pytest.raises(RunError, match="on this machine works on it"), working(run, at):
            pass
        (folder / "run.yaml").write_text("x")
        with looking(run, at) as seen:
            assert (seen / "run.yaml").read_text() == "x", "who looks sees what the other has"
        assert len(workers(f"file://{tmp_path}/bucket/run")) == 1


def test_what_a_reader_makes_goes_to_the_storage(tmp_path: Path) -> None:
    run = Path(f"file://{tmp_path}/bucket/run")
    work(run, storage(tmp_path, "a"), STAGES[:1])
    with looking(run, storage(tmp_path, "b"), makes="report.html") as folder:
        (folder / "report.html").write_text("page")
        (folder / "other").write_text("stays")
    assert (tmp_path / "bucket/run/report.html").read_text() == "page"
    assert not (tmp_path / "bucket/run/other").exists()


def test_an_error_is_told_and_what_was_made_before_it_is_up(tmp_path: Path) -> None:
    run = Path(f"file://{tmp_path}/bucket/run")

    def fail() -> None:
        with working(run, storage(tmp_path, "a"), say=lambda line: None) as (folder, _):
            (folder / "run.yaml").write_text("x")
            raise RunError("of the command")

    with pytest.raises(RunError, match="of the command"):
        fail()
    assert (tmp_path / "bucket/run/run.yaml").read_text() == "x"


def test_a_command_ends_as_incomplete_where_not_all_is_up(tmp_path: Path) -> None:
    run, told = Path(f"file://{tmp_path}/bucket/run"), list[str]()

    def make() -> None:
        with working(run, storage(tmp_path, "a"), say=told.append) as (folder, _):
            (tmp_path / "bucket/run/stage").write_text("a file where a folder has to be")
            (folder / "stage").mkdir()
            (folder / "stage/x.json").write_text("x")

    with pytest.raises(Incomplete, match="not all of"):
        make()
    (tmp_path / "bucket/run/stage").unlink()
    with working(run, storage(tmp_path, "a"), say=told.append):
        pass
    assert (tmp_path / "bucket/run/stage/x.json").read_text() == "x"


@pytest.mark.parametrize("address", ["nosuch://bucket/run", "file:///"])
def test_an_address_that_is_no_good_is_told_in_one_line(address: str) -> None:
    with pytest.raises(StorageError) as error:
        open_objects(address)
    assert "\n" not in str(error.value)


def test_a_run_that_is_not_there_is_told_by_its_address(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"^file:///.*/bucket/run: there is no run"),
        looking(Path(f"file://{tmp_path}/bucket/run"), storage(tmp_path, "a")),
    ):
        pass
