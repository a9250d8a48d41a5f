"""Several runs exported as one dataset; a run that is not finished; uploading to the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lemma.datasets import Decontaminator
from lemma.errors import RunError
from lemma.manyruns import ManyRuns
from lemma.pipeline import STAGES, Options, Pipeline
from lemma.records import TrainingRow
from tests.conftest import ROOT, example_config


def make_run(run: Path, *stages: str, **config: Any) -> Path:
    with Pipeline(run, example_config(**config), Options(quiet=True)) as pipeline:
        pipeline.work(stages or STAGES)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs that share problems: the second sees more of them and corrects in one way only."""
    folder = tmp_path_factory.mktemp("runs")
    second = make_run(folder / "b", limit=9, correct={"strategies": ["fix_continue"]}, inject={"per_problem": 2})
    return make_run(folder / "a", limit=6), second


def merged(runs: list[Path], folder: Path, **config: Any) -> tuple[dict[str, bytes], Counter[str]]:
    with ManyRuns(runs, example_config(**config), folder) as many:
        summary, _ = many.export()
        assert many.unfinished == ""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files, Counter(summary.rejected)


def rows_in(files: dict[str, bytes], name: str = "train.jsonl") -> list[TrainingRow]:
    return [TrainingRow.model_validate_json(line) for line in files.get(name, b"").splitlines()]


def test_runs_merge_to_the_same_bytes_in_whatever_order_and_no_copy_is_kept_twice(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    one, rejected = merged([*runs], tmp_path / "ab")
    other, _ = merged([*reversed(runs)], tmp_path / "ba")
    assert one == other
    rows = rows_in(one)
    assert len({(row.instruction, row.output) for row in rows}) == len(rows)
    assert rejected["duplicate"] > 0, "what both runs made of the same problem"
    alone = [rows_in({"train.jsonl": (run / "export/train.jsonl").read_bytes()}) for run in runs]
    questions = [{row.instruction for row in some} for some in alone]
    assert {row.instruction for row in rows} == questions[0] | questions[1]


def test_a_problem_that_several_runs_read_is_counted_once_in_the_card(runs: tuple[Path, Path], tmp_path: Path) -> None:
    card = merged([*runs], tmp_path / "m", decontaminate=["math-test"])[0]["README.md"].decode()
    assert "| `gsm8k` | 9 | `MIT` |" in card, "the first run's six problems are among the second's nine"
    assert "Added up over 2 runs" in card
    assert "None was found." not in card
    assert "Added up over" not in (runs[0] / "export/README.md").read_text()


def test_a_problems_cap_and_its_side_of_the_split_hold_across_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    files, _ = merged([*runs], tmp_path / "m", export={"max_per_problem": 2, "validation": 0.4, "plain_share": 0.3})
    train, held_out = rows_in(files), rows_in(files, "validation.jsonl")
    assert train
    assert held_out
    assert not {row.instruction for row in train} & {row.instruction for row in held_out}
    counts = Counter(row.instruction for row in train + held_out if row.origin)
    assert max(counts.values()) == 2


def test_what_the_configuration_decontaminates_is_left_out_though_the_runs_read_it(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    files, rejected = merged(
        [*runs], tmp_path / "m", decontaminate=["gsm8k-test"], export={"plain_share": 0.5, "formats": ["alpaca"]}
    )
    assert set(rejected) == {"contaminated"}, "the example is made of test questions"
    assert rows_in(files) == []
    known = Decontaminator.load(["gsm8k-test"])
    assert [one for one in json.loads(files["alpaca.json"]) if known.match(one["instruction"])] == []


def test_folders_that_cannot_be_meant_are_told(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    for some, folder, said in (
        ([runs[0], runs[0]], tmp_path / "to", "given twice"),
        ([*runs], runs[0] / "export", "lies in the run"),
        ([*runs], tmp_path / "mine", "is not empty and no export"),
        ([runs[0], tmp_path / "none"], tmp_path / "to", "there is no run"),
    ):
        with pytest.raises(RunError, match=said), ManyRuns(some, example_config(), folder) as many:
            many.export()
    assert not (tmp_path / "none").exists()


def test_damage_in_a_merged_run_is_told(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a", limit=3), make_run(tmp_path / "b", limit=4)
    part = next((second / "smooth").glob("part-*.jsonl"))
    part.write_bytes(part.read_bytes()[:-50])
    with (
        pytest.raises(RunError, match="was changed after it was written"),
        ManyRuns([first, second], example_config(), tmp_path / "to") as many,
    ):
        many.export()


# ── a run that goes on ──


def lemma(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    code = "import sys; sys.argv[0] = 'lemma'; from lemma.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=120)


def write_config(folder: Path, limit: int) -> None:
    config = example_config(limit=limit).model_dump(mode="json", include={"data", "decontaminate", "shards"})
    (folder / "c.json").write_text(json.dumps(config))  # JSON is YAML


def test_of_a_half_done_run_what_is_whole_is_exported_and_said_with_status_3(tmp_path: Path) -> None:
    make_run(tmp_path / "run", limit=7)
    write_config(tmp_path, limit=7)
    whole = (tmp_path / "run/export/train.jsonl").read_bytes()
    (tmp_path / "run/smooth/part-00001.manifest").unlink()
    half = lemma("export", "c.json", "-o", "run", cwd=tmp_path)
    assert half.returncode == 3
    assert half.stderr.startswith("lemma: exported the 1 of 2 parts that are finished")
    assert 0 < len((tmp_path / "run/export/train.jsonl").read_bytes()) < len(whole)
    card = tmp_path / "run/export/README.md"
    assert "**Not the whole run:** 1 of its 2 parts were not finished" in card.read_text()
    make_run(tmp_path / "run", limit=7)
    assert (tmp_path / "run/export/train.jsonl").read_bytes() == whole
    assert "Not the whole run" not in card.read_text()


def test_a_run_without_anything_whole_is_told_and_an_export_without_rows_too(tmp_path: Path) -> None:
    write_config(tmp_path, limit=4)
    empty = lemma("export", "c.json", "-o", "run", cwd=tmp_path)
    assert empty.returncode == 1
    assert "sample is not finished" in empty.stderr
    config = json.loads((tmp_path / "c.json").read_text())
    (tmp_path / "c.json").write_text(json.dumps(config | {"inject": {"per_problem": 0}, "checks": {"max_chars": 100}}))
    bare = lemma("run", "c.json", "-o", "run", "--quiet", cwd=tmp_path)
    assert bare.returncode == 0
    assert "holds no row with a mistake" in bare.stderr


def test_several_runs_need_a_folder_and_one_takes_none(tmp_path: Path) -> None:
    write_config(tmp_path, limit=3)
    for arguments in (["-o", "a", "-o", "b"], ["-o", "a", "--to", "c"]):
        ended = lemma("export", "c.json", *arguments, cwd=tmp_path)
        assert ended.returncode == 2
        assert "go together" in ended.stderr


# ── the hub ──


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as an upload of small files takes; keeps what was committed."""

    committed: dict[str, Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        committed = self.server.committed  # type: ignore[attr-defined]
        if self.headers.get("Authorization") != "Bearer a-token":
            self._answer({"error": "no token"}, 401)
        elif self.path == "/api/repos/create":
            committed["repo"] = json.loads(body)
            self._answer({"url": f"http://{self.headers['Host']}/datasets/me/data", "name": "me/data", "id": "1"})
        elif "/preupload/" in self.path:
            files = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
            self._answer({"files": [one | {"shouldIgnore": False, "oid": None} for one in files]})
        else:
            committed["lines"] = [json.loads(line) for line in body.splitlines()]
            address = f"http://{self.headers['Host']}/datasets/me/data/commit/{'0' * 40}"
            self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": address, "hookOutput": ""})

    def do_GET(self) -> None:
        self._answer({"error": "not here"}, 404)

    def _answer(self, tree: dict[str, Any], status: int = 200) -> None:
        raw = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.committed = {}  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_export_goes_to_the_hub_as_a_private_dataset_and_troubles_are_one_line(
    hub: ThreadingHTTPServer, tmp_path: Path
) -> None:
    write_config(tmp_path, limit=3)
    assert lemma("run", "c.json", "-o", "run", "--quiet", cwd=tmp_path).returncode == 0
    push = ["export", "c.json", "-o", "run", "--quiet", "--push-to-hub", "me/data"]
    environment = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path / "hf")}
    environment |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    sent = lemma(*push, cwd=tmp_path, HF_TOKEN="a-token", **environment)
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.splitlines()[-1].endswith("/datasets/me/data")
    committed = hub.committed  # type: ignore[attr-defined]
    assert committed["repo"].get("private") or committed["repo"].get("visibility") == "private"
    paths = {line["value"]["path"] for line in committed["lines"] if line["key"] == "file"}
    assert {"README.md", "train.jsonl", "llamafactory/train.yaml"} <= paths
    assert not any(path.startswith("rejected/") or path.endswith(".manifest") for path in paths)
    refused = lemma(*push, cwd=tmp_path, HF_TOKEN="another", **environment)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("lemma: the hub refused or could not be reached: ")
    wrong = lemma(*push[:-1], "a/b/c", cwd=tmp_path, HF_TOKEN="a-token", **environment)
    assert wrong.returncode == 1
    assert "--push-to-hub a/b/c" in wrong.stderr


@pytest.mark.slow  # the hub's client tries again for a while
def test_a_hub_that_cannot_be_reached_is_told_in_one_line(tmp_path: Path) -> None:
    write_config(tmp_path, limit=2)
    assert lemma("run", "c.json", "-o", "run", "--quiet", cwd=tmp_path).returncode == 0
    push = ["export", "c.json", "-o", "run", "--quiet", "--push-to-hub", "me/data"]
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    ended = lemma(*push, cwd=tmp_path, HF_TOKEN="a-token", **environment)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("lemma: the hub refused or could not be reached: ")
