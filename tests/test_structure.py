"""The shape of the code: who may import whom, what is loaded when, and that one vocabulary is used everywhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lemma.errors
from lemma.datasets import DATASETS
from lemma.exports import FORMATS
from lemma.reasons import REASONS
from lemma.strategies import STRATEGIES
from lemma.taxonomy import load_taxonomy
from tests.conftest import ROOT

LAYERS = [
    {"errors", "records", "reasons", "config", "sandbox"},
    {"configfile", "answers", "endings", "arithmetic", "prompts"},
    {"steps", "taxonomy"},
    {"checks", "strategies", "stages", "datasets"},
    {"shards"},
    {"replies", "exports"},
    {"teacher"},
    {"derive"},
    {"engine"},
    {"problems", "distribution"},
    {"groups"},
    {"stagework", "exporting"},
    {"injection"},
    {"runfile", "summary", "progress"},
    {"pipeline"},
    {"cli"},
]
"""A module imports from its own line and those above it only."""

HEAVY = {
    "sympy",
    "math_verify",
    "latex2sympy2_extended",
    "datasets",
    "pyarrow",
    "openai",
    "httpx2",
    "aiohttp",
    "pebble",
}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted((ROOT / "lemma").rglob("*.py")):
        name = path.relative_to(ROOT / "lemma").parts[0].removesuffix(".py")
        yield name, path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "lemma":
                yield from (f"lemma.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_module_has_a_layer() -> None:
    known = set().union(*LAYERS) | {"__init__"}
    assert {name for name, _, _ in modules()} == known


def test_imports_point_up_the_layers_only() -> None:
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    wrong = []
    for name, path, tree in modules():
        for target in imported(tree):
            parts = target.split(".")
            if parts[0] == "lemma" and len(parts) > 1 and parts[1] in level and level[parts[1]] > level.get(name, 0):
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys, lemma.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)
    assert "pydantic" not in loaded


def reasons_in_code() -> Iterator[tuple[str, str]]:
    for _, path, tree in modules():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Rejected", "ParseError")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(path.relative_to(ROOT)), str(node.args[0].value)


def test_every_reason_that_is_raised_is_a_known_one() -> None:
    raised = list(reasons_in_code())
    assert len(raised) > 30
    assert [one for one in raised if one[1] not in REASONS] == []


def test_every_known_reason_stands_somewhere_in_the_code() -> None:
    text = "".join(path.read_text(encoding="utf-8") for _, path, _ in modules() if path.name != "reasons.py")
    assert [reason for reason in REASONS if f'"{reason}"' not in text] == []


def test_every_error_stands_in_the_tree_of_its_module() -> None:
    classes = [name for name, one in vars(lemma.errors).items() if isinstance(one, type)]
    assert len(classes) >= 10
    assert all(name in (lemma.errors.__doc__ or "") for name in classes)


def test_every_error_type_can_be_injected_or_says_that_it_cannot() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy) == 12
    for kind in taxonomy.values():
        assert kind.definition
        assert bool(kind.making) == kind.injectable, kind.name


def test_every_registered_name_loads() -> None:
    assert set(DATASETS) == {"gsm8k", "math", "jsonl", "rollouts", "hub"}
    assert set(STRATEGIES) == {"fix_continue", "fresh_restart"}
    assert set(FORMATS) >= {"alpaca", "messages", "sharegpt", "parquet"}
    assert all(strategy.name == name for name, strategy in STRATEGIES.items())


def tracked() -> list[Path]:
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.splitlines()]


def test_no_file_names_a_path_of_a_machine() -> None:
    machine = re.compile(rb"(?:^|[\s\"'=(])/(?:work|root|farm|home/[a-z]+)/")
    found = []
    for path in tracked():
        if path.exists() and path.suffix in (".py", ".md", ".yaml", ".toml", ".sh") and path.stat().st_size < 1_000_000:
            found += [f"{path.name}: {line!r}" for line in path.read_bytes().splitlines() if machine.search(line)]
    assert found == []


def test_the_readme_names_what_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"(?:scripts|configs)/[\w.-]+\.(?:sh|py|yaml)", readme):
        assert (ROOT / name).exists(), name
    tree = readme.split("## The tree")[1].split("```")[1]
    for name in re.findall(r"(?:^|(?<= ))[a-z]+(?:\.py|/)", tree.replace("lemma/\n", ""), re.MULTILINE):
        where = ROOT if name in ("configs/", "scripts/", "tests/", "benchmarks/") else ROOT / "lemma"
        assert (where / name).exists() or (ROOT / name).exists(), name
    help_text = subprocess.run(
        [sys.executable, "-c", "from lemma.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for command in re.findall(r"`lemma (\w+)", readme):
        assert f"  {command} " in help_text, command
