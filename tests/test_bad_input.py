"""Bad input: each kind gets one clear line or a place in set_aside.jsonl, and what is good goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import files_of
from tests.test_cli import ENVIRONMENT, LEMMA, is_one_clear_line, lemma, write_config

GOOD = {"question": "Tom has 3 apples and buys 4 more. How many has he?", "answer": "3 + 4 = 7\n#### 7"}


def rollout(question: str, n: int = 3) -> dict[str, object]:
    """A problem whose student slips once."""
    return {
        "question": question,
        "answer": f"Tom has {n} + 4 = {n + 4} apples.\nHe sells {n + 4} - 2 = {n + 2}.\n#### {n + 2}",
        "gt": str(n + 2),
        "samples": [{"text": f"Tom has {n} + 4 = {n + 5} apples.\nHe sells {n + 5} - 2 = {n + 3}.\nA: {n + 3}"}],
    }


def sample_with(tmp_path: Path, data: bytes | None, **more: object) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "data.jsonl"
    if data is not None:
        path.write_bytes(data)
    config = write_config(tmp_path, data=[{"dataset": "gsm8k", "path": str(path)}], **more)
    return lemma("sample", config, "-o", tmp_path / "run")


def set_aside(tmp_path: Path) -> list[tuple[int, str]]:
    lines = (tmp_path / "run/problems/set_aside.jsonl").read_text(encoding="utf-8").splitlines()
    return [(one["line"], one["reason"]) for one in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no such configuration file"),
        ("data: [", "not valid YAML"),
        ("- 1", "must be a mapping"),
        ("data: [{dataset: gsm8k, path: x}]\ntecher: {}", "unknown key `techer`; did you mean `teacher`?"),
        ("data: [{dataset: gsm8k, pth: x}]", "unknown key `data.0.pth`; did you mean `path`?"),
        ("data: [{dataset: gsm8k, path: x}]\nseed: 1\nseed: 2", "the key 'seed' stands there twice"),
        ("data: [{dataset: gsm9k, path: x}]", "gsm8k"),
        ("seed: 1", "the key `data` is missing"),
        ("data: [{dataset: gsm8k, path: x}]\ninject: {types: {calculation_eror: 1}}", "x"),
        ("data: [{dataset: gsm8k, path: x}]\nexport: {formats: [alpacca]}", "alpaca"),
        (
            "data: [{dataset: rollouts, path: 'example:gsm8k'}]\ndecontaminate: [gsm8k-tst]",
            "did you mean `gsm8k-test`?",
        ),
        ("data: [{dataset: gsm8k, path: x}]\ncorrect: {strategies: [fix]}", "fix_continue"),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    done = lemma("run", path, "-o", tmp_path / "run")
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert says in done.stderr


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "data.jsonl"),
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"not json at all\n", "data.jsonl"),
        (json.dumps({"question": "", "answer": "#### 1"}).encode(), "no problem is left: 1 empty_question"),
    ],
)
def test_data_without_a_single_problem_is_told_in_one_line(tmp_path: Path, data: bytes | None, says: str) -> None:
    done = sample_with(tmp_path, data)
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert says in done.stderr


def test_a_folder_for_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").mkdir()
    done = sample_with(tmp_path, None)
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr), done.stderr


def test_broken_lines_are_set_aside_with_number_and_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [
        json.dumps(GOOD).encode(),
        b'{"question": "half a li',
        b'{"question": "caf\xe9?", "answer": "#### 1"}',
        json.dumps({"question": "No answer field?"}).encode(),
        json.dumps({"question": "What is it?", "answer": "I do not know."}).encode(),
        json.dumps({"question": "  ", "answer": "#### 1"}).encode(),
        json.dumps(GOOD).encode(),
        json.dumps({"question": "What is 5 + 5?", "answer": "5 + 5 = 10\n#### 10"}).encode(),
    ]
    done = sample_with(tmp_path, b"\n".join(lines) + b"\n")
    assert done.returncode == 0
    assert set_aside(tmp_path) == [
        (2, "broken_json"),
        (3, "not_utf8"),
        (4, "missing_field"),
        (5, "empty_answer"),
        (6, "empty_question"),
        (7, "duplicate_id"),
    ]
    assert len((tmp_path / "run/problems/part-00000.jsonl").read_bytes().splitlines()) == 2
    assert "problems      8     2         6" in done.stdout
    assert "set_aside.jsonl" in done.stderr


@pytest.mark.parametrize(
    "hostile", ["{braces} and {0}", "{{ jinja }} {% x %}", "%s and %(x)d", "a\x00b", "</reflection>"]
)
def test_signs_of_templates_come_through_verbatim(tmp_path: Path, hostile: str) -> None:
    rows = [rollout(f"Tom has {n} apples {hostile} and finds 4, then sells 2. How many?", n) for n in range(3, 9)]
    path = tmp_path / "rollouts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = write_config(tmp_path, data=[{"dataset": "rollouts", "path": str(path)}])
    done = lemma("run", config, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    exported = [json.loads(line) for line in (tmp_path / "run/export/train.jsonl").read_text().splitlines()]
    assert {row["instruction"] for row in exported} == {row["question"] for row in rows}


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    done = lemma("run", write_config(tmp_path), "-o", tmp_path / "mine")
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr)
    assert "no run of lemma" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_file_for_a_run_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = lemma("run", write_config(tmp_path), "-o", tmp_path / "file")
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr), done.stderr


def test_another_configuration_on_an_old_run_is_told_and_can_be_taken_back(tmp_path: Path) -> None:
    config, run = write_config(tmp_path), tmp_path / "run"
    assert lemma("run", config, "-o", run).returncode == 0
    before = files_of(run)
    replies = {path: path.read_bytes() for path in run.glob("*/replies/*")}
    changed = lemma("run", config, "-o", run, "--set", "answer_form='#### {answer}'")
    assert changed.returncode == 0
    assert "answer_form The answer is: {answer} → #### {answer}" in changed.stderr
    assert "reopened: " in changed.stderr
    assert all(path.read_bytes().startswith(old) for path, old in replies.items())
    kept = {path: path.read_bytes() for path in run.glob("*/replies/*")}
    assert lemma("run", config, "-o", run).returncode == 0
    assert files_of(run) == before
    assert {path: path.read_bytes() for path in run.glob("*/replies/*")} == kept


def limited(config: Path, run: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """A run that may write files of `limit` bytes at most: what a full disk looks like to a process."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [*LEMMA, "run", str(config), "-o", str(run)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=limit_files,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("limit", [300, 3_000, 30_000, 60_000])
def test_a_refused_write_stops_the_run_in_one_line_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    config = write_config(tmp_path)
    assert lemma("run", config, "-o", tmp_path / "undisturbed").returncode == 0
    done = limited(config, tmp_path / "run", limit)
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr.splitlines()[-1]), done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert lemma("run", config, "-o", tmp_path / "run").returncode == 0
    assert files_of(tmp_path / "run") == files_of(tmp_path / "undisturbed")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 192 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_says_what_to_do_and_the_same_command_completes(tmp_path: Path, tiny_disk: Path) -> None:
    config = write_config(tmp_path)
    assert lemma("run", config, "-o", tmp_path / "undisturbed").returncode == 0
    done = lemma("run", config, "-o", tiny_disk / "run")
    assert done.returncode == 1
    assert "No space left on device; free some space and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(tiny_disk)], check=True)
    assert lemma("run", config, "-o", tiny_disk / "run").returncode == 0
    assert files_of(tiny_disk / "run") == files_of(tmp_path / "undisturbed")


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/lemma-run")  # not even root writes there
    else:
        tmp_path.chmod(0o555)
        target = tmp_path / "run"
    config_folder = tmp_path if os.geteuid() == 0 else Path(sys.prefix)
    if not os.access(config_folder, os.W_OK):
        pytest.skip("nowhere to put the configuration")
    done = lemma("run", write_config(config_folder), "-o", target)
    assert done.returncode == 1
    assert is_one_clear_line(done.stderr), done.stderr
