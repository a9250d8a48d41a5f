from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lemma.answers import Verdict, answers_equal, compare, explain
from lemma.sandbox import Sandbox

_FIXTURES = Path(__file__).parent.parent / "fixtures" / "answers"
_ALGEBRA = (r"\sin 2x", r"2\sin x\cos x")


def _pairs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_FIXTURES / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("split", ["dev", "report"])
def test_verdicts_agree_with_the_labels(split: str) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for pair in _pairs():
        if pair["split"] == split:
            found[pair["label"], compare(pair["prediction"], pair["reference"]).value] += 1
    total = found.total()
    equal = sum(count for (label, _), count in found.items() if label == "equal")
    accepted = found["different", "equal"]
    rejected = equal - found["equal", "equal"]
    assert total > 1_000
    assert (total - accepted - rejected) / total >= 0.99, found
    assert accepted / (total - equal) <= 0.003, found
    assert rejected / equal <= 0.015, found


def test_verdicts_are_symmetric() -> None:
    for pair in _pairs():
        there, back = (
            compare(*sides)
            for sides in ((pair["prediction"], pair["reference"]), (pair["reference"], pair["prediction"]))
        )
        assert there is back, pair


def test_every_labelled_answer_equals_itself() -> None:
    texts = {side for pair in _pairs() for side in (pair["prediction"], pair["reference"])}
    assert [text for text in texts if compare(text, text) is not Verdict.EQUAL] == []


@pytest.mark.parametrize(
    ("prediction", "reference", "verdict"),
    [
        ("50%", "1/2", "equal"),
        ("50", "0.5", "different"),
        ("33841", "33840", "different"),
        ("0.333", r"\frac13", "different"),
        ("5 cm", "5", "equal"),
        ("5 cm", "5 m", "different"),
        ("60 minutes", "1 hour", "undecided"),
        (r"90^\circ", r"\frac{\pi}{2}", "undecided"),
        ("2, 1", "1 and 2", "equal"),
        ("(2, 1)", "(1, 2)", "different"),
        ("[1, 2)", "1 \\le x < 2", "equal"),
        (r"\pm 3", "3", "different"),
        ("204_5", "204_6", "different"),
        ("204_5", "54", "undecided"),
        ("x=5", "y=5", "different"),
        (r"73\%", r"73^\circ", "different"),
        (r"\text{9 a.m.}", "9 min", "different"),
        (r"\text{9 a.m.}", "-3", "different"),
        (r"\text{A, B}", r"\text{A, B, C}", "different"),
        ("204_5", r"20\pi", "different"),
        (r"3-\sqrt{x-3}", "t^7", "different"),
        (r"\frac10", "0", "different"),
        ("", "5", "undecided"),
        ("1" * 100_000, "5", "undecided"),
        *((*pair, "equal") for pair in [_ALGEBRA, _ALGEBRA[::-1]]),
    ],
)
def test_conventions(prediction: str, reference: str, verdict: str) -> None:
    assert compare(prediction, reference) == verdict
    assert answers_equal(prediction, reference) is (verdict == "equal")


def test_an_explanation_tells_readings_and_layer() -> None:
    exact = explain("x = 1/2 cm", r"\frac{2}{4}")
    assert (exact.verdict, exact.layer) == (Verdict.EQUAL, "exact")
    assert exact.prediction == "x = number 1/2 cm"
    assert exact.reference == "number 1/2"
    assert explain(*_ALGEBRA).layer == "algebra"
    assert explain("", "5").layer == "guard"


def test_a_pair_whose_worker_dies_is_undecided_and_the_next_is_decided() -> None:
    with Sandbox("lemma.answers.algebra:settle", deadline_s=0.6, memory_mb=512, max_workers=1) as sandbox:
        assert compare(*_ALGEBRA, sandbox=sandbox) is Verdict.EQUAL
        os.kill(sandbox.worker_pids()[1], signal.SIGKILL)
        assert compare(*_ALGEBRA, sandbox=sandbox) in (Verdict.UNDECIDED, Verdict.EQUAL)
        assert compare(*_ALGEBRA, sandbox=sandbox) is Verdict.EQUAL


def test_a_pair_that_is_late_is_undecided() -> None:
    with Sandbox("time:sleep", deadline_s=0.1, memory_mb=256) as sandbox:
        assert compare(*_ALGEBRA, sandbox=sandbox) is Verdict.UNDECIDED


def test_comparing_is_safe_in_threads() -> None:
    pairs = [_ALGEBRA, ("1/2", "0.5"), (r"\tan 15^\circ", r"2-\sqrt{3}")] * 20
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda pair: compare(*pair), pairs)) == {Verdict.EQUAL}


def test_comparing_is_safe_under_asyncio() -> None:
    async def check() -> list[Verdict]:
        here = compare(*_ALGEBRA)
        there = await asyncio.gather(*(asyncio.to_thread(compare, *_ALGEBRA) for _ in range(8)))
        return [here, *there]

    assert set(asyncio.run(check())) == {Verdict.EQUAL}


def test_plain_numbers_start_no_process_and_load_no_library() -> None:
    script = (
        "import sys, lemma.answers as a; from lemma.answers.comparing import default_sandbox; "
        "assert a.compare('1,234', '1234') == 'equal' and a.compare('18', '$18.00') == 'equal'; "
        "assert a.compare('3', '4') == 'different'; "
        "assert a.extract_answer('#### 5') == '5'; assert not default_sandbox().worker_pids(); "
        "assert not {'sympy', 'mpmath', 'math_verify', 'numpy', 'pebble', 'pydantic'} & set(sys.modules)"
    )
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True, timeout=30)


@pytest.mark.slow
def test_many_checks_leak_no_process_and_no_memory() -> None:
    _check_repeatedly(rounds=3_000)


@pytest.mark.slow
def test_a_million_checks_leak_no_process_and_no_memory() -> None:
    _check_repeatedly(rounds=100_000)


def _check_repeatedly(rounds: int) -> None:
    """Ten checks a round, with fresh texts so that nothing comes from a cache."""

    def one_round(index: int) -> None:
        compare(str(index), f"{index:,}")
        compare(f"{index}/7", rf"\frac{{{2 * index}}}{{14}}")
        compare(f"{index}\\sqrt{{2}}", f"\\sqrt{{{2 * index * index}}}")
        compare(f"x^2 + {index}", f"{index} + x^2")
        compare(f"({index}, 1)", f"(1, {index})")
        compare(f"{index} cm", f"{index}")
        compare(f"{index} and 3", f"3, {index}")
        compare(f"x > {index}", f"({index}, \\infty)")
        compare(f"Monday {index}", "Tuesday")
        if index % 10 == 0:
            compare(rf"\sin {index}x", rf"\cos {index}x")

    for index in range(rounds // 3):
        one_round(index)
    before_mb, open_files = _memory_mb(), len(os.listdir("/proc/self/fd"))
    for index in range(rounds // 3, rounds):
        one_round(index)
    assert _memory_mb() - before_mb < 30
    assert len(os.listdir("/proc/self/fd")) <= open_files + 2
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert len(children) <= 8


def _memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
