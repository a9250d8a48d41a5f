"""The Slurm scripts: arrays in their order, each task its shard, nothing after a failure.

A small stand-in for `sbatch` runs the jobs of an array side by side and keeps to their dependencies; in the slow test
real `lemma` processes do the work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, example_config, files_of
from tests.protocol.commands import TIMEOUT_S, run_lemma, write_config

SBATCH = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
jobs = pathlib.Path(os.environ["JOBS"])
arguments = sys.argv[1:]
options = {{}}
while arguments[0].startswith("--"):
    name, _, value = arguments.pop(0)[2:].partition("=")
    options[name] = value
number = len(list(jobs.glob("*.json"))) + 1
kind, _, before = options.get("dependency", "").partition(":")
codes = json.loads((jobs / f"{{before}}.json").read_text())["codes"] if before else []
tasks = int(options["array"].partition("-")[2]) if "array" in options else 0
ids = range(1, tasks + 1) if tasks else [None]
is_let = [not codes or (all(one == 0 for one in codes) if kind == "afterok" else codes[at] == 0)
          for at in range(len(ids))]
started = []
for task, let in zip(ids, is_let):
    here = {{"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(tasks)}} if task else {{}}
    with open(jobs / f"{{number}}-{{task}}.log", "w") as log:
        command = ["bash", *arguments] if let else ["false"]
        started.append(subprocess.Popen(command, env={{**os.environ, **here}}, stdout=log, stderr=log))
codes = [process.wait() if let else "cancelled" for process, let in zip(started, is_let)]
(jobs / f"{{number}}.json").write_text(json.dumps(
    {{"options": options, "arguments": arguments[1:], "codes": codes}}))
print(f"{{number}};cluster")
"""

LEMMA = """#!/usr/bin/env bash
echo "$@" >>"$JOBS/lemma-$1.txt"
[ "$1 ${*: -1}" != "$FAILS" ] || exit 3
"""


def submit(folder: Path, *arguments: str | Path, lemma: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with the stand-in for `sbatch`, and `lemma` as a program of that text."""
    programs, jobs = folder / "programs", folder / "jobs"
    for made in (programs, jobs):
        made.mkdir(exist_ok=True)
    for name, text in (("sbatch", SBATCH), ("lemma", lemma)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "JOBS": str(jobs), **more}
    command = ["bash", str(ROOT / "scripts/slurm/submit.sh"), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


def jobs_of(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "jobs").glob("*.json"), key=lambda path: int(path.stem))
    return [json.loads(path.read_text()) for path in paths]


def test_each_stage_is_an_array_that_waits_for_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "my config.yaml").write_text("")
    ended = submit(
        tmp_path, "my config.yaml", "a run", "2", "--time=9", lemma=LEMMA, FAILS="", LEMMA_OPTIONS="--limit 5"
    )
    assert ended.returncode == 0, ended.stderr
    jobs = jobs_of(tmp_path)
    stages = ["sample", "analyze", "inject", "correct", "smooth", "export"]
    assert [job["options"]["job-name"] for job in jobs] == [f"lemma-{stage}" for stage in stages]
    assert [job["options"].get("dependency") for job in jobs] == [
        None,
        "aftercorr:1",
        "afterok:2",
        "aftercorr:3",
        "aftercorr:4",
        "afterok:5",
    ]
    assert [job["options"].get("array") for job in jobs] == ["1-2"] * 5 + [None]
    assert all(job["options"]["time"] == "9" for job in jobs)
    start = f"{tmp_path}/my config.yaml -o {tmp_path}/a run --limit 5"
    for stage in stages[:-1]:
        asked = (tmp_path / f"jobs/lemma-{stage}.txt").read_text().splitlines()
        assert sorted(asked) == [f"{stage} {start} --shard {index}/2" for index in (1, 2)]
    assert (tmp_path / "jobs/lemma-export.txt").read_text() == f"export {start}\n"
    assert not (tmp_path / "a run").exists()  # lemma makes it


def test_nothing_that_needs_a_task_that_failed_is_started(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    assert submit(tmp_path, "config.yaml", "run", "2", lemma=LEMMA, FAILS="analyze 2/2").returncode == 0
    codes = [job["codes"] for job in jobs_of(tmp_path)]
    assert codes == [[0, 0], [0, 3], *[["cancelled"] * 2] * 3, ["cancelled"]]


@pytest.mark.parametrize("arguments", [[], ["config.yaml", "run"], ["config.yaml", "run", "0"], ["c", "r", "x"]])
def test_wrong_arguments_end_with_2_and_submit_nothing(arguments: list[str], tmp_path: Path) -> None:
    ended = submit(tmp_path, *arguments, lemma=LEMMA)
    assert (ended.returncode, jobs_of(tmp_path)) == (2, [])
    assert ended.stderr.startswith("usage: ")
    assert "Usage: bash scripts/slurm/submit.sh CONFIG RUN N" in submit(tmp_path, "--help", lemma=LEMMA).stdout


@pytest.mark.slow
def test_the_arrays_make_what_one_process_makes_and_go_on_where_they_were(tmp_path: Path) -> None:
    tree = example_config(12).model_dump(mode="json") | {"shards": {"size": 2}}
    config = write_config(tmp_path / "config.yaml", tree)
    lemma = f'#!/usr/bin/env bash\nexec "{sys.executable}" -c "from lemma.cli import main; main()" "$@"\n'
    more = {"PYTHONPATH": str(ROOT), "LEMMA_OPTIONS": "--quiet"}
    # the second time a stage was never run for one task: as if the cluster had lost it
    for _ in range(2):
        ended = submit(tmp_path, config, "run", "3", lemma=lemma, **more)
        assert ended.returncode == 0, ended.stderr
        logs = {path.name: path.read_text() for path in (tmp_path / "jobs").glob("*.log")}
        assert [code for job in jobs_of(tmp_path)[-6:] for code in job["codes"]] == [0] * 16, logs
        (tmp_path / "run/correct/part-00001.manifest").unlink()
    assert run_lemma("run", config, "-o", tmp_path / "run", "--quiet").returncode == 0
    assert run_lemma("run", config, "-o", tmp_path / "alone", "--quiet").returncode == 0
    assert files_of(tmp_path / "run") == files_of(tmp_path / "alone")
    assert not (tmp_path / "run/.leases").exists()
