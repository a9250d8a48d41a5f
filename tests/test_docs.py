"""The docs keep their word: generated pages are current, links lead somewhere, and the commands shown run.

The commands run in a fresh folder with copies of ``configs/`` and ``scripts/`` and with `lemma` already installed.
`NOT_RUN` lists every line that does not run, and why.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lemma.reasons import REASONS
from tests.conftest import ROOT, MockServer
from tests.protocol.rules import good_rules, write_rules
from tests.test_structure import reasons_in_code

NOT_RUN = {
    "pip install .": "installs; the tests run in an environment that has lemma",
    "pip install .   # not tested": "the same",
    "bash scripts/test.sh          # ruff, mypy --strict, pytest": "would run these tests within themselves",
    "export OPENAI_API_KEY=…": "stands for a real key; the mock endpoint takes any",
}
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_S = 240.0


def blocks(page: str) -> list[str]:
    """The shell commands of a page, block by block."""
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def runnable(page: str) -> str:
    """All commands of a page, without those in `NOT_RUN`."""
    lines = "".join(blocks(page)).splitlines()
    return "\n".join(line for line in lines if line not in NOT_RUN)


def fresh_folder(folder: Path) -> dict[str, str]:
    """As after a clone and `pip install .`; returns the environment of the commands.

    The scripts find `lemma` on the PATH or in .venv: both are one small program that starts this checkout's.
    """
    for name in ("configs", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "lemma").write_text(f"#!{sys.executable}\nfrom lemma.cli import main\n\nmain()\n", encoding="utf-8")
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    for program in programs.iterdir():
        program.chmod(0o755)
    checksum = subprocess.run(
        ["cksum"], input=(folder / "pyproject.toml").read_bytes(), capture_output=True, check=True
    ).stdout.split()[0]
    (folder / f".venv/installed-{checksum.decode()}").touch()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "a-key-for-tests"}


def run_commands(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Runs them as one script that stops at the first failure; returns what they said."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=text,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    return ended.stdout


def test_the_guides_commands_run_in_an_empty_folder(tmp_path: Path) -> None:
    said = run_commands(runnable("docs/guide.md"), tmp_path, fresh_folder(tmp_path))
    assert "teacher_declined" in said
    assert "rounding_error.md" not in said  # no complaint about the new type
    assert (tmp_path / "runs/mine/export/messages.jsonl").stat().st_size > 1000


def test_the_readmes_commands_run_against_an_endpoint(tmp_path: Path, mock_server: Callable[..., MockServer]) -> None:
    """Their configurations are those shipped, cut to a few problems; student outputs stand in for a served student."""
    rules = write_rules(tmp_path / "rules.jsonl", good_rules())
    server = mock_server("--reply-file", str(rules), "--latency-ms", "0")
    environment = fresh_folder(tmp_path) | {"OPENAI_BASE_URL": server.base_url}
    for name, limit in (("quickstart", 30), ("gpt-4o-gsm8k", 3)):
        config = tmp_path / f"configs/{name}.yaml"
        tree = yaml.safe_load(config.read_text(encoding="utf-8"))
        tree |= {"data": [{"dataset": "rollouts", "path": "example:gsm8k", "limit": limit}], "decontaminate": []}
        tree.pop("student", None)
        config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    run_commands(runnable("README.md"), tmp_path, environment)
    assert (tmp_path / "runs/quickstart/export/README.md").exists()
    assert (tmp_path / "runs/gsm8k/export/alpaca.json").stat().st_size > 1000
    assert server.stats()["ok"] > 10


def test_each_line_that_is_not_run_stands_in_the_docs() -> None:
    shown = {line for page in ("README.md", "docs/guide.md") for line in "".join(blocks(page)).split("\n")}
    assert [line for line in NOT_RUN if line not in shown] == []


def test_the_guide_marks_what_is_not_run_and_nothing_else() -> None:
    lines = "".join(blocks("docs/guide.md")).splitlines()
    assert [line for line in lines if line in NOT_RUN] == [line for line in lines if line.endswith("# not tested")]


def test_generated_pages_are_current(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts/make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.main(tmp_path)
    for page in tmp_path.iterdir():
        kept = (ROOT / "docs" / page.name).read_text(encoding="utf-8")
        assert page.read_text(encoding="utf-8") == kept, "run: python scripts/make_docs.py"


def test_every_reason_raised_in_the_code_has_a_row_of_its_own() -> None:
    page = (ROOT / "docs/rejections.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(REASONS)
    assert {reason for _, reason in reasons_in_code()} <= set(listed)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
