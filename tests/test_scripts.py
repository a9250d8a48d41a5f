"""The scripts of the stages and of the whole pipeline, run by a real bash.

What they hand to `lemma` is seen by a stand-in on the PATH, which notes its arguments and ends as it is told; with the
real one they run in the slow test here and in ``test_docs.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, files_of
from tests.test_docs import TIMEOUT_S, fresh_folder

STAGES = ["sample", "analyze", "inject", "correct", "smooth", "export"]
STAND_IN = """#!/usr/bin/env bash
printf '%s\\x1f' "$@" >>"$NOTES"
echo >>"$NOTES"
[ "$1" = plan ] && exit "${PLAN_STATUS:-0}"
runs=$(grep -vc '^plan' "$NOTES")
set -- $STATUSES
exit "${!runs:-0}"
"""
"""Ends the nth command that is no plan with the nth of $STATUSES."""


def script(name: str, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in `folder` with the stand-in; `more` goes into the environment."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "lemma").write_text(STAND_IN, encoding="utf-8")
    (programs / "lemma").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NOTES": str(folder / "notes"), "STATUSES": "", **more}
    command = ["bash", str(ROOT / f"scripts/{name}.sh"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


def asked(folder: Path) -> list[list[str]]:
    """The arguments of each call of the stand-in."""
    lines = (folder / "notes").read_text(encoding="utf-8").splitlines() if (folder / "notes").exists() else []
    return [line.split("\x1f")[:-1] for line in lines]


@pytest.mark.parametrize("name", [*STAGES, "run_full"])
def test_help_tells_the_usage_and_too_few_arguments_end_with_2(name: str, tmp_path: Path) -> None:
    shown = script(name, tmp_path, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Usage: bash scripts/{name}.sh CONFIG RUN" in shown.stdout
    assert "#" not in shown.stdout
    for arguments in ((), ("my.yaml",), ("my.yaml", "--quiet")):
        refused = script(name, tmp_path, *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("usage: ")
    assert asked(tmp_path) == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_gets_its_arguments_as_they_are_and_its_status_comes_back(name: str, tmp_path: Path) -> None:
    ended = script(name, tmp_path, "a $(b).yaml", "my run", "--set", "answer_form=* {answer}", STATUSES="3")
    assert ended.returncode == 3
    assert asked(tmp_path) == [[name, "a $(b).yaml", "-o", "my run", "--set", "answer_form=* {answer}"]]


def test_run_full_shows_the_plan_then_runs_all_with_every_option_where_it_belongs(tmp_path: Path) -> None:
    options = ["--set", "seed=1", "--limit=5", "--quiet", "--rederive"]
    assert script("run_full", tmp_path, "a b.yaml", "my run", *options, "--retries", "2").returncode == 0
    start = ["a b.yaml", "-o", "my run"]
    assert asked(tmp_path) == [["plan", *start, "--set", "seed=1", "--limit=5"], ["run", *start, *options]]


def test_run_full_asks_for_nothing_where_the_plan_fails(tmp_path: Path) -> None:
    assert script("run_full", tmp_path, "a.yaml", "run", PLAN_STATUS="1").returncode == 1
    assert [call[0] for call in asked(tmp_path)] == ["plan"]


@pytest.mark.parametrize(
    ("statuses", "retries", "status", "runs"),
    [
        ("3 0", "0", 3, 1),  # goes on by itself only where asked to
        ("3 3 0", "5", 0, 3),
        ("3 3 3 0", "2", 3, 3),
        ("1 0", "5", 1, 1),  # an error is no reason to try again
        ("3 130 0", "5", 130, 2),  # nor is an interruption
        ("3 0", "08", 0, 2),  # not octal
    ],
)
def test_run_full_retries_after_status_3_alone(
    statuses: str, retries: str, status: int, runs: int, tmp_path: Path
) -> None:
    arguments = ("a.yaml", "run", "--retries", retries, "--pause", "0")
    assert script("run_full", tmp_path, *arguments, STATUSES=statuses).returncode == status
    assert [call[0] for call in asked(tmp_path)] == ["plan"] + ["run"] * runs


def test_the_pauses_of_run_full_grow(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs/sleep").write_text('#!/bin/sh\necho "$1" >>"$NOTES.pauses"\n', encoding="utf-8")
    (tmp_path / "programs/sleep").chmod(0o755)
    arguments = ("a.yaml", "run", "--retries", "4", "--pause", "900")
    assert script("run_full", tmp_path, *arguments, STATUSES="3 3 3 3 0").returncode == 0
    assert (tmp_path / "notes.pauses").read_text().split() == ["900", "1800", "3600", "3600"]


@pytest.mark.parametrize("wrong", [["--retries", "often"], ["--retries"], ["--pause", "-1"], ["--set"]])
def test_a_wrong_option_of_run_full_ends_with_2(wrong: list[str], tmp_path: Path) -> None:
    assert script("run_full", tmp_path, "a.yaml", "run", *wrong).returncode == 2
    assert asked(tmp_path) == []


@pytest.mark.slow
def test_the_six_scripts_give_the_bytes_of_run_full_and_resume(tmp_path: Path) -> None:
    environment = fresh_folder(tmp_path)
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"  # so that .venv is found
    config = {"data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": 4}], "decontaminate": []}
    (tmp_path / "my config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def real(name: str, run: str) -> None:
        command = ["bash", f"scripts/{name}.sh", "my config.yaml", run, "--limit", "3"]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert ended.returncode == 0, ended.stderr

    for name in STAGES:
        real(name, "by stage")
    for _ in range(2):
        real("run_full", "the whole")
        made, by_stage = files_of(tmp_path / "the whole"), files_of(tmp_path / "by stage")
        made.pop("plan.json", None)
        assert json.loads(made["export/alpaca.json"])
        assert made == by_stage


EXPORT_FILES = {"train.yaml": "deepspeed: deepspeed.json\n", "train_lora.yaml": "x: 1\n", "train.jsonl": "{}\n"}


def train(folder: Path, *arguments: str, trainer: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs train.sh with a stand-in for LLaMA-Factory, which notes where it runs and what it is told."""
    programs = folder / "trainers"
    programs.mkdir(exist_ok=True)
    if trainer:
        (programs / "llamafactory-cli").write_text("#!/bin/sh\npwd\nprintf '%s\\n' \"$@\"\nexit 7\n", encoding="utf-8")
        (programs / "llamafactory-cli").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin"}
    command = ["bash", str(ROOT / "scripts/train.sh"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


def make_export(folder: Path) -> None:
    (folder / "llamafactory").mkdir(parents=True)
    for name, text in EXPORT_FILES.items():
        (folder / "llamafactory" / name).write_text(text, encoding="utf-8")


def test_train_runs_llamafactory_in_the_exported_folder_with_paths_that_hold_there(tmp_path: Path) -> None:
    make_export(tmp_path / "my export")
    (tmp_path / "model").mkdir()
    ended = train(tmp_path, "my export", "--lora", "--model", "model", "--output", "out", "bf16=false")
    assert ended.returncode == 7, "the trainer's own status"
    told = [str(tmp_path / "my export/llamafactory"), "train", "train_lora.yaml"]
    settings = [f"model_name_or_path={tmp_path}/model", f"output_dir={tmp_path}/out", "bf16=false"]
    assert ended.stdout.splitlines() == [*told, *settings]
    by_name = train(tmp_path, "my export", "--model", "me/mine", "deepspeed=null")
    assert by_name.stdout.splitlines()[2:] == ["train.yaml", "model_name_or_path=me/mine", "deepspeed=null"]


def test_train_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    make_export(tmp_path / "export")
    for arguments, trainer, said in (
        (["nowhere"], True, "lemma export CONFIG -o RUN --set export.formats=[llamafactory]"),
        (["export", "--lora"], False, "pip install llamafactory==0.9.5"),
        (["export"], True, "pip install deepspeed"),
    ):
        (tmp_path / "trainers/llamafactory-cli").unlink(missing_ok=True)
        ended = train(tmp_path, *arguments, trainer=trainer)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert said in ended.stderr
    (tmp_path / "export/llamafactory/train.jsonl").write_text("")
    assert "nothing to train on" in train(tmp_path, "export").stderr
    for arguments in ([], ["--lora"], ["export", "--model"], ["export", "nonsense"]):
        assert train(tmp_path, *arguments).returncode == 2
    assert "Usage: bash scripts/train.sh EXPORT" in train(tmp_path, "--help").stdout
