"""The shape of the code: who may import whom, what is loaded when, and that one vocabulary is used everywhere."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lemma.errors
from lemma.datasets import DATASETS, TEST_SETS, Decontaminator
from lemma.exports import FORMATS, formats_of
from lemma.prompts import Prompts
from lemma.reasons import CHECKS, EXPORT, READING, REASONS, REPLIES
from lemma.strategies import STRATEGIES
from lemma.taxonomy import load_taxonomy
from tests.conftest import ROOT

LAYERS = [
    # stand on nothing of ours
    {"errors", "records", "reasons", "config", "sandbox", "endings", "arithmetic", "terminal"},
    # what an evaluation's configuration becomes
    {"evaluate.benchmarks"},
    # texts and the words for what flows
    {"configfile", "prompts", "answers", "steps", "stages.base"},
    # what a unit of work is: its prompt, its parse, its checks
    {"taxonomy", "checks", "datasets"},
    {"stages.golds"},
    {"strategies"},
    {"stages"},
    {"evaluate.stage"},
    # disk
    {"shards", "sharding", "holders"},
    {"leases"},
    {"heartbeat"},
    {"storage"},
    # what people found; the card tells it
    {"audit"},
    # what answers, what is kept of it, what it is turned into
    {"replies", "exports", "teacher", "derive", "deriver", "budget"},
    # code of the user's own
    {"plugins"},
    {"engine", "failures"},
    {"batch"},
    # a run's folder
    {"problems", "distribution", "runfile", "summary", "progress", "ledger"},
    {"groups", "counts"},
    {"stagework", "exporting", "hub", "outcomes"},
    {"together"},
    {"executors"},
    {"injection"},
    {"pipeline"},
    {"plan"},
    {"status", "pilot"},
    {"auditing", "batching", "evaluate", "manyruns", "merging", "report", "show"},
    {"cli"},
]
"""A module imports from layers above its own only, and inside its own package. A longer name goes before a shorter."""

HEAVY = {
    "ray",
    "sympy",
    "math_verify",
    "latex2sympy2_extended",
    "antlr4",
    "datasets",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "datasketch",
    "openai",
    "httpx2",
    "aiohttp",
    "vl_convert",
    "math_core",
    "jinja2",
}
CARRIERS = {"lemma.teacher.package": {"httpx2"}}
"""What has to import heavy things where it is loaded, since its classes derive from theirs; itself loaded late."""

PURE = (
    "steps",
    "endings",
    "arithmetic",
    "taxonomy",
    "strategies",
    "checks",
    "stages",
    "derive",
    "budget",
    "teacher.rules",
)
OUTSIDE = {"os", "io", "pathlib", "shutil", "tempfile", "time", "datetime", "asyncio", "threading", "socket"} | {
    "subprocess",
    "multiprocessing",
    "secrets",
    "uuid",
    "sqlite3",
}


@cache
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Dotted name → file and syntax tree."""
    found = {}
    for path in sorted((ROOT / "lemma").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = (path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported anywhere: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imported_modules(name: str) -> set[str]:
    """Our modules that a module imports."""
    known = modules()
    found = set()
    for target in imported(known[name][1]):
        module = target if target in known else target.rpartition(".")[0]
        if module in known and module != "lemma":
            found.add(module)
    return found


def layer(name: str) -> int:
    """Number of a module's layer; its longest known name counts."""
    parts = name.split(".")[1:]
    for length in range(len(parts), 0, -1):
        for number, names in enumerate(LAYERS):
            if ".".join(parts[:length]) in names:
                return number
    raise AssertionError(f"{name} stands in no layer")


def test_every_module_stands_in_a_layer_and_every_layer_holds_modules() -> None:
    names = [name for name in modules() if name != "lemma"]
    assert {layer(name) for name in names} == set(range(len(LAYERS)))
    listed = set().union(*LAYERS)
    assert {one for one in listed if f"lemma.{one}" not in names} == set()


def test_imports_point_up_the_layers_only() -> None:
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if name != "lemma"
        for target in imported_modules(name)
        if layer(target) >= layer(name) and target.split(".")[:2] != name.split(".")[:2]
    ]
    assert wrong == []


def test_no_two_modules_import_each_other_however_far_around() -> None:
    graph = {name: imported_modules(name) - {name} for name in modules()}
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_what_a_unit_is_touches_no_file_clock_or_thread() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, (_, tree) in modules().items()
        if name.removeprefix("lemma.").startswith(PURE) and name != "lemma.deriver"
        for target in imported(tree)
        if target.split(".")[0] in OUTSIDE and (name, target) != ("lemma.taxonomy", "pathlib.Path")
    ]
    assert wrong == []


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, (_, tree) in modules().items()
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for target in imported(node)
        if target.split(".")[0] in HEAVY - CARRIERS.get(name, set())
    ]
    assert wrong == []


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_command_line_loads_nothing_heavy() -> None:
    assert not (HEAVY | {"pydantic", "yaml", "mpmath", "tqdm", "orjson"}) & loaded_by("import lemma.cli")


def test_a_run_with_the_embedded_teacher_loads_no_endpoint_code() -> None:
    assert not HEAVY & loaded_by("import lemma.pipeline, lemma.configfile, lemma.teacher.rules")


def calls() -> Iterator[tuple[str, str]]:
    for name, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                yield name, called


def test_nothing_that_evaluates_text_is_called() -> None:
    banned = {"eval", "exec", "sympify", "parse_expr", "format_map", "literal_eval", "system"}
    assert [one for one in calls() if one[1] in banned] == []


def first_arguments(node: ast.Call) -> Iterator[str]:
    """The constants that the first argument, or `reason=`, may be."""
    for argument in [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "reason")]:
        branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        yield from (str(one.value) for one in branches if isinstance(one, ast.Constant))


def reasons_in_code() -> Iterator[tuple[str, str]]:
    for name, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Rejected", "ParseError", "SetAside")
            ):
                yield from ((name, reason) for reason in first_arguments(node))


def test_every_reason_that_is_raised_is_a_known_one() -> None:
    raised = list(reasons_in_code())
    assert len(raised) > 30
    assert [one for one in raised if one[1] not in REASONS] == []


def test_every_known_reason_stands_somewhere_in_the_code() -> None:
    texts = {
        node.value
        for name, (_, tree) in modules().items()
        if name != "lemma.reasons"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [reason for reason in REASONS if reason not in texts] == []


def test_every_reason_is_one_short_word_of_one_kind_and_says_what_it_means() -> None:
    kinds = [READING, REPLIES, CHECKS, EXPORT]
    assert sum(map(len, kinds)) == len(REASONS)
    for reason, meaning in REASONS.items():
        assert re.fullmatch(r"[a-z0-9_]{4,30}", reason)
        assert 10 < len(meaning) < 120
        assert not meaning.endswith(".")


def test_every_error_stands_in_the_tree_of_its_module() -> None:
    classes = [name for name, one in vars(lemma.errors).items() if isinstance(one, type)]
    assert len(classes) >= 10
    assert all(re.search(rf"── {name} |^    {name} ", lemma.errors.__doc__ or "", re.MULTILINE) for name in classes)


def test_every_public_error_is_defined_with_the_others() -> None:
    ours = {name for name, one in vars(lemma.errors).items() if isinstance(one, type)}
    strays = [
        f"{name}.{node.name}"
        for name, (_, tree) in modules().items()
        if name != "lemma.errors"
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if ours & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert strays == []


def test_every_error_for_a_person_has_an_exit_status_of_the_contract() -> None:
    statuses = {
        name: one.exit_code
        for name, one in vars(lemma.errors).items()
        if isinstance(one, type) and issubclass(one, lemma.errors.LemmaError)
    }
    assert statuses.pop("Incomplete") == 3
    assert statuses.pop("Interrupted") == 130
    assert set(statuses.values()) == {1}


def test_every_error_type_can_be_injected_or_says_that_it_cannot() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy) == 12
    for kind in taxonomy.values():
        assert kind.definition
        assert bool(kind.making) == kind.injectable, kind.name


def test_every_registered_name_loads() -> None:
    assert set(DATASETS) == {"gsm8k", "math", "jsonl", "rollouts", "hub"}
    assert set(STRATEGIES) == {"fix_continue", "fresh_restart"}
    rows = ["alpaca", "messages", "sharegpt", "parquet", "completion", "llamafactory"]
    assert list(formats_of(FORMATS)) == [*rows, "steps", "pairs"]
    assert all(strategy.name == name for name, strategy in STRATEGIES.items())
    assert Decontaminator.load(list(TEST_SETS)).match("How much is it?") is None


def test_every_prompt_loads_and_every_strategy_has_its_own() -> None:
    prompts = Prompts()
    files = {path.stem for path in (ROOT / "lemma/prompts").glob("*.md")}
    named = {template for strategy in STRATEGIES.values() for template in strategy.templates}
    assert named <= files
    for name in files - {"manners"}:  # that one is no prompt: phrases that go into others
        assert dict(prompts.template(name).sections)["user"]


def tracked() -> list[Path]:
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listing.splitlines()]
    return [path for path in paths if path.is_file() and path.stat().st_size < 2_000_000]


def test_no_file_names_a_path_of_a_machine_or_a_secret() -> None:
    machine = re.compile(rb"(?:^|[\s\"'=(:])/(?:work|root|farm|home/[a-z]+|Users/[a-z]+)/", re.MULTILINE)
    secret = re.compile(
        rb"sk-(?:proj-|ant-)?[A-Za-z0-9_]{32,}|hf_[A-Za-z]{30,}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}"
        rb"|-----BEGIN [A-Z ]*PRIVATE KEY"
    )
    found = []
    for path in tracked():
        text = path.read_bytes()
        found += [(path.name, match[0]) for pattern in (machine, secret) for match in pattern.finditer(text)]
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
