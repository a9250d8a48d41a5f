"""``scripts/eval.sh`` with a server of its own, and the steps of ``scripts/reproduce.sh``, run by a real bash."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.evaluate.test_eval import eval_config, right, write_replies, write_sets
from tests.test_docs import fresh_folder

TIMEOUT_S = 120.0
STAND_IN = """#!/usr/bin/env bash
printf '%s\\x1f' "$@" >>"$NOTES"
echo >>"$NOTES"
[ "$1" = plan ] && exit 0
if [ "$1" = eval ] && [ "$2" = --compare ]; then echo compared; exit; fi
if [ "$1" = eval ]; then
    [ -z "${FAIL:-}" ] || exit "$FAIL"
    mkdir -p "$4/eval"; echo '{}' >"$4/eval/results.json"; echo measured >"$4/eval/results.md"
fi
exit 0
"""
"""Notes its arguments; measures by writing that it did."""


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def run_script(
    script: Path, folder: Path, environment: dict[str, str], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


def can_connect(port: str) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", int(port))) == 0


def test_eval_serves_a_model_for_as_long_as_it_is_measured(tmp_path: Path) -> None:
    replies = write_replies(tmp_path / "rules.jsonl", {("gsm8k", row): right(row) for row in range(4)})
    config = eval_config(tmp_path, "http://127.0.0.1:9/v1", write_sets(tmp_path, ["gsm8k"], 4))
    port = free_port()
    mock = ROOT / "tests/tools/mock_teacher.py"
    serve = f'exec "{sys.executable}" "{mock}" --port "$PORT" --reply-file "{replies}" --model "$NAME"'
    arguments = [str(config), "runs/m", "--serve", "models/my-model", "--with", serve, "--port", port, "--quiet"]
    done = run_script(ROOT / "scripts/eval.sh", tmp_path, fresh_folder(tmp_path), *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    (one,) = json.loads((tmp_path / "runs/m/eval/results.json").read_bytes())["sets"]
    assert (one["model"], one["greedy"]["right"]) == ("my-model", 4)
    assert not can_connect(port)


def test_eval_tells_of_a_server_that_ends_and_of_a_port_that_is_taken(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{fake_lemma(tmp_path)}{os.pathsep}{os.environ['PATH']}"}
    environment["NOTES"] = str(tmp_path / "notes")
    script = ROOT / "scripts/eval.sh"
    serve = ["--serve", "m", "--with", "echo no such GPU >&2; exit 1"]
    ended = run_script(script, tmp_path, environment, "e.yaml", "run", *serve, "--port", free_port())
    assert (ended.returncode, "no such GPU" in ended.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run_script(script, tmp_path, environment, "e.yaml", "run", *serve, "--port", port)
    assert (refused.returncode, "listens on port" in refused.stderr) == (1, True)
    assert not (tmp_path / "notes").exists()


def fake_lemma(folder: Path) -> Path:
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "lemma").write_text(STAND_IN, encoding="utf-8")
    (programs / "lemma").chmod(0o755)
    return programs


def reproduce(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """With a `lemma` and a trainer that note what they are told."""
    environment = {**os.environ, "PATH": f"{fake_lemma(folder)}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"NOTES": str(folder / "notes"), **more}
    scripts = folder / "scripts"
    if not scripts.exists():
        shutil.copytree(ROOT / "scripts", scripts)
    train = 'printf "train\\x1f%s\\x1f" "$*" >>"$NOTES"; echo >>"$NOTES"; mkdir -p "$5"\n'
    (scripts / "train.sh").write_text(train, encoding="utf-8")
    return run_script(scripts / "reproduce.sh", folder, environment, *arguments)


def noted(folder: Path) -> list[list[str]]:
    return [line.split("\x1f")[:-1] for line in (folder / "notes").read_text(encoding="utf-8").splitlines()]


URLS = ["--base-url", "http://b/v1", "--base-name", "plain", "--tuned-url", "http://t/v1", "--tuned-name", "mine"]


def test_reproduce_with_served_models_measures_both_and_goes_on_where_it_was(tmp_path: Path) -> None:
    arguments = ["d.yaml", "e.yaml", "my work", "--model", "base", "--limit", "5", *URLS]
    failed = reproduce(tmp_path, *arguments, FAIL="3")
    assert failed.returncode == 3
    first = noted(tmp_path)
    assert [one[0] for one in first] == ["plan", "run", "eval"]
    assert first[1][:4] == ["run", "d.yaml", "-o", "my work/data"]
    assert first[1][4:6] == ["--limit", "5"]
    assert first[2][:4] == ["eval", "e.yaml", "-o", "my work/eval-base"]
    assert first[2][4:] == ["--limit", "5", "--set", "student.base_url=http://b/v1", "--set", "student.model=plain"]
    done = reproduce(tmp_path, *arguments)
    assert done.returncode == 0
    assert done.stdout.endswith("compared\n")
    assert (tmp_path / "my work/comparison.md").read_text(encoding="utf-8") == "compared\n"
    again = len(noted(tmp_path))
    assert reproduce(tmp_path, *arguments).returncode == 0
    assert [one[0] for one in noted(tmp_path)[again:]] == ["plan", "run", "eval"]
    assert noted(tmp_path)[-1] == ["eval", "--compare", "my work/eval-base", "my work/eval-tuned"]


def test_reproduce_trains_once_and_serves_what_it_trained(tmp_path: Path) -> None:
    port = free_port()
    serve = f'exec "{sys.executable}" "{ROOT}/tests/tools/mock_teacher.py" --port "$PORT"'
    arguments = ["d.yaml", "e.yaml", "w", "--model", "base", "--with", serve, "--port", port, "--train", "bf16=false"]
    for times in (1, 2):
        assert reproduce(tmp_path, *arguments).returncode == 0, times
    calls = noted(tmp_path)
    assert [one for one in calls if one[0] == "train"] == [
        ["train", "w/data/export --model base --output w/model bf16=false"]
    ]
    asked = [one for one in calls if one[0] == "eval" and one[1] != "--compare"]
    assert [(one[3], one[-1]) for one in asked] == [
        ("w/eval-base", "student.model=base"),
        ("w/eval-tuned", "student.model=model"),
    ]
    assert not can_connect(port)


@pytest.mark.parametrize("name", ["eval", "reproduce"])
def test_help_tells_the_usage_and_too_few_arguments_end_with_2(name: str, tmp_path: Path) -> None:
    script = ROOT / f"scripts/{name}.sh"
    shown = run_script(script, tmp_path, dict(os.environ), "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Usage: bash scripts/{name}.sh CONFIG " in shown.stdout
    for arguments in ((), ("a.yaml",), ("a.yaml", "--model"), ("a", "b", "c"), ("a", "b", "c", "--port")):
        if name == "eval" and arguments == ("a", "b", "c"):
            continue  # what lemma makes of `c` is its own affair
        assert run_script(script, tmp_path, dict(os.environ), *arguments).returncode == 2, arguments


TRAINERS_PYTHON = """#!/usr/bin/env bash
case "$1 ${2:-}" in
    *convert.py\\ unpack) mkdir -p "$3"; echo unpack >>"$NOTES" ;;
    *convert.py\\ pack) echo weights >"$4"; echo pack >>"$NOTES" ;;
    *serve.py*) echo "serve $4" >>"$NOTES"; exec "$PYTHON" "$SERVER" "$6" ;;
esac
"""
COMPLETIONS = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "text": " The answer is: 18", "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        body = json.dumps({"id": "1", "object": "text_completion", "model": "m", "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LLAMAFACTORY = """#!/usr/bin/env bash
for setting in "$@"; do case "$setting" in output_dir=*) folder="${setting#*=}" ;; esac; done
mkdir -p "$folder"
echo weights >"$folder/model.safetensors"
echo "train $(wc -l <train.jsonl)" >>"$NOTES"
"""


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_small_models_example_makes_trains_and_measures_two_and_goes_on_where_it_was(
    times: int, tmp_path: Path
) -> None:
    gsm8k, trainers = tmp_path / "my gsm8k", tmp_path / "trainers/bin"
    gsm8k.mkdir()
    trainers.mkdir(parents=True)
    rows = (ROOT / "tests/fixtures/rules/gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (gsm8k / "train.jsonl").write_text("".join(rows[:30]), encoding="utf-8")
    shutil.copy(ROOT / "tests/fixtures/datasets/gsm8k_test.jsonl", gsm8k / "test.jsonl")
    (tmp_path / "trainers/complete").touch()
    for name, text in (("python", TRAINERS_PYTHON), ("llamafactory-cli", LLAMAFACTORY)):
        (trainers / name).write_text(text, encoding="utf-8")
        (trainers / name).chmod(0o755)
    environment = fresh_folder(tmp_path)
    environment["PATH"] = f"{tmp_path / '.venv/bin'}{os.pathsep}{environment['PATH']}"
    environment |= {"TRAINERS_ENV": str(tmp_path / "trainers"), "PORT": free_port(), "NOTES": str(tmp_path / "notes")}
    (tmp_path / "server.py").write_text(COMPLETIONS, encoding="utf-8")
    environment |= {"PYTHON": sys.executable, "SERVER": str(tmp_path / "server.py")}
    script = ROOT / "examples/smollm2/run.sh"
    made, served = ["unpack", "train 2", "pack", "train 2", "pack"], ["serve lemma.gguf", "serve plain.gguf"]
    for number in range(1, times + 1):
        done = run_script(script, tmp_path, environment, "my gsm8k", "work", "2", "1")
        assert done.returncode == 0, done.stderr
        assert "first: plain.gguf; second: lemma.gguf; greedy" in done.stdout
        assert (tmp_path / "notes").read_text(encoding="utf-8").splitlines() == [*made, *served * number]
    results = json.loads((tmp_path / "work/eval-lemma/eval/results.json").read_bytes())
    assert [(one["problems"], one["greedy"]["right"]) for one in results["sets"]] == [(1, 1)]
    assert not can_connect(environment["PORT"])
    for arguments in ((), ("my gsm8k",), ("my gsm8k", "work", "few")):
        assert run_script(script, tmp_path, environment, *arguments).returncode == 2
