from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemma.answers import Verdict, compare, explain, extract_answer
from lemma.sandbox import Sandbox
from tests.answers.attacks import attacks

_OTHERS = ["5", r"\frac{x}{2} + \sqrt{3}"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("lemma.answers.algebra:settle", deadline_s=0.6, memory_mb=512) as workers:
        workers.warm()
        yield workers


def _peak_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def test_there_are_enough_attacks() -> None:
    assert len(set(attacks())) >= 100


def test_attacks_run_no_code_raise_nothing_and_end_within_seconds(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "canary"
    slowest, peak = (0.0, ""), 0.0
    for attack in attacks():
        text = attack.replace("CANARY", str(canary))
        for other in _OTHERS:
            for pair in ((text, other), (other, text)):
                start = time.perf_counter()
                verdict = compare(*pair, sandbox=sandbox)
                slowest = max(slowest, (time.perf_counter() - start, attack[:60]))
                assert verdict is not Verdict.EQUAL, attack[:60]
                peak = max([peak, *map(_peak_mb, sandbox.worker_pids())])
        assert not canary.exists(), attack
        assert set(os.listdir(tmp_path)) <= {"canary"}, attack
    assert slowest[0] < 3.0, slowest
    assert peak < 1024


def test_an_attack_on_both_sides_is_never_different_from_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for attack in attacks():
        text = attack.replace("CANARY", str(canary))
        start = time.perf_counter()
        assert compare(text, text, sandbox=sandbox) is not Verdict.DIFFERENT, attack[:60]
        assert time.perf_counter() - start < 3.0, attack[:60]
    assert not canary.exists()


def test_attacks_inside_solutions_are_extracted_without_harm(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for attack in attacks():
        text = attack.replace("CANARY", str(canary))
        for solution in (text, f"The answer is {text}.", f"\\boxed{{{text}}}", f"#### {text}", f"Answer: {text}\n" * 3):
            start = time.perf_counter()
            extract_answer(solution)
            assert time.perf_counter() - start < 3.0, attack[:60]
    assert not canary.exists()


def test_attacks_can_be_explained(sandbox: Sandbox) -> None:
    for attack in attacks():
        assert len(explain(attack, "5", sandbox=sandbox).prediction) < 20_000


@pytest.mark.parametrize("name", ["eval", "exec", "sympify", "parse_expr", "compile", "__import__"])
def test_no_evaluating_function_is_named_in_the_package(name: str) -> None:
    import ast

    import lemma.answers

    for path in Path(lemma.answers.__file__).parent.rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert name not in {call.id for call in calls if isinstance(call, ast.Name)}, path
        assert name not in {call.attr for call in calls if isinstance(call, ast.Attribute)} - {"compile"}, path
